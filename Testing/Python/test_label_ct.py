"""A CT made up from a label map: every tissue where its label is, with plausible units."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.label_ct import LabelCtConfig, label_ct

BONE, MUSCLE = 1, 2
RAS = np.diag([1.0, 1.0, 2.5, 1.0])


def from_axis_mm() -> np.ndarray:
    """Distance of each voxel from the middle axis."""
    _, j, i = np.mgrid[:10, :144, :144]
    return np.hypot(j - 71.5, i - 71.5)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """A round bone, 28 mm thick, in a round muscle, with air around."""
    radius = from_axis_mm()
    out = np.zeros(radius.shape, np.uint8)
    out[radius < 24] = MUSCLE
    out[radius < 14] = BONE
    return out


@pytest.fixture(scope="module")
def made(labels: np.ndarray) -> Volume:
    return label_ct(labels, RAS, (BONE,), np.random.default_rng(4))


def test_bone_is_dense_outside_and_spongy_inside(labels: np.ndarray, made: Volume) -> None:
    config = LabelCtConfig()
    radius, inside = from_axis_mm()[3:7], labels[3:7] == BONE
    inner = made.hu[3:7][(radius < 8) & inside]
    rim = made.hu[3:7][(radius > 13.2) & inside]
    assert config.trabecular[0] * 0.8 < inner.mean() < config.trabecular[1] * 1.2
    assert config.cortex[0] * 0.8 < rim.mean() < config.cortex[1] * 1.2


def test_muscle_fat_and_air_lie_in_this_order_outwards(labels: np.ndarray, made: Volume) -> None:
    muscle = made.hu[labels == MUSCLE]
    assert 30 < muscle.mean() < 70
    row = made.hu[5, 72].astype(int)
    assert row[0] == row[-1] == -1000
    skin = made.hu[(labels == 0) & (made.hu > -1000)]
    assert skin.mean() == pytest.approx(LabelCtConfig().fat, abs=20)


def test_the_skin_is_about_as_thick_as_asked_for(made: Volume) -> None:
    width = (made.hu[5, 72] > -1000).sum()
    assert width == pytest.approx(2 * (24 + LabelCtConfig().skin_mm), abs=12)


def test_the_same_seed_makes_the_same_ct(labels: np.ndarray, made: Volume) -> None:
    again = label_ct(labels, RAS, (BONE,), np.random.default_rng(4))
    other = label_ct(labels, RAS, (BONE,), np.random.default_rng(5))
    assert np.array_equal(made.hu, again.hu)
    assert not np.array_equal(made.hu, other.hu)
    assert np.array_equal(made.ijk_to_ras, RAS)


def test_a_label_that_is_no_bone_stays_soft(labels: np.ndarray) -> None:
    soft = label_ct(labels, RAS, (), np.random.default_rng(4))
    assert soft.hu.max() < 250


@pytest.fixture(scope="module")
def trunk() -> np.ndarray:
    """A wall of muscle around a belly that no label is in, a bone in the wall."""
    radius = from_axis_mm()
    out = np.zeros(radius.shape, np.uint8)
    out[(radius > 52) & (radius < 58)] = MUSCLE
    out[(radius > 52) & (radius < 58) & (np.arange(144) < 40)] = BONE
    return out


def test_a_belly_holds_organs_and_gas_that_reach_no_label(trunk: np.ndarray) -> None:
    config = LabelCtConfig(skin_mm=8.0, organs=(20, 21), organ_mm=(6.0, 15.0))
    none = dataclasses.replace(config, organs=(0, 1))
    made, empty = (
        label_ct(trunk, RAS, (BONE,), np.random.default_rng(4), which).hu
        for which in (config, none)
    )
    deep = from_axis_mm() < 40
    assert (made[deep] < -400).mean() > 0.01
    assert made[deep].std() > 3 * empty[deep].std()
    assert made[trunk > 0].min() > -400
    assert np.array_equal(made == -1000, empty == -1000)
