"""Masks at an image's own size of a network's shares at its working size.

Shares are interpolated and cut at a threshold there, so outlines are smooth whatever the working
size. Bones are worked on one after the other and within the box that holds them: many large masks
never are floats at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..progress import IsCancelled, Progress, raise_if_cancelled
from ..resizing import resampling
from .mask_pieces import tidy
from .segment_config import SegmentConfig
from .structures import Structure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scipy.sparse import csr_array

    Part = tuple[slice, slice]

SPECK_SIDE = 3
"""Pieces of less than a square of so many pixels of the network's are specks."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a network answered to a part of an image.

    Attributes:
        shares: (bones, rows, columns) at the size the part was shown at.
        part: rows and columns of the image, both ends given.
        weight: of this answer beside what the looks before it say, 0 to 1.
    """

    shares: np.ndarray
    part: Part
    weight: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the part, in pixels of the image."""
        rows, columns = self.part
        return rows.stop - rows.start, columns.stop - columns.start


def whole_look(shares: np.ndarray, shape: tuple[int, int]) -> Look:
    """A look at all of an image of a shape."""
    rows, columns = shape
    return Look(shares, (slice(0, rows), slice(0, columns)))


def masks_of_looks(
    looks: Sequence[Look],
    structures: tuple[Structure, ...],
    config: SegmentConfig,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> np.ndarray:
    """Masks (bones, rows, columns) of an image: the first look is at all of it, the others closer.

    Raises:
        Cancelled: `is_cancelled()` became true; it is asked before each bone.
    """
    first = looks[0]
    axes = [[resampling(*n) for n in zip(a.shares.shape[1:], a.shape, strict=True)] for a in looks]
    pixels = first.shape[0] * first.shape[1]
    speck = SPECK_SIDE**2 * pixels / (first.shares.shape[1] * first.shares.shape[2])
    masks = np.zeros((len(structures), *first.shape), bool)
    tell: Callable[[float, str], None] = progress or (lambda fraction, message: None)
    for place, found in enumerate(structures):
        raise_if_cancelled(is_cancelled)
        tell(place / len(structures), f"outlining {found.name}")
        each = zip(looks, axes, strict=True)
        boxes = [_box(look.shares[place] > config.threshold, look.part, *by) for look, by in each]
        box = _around([one for one in boxes if one is not None])
        if box is None:
            continue
        mask = _shares_in(box, looks, axes, place) > config.threshold
        masks[place, *box] = tidy(mask, found, speck) if config.clean else mask
    tell(1.0, "bones outlined")
    return masks


def _shares_in(
    box: Part, looks: Sequence[Look], axes: Sequence[list[csr_array]], place: int
) -> np.ndarray:
    """Shares of one bone in a box of the image, of all looks together; (rows, columns) float32."""
    value = np.zeros([one.stop - one.start for one in box], np.float32)
    for look, (by_row, by_column) in zip(looks, axes, strict=True):
        both = [_both(one, other) for one, other in zip(box, look.part, strict=True)]
        rows, columns = (_within(b, own) for b, own in zip(both, look.part, strict=True))
        across = np.ascontiguousarray((by_column[columns] @ look.shares[place].T).T)
        there = tuple(_within(b, own) for b, own in zip(both, box, strict=True))
        value[there] += np.float32(look.weight) * (by_row[rows] @ across - value[there])
    return value


def _box(there: np.ndarray, part: Part, by_row: csr_array, by_column: csr_array) -> Part | None:
    """Rows and columns of the image outside which no share of a look passes the threshold.

    An interpolated share lies between those it is made of: it passes where one of these does.
    """
    found = []
    for matrix, axis, own in ((by_row, 1, part[0]), (by_column, 0, part[1])):
        reached = np.flatnonzero(matrix @ there.any(axis=axis).astype(np.float32))
        if not reached.size:
            return None
        found.append(slice(own.start + int(reached[0]), own.start + int(reached[-1]) + 1))
    return found[0], found[1]


def _around(boxes: Sequence[Part]) -> Part | None:
    """The box that holds all; what is a mean of shares passes where one of them does."""
    if not boxes:
        return None
    rows, columns = (
        slice(min(one.start for one in axis), max(one.stop for one in axis))
        for axis in zip(*boxes, strict=True)
    )
    return rows, columns


def _both(one: slice, other: slice) -> slice:
    start = max(one.start, other.start)
    return slice(start, max(start, min(one.stop, other.stop)))


def _within(span: slice, own: slice) -> slice:
    return slice(span.start - own.start, span.stop - own.start)
