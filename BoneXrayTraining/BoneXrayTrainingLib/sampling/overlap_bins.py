"""Sizes of overlaps, counted in pixels of an image of 256 x 256, as BLS-GAN counts them."""

from __future__ import annotations

SIDE = 256
"""Rows and columns of the image that overlaps are counted in."""
OVERLAP_BINS = ((20.0, 200.0), (200.0, 500.0), (500.0, 1000.0), (1000.0, float("inf")))
"""From, and below; fewer than the first do not count as an overlap."""
LEAST = OVERLAP_BINS[0][0]


def pixels_at_256(pixels: float, shape: tuple[int, int]) -> float:
    """What an overlap of so many pixels of an image (rows, columns) is at 256 x 256."""
    return pixels * SIDE**2 / (shape[0] * shape[1])


def overlap_bin(pixels: float) -> int | None:
    """Number of the bin of an overlap of so many pixels at 256 x 256; None below the first."""
    return next((n for n, (_, high) in enumerate(OVERLAP_BINS) if LEAST <= pixels < high), None)


def bin_name(number: int) -> str:
    """As tables have it: 20-200, 200-500, 500-1000, > 1000 (px)."""
    low, high = OVERLAP_BINS[number]
    return f"> {low:g}" if high == float("inf") else f"{low:g}-{high:g}"
