"""Bone: windows, presets, couch and specks, labels, and that the parts add up."""

import math

import numpy as np
import pytest

from BoneXrayLib.attenuation import mu_from_hu
from BoneXrayLib.body import body_mask
from BoneXrayLib.bone import PRESETS, BoneConfig, bone_weight, make_parts, part_weights
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.volume import Volume

AIR, FAT, MUSCLE, BONE, FOAM, SHELL = -1000, -100, 50, 700, -900, 300


def a_volume(hu: np.ndarray, spacing_mm: float = 2.0) -> Volume:
    return Volume(hu.astype(np.int16), np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0]))


def a_gradient() -> Volume:
    """Every integer HU from -1000 to 2095 once a row, far from being a body."""
    row = np.arange(-1000, 2096, dtype=np.int16)
    return a_volume(np.broadcast_to(row, (2, 2, row.size)).copy())


@pytest.fixture(scope="module")
def a_patient_on_a_couch() -> tuple[Volume, np.ndarray, np.ndarray]:
    """Trunk with lungs, two arms beside it, a hand apart with fingers; couch of shell and foam.

    2 mm voxels; returns the volume, where the patient is, where the couch is.
    """
    k, j, i = np.ogrid[0:60, 0:150, 0:200]
    hu = np.full((60, 150, 200), AIR, dtype=np.int16)
    patient = np.zeros(hu.shape, dtype=bool)

    def put(shape: np.ndarray, value: int) -> None:
        hu[np.broadcast_to(shape, hu.shape)] = value
        patient[np.broadcast_to(shape, hu.shape)] = True

    put(((j - 75) / 40) ** 2 + ((i - 100) / 55) ** 2 + 0 * k < 1, FAT)
    put(((j - 75) / 36) ** 2 + ((i - 100) / 51) ** 2 + 0 * k < 1, MUSCLE)
    for centre in (78, 122):
        put(((j - 70) / 18) ** 2 + ((i - centre) / 14) ** 2 + 0 * k < 1, -850)
    put((j - 103) ** 2 + (i - 100) ** 2 + 0 * k < 64, BONE)
    for centre in (25, 175):
        put((j - 90) ** 2 + (i - centre) ** 2 + 0 * k < 15**2, MUSCLE)
        put((j - 90) ** 2 + (i - centre) ** 2 + 0 * k < 4**2, BONE)
    put((k < 20) & (abs(j - 20) < 7) & (abs(i - 100) < 20), MUSCLE)
    put((k < 20) & (abs(j - 20) < 3) & (abs(i - 100) < 12), BONE)
    for centre in (84, 95, 106, 117):
        put((k >= 20) & (k < 50) & ((j - 20) ** 2 + (i - centre) ** 2 < 16), MUSCLE)
        put((k >= 20) & (k < 47) & ((j - 20) ** 2 + (i - centre) ** 2 < 3), BONE)
    couch = np.zeros(hu.shape, dtype=bool)
    # 115 is the trunk's last row: the couch is pressed against the skin.
    for top, bottom, value in ((116, 118, SHELL), (118, 134, FOAM), (134, 137, SHELL)):
        here = np.broadcast_to((j >= top) & (j < bottom) & (abs(i - 100) < 90) & (k >= 0), hu.shape)
        here = here & ~patient
        hu[here], couch[here] = value, True
    return a_volume(hu), patient, couch


def test_the_body_keeps_every_voxel_of_the_patient_and_loses_the_couch(a_patient_on_a_couch):
    volume, patient, couch = a_patient_on_a_couch
    mask = body_mask(volume)
    assert mask[patient].all()
    dense_couch = couch & (volume.hu == SHELL)
    assert mask[dense_couch].mean() < 0.15
    # What is left of it lies within a few millimetres of the skin it is pressed against.
    assert not mask[:, 134:137].any()


def test_the_couch_is_air_in_the_parts_and_no_bone(a_patient_on_a_couch):
    volume, patient, couch = a_patient_on_a_couch
    parts = make_parts(volume)
    assert np.array_equal(parts.hu[patient], volume.hu[patient])
    assert (parts.hu[:, 134:137] == AIR).all()
    assert not parts.part[:, 134:137].any()
    assert (parts.part[volume.hu == BONE] == 1).all()
    assert volume.hu[couch].max() == SHELL  # the CT itself is untouched


def test_arms_and_fingers_apart_from_the_trunk_survive(a_patient_on_a_couch):
    volume, _, _ = a_patient_on_a_couch
    parts = make_parts(volume)
    finger_bones = (volume.hu == BONE)[20:47, 10:30]
    assert (parts.part[20:47, 10:30][finger_bones] == 1).all()
    assert finger_bones.sum() > 500


def test_the_couch_stays_when_asked(a_patient_on_a_couch):
    volume, _, _ = a_patient_on_a_couch
    parts = make_parts(volume, BoneConfig(remove_couch=False))
    assert parts.hu is volume.hu
    assert (parts.part[:, 135] == (volume.hu[:, 135] == SHELL)).all()


def test_a_board_as_thick_as_a_hand_goes_when_it_holds_no_bone():
    k, j, i = np.ogrid[0:40, 0:120, 0:120]
    hu = np.full((40, 120, 120), AIR)
    hu[np.broadcast_to((j - 50) ** 2 + (i - 60) ** 2 + 0 * k < 30**2, hu.shape)] = MUSCLE
    hu[np.broadcast_to((j - 50) ** 2 + (i - 60) ** 2 + 0 * k < 10**2, hu.shape)] = BONE
    hu[:, 90:102, 10:110] = 0
    mask = body_mask(a_volume(hu))
    assert mask[hu >= MUSCLE].all()
    assert not mask[:, 90:102].any()


def test_a_volume_without_a_patient_is_left_as_it_is():
    empty = a_volume(np.full((10, 10, 10), AIR))
    assert body_mask(empty).all()
    assert make_parts(empty).hu is empty.hu


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("preset", list(PRESETS))
def test_bone_and_rest_add_up_to_the_whole_voxel_by_voxel(a_patient_on_a_couch, preset, dtype):
    volume, _, _ = a_patient_on_a_couch
    volume = Volume(volume.hu.astype(dtype), volume.ijk_to_ras)
    parts = make_parts(volume, BoneConfig(preset=preset))
    mu = mu_from_hu(parts.hu)
    each = part_weights(parts) * mu
    assert len(each) == len(parts.names) == 2
    assert np.array_equal(each.sum(axis=0), mu)
    assert each[1].any()


def test_both_bounds_belong_to_the_window():
    volume = a_gradient()
    weight = bone_weight(volume, BoneConfig("400-800"))
    kept = volume.hu[weight == 255]
    assert (kept.min(), kept.max()) == (400, 800)
    assert set(np.unique(weight)) == {0, 255}


def test_the_literal_band_cleans_nothing(a_patient_on_a_couch):
    volume, _, _ = a_patient_on_a_couch
    parts = make_parts(volume, BoneConfig("400-800"))
    assert np.array_equal(parts.part == 1, (volume.hu >= 400) & (volume.hu <= 800))
    assert parts.hu is volume.hu


def test_bounds_given_replace_those_of_the_preset_and_metal_needs_an_upper_one():
    volume = a_gradient()
    config = BoneConfig(hu=(150, math.inf), remove_couch=False)
    assert volume.hu[bone_weight(volume, config) > 0].min() == 150
    assert volume.hu[bone_weight(volume, config) > 0].max() == 2095
    config.hu = (150, 1500)
    assert volume.hu[bone_weight(volume, config) > 0].max() == 1500


def test_the_soft_ramp_rises_from_nothing_to_all_without_a_step():
    volume = a_gradient()
    weight = bone_weight(volume, BoneConfig("soft-ramp", remove_couch=False))[0, 0].astype(int)
    steps = np.diff(weight)
    assert (steps >= 0).all()
    assert steps.max() <= 2
    assert weight[volume.hu[0, 0] <= 100].max() == 0
    assert weight[volume.hu[0, 0] >= 300].min() == 255
    assert abs(weight[volume.hu[0, 0] == 200][0] - 128) <= 1


def test_specks_below_the_volume_vanish_and_those_above_stay():
    hu = np.full((40, 60, 60), MUSCLE)
    hu[5:8, 5:9, 5:9] = BONE  # 48 mm³
    hu[25:30, 40:45, 40:42] = BONE  # 50 mm³
    parts = make_parts(a_volume(hu, 1.0), BoneConfig(remove_couch=False))
    assert not parts.part[5:8].any()
    assert parts.part[25:30].sum() == 50
    assert np.array_equal(parts.hu, hu)  # a speck becomes rest, it does not vanish


def test_the_speck_volume_is_physical_not_a_voxel_count():
    hu = np.full((20, 20, 20), MUSCLE)
    hu[10, 10, 10:12] = BONE
    kept = [
        make_parts(a_volume(hu, mm), BoneConfig(remove_couch=False)).part.sum() for mm in (1, 3)
    ]
    assert kept == [0, 2]


def test_labels_become_named_parts_and_unnamed_ones_get_their_number():
    hu = np.full((6, 8, 8), MUSCLE)
    hu[:, 4:] = BONE
    labels = np.zeros(hu.shape, dtype=np.uint16)
    labels[:, 2:5], labels[:, 6], labels[:, 7] = 300, 7, 8
    volume, config = a_volume(hu), BoneConfig(remove_couch=False)
    names = {300: "femur", 7: "rib", 8: "rib"}
    parts = make_parts(volume, config, labels, {7: "rib"})
    assert parts.names == ("rest", "rib", "label 8", "label 300")
    parts = make_parts(volume, config, labels, names)
    assert parts.names == ("rest", "rib", "femur")
    assert (parts.part[:, 6:] == 1).all()
    assert (parts.part[:, 2:5] == 2).all()
    parts = make_parts(volume, BoneConfig(labels=("femur",), labels_within_hu=True), labels, names)
    assert parts.names == ("rest", "femur")
    assert np.array_equal(np.unique(np.nonzero(parts.part)[1]), [4])


def test_a_labelled_voxel_is_never_taken_for_couch(a_patient_on_a_couch):
    volume, _, couch = a_patient_on_a_couch
    labels = (couch & (volume.hu == SHELL)).astype(np.uint8)
    parts = make_parts(volume, labels=labels)
    assert np.array_equal(parts.part, labels)
    assert (parts.hu[labels == 1] == SHELL).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BoneConfig(preset="bones"), "preset: 'bones'; expected one of bone, 400-800"),
        (lambda: BoneConfig(hu=(500, 400)), "hu: 500 400; expected LOW HIGH"),
        (lambda: BoneConfig(hu=(math.nan, 400)), "hu: nan 400"),
        (lambda: BoneConfig(hu=(100, math.nan)), "hu: 100 nan"),
        (lambda: BoneConfig(hu=(100,)), "two numbers"),
        (lambda: BoneConfig(hu="ab"), "two numbers"),
    ],
)
def test_a_wrong_setting_ends_in_one_line(make, said):
    with pytest.raises(ValueError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "names", "said"),
    [
        (np.ones((2, 2, 3), np.uint8), (), "shape"),
        (np.ones((4, 4, 4), np.float32), (), "integers"),
        (np.full((4, 4, 4), -1, np.int16), (), "between 0 and 65535"),
        (np.zeros((4, 4, 4), np.uint8), (), "all voxels are 0"),
        (np.ones((4, 4, 4), np.uint8), ("femur",), "'femur' is not there"),
    ],
)
def test_labels_that_do_not_fit_end_in_one_line(labels, names, said):
    volume = a_volume(np.zeros((4, 4, 4)))
    with pytest.raises(ValueError, match=said):
        make_parts(volume, BoneConfig(labels=names), labels)


def test_labels_chosen_without_a_segmentation_end_in_one_line():
    with pytest.raises(ValueError, match="chosen; expected a segmentation"):
        make_parts(a_volume(np.zeros((4, 4, 4))), BoneConfig(labels=("femur",)))


def test_progress_is_told_and_a_cancelled_job_stops(a_patient_on_a_couch):
    volume, _, _ = a_patient_on_a_couch
    told: list[float] = []
    make_parts(volume, progress=lambda fraction, message: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
    with pytest.raises(Cancelled):
        make_parts(volume, is_cancelled=lambda: True)
