"""What a detector makes of a beam: Beer and Lambert, noise, blur, scatter."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.physics.detector import CSI, SELENIUM, blurred, detect, open_beam, transfer
from BoneXrayLib.physics.materials import (
    ENERGIES_KEV,
    mass_attenuation,
)
from BoneXrayLib.physics.scatter import SCATTER_PER_GRAM, scattered
from BoneXrayLib.physics.spectra import (
    tube_spectrum,
)

ALUMINIUM = (("aluminium", 3.0),)


def line(energy: float, photons: float = 1000.0) -> np.ndarray:
    """A spectrum of one energy, which is in the middle of a bin."""
    return np.where(energy == ENERGIES_KEV, photons, 0.0)


def test_one_energy_is_attenuated_by_the_exponential_law() -> None:
    grams = np.linspace(0.0, 30.0, 50)[None]
    signal, _ = detect({"water": grams}, line(60.5), CSI)
    law = np.exp(-mass_attenuation("water", 60.5) * grams)
    np.testing.assert_allclose(signal / open_beam(line(60.5), CSI)[0], law, rtol=1e-5)


@pytest.mark.parametrize("kvp", [55.0, 120.0])
def test_many_energies_are_summed_one_by_one(kvp: float) -> None:
    random = np.random.default_rng(5)
    grams = {n: random.uniform(0, 6, (3, 7)) for n in ("soft tissue", "cortical bone")}
    spectrum = tube_spectrum(kvp, ALUMINIUM)
    direct = np.zeros((3, 7))
    for n, energy in enumerate(ENERGIES_KEV):
        depth = sum(mass_attenuation(m, energy) * g for m, g in grams.items())
        direct += spectrum[n] * CSI.absorbed()[n] * energy * np.exp(-depth)
    np.testing.assert_allclose(detect(grams, spectrum, CSI)[0], direct, rtol=1e-5)


def test_a_beam_hardens_on_its_way() -> None:
    grams = np.array([[0.01, 10.0, 20.0, 30.0]])
    spectrum = tube_spectrum(75.0, ALUMINIUM)
    density = -np.log(detect({"water": grams}, spectrum, CSI)[0] / open_beam(spectrum, CSI)[0])
    assert (np.diff(density / grams) < 0).all()


def test_the_variance_of_one_energy_is_the_mean_count() -> None:
    signal, variance = detect({"water": np.array([[5.0]])}, line(60.5), CSI)
    assert variance[0, 0] / 60.5**2 == pytest.approx(signal[0, 0] / 60.5, rel=1e-5)


def test_the_variance_of_a_spectrum_is_that_of_photons_drawn_one_energy_at_a_time() -> None:
    spectrum = tube_spectrum(80.0, ALUMINIUM) * 1e-3
    behind = spectrum * np.exp(-mass_attenuation("water") * 10.0) * CSI.absorbed()
    drawn = np.random.default_rng(6).poisson(behind, (40000, len(behind))) @ ENERGIES_KEV
    signal, variance = detect({"water": np.array([[10.0]])}, spectrum, CSI)
    assert drawn.mean() == pytest.approx(signal[0, 0], rel=0.002)
    assert drawn.var() == pytest.approx(variance[0, 0], rel=0.03)


def test_opaque_metal_leaves_no_signal_and_no_error() -> None:
    signal, variance = detect({"lead": np.array([[50.0, 0.0]])}, tube_spectrum(75.0), CSI)
    assert 0.0 <= signal[0, 0] < 1e-9 * signal[0, 1]
    assert np.isfinite(variance).all()


def test_caesium_iodide_stops_more_than_selenium_at_high_energies() -> None:
    assert CSI.absorbed()[80] > SELENIUM.absorbed()[80]


def test_the_blur_has_the_panels_published_transfer_and_keeps_the_sum() -> None:
    point = np.zeros((128, 128), np.float32)
    point[64, 64] = 1.0
    image = blurred(point, (0.05, 0.05), CSI.mtf)
    assert image.sum() == pytest.approx(1.0, abs=1e-4)
    seen = np.abs(np.fft.rfft(image.sum(axis=0)))
    at = np.fft.rfftfreq(128, 0.05)
    for cycles, published in ((1.29, 0.5), (2.5, 0.2), (3.8, 0.1)):
        assert np.interp(cycles, at, seen) == pytest.approx(published, abs=0.01)


def test_two_blurs_multiply_their_transfers() -> None:
    image = np.random.default_rng(7).normal(size=(40, 50)).astype(np.float32)
    at_once = blurred(image, (0.2, 0.3), CSI.mtf, ((1.0, 0.25),))
    after = blurred(blurred(image, (0.2, 0.3), CSI.mtf), (0.2, 0.3), ((1.0, 0.25),))
    np.testing.assert_allclose(at_once, after, atol=1e-5)
    assert transfer(((1.0, 0.25),), np.zeros(1), np.array([0.0]))[0] == 1.0


def test_scatter_behind_a_wide_slab_has_the_measured_ratio_to_primary() -> None:
    flat, grams = np.ones((160, 160), np.float32), np.full((160, 160), 30.0 * 1.19)
    found = scattered(flat, {"water": grams}, (2.0, 2.0))
    assert found[80, 80] == pytest.approx(4.51, rel=0.01)
    assert found[0, 80] == pytest.approx(found[80, 80] / 2, rel=0.1)  # nothing comes from outside


def test_scatter_is_spread_but_neither_lost_nor_made() -> None:
    spot, grams = np.zeros((200, 180), np.float32), np.full((200, 180), 20.0)
    spot[100:104, 90:93] = 1.0
    found = scattered(spot, {"water": grams}, (2.0, 2.0))
    assert found.sum() == pytest.approx(spot.sum() * SCATTER_PER_GRAM * 20.0, rel=0.01)
    assert found.max() < 0.02 * spot.max() * SCATTER_PER_GRAM * 20.0
