"""Two overlapping bones told apart without learning: what a network must beat in the overlap.

All answers are images of optical density of each bone alone (soft tissue + its layer). Outside the
overlap every one of them is the input; inside they are told both masks, and those that speak of
soft tissue its mean density there, which no network is told.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

COPY, HALF, INPAINT, RESIDUAL = "copy", "half density", "inpaint", "inpaint + residual"
FLOORS = (COPY, HALF, INPAINT, RESIDUAL)
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def floors(image: np.ndarray, masks: np.ndarray, soft: float) -> dict[str, np.ndarray]:
    """Each floor's two bones alone, (2, rows, columns) float64 optical density.

    Args:
        image: (rows, columns) optical density.
        masks: (2, rows, columns) bool.
        soft: mean optical density of all else within the overlap.
    """
    image = np.asarray(image, dtype=np.float64)
    both = masks[0] & masks[1]
    copied = np.stack([image, image])
    half = np.where(both, (image + soft) / 2, copied)
    filled = np.stack([inpainted(image, both, mask & ~both) for mask in masks])
    # What both bones alone add up to has the soft tissue twice.
    missing = np.where(both, image + soft - filled.sum(axis=0), 0.0)
    return {COPY: copied, HALF: half, INPAINT: filled, RESIDUAL: filled + missing / 2}


def inpainted(image: np.ndarray, hole: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The image with a hole filled in from the pixels of a bone around it, harmonically.

    Each pixel of the hole becomes the mean of its four neighbours (Laplace's equation): the values
    of `own` beside the hole are kept, across any other border nothing flows. A piece of the hole
    that touches none of `own` takes the value of the nearest of it.

    Args:
        image: (rows, columns) float.
        hole, own: (rows, columns) bool, apart from each other.
    """
    out = np.array(image, dtype=np.float64)
    beside = hole & ndimage.binary_dilation(own)
    pieces, _ = ndimage.label(hole)
    anchored = hole & np.isin(pieces, np.unique(pieces[beside]))
    loose = hole & ~anchored
    if loose.any() and own.any():
        nearest = ndimage.distance_transform_edt(~own, return_distances=False, return_indices=True)
        out[loose] = out[tuple(nearest[:, loose])]
    if anchored.any():
        out[anchored] = _harmonic(out, anchored, own)
    return out


def _harmonic(values: np.ndarray, hole: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Solution of Laplace's equation at the pixels of the hole, in the order of `values[hole]`."""
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import spsolve

    count = int(hole.sum())
    padded = np.pad(np.where(hole, 1, np.where(own, 2, 0)), 1)
    number = np.pad(np.full(hole.shape, -1), 1, constant_values=-1)
    number[1:-1, 1:-1][hole] = np.arange(count)
    known = np.pad(values, 1)
    place = np.argwhere(padded == 1)
    degree, right = np.zeros(count), np.zeros(count)
    rows, columns = [], []
    for step in STEPS:
        there = tuple((place + step).T)
        kind = padded[there]
        degree += kind > 0
        right += np.where(kind == 2, known[there], 0.0)
        inner = np.flatnonzero(kind == 1)
        rows.append(inner)
        columns.append(number[there][inner])
    pairs = np.concatenate(rows), np.concatenate(columns)
    links = coo_array((np.ones(len(pairs[0])), pairs), shape=(count, count))
    return spsolve((diags_array(degree) - links).tocsc(), right)
