"""What a separator is asked in training: which bones of a sample, how framed, how far they overlap.

Sizes of overlaps are drawn evenly over the bins: two bones are moved towards each other or apart,
as exact layers may be, until they overlap as drawn.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..pairs import TISSUES, Pair
from .overlap_bins import OVERLAP_BINS, SIDE, overlap_bin

EXCESS_OD = 0.01
"""A bone's mask is where it adds more than this over soft tissue: about 0.5 mm of cortex."""
LARGEST = 6000.0
"""Pixels at 256 x 256 that the last bin ends with."""
SMALLEST_BONE = 0.004
"""Share of a sample that a bone covers at least."""
GAP = 0.06
"""Bones no further apart than this share of the sample's side are a joint."""
CENTRAL = 0.2
"""Joints lie within this share of the side from the middle."""
ABOVE = 0.25, 0.5
"""Two bones are above each other where their middles are at least this share of the image's half
side apart, and where they share at most this much of the smaller one."""
PUSHES = 27
PARTS = 2
"""Joints are looked for in masks that are so many times coarser."""


@dataclass(frozen=True)
class LayerConfig:
    """To pull bones apart: what is asked, and how images are made for it."""

    field: tuple[float, float] = (2.8, 4.6)
    """Side of a sample over the width of the smaller bone of its joint."""
    masks_share: float = 0.6
    """Share of the images that are given with masks; in the others the joint stands upright."""
    exact_share: float = 0.4
    """Share of the masks given that have no error of outline."""
    several_share: float = 0.25
    """Share of the images that ask about a bone and several others."""
    push: float = 0.14
    """How far two bones are moved at most for an overlap, as a share of the image's side."""
    brightness_share: float = 0.5
    """Share of the images given as optical density that are -ln(1 - b) of an 8-bit image."""
    shifted_share: float = 0.25
    """Share of the joints of two bones above each other that are drawn apart, so that their
    overlap is made in the image, in BLS-GAN's way (`layer_images`)."""

    def __post_init__(self) -> None:
        for name in ("masks_share", "exact_share", "several_share", "brightness_share",
                     "shifted_share"):  # fmt: skip
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"layers.{name}: got {getattr(self, name)}; expected 0 to 1")
        if not 0.0 < self.field[0] <= self.field[1]:
            raise ValueError(f"layers.field: got {list(self.field)}; expected two widths")
        if not 0.0 <= self.push <= 0.3:
            raise ValueError(f"layers.push: got {self.push}; expected 0 to 0.3")


@dataclass(frozen=True)
class Question:
    """A bone, others that it is to be told from, and the square that is shown.

    Attributes:
        this, others: places of the bones among a sample's structures.
        centre: column and row of the square's middle in the sample.
        angle: turn of the square [radians], so that what is above stays above where `upright`.
        side: of the square [pixels of the sample].
        upright: whether `this` stands above a single other bone.
        push: columns and rows that `this` moves, and the other.
        target: overlap wanted, in pixels at 256 x 256.
        shifted: whether the bones are to be shifted together in the image made of them.
    """

    this: int
    others: tuple[int, ...]
    centre: tuple[float, float]
    angle: float
    side: float
    upright: bool
    push: tuple[tuple[int, int], tuple[int, int]]
    target: float
    shifted: bool = False


@dataclass(frozen=True)
class _Meeting:
    """Two bones that meet within a sample: places, where, from one middle to the other [pixels]."""

    one: int
    other: int
    centre: np.ndarray
    way: np.ndarray
    are_above: bool


def draw_target(rng: np.random.Generator) -> float:
    """Size of an overlap [pixels at 256 x 256], each bin as likely."""
    low, high = OVERLAP_BINS[int(rng.integers(len(OVERLAP_BINS)))]
    return float(np.exp(rng.uniform(np.log(low), np.log(min(high, LARGEST)))))


def draw_question(
    pair: Pair,
    side: float,
    config: LayerConfig,
    turn: float,
    rng: np.random.Generator,
    any_size: bool = False,
) -> Question | None:
    """Any question that a sample allows; None where its bones meet nowhere near the middle.

    None, too, where they cannot be moved until their overlap is of the bin that was drawn, unless
    `any_size` will do.

    Args:
        pair: the sample.
        side: of the square that is shown [pixels of the sample].
        config: what is asked.
        turn: standard deviation of the turn of an upright joint [radians].
        rng: what draws.
    """
    masks = np.asarray(pair.layers[len(TISSUES) :]) > EXCESS_OD
    meetings = _meetings(masks, side)
    if not meetings:
        return None
    met = meetings[int(rng.integers(len(meetings)))]
    one, other = (met.one, met.other) if rng.random() < 0.5 else (met.other, met.one)
    way = met.way if one == met.one else -met.way
    target = draw_target(rng)
    upright = met.are_above
    others: tuple[int, ...] = (other,)
    if rng.random() < config.several_share:
        also = {m.one for m in meetings} | {m.other for m in meetings}
        also -= {one, other}
        others += tuple(n for n in sorted(also) if rng.random() < 0.7)
        upright = upright and len(others) == 1
    push = ((0, 0), (0, 0))
    shifted = upright and len(others) == 1 and rng.random() < config.shifted_share
    if len(others) == 1:
        wanted = 1.0 if shifted else target * (side / SIDE) ** 2
        push = _push(masks[one], masks[other], way, wanted, config.push * side)
    if not (any_size or shifted):
        by = np.subtract(push[1], push[0])
        size = shared_pixels(masks[one], np.any(masks[list(others)], axis=0), by)
        if overlap_bin(size * (SIDE / side) ** 2) != overlap_bin(target):
            return None
    angle = float(np.arctan2(-way[0], way[1]) + rng.normal(0.0, turn))
    return Question(one, others, (float(met.centre[0]), float(met.centre[1])), angle, side,
                    upright, push, target, shifted)  # fmt: skip


def _meetings(masks: np.ndarray, side: float) -> list[_Meeting]:
    """Pairs of bones that overlap or nearly touch near the middle of the sample."""
    coarse = masks[:, ::PARTS, ::PARTS]
    size = coarse.shape[-1]
    there = [n for n, mask in enumerate(coarse) if mask.mean() > SMALLEST_BONE]
    away = {n: ndimage.distance_transform_edt(~coarse[n]) for n in there}
    found = []
    for one, other in itertools.combinations(there, 2):
        both = coarse[one] & coarse[other]
        apart = away[one] + away[other]
        if both.any():
            rows, columns = np.nonzero(both)
            centre = np.array([columns.mean(), rows.mean()])
        elif apart.min() <= GAP * size:
            row, column = np.unravel_index(int(apart.argmin()), apart.shape)
            centre = np.array([column, row], dtype=float)
        else:
            continue
        if np.abs(centre - (size - 1) / 2).max() > CENTRAL * size:
            continue
        found.append(_meeting(coarse, one, other, centre, side / PARTS / 2))
    return [m for m in found if m is not None]


def _meeting(
    coarse: np.ndarray, one: int, other: int, centre: np.ndarray, half: float
) -> _Meeting | None:
    """What is seen of two bones within `half` of a place; None where one is not seen."""
    low = np.maximum(np.round(centre - half).astype(int), 0)
    high = np.round(centre + half).astype(int) + 1
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    first, second = coarse[one][window], coarse[other][window]
    if min(first.sum(), second.sum()) < SMALLEST_BONE * first.size:
        return None
    middles = [np.array([np.nonzero(m)[1].mean(), np.nonzero(m)[0].mean()])
               for m in (first, second)]  # fmt: skip
    way = middles[1] - middles[0]
    shared = (first & second).sum() / min(first.sum(), second.sum())
    are_above = bool(np.linalg.norm(way) > ABOVE[0] * half and shared < ABOVE[1])
    if np.linalg.norm(way) < 1e-3:
        way = np.array([0.0, 1.0])
    return _Meeting(one, other, (centre + 0.5) * PARTS - 0.5, way, are_above)


def _push(
    this: np.ndarray, other: np.ndarray, way: np.ndarray, wanted: float, most: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """How far each bone moves (columns, rows) for an overlap of about `wanted` pixels."""
    way = way / np.linalg.norm(way)
    best, chosen = np.inf, ((0, 0), (0, 0))
    for length in np.linspace(-most, most, PUSHES):
        first = np.round(way * length / 2).astype(int)
        second = first - np.round(way * length).astype(int)
        size = shared_pixels(this, other, second - first)
        wrong = abs(np.log((size + 1.0) / wanted)) + 0.1 * abs(length) / max(most, 1.0)
        if wrong < best:
            best = wrong
            chosen = (int(first[0]), int(first[1])), (int(second[0]), int(second[1]))
    return chosen


def shared_pixels(this: np.ndarray, other: np.ndarray, by: np.ndarray) -> int:
    """Pixels of both masks (rows, columns) once the other has moved by (columns, rows)."""
    (columns, rows), shape = (int(n) for n in by), this.shape
    here = _kept(rows, shape[0]), _kept(columns, shape[1])
    there = _kept(-rows, shape[0]), _kept(-columns, shape[1])
    return int(np.count_nonzero(this[here] & other[there]))


def _kept(by: int, count: int) -> slice:
    return slice(max(by, 0), count + min(by, 0))


def moved(layer: np.ndarray, by: tuple[int, int] | np.ndarray) -> np.ndarray:
    """A layer (rows, columns) moved by (columns, rows); what comes in at an edge mirrors it."""
    reach = max(abs(int(by[0])), abs(int(by[1])))
    rows, columns = layer.shape
    padded = np.pad(layer, reach, mode="symmetric")
    top, left = reach - int(by[1]), reach - int(by[0])
    return padded[top : top + rows, left : left + columns]
