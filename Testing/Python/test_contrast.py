"""Contrast medium goes from the bones, and bone stays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from BoneXrayLib.bone import PRESETS, BoneConfig, bone_weight, make_parts
from BoneXrayLib.contrast import coarse_contrast
from BoneXrayLib.drr import DrrConfig, exposure_geometry
from BoneXrayLib.live import LiveCt
from BoneXrayLib.projection import can_flag, flag_bone, prepare, prepare_ct, project_bins
from BoneXrayLib.volume import Volume

MUSCLE, FAT, BLOOD, MARROW, CORTEX, LUNG = 50, -100, 350, 240, 900, -860
SHAPE = (80, 100, 110)
K, J, I = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]  # noqa: E741


def a_volume(paint: dict[str, tuple[np.ndarray, float]], noise: float = 15.0) -> Volume:
    """1.2 mm voxels of muscle with things painted one over the other, blurred, with noise."""
    hu = np.full(SHAPE, MUSCLE, dtype=np.float32)
    for where, value in paint.values():
        hu[np.broadcast_to(where, SHAPE)] = value
    hu = ndimage.gaussian_filter(hu, 0.6)
    hu += np.random.default_rng(3).normal(0, noise, SHAPE)
    return Volume(np.rint(hu).astype(np.int16), np.diag([1.2, 1.2, 1.2, 1.0]))


def ball(k: float, j: float, i: float, radius: float) -> np.ndarray:
    return (K - k) ** 2 + (J - j) ** 2 + (I - i) ** 2 < radius**2


def tube(points: list[tuple[float, float, float]], radius: float) -> np.ndarray:
    """Voxels within `radius` of a line of points."""
    line = np.ones(SHAPE, dtype=bool)
    for start, end in itertools.pairwise(points):
        for at in np.linspace(start, end, 200):
            line[tuple(np.rint(at).astype(int))] = False
    return ndimage.distance_transform_edt(line) <= radius


def kept(volume: Volume, where: np.ndarray, **fields: object) -> float:
    """Share of the voxels of a region, well above the threshold, that count as bone."""
    weight = bone_weight(volume, BoneConfig(remove_couch=False, remove_contrast=True, **fields))
    return float((weight[where & (volume.hu >= 200)] > 0).mean())


HEART = ball(40, 30, 40, 17)
SHAFT = tube([(10, 80, 90), (70, 80, 90)], 6)
TREE = tube([(40, 30, 40), (10, 30, 90)], 4) | tube([(25, 30, 65), (70, 40, 95)], 2.5)


def test_an_even_ball_of_blood_goes_and_so_does_the_tree_of_vessels_on_it() -> None:
    volume = a_volume({"heart": (HEART, BLOOD), "tree": (TREE, BLOOD)})
    assert kept(volume, HEART) < 0.01
    assert kept(volume, TREE & ~HEART) < 0.03


def test_a_bone_of_the_same_size_and_an_even_marrow_stays() -> None:
    marrow, bone = ball(40, 30, 40, 15), ball(40, 30, 40, 17)
    heart = ball(40, 75, 80, 17)
    volume = a_volume(
        {"cortex": (bone, CORTEX), "marrow": (marrow, BLOOD), "heart": (heart, BLOOD)}
    )
    assert kept(volume, heart) < 0.01
    assert kept(volume, bone) == 1.0


def test_a_bent_rib_beside_a_vessel_stays_though_the_two_nearly_touch() -> None:
    angle = np.arctan2(J - 50.0, I - 55.0)
    out = np.hypot(J - 50.0, I - 55.0)
    rib = (abs(K - 40) < 5) & (abs(out - 44) < 3.2) & (abs(angle) < 1.2)
    core = (abs(K - 40) < 3.6) & (abs(out - 44) < 1.8) & (abs(angle) < 1.15)
    vessel = (out < 39.5) & (out > 26) & (abs(angle) < 0.5) & (abs(K - 40) < 25)
    volume = a_volume({"vessel": (vessel, BLOOD), "rib": (rib, CORTEX), "core": (core, MARROW)})
    assert kept(volume, rib) > 0.99
    assert kept(volume, vessel) < 0.02


def test_vessels_apart_in_the_lung_go_and_the_rib_at_its_edge_stays() -> None:
    lung = (((J - 50) / 46) ** 2 + ((I - 62) / 40) ** 2 < 1) & (K >= 0)
    rib = tube([(40, 50, 104), (44, 66, 101)], 3.0)
    vessel = tube([(20, 60, 70), (60, 40, 75)], 2.0)
    heart = ball(40, 50, 12, 10)
    paint = {"lung": (lung, LUNG), "rib": (rib, CORTEX), "vessel": (vessel, BLOOD)}
    volume = a_volume({**paint, "heart": (heart, BLOOD)})
    assert kept(volume, vessel) < 0.05
    assert kept(volume, rib) > 0.98


def test_undiluted_contrast_medium_goes_with_the_blood_it_runs_into() -> None:
    vein = tube([(5, 30, 90), (40, 30, 50)], 6)
    volume = a_volume({"vein": (vein, 1500), "heart": (HEART, BLOOD)})
    assert kept(volume, vein) < 0.02


def test_a_jet_of_bright_blood_in_the_heart_goes() -> None:
    jet = tube([(40, 30, 32), (40, 34, 36), (46, 30, 46)], 2.0)
    volume = a_volume({"heart": (HEART, BLOOD), "jet": (jet, 1000)})
    assert kept(volume, HEART) < 0.01


def test_metal_and_a_thick_cortex_stay_where_there_is_blood_elsewhere() -> None:
    nail, shaft = tube([(10, 80, 90), (70, 80, 90)], 4), tube([(10, 75, 30), (70, 75, 30)], 10)
    cavity = tube([(10, 75, 30), (70, 75, 30)], 4)
    paint = {"nail": (nail, 3000), "shaft": (shaft, 1500), "cavity": (cavity, 0)}
    volume = a_volume({**paint, "heart": (HEART, BLOOD)})
    assert kept(volume, HEART) < 0.01
    assert kept(volume, nail) == kept(volume, shaft) == 1.0


def test_in_a_ct_without_contrast_medium_there_is_none() -> None:
    bone, marrow = ball(40, 50, 55, 30), ball(40, 50, 55, 28)
    volume = a_volume({"cortex": (bone, CORTEX), "marrow": (marrow, MARROW)})
    assert not coarse_contrast(volume).mask.any()


@pytest.mark.parametrize("noise", [5.0, 40.0])
def test_noise_changes_little(noise: float) -> None:
    bone, marrow = ball(40, 70, 80, 17), ball(40, 70, 80, 15)
    paint = {"heart": (HEART, BLOOD), "cortex": (bone, CORTEX), "marrow": (marrow, MARROW)}
    volume = a_volume(paint, noise)
    assert kept(volume, HEART) < 0.03
    assert kept(volume, bone) > 0.999


def test_a_ct_read_the_other_way_round_has_its_contrast_medium_in_the_same_places() -> None:
    volume = a_volume({"heart": (HEART, BLOOD), "tree": (TREE, BLOOD)})
    turned = Volume(np.ascontiguousarray(volume.hu[::-1, :, ::-1]), volume.ijk_to_ras)
    plain = bone_weight(volume, BoneConfig(remove_couch=False, remove_contrast=True)) > 0
    back = (
        bone_weight(turned, BoneConfig(remove_couch=False, remove_contrast=True))[::-1, :, ::-1] > 0
    )
    assert (plain != back).sum() < 0.02 * (volume.hu >= 200).sum()


def test_the_switch_leaves_all_as_the_threshold_finds_it() -> None:
    volume = a_volume({"heart": (HEART, BLOOD), "tree": (TREE, BLOOD)})
    config = BoneConfig(remove_couch=False)
    assert (bone_weight(volume, config)[HEART] > 0).sum() == (volume.hu[HEART] >= 200).sum()
    for preset in ("400-800", "cortical"):
        assert not PRESETS[preset].remove_contrast
    assert not DrrConfig().bone_config().removes_contrast
    assert DrrConfig(remove_contrast=True).bone_config().removes_contrast


def test_the_hu_of_the_rest_keep_the_contrast_medium() -> None:
    volume = a_volume({"heart": (HEART, BLOOD)})
    parts = make_parts(volume, BoneConfig(remove_couch=False, remove_contrast=True))
    assert parts.hu is volume.hu
    assert (parts.part[HEART] == 0).mean() > 0.99


def test_what_a_segmentation_calls_bone_is_bone_though_it_looks_like_blood() -> None:
    volume = a_volume({"heart": (HEART, BLOOD)})
    labels = np.broadcast_to(HEART, SHAPE).astype(np.uint8)
    config = BoneConfig(remove_couch=False, remove_contrast=True, labels_within_hu=True)
    parts = make_parts(volume, config, labels)
    assert ((parts.part == 1) == (HEART & (volume.hu >= 200))).all()


def test_a_ct_is_prepared_without_contrast_medium_as_by_way_of_its_parts() -> None:
    volume = a_volume({"heart": (HEART, BLOOD), "shaft": (SHAFT, CORTEX)})
    without = BoneConfig(remove_couch=False, remove_contrast=True)
    straight, parts = prepare_ct(volume, without), make_parts(volume, without)
    assert 0 < parts.part.sum() < (volume.hu >= 200).sum() / 2
    assert np.array_equal(straight.whole.values, prepare(parts).whole.values)
    kept = straight.whole.values.copy()
    everything = flag_bone(straight, BoneConfig(remove_couch=False))
    again = make_parts(volume, BoneConfig(remove_couch=False))
    assert np.array_equal(everything.whole.values, prepare(again).whole.values)
    assert np.array_equal(flag_bone(everything, without).whole.values, kept)
    assert not can_flag(prepare_ct(volume, BoneConfig(remove_couch=False)), without)


def test_a_dragged_window_shows_no_contrast_medium_either() -> None:
    volume = a_volume({"heart": (HEART, BLOOD), "shaft": (SHAFT, CORTEX)})
    choice = {"remove_couch": False, "remove_contrast": True, "size": (64, 64), "pixel": 4.0}
    live, config = LiveCt(volume), DrrConfig(hu=(310, 5000), **choice)
    live.sort(DrrConfig(**choice))
    exact = live.preview(config).bone
    assert exact.max() > 0.5
    assert np.abs(live.bone_now(config) - exact).max() < 1e-3 * exact.max()
    assert live.bone_now(DrrConfig(hu=(50, 5000), **choice)) is None
    assert not live.can_sort(DrrConfig(rotate=(0, 20), **choice))
    tilted = DrrConfig(rotate=(0, 20), **choice)
    prepared = prepare_ct(volume, tilted.bone_config())
    with pytest.raises(ValueError, match="geometry: a tilted view; expected one without tilt"):
        project_bins(prepared, exposure_geometry(tilted, volume))
