"""Outlines of projected bones: along the edges of their pixels, overlapping or not."""

from __future__ import annotations

import numpy as np

from .attenuation import MU_WATER_70KEV

LEAST_DENSITY = 1.0 * MU_WATER_70KEV
"""Optical density from which a bone counts as hit: as much as 1 mm of water."""


def pixel_outline(mask: np.ndarray) -> np.ndarray:
    """Straight pieces (N, 2, 2) around the pixels of a mask: piece, end, (row, column).

    Pixel (r, c) reaches from r - 0.5 to r + 0.5 and c - 0.5 to c + 0.5; each piece is as long as
    the edge is straight. A mask that reaches the image's edge is closed there.
    """
    inside = np.pad(np.asarray(mask, dtype=bool), 1)
    across = _runs(inside[1:, 1:-1] != inside[:-1, 1:-1])
    down = _runs((inside[1:-1, 1:] != inside[1:-1, :-1]).T)[..., ::-1]
    return np.concatenate([across, down]) - 0.5


def layer_outlines(layers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`pixel_outline` of each bone's layer of a simulated radiograph, the rest left out.

    Args:
        layers: optical densities (rows, columns) by name, the first of them what is no bone.
    """
    return {n: pixel_outline(layers[n] > LEAST_DENSITY) for n in list(layers)[1:]}


def _runs(edge: np.ndarray) -> np.ndarray:
    """Pieces (N, 2, 2) of the edges that lie on top of the cells (line, cell) of `edge`."""
    turns = np.diff(np.pad(edge.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(turns == 1), np.argwhere(turns == -1)
    return np.stack([starts, ends], axis=1).astype(np.float64)
