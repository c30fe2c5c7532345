"""Patients put together from two: the chest of one on the pelvis of another.

CTs with labels are mostly of a chest or of a pelvis. So the spines of two patients are joined, cut
across between ribs and pelvis; near the cut both bodies are brought to one width and depth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.attenuation import AIR_HU
from BoneXrayLib.bone import Parts

from .deformation import deformed
from .limits import check_number
from .pairs import crop_to_body
from .sources import CtSource

VOXEL_MM = 1.5
"""Of the patients made; finer than the pixels of an image of a whole trunk."""
REACH_MM = 120.0
"""How far from the cut a body's width is changed to meet the other's."""
SLACK_MM = 40.0
"""Of the upper patient's column so much is cut off at most."""
ABDOMEN_MM = (60.0, 220.0)
"""How far above the cut a patient ends who is shown as by a CT of abdomen and pelvis."""
CLEAR_MM = 20.0
"""Between the lower patient's other bones and the cut, where the column is long enough."""


@dataclass(frozen=True)
class StackConfig:
    """Patients put together from two of those trained on."""

    upper: tuple[str, ...] = ()
    """Patients whose upper part is taken, such as chests; they take turns."""
    lower: tuple[str, ...] = ()
    """Patients whose lower part is taken, such as pelves; each meets each of the upper ones."""
    patients: int = 0
    """How many to make."""
    share: float = 1.0
    """How often they are drawn, all together, relative to the others."""
    along: str = "vertebrae"
    """Structure that both have and that goes on through the cut."""
    abdomens: float = 0.0
    """Share of them that end below the lungs or within them, as CTs of abdomen and pelvis do."""

    def __post_init__(self) -> None:
        check_number("stacks.patients", self.patients, 0)
        check_number("stacks.share", self.share, 0)
        check_number("stacks.abdomens", self.abdomens, 0, 1)
        if self.patients and not (self.upper and self.lower):
            raise ValueError("stacks: patients without upper and lower; expected names of patients")

    def check(self, patients: Sequence[str], structures: Sequence[str]) -> None:
        """Refuse what is asked for if it is not among those trained on, or has no such column."""
        if not self.patients:
            return
        for name in ("upper", "lower"):
            unknown = sorted(set(getattr(self, name)) - set(patients))
            if unknown:
                raise ValueError(
                    f"stacks.{name}: got {unknown[0]!r}; expected patients that are trained on"
                )
        if self.along not in structures:
            raise ValueError(f"stacks.along: got {self.along!r}; expected one of the structures")


@dataclass(frozen=True, eq=False)
class _Cut:
    """Where a patient is cut, on a grid of `VOXEL_MM` along S, A, R.

    Attributes:
        k: the slice.
        column: (2,) place of the column there along A and R [voxels].
        size: (2,) depth in front of the column, and width of the body [voxels].
    """

    k: int
    column: np.ndarray
    size: np.ndarray


def stacked_patients(
    config: StackConfig,
    known: Sequence[tuple[CtSource, Parts]],
    seed: int,
    spread_mm: float,
) -> Iterator[tuple[CtSource, Parts]]:
    """The patients that are put together, smoothly deformed, their share divided by them.

    Args:
        config: which.
        known: the patients trained on; the first of a name is the one as the CT shows it.
        seed: for the places of the cuts and for the deformations.
        spread_mm: of the deformations, as `deformed`.

    Raises:
        ValueError: a patient that cannot be cut, in one line.
    """
    first = {source.patient: (source, parts) for source, parts in reversed(known)}
    for number in range(config.patients):
        turn, place = divmod(number, len(config.upper))
        names = config.upper[place], config.lower[turn % len(config.lower)]
        (source, upper), (_, lower) = (first[name] for name in names)
        called = "+".join(names)
        rng = np.random.default_rng([seed, number, *called.encode()])
        above = rng.uniform(*ABDOMEN_MM) if rng.random() < config.abdomens else np.inf
        parts = stacked(upper, lower, rng, config.along, names, above)
        parts = deformed(parts, rng, spread_mm)
        share = config.share / config.patients
        yield dataclasses.replace(source, patient=called, share=share), parts


def stacked(
    upper: Parts,
    lower: Parts,
    rng: np.random.Generator,
    along: str = "vertebrae",
    names: tuple[str, str] = ("upper", "lower"),
    above_mm: float = np.inf,
) -> Parts:
    """One patient on another, cut where only their columns are (in the upper: near its end).

    Args:
        upper: who is above the cut; of the same parts as the other.
        lower: who is below it.
        rng: draws the cuts.
        along: the part that is the column.
        names: of both, for what is raised.
        above_mm: as much of the upper one is kept.

    Raises:
        ValueError: one has no such part, or others of the lower one reach as high as its column.
    """
    if along not in upper.names or upper.names != lower.names:
        raise ValueError(f"stacks: {names[0]} and {names[1]}: expected the same parts with {along}")
    number = upper.names.index(along)
    above, below = _upright(upper), _upright(lower)
    top = _cut(above, _level_of_upper(above, number, names[0], rng), number)
    end = _cut(below, _level_of_lower(below, number, names[1], rng), number)
    size = np.sqrt(top.size * end.size)
    room = np.ceil(np.maximum(_room(above, top, size), _room(below, end, size))).astype(int)
    last = int(min(len(above.hu), top.k + above_mm / VOXEL_MM))
    pieces = (
        _moulded(below, end, size, room, slice(0, end.k)),
        _moulded(above, top, size, room, slice(top.k, last)),
    )
    hu, part = (np.concatenate(two) for two in zip(*pieces, strict=True))
    return crop_to_body(Parts(hu, np.diag([VOXEL_MM] * 3 + [1.0]), part, None, upper.names))


def _upright(parts: Parts) -> Parts:
    """On a grid along S, A and R; each voxel takes HU and part of the nearest."""
    counts = np.array(parts.hu.shape[::-1])
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in counts))).reshape(3, -1)
    matrix = parts.ijk_to_ras
    places = matrix[:3, :3] @ corners + matrix[:3, 3:]
    low, high = places.min(axis=1), places.max(axis=1)
    shape = tuple(int(n) for n in np.ceil((high - low) / VOXEL_MM)[::-1])
    ras = np.diag([VOXEL_MM] * 3 + [1.0])
    ras[:3, 3] = low + VOXEL_MM / 2
    pull = np.linalg.inv(matrix) @ ras
    linear, offset = pull[:3, :3][::-1, ::-1], pull[:3, 3][::-1]
    hu, part = (
        ndimage.affine_transform(
            a, linear, offset, shape, order=0, mode="grid-constant", cval=outside
        )
        for a, outside in ((parts.hu, AIR_HU), (parts.part, 0))
    )
    return Parts(hu, ras, part, None, parts.names)


def _slices_with(parts: Parts, number: int, name: str) -> np.ndarray:
    found = np.flatnonzero((parts.part == number).any(axis=(1, 2)))
    if not found.size:
        raise ValueError(f"stacks: {name} has no {parts.names[number]}; expected a column to join")
    return found


def _level_of_upper(parts: Parts, number: int, name: str, rng: np.random.Generator) -> int:
    column = _slices_with(parts, number, name)
    last = min(int(column[0] + SLACK_MM / VOXEL_MM), int(column[-1]))
    return int(rng.integers(column[0], last + 1))


def _level_of_lower(parts: Parts, number: int, name: str, rng: np.random.Generator) -> int:
    """Above all other named bones."""
    column = _slices_with(parts, number, name)
    first_bone = parts.names.index("bone") + 1
    others = (parts.part >= first_bone) & (parts.part != number)
    reached = np.flatnonzero(others.any(axis=(1, 2)))
    highest = int(reached[-1]) if reached.size else int(column[0])
    if highest >= column[-1]:
        raise ValueError(
            f"stacks.lower: {name} has other bones up to the end of its {parts.names[number]}; "
            "expected column alone at its top"
        )
    lowest = min(highest + int(CLEAR_MM / VOXEL_MM), int(column[-1]))
    return int(rng.integers(lowest, column[-1] + 1))


def _cut(parts: Parts, k: int, number: int) -> _Cut:
    """The cut in the slice nearest to `k` that shows the column."""
    column = _slices_with(parts, number, "")
    k = int(column[np.argmin(np.abs(column - k))])
    rows, columns = np.nonzero(parts.part[k] == number)
    pieces, _ = ndimage.label(parts.part[k] > 0)
    body = pieces == np.bincount(pieces[rows, columns]).argmax()  # no arm beside it
    middle = np.array([rows.mean(), columns.mean()])
    deep, wide = (np.flatnonzero(body.any(axis=axis)) for axis in (1, 0))
    size = np.array([max(deep[-1] - middle[0], 1.0), np.ptp(wide) + 1.0])
    return _Cut(k, middle, size)


def _room(parts: Parts, cut: _Cut, size: np.ndarray) -> np.ndarray:
    """Voxels around the column along A and R that all of a patient needs, also where widened."""
    reached = np.maximum(cut.column, np.array(parts.hu.shape[1:]) - cut.column)
    return reached * np.maximum(size / cut.size, 1.0)


def _moulded(
    parts: Parts, cut: _Cut, size: np.ndarray, room: np.ndarray, span: slice
) -> tuple[np.ndarray, np.ndarray]:
    """HU and parts of some slices around the column, at the cut as large as `size` asks."""
    numbers = range(span.start, span.stop)
    shape = (len(numbers), *(2 * room + 1))
    hu, part = np.full(shape, AIR_HU, parts.hu.dtype), np.zeros(shape, parts.part.dtype)
    for out, k in enumerate(numbers):
        near = max(0.0, 1.0 - abs(k - cut.k) * VOXEL_MM / REACH_MM)
        ratio = (cut.size / size) ** (near * near * (3.0 - 2.0 * near))
        taken = [
            np.rint(middle + np.arange(-half, half + 1) * times).astype(int)
            for middle, half, times in zip(cut.column, room, ratio, strict=True)
        ]
        inside = [
            np.flatnonzero((at >= 0) & (at < n))
            for at, n in zip(taken, parts.hu.shape[1:], strict=True)
        ]
        there = np.ix_(*inside)
        here = np.ix_(*(at[found] for at, found in zip(taken, inside, strict=True)))
        hu[out][there], part[out][there] = parts.hu[k][here], parts.part[k][here]
    return hu, part
