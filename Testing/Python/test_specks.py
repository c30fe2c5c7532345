"""Specks taken away in place: the rule, against a slow plain version of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from BoneXrayLib.projection.workers import in_blocks
from BoneXrayLib.specks import PIECE_GAP_MM, remove_pieces

FLAG, LARGEST = 0x8000, 0x7FFF


def kept(bone: np.ndarray, spacing_mm: tuple[float, ...], smallest_mm3: float) -> np.ndarray:
    """The bone (a, b, w) bool without specks, by labelling an array of blocks."""
    block = [max(1, round(PIECE_GAP_MM / mm)) for mm in spacing_mm]
    of_block = np.ix_(*(np.arange(n) // b for n, b in zip(bone.shape, block, strict=True)))
    filled = np.zeros([-(-n // b) for n, b in zip(bone.shape, block, strict=True)], bool)
    where = np.nonzero(bone)
    filled[tuple(axis // b for axis, b in zip(where, block, strict=True))] = True
    pieces = ndimage.label(filled, np.ones((3, 3, 3)))[0][of_block]
    voxels = np.bincount(pieces[bone], minlength=pieces.max() + 1)
    return bone & (voxels * np.prod(spacing_mm) >= smallest_mm3 * (1 - 1e-6))[pieces]


@pytest.mark.parametrize("spread", [None, in_blocks])
@pytest.mark.parametrize("share", [0.005, 0.05, 0.2])
@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 0.6), (2.0, 0.5, 1.0), (3.0, 1.2, 1.6)])
def test_specks_are_those_of_a_plain_labelling(
    spacing_mm: tuple[float, ...], share: float, spread: object, rng: np.random.Generator
) -> None:
    bone = rng.random((61, 34, 47)) < share
    smallest = 3.5 * float(np.prod(spacing_mm))
    expected = kept(bone, spacing_mm, smallest)
    assert share > 0.1 or 0 < expected.sum() < bone.sum()
    weight = (bone * rng.integers(1, 256, bone.shape)).astype(np.uint8)
    cleaned = weight.copy()
    remove_pieces(cleaned, spacing_mm, smallest, spread=spread)
    assert np.array_equal(cleaned, weight * expected)


def test_of_a_flagged_volume_only_the_flags_go(rng: np.random.Generator) -> None:
    bone = rng.random((40, 30, 50)) < 0.03
    packed = np.zeros((43, 33, 53), np.uint16)
    packed[1:-2, 1:-2, 1:-2] = rng.integers(0, LARGEST, bone.shape) | np.where(bone, FLAG, 0)
    values = packed & LARGEST
    remove_pieces(packed, (1.0, 1.0, 1.0), 3.0, rim=1, bone=FLAG, left=LARGEST, spread=in_blocks)
    expected = kept(bone, (1.0, 1.0, 1.0), 3.0)
    assert 0 < expected.sum() < bone.sum()
    assert np.array_equal(packed[1:-2, 1:-2, 1:-2] >= FLAG, expected)
    assert np.array_equal(packed & LARGEST, values)
