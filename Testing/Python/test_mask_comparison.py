"""Figures of masks: what squares and discs must give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from BoneXrayLib.mask_comparison import compare_masks, dice, mean_pair_dice, overlap


def square(top: int, left: int, side: int = 20, shape: tuple[int, int] = (64, 80)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def disc(radius: float, centre: tuple[float, float] = (60.0, 60.0), side: int = 121) -> np.ndarray:
    row, column = np.mgrid[:side, :side]
    return np.hypot(row - centre[0], column - centre[1]) <= radius


def test_a_mask_fits_itself_wholly() -> None:
    found = compare_masks(square(5, 7), square(5, 7))
    assert (found.dice, found.hd95_mm, found.surface_dice) == (1.0, 0.0, 1.0)


def test_a_shifted_square_loses_its_dice_in_proportion_and_is_as_far_as_it_was_moved() -> None:
    for shift in (1, 4, 10):
        found = compare_masks(square(20, 20 + shift), square(20, 20), (0.5, 0.25))
        assert found.dice == pytest.approx(1 - shift / 20)
        assert found.hd95_mm == pytest.approx(0.25 * shift), "columns are 0.25 mm wide"
        down = compare_masks(square(20 + shift, 20), square(20, 20), (0.5, 0.25))
        assert down.hd95_mm == pytest.approx(0.5 * shift)


def test_squares_apart_have_no_dice_and_the_distance_of_their_far_sides() -> None:
    found = compare_masks(square(10, 0), square(10, 40))
    assert (found.dice, found.surface_dice) == (0.0, 0.0)
    assert 36 <= found.hd95_mm <= 40, "the far sides are 40 pixels off, the near ones 21"


def test_concentric_discs_differ_by_their_radii() -> None:
    small, large = disc(30), disc(40)
    found = compare_masks(small, large)
    assert found.dice == pytest.approx(2 * 30**2 / (30**2 + 40**2), abs=0.002)
    assert found.hd95_mm == pytest.approx(10, abs=0.8)
    assert compare_masks(small, large, tolerance_mm=12).surface_dice == 1.0
    assert compare_masks(small, large, tolerance_mm=8).surface_dice == 0.0


def test_a_spike_counts_in_the_surface_but_not_in_the_95th_percentile() -> None:
    spiked = square(20, 20)
    spiked[25, 40:42] = True
    found = compare_masks(spiked, square(20, 20), tolerance_mm=0.5)
    assert found.hd95_mm == 0.0
    assert 0.9 < found.surface_dice < 1.0


def test_distances_are_those_of_all_border_pixels_to_all_others() -> None:
    answer, truth = disc(22, (55, 63)), disc(26, (61, 58)) & ~disc(9, (61, 58))
    spacing = np.array([0.3, 0.2])
    borders = []
    for mask in (answer, truth):
        beside = [np.roll(~mask, step, axis) for axis in (0, 1) for step in (-1, 1)]
        borders.append(np.argwhere(mask & np.any(beside, axis=0)) * spacing)
    between = np.linalg.norm(borders[0][:, None] - borders[1][None], axis=2)
    ways = between.min(axis=1), between.min(axis=0)
    found = compare_masks(answer, truth, (0.3, 0.2), 1.25)
    assert found.hd95_mm == pytest.approx(max(np.percentile(way, 95) for way in ways))
    near = sum(np.count_nonzero(way <= 1.25) for way in ways)
    assert found.surface_dice == pytest.approx(near / sum(len(way) for way in ways))


def test_the_edge_of_the_image_is_no_border() -> None:
    long, longer = np.zeros((50, 50), bool), np.zeros((50, 50), bool)
    long[20:, 10:20] = longer[20:, 10:24] = True
    found = compare_masks(longer, long, tolerance_mm=1)
    assert found.hd95_mm == 4.0
    # Of either: the left side, ten pixels of the top and the one below them; nothing at the bottom.
    assert found.surface_dice == pytest.approx(2 * (30 + 10) / (68 + 72))
    full = np.ones((9, 9), bool)
    assert compare_masks(full, full).hd95_mm == 0.0


def test_a_bone_missed_costs_the_diagonal_and_one_that_is_nowhere_costs_nothing() -> None:
    empty = np.zeros((30, 40), bool)
    there = empty.copy()
    there[3:6, 3:6] = True
    for answer, truth in ((empty, there), (there, empty)):
        found = compare_masks(answer, truth, (0.1, 0.1))
        assert (found.dice, found.hd95_mm, found.surface_dice) == (0.0, pytest.approx(5.0), 0.0)
    assert all(math.isnan(v) for v in vars(compare_masks(empty, empty)).values())


def test_overlap_is_where_two_bones_lie_over_each_other_whichever_they_are() -> None:
    bones = np.stack([square(10, 10), square(10, 25), square(40, 60, 15)])
    region = overlap(bones)
    assert region.sum() == 5 * 20
    assert region[10:30, 25:30].all()
    assert dice(overlap(bones[[1, 0, 2]]), region) == 1.0, "names do not count in the region"
    assert mean_pair_dice(bones, bones) == 1.0
    moved = bones.copy()
    moved[1] = square(10, 20)
    assert dice(overlap(moved), region) == pytest.approx(2 * 100 / (100 + 200))
    assert mean_pair_dice(moved, bones) == pytest.approx(2 * 100 / (100 + 200))
    other = np.stack([square(10, 10), np.zeros((64, 80), bool), square(10, 25)])
    assert dice(overlap(other), region) == 1.0
    assert mean_pair_dice(other, bones) == 0.0, "but in pairs they do"
    assert math.isnan(mean_pair_dice(bones, bones[[0, 2]][[0, 1, 1]] & False))


def test_what_is_no_mask_is_refused_in_one_line() -> None:
    mask = square(0, 0)
    for answer, truth, message in (
        (mask[:-1], mask, "answer: shape"),
        (mask.astype(float), mask, "of bool"),
        (mask, mask[None], "truth: shape"),
    ):
        with pytest.raises(ValueError, match=message):
            compare_masks(answer, truth)
    with pytest.raises(ValueError, match="expected positive lengths"):
        compare_masks(mask, mask, (0.0, 1.0))
