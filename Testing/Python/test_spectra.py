"""Attenuation, tube spectra, and a CT as materials: laws and published values."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.physics.materials import (
    CT_KEV,
    ENERGIES_KEV,
    mass_attenuation,
    material_hu,
    read_attenuation,
    shares,
)
from BoneXrayLib.physics.spectra import (
    air_kerma,
    half_value_layer,
    mean_energy,
    tube_spectrum,
)
from BoneXrayLib.physics.thicknesses import (
    EXPOSURE_EDGES,
    object_of_bins,
    object_of_layers,
    thicknesses_of_bins,
)
from BoneXrayLib.projection import BinnedView, prepare, project_bins

ALUMINIUM = (("aluminium", 3.0),)


@pytest.fixture(scope="module")
def limb_view() -> BinnedView:
    limb = synthetic_limb()
    parts = Parts(limb.hu, limb.ijk_to_ras, np.zeros((1, 1, 1), np.uint8), None, ("rest",))
    at = make_geometry(GeometryConfig(size=(96, 96), pixel=4.0), limb.centre_ras)
    return project_bins(prepare(parts), at, EXPOSURE_EDGES)


@pytest.mark.parametrize(
    ("material", "published"),  # 30, 60, 100 keV: NISTIR 5632
    [
        ("water", (0.3756, 0.2059, 0.1707)),
        ("cortical bone", (1.331, 0.3148, 0.1855)),
        ("adipose", (0.3063, 0.1974, 0.1688)),
        ("aluminium", (1.128, 0.2778, 0.1704)),
    ],
)
def test_mass_attenuation_is_the_published_one(material: str, published: tuple) -> None:
    found = mass_attenuation(material, np.array([30.0, 60.0, 100.0]))
    np.testing.assert_allclose(found, published, rtol=0.01)


def test_an_edge_of_iodine_makes_it_more_opaque_above() -> None:
    below, above = mass_attenuation("iodine", np.array([32.5, 33.5]))
    assert above > 4 * below


def test_fat_floats_on_muscle_and_bone_is_far_above() -> None:
    assert -120 < material_hu("adipose") < -60
    assert 30 < material_hu("soft tissue") < 70
    assert 1400 < material_hu("cortical bone") < 1800


def test_shares_of_a_voxel_add_up_to_one_at_every_hu() -> None:
    found = shares(np.arange(-1000.0, 3500.0))
    np.testing.assert_allclose(sum(found.values()), 1.0, atol=1e-12)
    assert min(float(share.min()) for share in found.values()) >= 0.0


def test_pure_tissues_are_found_as_what_they_are() -> None:
    for name in ("adipose", "soft tissue", "cortical bone"):
        assert float(shares(np.array(material_hu(name)))[name]) == pytest.approx(1.0, abs=1e-6)
    assert float(shares(np.array(3100.0))["steel"]) == 1.0


def test_a_mixture_of_bone_and_marrow_conserves_mass() -> None:
    half = (material_hu("soft tissue") + material_hu("cortical bone")) / 2.0
    mu = (1.0 + half / 1000.0) * 0.1937  # of the mixture [1/cm], 70 keV
    grams = {
        name: float(share) * mu / float(mass_attenuation(name, CT_KEV))
        for name, share in shares(np.array(half)).items()
    }
    assert grams["soft tissue"] == pytest.approx(1.06 / 2, rel=1e-6)
    assert grams["cortical bone"] == pytest.approx(1.92 / 2, rel=1e-6)


def test_materials_give_back_the_line_integral_at_the_energy_of_the_ct(
    limb_view: BinnedView,
) -> None:
    found = thicknesses_of_bins(limb_view)
    back = sum(image * mass_attenuation(name, CT_KEV) for name, image in found.items())
    np.testing.assert_allclose(back, limb_view.above[0], atol=1e-5)


def test_the_object_without_bones_has_lost_the_bones_and_nothing_else(
    limb_view: BinnedView,
) -> None:
    bone = limb_view.from_hu(200.0)
    rest = object_of_bins(limb_view, bone).rest
    back = sum(image * mass_attenuation(name, CT_KEV) for name, image in rest.items())
    np.testing.assert_allclose(back, limb_view.above[0] - bone, atol=1e-5)
    assert (
        rest["cortical bone"].max() < 0.35 * thicknesses_of_bins(limb_view)["cortical bone"].max()
    )


def test_marrow_that_was_chosen_as_bone_goes_with_the_bone(limb_view: BinnedView) -> None:
    chosen = limb_view.from_hu(200.0) + 0.1
    found = object_of_bins(limb_view, np.minimum(chosen, limb_view.above[0]))
    plain = object_of_bins(limb_view, limb_view.from_hu(200.0))
    inside = limb_view.above[0] > 0.5
    assert (found.rest["soft tissue"] < plain.rest["soft tissue"])[inside].all()


def test_two_images_are_enough_for_materials_that_add_up_to_them() -> None:
    full, bone = np.full((2, 3), 4.0, np.float32), np.full((2, 3), 1.5, np.float32)
    found = object_of_layers(full, bone)
    back = sum(i * mass_attenuation(n, CT_KEV) for n, i in found.everything.items())
    np.testing.assert_allclose(back, full, rtol=1e-5)
    assert set(found.rest) == {"soft tissue"}


@pytest.mark.parametrize(
    ("kvp", "aluminium", "published"),  # PTB-Dos-34 (Ankerhold, 2000)
    [(50, 2.5, 1.72), (70, 2.5, 2.29), (90, 2.5, 2.91), (120, 2.5, 3.88),
     (50, 12.5, 3.67), (70, 23.5, 6.64), (90, 32.5, 9.03), (120, 42.5, 11.37)],
)  # fmt: skip
def test_half_value_layers_are_the_published_ones(
    kvp: float, aluminium: float, published: float
) -> None:
    spectrum = tube_spectrum(kvp, (("aluminium", aluminium), ("beryllium", 1.0)), 20.0, 950.0)
    assert half_value_layer(spectrum) == pytest.approx(published, rel=0.02)


def test_no_photon_has_more_than_the_tube_voltage() -> None:
    for kvp in (61.0, 91.3, 120.0):
        assert not tube_spectrum(kvp)[kvp < ENERGIES_KEV].any()


def test_between_two_tabled_voltages_the_beam_is_as_hard_as_its_neighbours_are() -> None:
    for kvp in (47.0, 79.0, 119.0):
        low, at, high = (
            half_value_layer(tube_spectrum(k, ALUMINIUM)) for k in (kvp - 1, kvp, kvp + 1)
        )
        assert at == pytest.approx((low + high) / 2, rel=0.003)
        assert low < at < high


def test_filters_harden_and_distance_thins_the_beam() -> None:
    soft, hard = tube_spectrum(80.0), tube_spectrum(80.0, ALUMINIUM)
    assert mean_energy(hard) > mean_energy(soft) + 5.0
    near, far = (air_kerma(tube_spectrum(80.0, ALUMINIUM, 12.0, d)) for d in (1000.0, 2000.0))
    assert near / far == pytest.approx(4.0, rel=0.05)  # and a little air


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((30.0,), "kvp: got 30.0; expected 40 to 150"),
     ((80.0, (), 30.0), "anode_angle: got 30.0; expected 6 to 20"),
     ((80.0, (("cheese", 1.0),)), "filter: got 'cheese'")],
)  # fmt: skip
def test_a_tube_that_there_is_not_is_refused_in_one_line(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tube_spectrum(*arguments)


def test_the_shipped_table_has_every_material_at_every_energy() -> None:
    table = read_attenuation()
    assert all(values.shape == ENERGIES_KEV.shape and (values > 0).all()
               for values in table.values())  # fmt: skip
