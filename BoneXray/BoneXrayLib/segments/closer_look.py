"""A closer look: where some bones are small in an image, a network is shown these once more.

On a radiograph of a whole hand the carpal bones are half as large as on one of a wrist, smaller at
the working size than the network learned them. The model's card names the bones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .mask_pieces import tidy
from .share_masks import SPECK_SIDE, Look

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .share_masks import Part
    from .structures import Structure

MARGIN = 0.7
"""What is shown around the bones, over the longer side of the box that holds them. Of 0.55, 0.7 and
0.85 the best on simulated whole hands of a person that segment-wrist 0.7.0 had learned from; on
wrists, too, 0.35 and 0.5 were worse, 0.9 about as good."""
CLOSER = 0.9
"""Longer side of that over the image's up to which a second look is one: above it brings little."""
LEAST_FOUND = 0.5
"""Share of the bones that have to be found."""
LARGER = 2.0
"""Size over the working size at which a network is shown, too, what it is unsure of: a hand with
all of the forearm."""


def closer_part(
    look: Look, structures: Sequence[Structure], names: Collection[str], threshold: float
) -> Part | None:
    """Rows and columns of the image around the named bones, or None where that is no closer.

    Args:
        look: at the whole image.
        structures: the bones of its shares.
        names: the bones to look closer at.
        threshold: share from which a pixel belongs to a bone.
    """
    named = [n for n, found in enumerate(structures) if found.name in names]
    masks = [tidy(look.shares[n] > threshold, structures[n], SPECK_SIDE**2) for n in named]
    found = [mask for mask in masks if mask.any()]
    if len(found) < max(1.0, LEAST_FOUND * len(named)):
        return None
    there = np.any(found, axis=0)
    scale = [n / own for n, own in zip(look.shape, there.shape, strict=True)]
    ends = [np.flatnonzero(there.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    spans = [(low * s, (high + 1) * s) for (low, high), s in zip(ends, scale, strict=True)]
    margin = MARGIN * max(high - low for low, high in spans)
    rows, columns = (
        slice(max(0, round(low - margin)), min(count, round(high + margin)))
        for (low, high), count in zip(spans, look.shape, strict=True)
    )
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    return (rows, columns) if longest <= CLOSER * max(look.shape) else None


def closer_weight(first: Look, shares: np.ndarray, part: Part) -> float:
    """What a closer look's answer (bones, rows, columns) to a part counts beside the first one's.

    Both count by the pixels they have of the same place.
    """
    finer = (part[0].stop - part[0].start) / shares.shape[1]
    coarser = first.shape[0] / first.shares.shape[1]
    return float(coarser**2 / (coarser**2 + finer**2))
