"""Samples cut off above or below, as where a CT ends: more ends than there are CTs.

CTs end at any height, the radiographs made of them show it, and a network that saw few such ends
leaves out the bones beside the next.
"""

from __future__ import annotations

import numpy as np
import torch

from ..labelled import MASK_OD
from ..pairs import TISSUES

LEAST_KEPT = 0.5
"""Of the rows that show the patient."""
BOTH_SHARE = 0.3
"""Share of the samples cut that are so above and below; the others are at one end."""
MOST_SLOPE = 0.06
"""Over how many rows, as a share of the image's, a body ends at most: rays of a cone beam leave it
through the cut, the longer before its edge the farther this lies from the middle."""


def cut_off(every: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Layers that end at a row drawn, above, below or both, with air beyond.

    The body thins out towards the end; a named bone, which lies at one depth, ends at one row.

    Args:
        every: (tissues + named bones, rows, columns) optical density, the patient upright.
        rng: draws the ends.

    Returns:
        As `every`.
    """
    seen = np.flatnonzero((every.sum(0) > MASK_OD).any(1).numpy())
    if not seen.size:
        return every
    first, last = int(seen[0]), int(seen[-1]) + 1
    most = (1.0 - LEAST_KEPT) * (last - first)
    both = rng.random() < BOTH_SHARE
    above, below = (True, True) if both else rng.permutation([True, False])
    most = most / 2 if both else most
    if above:
        every = every * _kept(every.shape, first + rng.uniform(0.0, most), True, rng)
    if below:
        every = every * _kept(every.shape, last - rng.uniform(0.0, most), False, rng)
    return every


def _kept(shape: torch.Size, row: float, is_top: bool, rng: np.random.Generator) -> torch.Tensor:
    """What is left of each row of each layer, (layers, rows, 1) from 0 beyond the end to 1."""
    slope = float(rng.uniform(1.0, max(1.0, MOST_SLOPE * shape[1])))
    inside = torch.arange(shape[1], dtype=torch.float32) + 0.5 - row
    inside = inside if is_top else -inside
    tissues = (inside / slope).clamp(0.0, 1.0).expand(len(TISSUES), -1)
    at = torch.from_numpy(rng.uniform(0.0, slope, (shape[0] - len(TISSUES), 1)).astype(np.float32))
    return torch.cat([tissues, (inside > at).float()])[..., None]
