"""Masks of bones without learning: one threshold for all, and the mean mask of other patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ATLAS_SIDE = 128
"""Of the masks that the mean is taken of [pixels]."""


def otsu_threshold(pixels: np.ndarray) -> float:
    """The value that best divides an image into dark and bright.

    N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62: largest variance between the classes, of a
    histogram of 256 bins.
    """
    counts, edges = np.histogram(pixels, 256)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts, dtype=np.float64)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(between[:-1]))])


def threshold_masks(pixels: np.ndarray, count: int) -> np.ndarray:
    """All that is bright, for every bone: (count, rows, columns) bool."""
    bright = pixels > otsu_threshold(pixels)
    return np.repeat(bright[np.newaxis], count, axis=0)


def atlas_masks(others: Sequence[np.ndarray], shape: tuple[int, int], flip: bool) -> np.ndarray:
    """What most of the others' masks cover, scaled onto an image of `shape`.

    Args:
        others: `atlas_page` of each, of one order of bones.
        shape: rows and columns of the image.
        flip: whether the image is of a left side.
    """
    mean = np.mean(np.stack(others), axis=0)
    found = np.stack([_resized(m, shape) for m in mean]) > 0.5
    return found[..., ::-1] if flip else found


def atlas_page(masks: np.ndarray, flip: bool) -> np.ndarray:
    """Masks (bones, rows, columns) at the atlas' size, as of a right side; float16."""
    page = np.stack([_resized(m.astype(np.float32), (ATLAS_SIDE, ATLAS_SIDE)) for m in masks])
    return (page[..., ::-1] if flip else page).astype(np.float16)


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))
