"""Tiles that give a network's answer to a large image as if it had seen the whole at once.

A convolutional network's answer at a pixel depends on what lies within its reach only. Each tile
is shown more of the image than is kept of its answer, by a margin wider than that reach, and
begins where the network's coarse grids have a line: so what is kept is the whole image's answer
to the last bits of a float, and there is no seam to hide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

KEPT_SIDE = 512
MARGIN = 128
"""[pixels]; the reach of the U-Net of `networks.py` is 107 (a test measures it)."""
MARGIN_MULTIPLES = 8
"""The margin of networks with coarser grids than that one's 16 pixels: so many of theirs."""


@dataclass(frozen=True)
class Tile:
    """Places (rows, columns) of one tile.

    Attributes:
        seen: what of the image the network is shown.
        kept: the part of the image that its answer is for.
        inside: where that part lies in what was seen.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    inside: tuple[slice, slice]


def tiles(rows: int, columns: int, multiple: int = 1) -> list[Tile]:
    """Tiles that cover an image; each is seen with sides that are multiples.

    Args:
        rows: of the image, a multiple of `multiple`.
        columns: of the image, a multiple of `multiple`.
        multiple: side [pixels] of the network's coarsest grid.
    """
    cuts = product(_cuts(rows, multiple), _cuts(columns, multiple))
    return [Tile(*zip(row, column, strict=True)) for row, column in cuts]


def _cuts(length: int, multiple: int) -> list[tuple[slice, slice, slice]]:
    """(seen, kept, inside) along one axis."""
    margin = _up_to_multiple(max(MARGIN, MARGIN_MULTIPLES * multiple), multiple)
    side = _up_to_multiple(KEPT_SIDE, multiple)
    if length <= side + 2 * margin:
        whole = slice(0, length)
        return [(whole, whole, whole)]
    found = []
    for begin in range(0, length, side):
        end = min(begin + side, length)
        first, last = max(begin - margin, 0), min(end + margin, length)
        found.append((slice(first, last), slice(begin, end), slice(begin - first, end - first)))
    return found


def _up_to_multiple(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
