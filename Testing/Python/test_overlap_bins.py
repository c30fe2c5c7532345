"""Sizes of overlaps by bin."""

from __future__ import annotations

import pytest

from BoneXrayTrainingLib.sampling.overlap_bins import (
    OVERLAP_BINS,
    bin_name,
    overlap_bin,
    pixels_at_256,
)


def test_every_size_from_the_least_on_is_of_one_bin_and_the_bins_leave_no_gap() -> None:
    for number, (low, high) in enumerate(OVERLAP_BINS):
        assert overlap_bin(low) == number
        assert overlap_bin(min(high, 60000) - 0.5) == number
    assert [high for _, high in OVERLAP_BINS[:-1]] == [low for low, _ in OVERLAP_BINS[1:]]
    assert overlap_bin(19.9) is None


def test_an_image_of_another_size_is_counted_as_if_it_had_256_pixels_a_side() -> None:
    assert pixels_at_256(400, (256, 256)) == 400
    assert pixels_at_256(400, (512, 512)) == 100
    assert pixels_at_256(300, (128, 384)) == pytest.approx(300 * 256**2 / (128 * 384))


def test_bins_are_called_as_source_b_calls_them() -> None:
    assert [bin_name(n) for n in range(4)] == ["20-200", "200-500", "500-1000", "> 1000"]
