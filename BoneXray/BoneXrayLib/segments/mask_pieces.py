"""Masks of bones made tidy: few pieces, no specks, no holes."""

from __future__ import annotations

import numpy as np

from .structures import ANY_NUMBER, Structure

SPECK_SHARE = 0.01
"""Pieces below this share of the largest are specks."""
KEPT_SHARE = 0.25
"""A bone that a collimator's edge, a marker or a plate cuts in two keeps pieces from this share of
the largest on, though a view should show fewer."""
IN_A_ROW = ("vertebrae",)
"""Many bones, each beside the next: pieces that lie alone are something else, as an arm is."""
ROW_GAP = 1.0
"""Widest gap of a row, over the width of its thickest piece: one vertebra may go unseen."""
COARSE = 256
"""Sides [pixels] of masks in which gaps are measured."""
WITH_HOLES = ("hip bone left", "hip bone right")
"""Bones in one piece that show a hole of their own: what hides the obturator foramen is no bone."""


def tidy(mask: np.ndarray, found: Structure, speck: float = 0.0) -> np.ndarray:
    """The mask of a structure with what cannot be so put right; same shape, a new array.

    Its largest piece stays, as many more as it may have, and others that are large beside it;
    specks go, and of a row of bones (IN_A_ROW) what is far from all others. Holes are filled; where
    there may be true ones (rings of ribs, WITH_HOLES), only those as small as specks.

    Args:
        mask: (rows, columns) bool.
        found: whose mask it is.
        speck: area [pixels] below which a piece, or a hole in what has true ones, is a speck.
    """
    from scipy import ndimage

    pieces, count = ndimage.label(mask, np.ones((3, 3), int))  # corners touch
    if not count:
        return mask.copy()
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    kept = _kept(areas, found, speck)
    if found.name.lower() in IN_A_ROW:
        kept = _in_a_row(pieces, kept)
    has_true_holes = found.pieces == ANY_NUMBER or found.name.lower() in WITH_HOLES
    return _filled(kept[pieces], max(speck, 1.0) if has_true_holes else np.inf)


def _kept(areas: np.ndarray, found: Structure, speck: float) -> np.ndarray:
    """Which pieces stay, (pieces + 1) bool, by their areas; the first of them is no piece."""
    largest = areas.max()
    if found.pieces == ANY_NUMBER:
        kept = np.ones(areas.shape, bool)
    else:
        kept = areas >= KEPT_SHARE * largest
        kept[np.argsort(areas, kind="stable")[::-1][: found.pieces]] = True
    kept &= areas >= max(speck, SPECK_SHARE * largest)
    kept[0] = False
    return kept


def _in_a_row(pieces: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Of the kept pieces those that are joined to the thickest by gaps no wider than ROW_GAP."""
    from scipy import ndimage

    apart = pieces[tuple(slice(None, None, -(-n // COARSE)) for n in pieces.shape)]
    depth = ndimage.distance_transform_edt(np.pad(kept[apart], 1))[1:-1, 1:-1]
    thickest = np.unravel_index(int(depth.argmax()), depth.shape)
    if not depth[thickest]:
        return kept
    joined, reach = np.arange(kept.size) == apart[thickest], 2.0 * ROW_GAP * depth[thickest]
    while True:
        near = apart[ndimage.distance_transform_edt(~joined[apart]) <= reach]
        more = joined | (kept & np.isin(np.arange(kept.size), near))
        if np.array_equal(more, joined):
            return joined
        joined = more


def _filled(mask: np.ndarray, smaller_than: float) -> np.ndarray:
    """The mask with its holes of less than an area [pixels] filled."""
    from scipy import ndimage

    around, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))  # corners do not touch
    is_hole = np.bincount(around.ravel()) < smaller_than
    is_hole[[0, around[0, 0]]] = False
    return mask | is_hole[around[1:-1, 1:-1]]
