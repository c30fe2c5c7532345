"""Deformed copies: as much of each tissue, elsewhere; HU and tissue still belong together."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.deformation import deformed
from BoneXrayTrainingLib.pairs import TISSUES, tissue_parts


@pytest.fixture(scope="module")
def parts(limb: Volume) -> Parts:
    return tissue_parts(limb, BoneConfig())


def test_no_spread_gives_the_same_patient(parts: Parts) -> None:
    same = deformed(parts, np.random.default_rng(1), 0.0)
    assert np.array_equal(same.hu, parts.hu)
    assert np.array_equal(same.part, parts.part)


def test_every_voxel_keeps_the_tissue_of_its_hounsfield_units(parts: Parts) -> None:
    moved = deformed(parts, np.random.default_rng(1), 6.0)
    assert not np.array_equal(moved.hu, parts.hu)
    assert moved.hu[moved.part == TISSUES.index("bone")].min() >= 200
    assert moved.hu[moved.part == TISSUES.index("rest")].max() < -200


def test_the_amount_of_bone_hardly_changes_and_the_seed_decides_where_it_goes(
    parts: Parts,
) -> None:
    bone = TISSUES.index("bone")
    first, again, other = (deformed(parts, np.random.default_rng(n), 4.0) for n in (1, 1, 2))
    assert np.array_equal(first.part, again.part)
    assert not np.array_equal(first.part, other.part)
    assert (first.part == bone).sum() == pytest.approx((parts.part == bone).sum(), rel=0.25)


def test_displacements_have_the_spread_that_was_asked_for() -> None:
    side, mm = 96, 2.0
    ramp = np.broadcast_to(np.arange(side, dtype=np.int16), (side, side, side)).copy()
    nothing = np.zeros_like(ramp, dtype=np.uint8)
    parts = Parts(ramp, np.diag([mm, mm, mm, 1.0]), nothing, None, TISSUES)
    spread = [
        float((deformed(parts, np.random.default_rng(n), 5.0).hu - ramp)[:, :, 20:-20].std()) * mm
        for n in range(12)
    ]
    assert np.mean(spread) == pytest.approx(5.0, rel=0.3)
