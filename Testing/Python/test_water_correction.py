"""Water correction: what scanners do to a ray before they call it a line integral."""

import numpy as np
import pytest

from BoneXrayLib.physics.detector import DETECTORS, detect, open_beam
from BoneXrayLib.physics.exposure_config import ExposureConfig, named_exposure
from BoneXrayLib.physics.materials import CT_KEV, mass_attenuation
from BoneXrayLib.physics.spectra import tube_spectrum
from BoneXrayLib.physics.water_correction import water_line_integrals


def density_behind(material: str, grams: np.ndarray, config: ExposureConfig) -> np.ndarray:
    detector = DETECTORS[config.detector]
    spectrum = tube_spectrum(config.kvp, config.filters_mm, config.anode_angle)
    signal, _ = detect({material: grams.astype(np.float32)}, spectrum, detector)
    return -np.log(signal / open_beam(spectrum, detector)[0])


@pytest.mark.parametrize("kvp", [60.0, 80.0, 120.0, 140.0])
def test_water_of_any_depth_comes_out_as_its_line_integral(kvp: float) -> None:
    config = named_exposure("localizer", kvp=kvp)
    grams = np.array([[0.0, 0.3, 4.0, 21.7, 38.0]])
    exact = grams * float(mass_attenuation("water", CT_KEV))
    found = water_line_integrals(density_behind("water", grams, config), config)
    np.testing.assert_allclose(found, exact, rtol=2e-3, atol=2e-3)


def test_bone_counts_for_more_in_a_softer_beam() -> None:
    grams = np.array([[2.0]])
    exact = 2.0 * float(mass_attenuation("cortical bone", CT_KEV))
    found = [
        float(water_line_integrals(density_behind("cortical bone", grams, c), c)[0, 0]) / exact
        for c in (named_exposure("localizer", kvp=k) for k in (60.0, 90.0, 140.0))
    ]
    assert found[0] > found[1] > found[2]
    assert 0.7 < found[2] < found[0] < 1.9


def test_noise_about_the_open_beam_stays_noise_about_nothing() -> None:
    config = named_exposure("localizer")
    found = water_line_integrals(np.array([-0.02, 0.0, 0.02]), config)
    assert found[1] == 0.0
    assert found[0] == pytest.approx(-found[2], rel=0.05)
