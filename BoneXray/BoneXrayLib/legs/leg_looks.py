"""Looking at a leg: the whole image first, then closer, square by square along its bones.

The network knows legs from the hip to the ankle as well as single joints. In a whole leg its pixels
are a few millimetres; what it then finds there says where to look with finer ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..extraction import image_scale, working_channels
from ..inference import run_network
from ..progress import part_of
from ..resizing import resize
from .heat_maps import Peak, read_peak
from .leg_channels import FIRST_MASK, FIRST_TOLD, POINTS, SIGMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models import Model
    from ..progress import IsCancelled, Progress
    from ..radiograph import Radiograph

JOINTS = {
    "hip": (("femur", "head_centre"), ("femur", "neck_centre"), ("femur", "greater_trochanter")),
    "knee": (
        ("femur", "intercondylar_notch"), ("femur", "medial_condyle"), ("femur", "lateral_condyle"),
        ("tibia", "intercondylar_eminence"), ("tibia", "medial_plateau"),
        ("tibia", "lateral_plateau"),
    ),
    "ankle": (("tibia", "plafond_centre"), ("tibia", "medial_malleolus")),
}  # fmt: skip
"""Landmarks that say where a joint is, about."""
STRETCHES = (("hip", "knee"), ("knee", "ankle"))
SHARES = (0.0, 0.5, 1.0)
"""Where along a bone the squares are that look closer."""
SQUARE = 0.7
"""Side of a square over the length of the bone it looks at."""
WORTH = 0.62
"""Squares larger than this share of the image's longer side show hardly more than it does."""
LEAST_SIDE_PX = 48
MAYBE = 0.15
"""Presence from which a landmark has a say in where a joint is."""
SURE = 0.3
"""Presence from which a closer look counts."""
RIM = 0.1
"""What lies this near to the border of a square is better seen in another, as a share of it."""


@dataclass(frozen=True, eq=False)
class Look:
    """The network's answer to a part of an image.

    Attributes:
        shares: (outputs, rows, columns), of a left leg those to its mirror image, turned back.
        first: (row, column) in the image of the answer's pixel (0, 0).
        step: (rows, columns) of the image that a pixel of the answer is long.
        peaks: of each landmark, in pixels of the image.
        told: how sure it is that the image is frontal, and that the leg is a right one.
    """

    shares: np.ndarray
    first: np.ndarray
    step: np.ndarray
    peaks: tuple[Peak, ...] = ()
    told: tuple[float, float] = (1.0, 1.0)

    def into_image(self, row_column: np.ndarray) -> np.ndarray:
        """Places (..., 2) of the answer in the image."""
        return self.first + np.asarray(row_column) * self.step

    def is_inside(self, peak: Peak) -> bool:
        """Whether a place of the image lies within the answer, off its rim."""
        at = (np.array([peak.row, peak.column]) - self.first) / self.step
        sides = np.array(self.shares.shape[1:]) - 1
        return bool(((at > RIM * sides) & (at < (1 - RIM) * sides)).all())


def looked(
    model: Model,
    radiograph: Radiograph,
    part: tuple[slice, slice],
    side: str = "auto",
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
    is_frontal: bool | None = None,
) -> Look:
    """What the network answers to a part of a radiograph, rows and columns.

    It knows right legs. Of a left leg it is shown the mirror image; where nobody said the side,
    the image both ways, and what it tells of a frontal one decides. Whether it is one the network
    tells, too, unless somebody said so.
    """
    pixels = np.ascontiguousarray(radiograph.pixels[part])
    shown = replace(radiograph, pixels=pixels)
    scale = image_scale(pixels, radiograph.domain)
    channels = working_channels(shown, scale, model.card.input["working_size"])

    def answer(is_right: bool, tell: Progress | None) -> np.ndarray:
        step = 1 if is_right else -1
        seen = np.ascontiguousarray(channels[..., ::step])
        found = run_network(model, seen, progress=tell, is_cancelled=is_cancelled, runtime=runtime)
        return np.ascontiguousarray(found[..., ::step])

    if side != "auto":
        shares = answer(side == "right", progress)
        frontal, right = _whole(shares)
        told = frontal, right if side == "right" else 1.0 - right
    else:
        both = answer(True, part_of(progress, 0, 2)), answer(False, part_of(progress, 1, 2))
        (frontal, right), (frontal_too, left) = (_whole(each) for each in both)
        told = (frontal + frontal_too) / 2, (right + 1.0 - left) / 2
        is_frontal = told[0] >= 0.5 if is_frontal is None else is_frontal
        is_right = not is_frontal or told[1] >= 0.5
        shares = both[0] if is_right else both[1]
    return replace(as_look(shares[:FIRST_TOLD], part, pixels.shape), told=told)


def _whole(shares: np.ndarray) -> tuple[float, float]:
    """What is told of a whole image: that it is frontal, that it is the right way round."""
    frontal, right = shares[FIRST_TOLD:].mean(axis=(1, 2))
    return float(frontal), float(right)


def as_look(shares: np.ndarray, part: tuple[slice, slice], shape: tuple[int, int]) -> Look:
    """An answer (outputs, rows, columns) to a part of an image of `shape`, its peaks read."""
    step = np.array(shape) / np.array(shares.shape[1:])
    first = np.array([part[0].start, part[1].start]) + (step - 1) / 2
    look = Look(shares, first, step)
    peaks = []
    for share in shares[:FIRST_MASK]:
        peak = read_peak(share, SIGMA)
        row, column = look.into_image(np.array([peak.row, peak.column]))
        spread = peak.covariance * np.outer(step, step)
        peaks.append(Peak(float(row), float(column), spread, peak.presence))
    return replace(look, peaks=tuple(peaks))


def squares(look: Look, shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Parts of an image of `shape` to look at closer: none where that shows hardly more."""
    joints = {}
    for joint, names in JOINTS.items():
        found = [look.peaks[POINTS.index(name)] for name in names]
        found = [peak for peak in found if peak.presence >= MAYBE]
        if found:
            joints[joint] = np.average(
                [(peak.row, peak.column) for peak in found], axis=0,
                weights=[peak.presence for peak in found],
            )  # fmt: skip
    out: list[tuple[slice, slice]] = []
    for one, other in STRETCHES:
        if one not in joints or other not in joints:
            continue
        way = joints[other] - joints[one]
        side = SQUARE * float(np.linalg.norm(way))
        if side > WORTH * max(shape) or side < LEAST_SIDE_PX:
            continue
        for share in SHARES:
            part = _square(joints[one] + share * way, side, shape)
            if part not in out:
                out.append(part)
    return out


def _square(middle: np.ndarray, side: float, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns around a place, moved into the image and cut where it is smaller."""
    spans = []
    for at, count in zip(middle, shape, strict=True):
        size = min(count, round(side))
        low = int(np.clip(round(at - size / 2), 0, count - size))
        spans.append(slice(low, low + size))
    return spans[0], spans[1]


def best_peaks(looks: Sequence[Look]) -> list[Peak]:
    """Each landmark from the closest look that is sure of it; the first look is of the whole."""
    best = list(looks[0].peaks)
    for number, first in enumerate(best):
        closer = [
            look.peaks[number] for look in looks[1:]
            if look.is_inside(look.peaks[number]) and look.peaks[number].presence >= SURE
        ]  # fmt: skip
        # Far from where the whole image has it, it is another one that looks alike.
        near = [p for p in closer if first.presence < SURE or _distance(p, first) < _reach(looks)]
        if near:
            best[number] = max(near, key=lambda peak: peak.presence)
    return best


def _distance(one: Peak, other: Peak) -> float:
    return float(np.hypot(one.row - other.row, one.column - other.column))


def _reach(looks: Sequence[Look]) -> float:
    return 8.0 * float(looks[0].step.mean())


def joined(looks: Sequence[Look]) -> Look:
    """One answer of all looks: each place from the closest looks, squares fading into each other.

    It has the finest step of all and the masks and discs only.
    """
    whole = looks[0]
    if len(looks) == 1:
        return replace(whole, shares=whole.shares[FIRST_MASK:])
    step = np.min([look.step for look in looks], axis=0)
    corner = whole.first - whole.step / 2
    size = tuple(np.ceil(whole.shares.shape[1:] * whole.step / step - 1e-6).astype(int))
    coarse = np.stack([resize(s, size) for s in whole.shares[FIRST_MASK:]])
    step = np.array(whole.shares.shape[1:]) * whole.step / size
    total, weight = np.zeros_like(coarse), np.zeros(size, np.float32)
    for look in looks[1:]:
        low = np.rint((look.first - look.step / 2 - corner) / step).astype(int)
        shape = np.rint(np.array(look.shares.shape[1:]) * look.step / step).astype(int)
        # A square may reach beyond the part of the image that the first look was at.
        first, last = np.clip(low, 0, size), np.clip(low + shape, 0, size)
        if (last <= first).any():
            continue
        box, of_it = (
            tuple(slice(a, b) for a, b in zip(first - off, last - off, strict=True))
            for off in (0 * low, low)
        )
        fade = np.outer(*(_fade(n) for n in shape))
        for layer, share in zip(total, look.shares[FIRST_MASK:], strict=True):
            layer[box] += (fade * resize(share, tuple(shape)))[of_it]
        weight[box] += fade[of_it]
    share = np.minimum(weight, 1.0)
    shares = (1.0 - share) * coarse + share * total / np.maximum(weight, 1e-6)
    return Look(shares.astype(np.float32), corner + step / 2, step)


def _fade(count: int) -> np.ndarray:
    """1 in the middle, falling to 0 within the rim at both ends."""
    at = (np.arange(count) + 0.5) / count
    return np.clip(np.minimum(at, 1.0 - at) / (1.5 * RIM), 0.0, 1.0).astype(np.float32)
