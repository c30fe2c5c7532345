"""Bones of one patient in the soft tissue of another: more flesh than there are patients.

A network that learns from a handful of CTs learns their bowels and lungs by heart, and takes those
of the next patient for bone. Whoever's bones they are, their masks stay true in any flesh.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from BoneXrayLib.geometry import VIEWS

from ..pairs import Pair
from .augmentation import BONE, LEAN
from .dataset import DrawnFrom

AS_FLESH = (0.5, 0.8)
"""What soft tissue in the place of a bone would add, as a share of what the bone adds: water's
attenuation over that of a bone of 1000 down to 250 HU, marrow and cortex together."""
APART_DEG = 25.0
"""How far the views of two samples may lie apart to be laid upon each other."""
TRIES = 4
SHARE = (0.2, 0.9)
"""How much of the soft tissue is replaced."""
COVERED = 0.3
"""Where the other sample has less than this share of the optical density its body has ended."""
EDGE = 9
"""How softly that ends [pixels]."""


def draw_other(
    pool: DrawnFrom, pair: Pair, share: float, rng: np.random.Generator, images: int
) -> Pair | None:
    """In a share of cases another sample seen nearly alike; None where few draws find none."""
    if share == 0 or rng.random() >= share:
        return None
    for _ in range(TRIES):
        other = pool.draw(rng, images)
        if other is not pair and _seen_alike(pair, other):
            return other
    return None


def in_flesh_of(
    every: torch.Tensor, theirs: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """The layers with a part of their soft tissue replaced by another sample's, where it has any.

    Bones add what they add beyond the flesh that they displace, and this stays as it was; in the
    other sample they count as the flesh that would be in their place.

    Args:
        every: (tissues + named bones, rows, columns) optical density.
        theirs: (tissues + any bones, rows, columns), the other sample.
        rng: draws the shares.

    Returns:
        As `every`; bones, named or not, are the same.
    """
    as_flesh, out = float(rng.uniform(*AS_FLESH)), every.clone()
    covered = (theirs.sum(0) > COVERED * every.sum(0)).float()[None, None]
    covered = functional.avg_pool2d(covered, EDGE, 1, EDGE // 2, count_include_pad=False)[0, 0]
    share = float(rng.uniform(*SHARE)) * covered
    out[:BONE] = (1 - share) * every[:BONE] + share * theirs[:BONE]
    out[LEAN] += share * as_flesh * (theirs[BONE:].sum(0) - every[BONE:].sum(0))
    out[LEAN].clamp_(min=0.0)
    return out


def _seen_alike(one: Pair, other: Pair) -> bool:
    """Whether two samples are seen from nearly one side, or from opposite ones."""
    apart = _orbit(one) - _orbit(other)
    return abs((apart + 90.0) % 180.0 - 90.0) < APART_DEG


def _orbit(pair: Pair) -> float:
    """Angle of the ray through the isocentre about the patient's axis [degrees]."""
    return VIEWS[pair.draw.view].orbital + pair.draw.rotate[0]
