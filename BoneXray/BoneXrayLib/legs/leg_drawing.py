"""What is drawn of a leg's bones on a radiograph, by hand or by the network, as its features.

A point is a landmark. Places around a round part are a circle, or the nearest ellipse of five
places or more that go all the way round: of an arc an ellipse is anyone's guess. Pixels are the
image's: (row, column).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..leg_features import EllipseFeature, LegFeatures, PointFeature
from .leg_channels import BONES, ELLIPSES, FEMUR_POINTS, TIBIA_POINTS
from .leg_feature_files import PLACED_PX2

POINTS = {"femur": FEMUR_POINTS, "tibia": TIBIA_POINTS}
ROUNDS = {"femur": ELLIPSES, "tibia": ()}
LEAST = 3
"""Points and round parts of a bone that place it: less leaves turns and shifts open."""
LEAST_AROUND, LEAST_ON_LINE = 3, 8
"""Places that make a round part, and those that make an outline."""
FOR_ELLIPSE = 5
MOST_GAP = 0.75 * np.pi
"""Of places that go all the way round [rad]."""
MOST_OBLONG = 1.5
"""Largest ratio of axes of what is the image of a ball."""
MOVED_PX = 0.5
"""A place further than this from where the network put it was put there by hand."""
DRAWN_AROUND = 6
"""Places that are shown of an ellipse: five would do, evenly spaced ones are easier to move."""


class Item(NamedTuple):
    """Something that can be drawn: of a bone, a kind (point, ellipse, outline, box) and a name."""

    bone: str
    kind: str
    name: str = ""


@dataclass
class Drawing:
    """One bone on one radiograph, as drawn.

    Attributes:
        points: (row, column) by landmark.
        notes: what the network said of a landmark, as `note_of` writes it.
        rounds: places (N, 2) around each round part.
        outline: places (N, 2) along the outline, or None.
        box: corners (N, 2), or None.
    """

    points: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, np.ndarray] = field(default_factory=dict)
    outline: np.ndarray | None = None
    box: np.ndarray | None = None


def items(bones: Iterable[str]) -> list[Item]:
    """All that can be drawn of bones, in the order in which it is best drawn."""
    found: list[Item] = []
    for bone in sorted(bones, key=BONES.index):
        found += [Item(bone, "ellipse", name) for name in ROUNDS[bone]]
        found += [Item(bone, "point", name) for name in POINTS[bone]]
        found += [Item(bone, "outline"), Item(bone, "box")]
    return found


def features_of(
    drawing: Drawing, bone: str, side: str, view: str, found: LegFeatures | None = None
) -> LegFeatures | None:
    """The features that a drawing shows; None where it shows nothing.

    Args:
        drawing: of the bone.
        bone, side, view: which, and how it was taken.
        found: what gives the outline where none is drawn.
    """
    points = {n: _point(at, drawing.notes.get(n, "")) for n, at in drawing.points.items()}
    rounds = {n: ellipse_around(p) for n, p in drawing.rounds.items() if len(p) >= LEAST_AROUND}
    box = None
    if drawing.box is not None and len(drawing.box) > 1:
        low, high = drawing.box.min(axis=0), drawing.box.max(axis=0)
        box = float(low[0]), float(low[1]), float(high[0]), float(high[1])
    line = drawing.outline
    if line is not None and len(line) >= LEAST_ON_LINE:
        closed = np.concatenate([line, line[:1]])
        return LegFeatures(bone, side, view, box, points, rounds, closed, "line")
    if not points and not rounds and found is None:
        return None
    if found is None or found.outline is None:
        return LegFeatures(bone, side, view, box, points, rounds)
    return LegFeatures(bone, side, view, box, points, rounds, found.outline, found.outline_kind,
                       found.outline_first, found.outline_step)  # fmt: skip


def drawing_of(found: LegFeatures) -> Drawing:
    """How features are drawn; the outline is left to the picture they were found in."""
    corners = None
    if found.box is not None:
        row0, column0, row1, column1 = found.box
        corners = np.array([[row0, column0], [row0, column1], [row1, column1], [row1, column0]])
    return Drawing(
        {name: np.array(point[:2], dtype=float) for name, point in found.points.items()},
        {name: note_of(point) for name, point in found.points.items()},
        {name: places_around(ellipse) for name, ellipse in found.ellipses.items()},
        np.asarray(found.outline)[:-1] if found.outline_kind == "line" else None,
        corners,
    )


def note_of(point: PointFeature) -> str:
    """Where a landmark was found, and how sure, as text that is kept beside it."""
    spread = np.asarray(point.covariance).tolist()
    return json.dumps({"at": [float(point.row), float(point.column)], "covariance": spread})


def _point(at: np.ndarray, note: str) -> PointFeature:
    """A landmark with its covariance as found, or a hand's where it was moved or placed."""
    spread = PLACED_PX2 * np.eye(2)
    if note:
        said = json.loads(note)
        if np.linalg.norm(np.subtract(said["at"], at)) < MOVED_PX:
            spread = np.array(said["covariance"])
    return PointFeature(float(at[0]), float(at[1]), spread)


def count_of(features: LegFeatures | None) -> int:
    """How many points and round parts there are."""
    return 0 if features is None else len(features.points) + len(features.ellipses)


def most_of(bone: str, views: Sequence[Sequence[LegFeatures]]) -> int:
    """How many points and round parts of a bone the image has that shows most of them."""
    return max((count_of(f) for view in views for f in view if f.bone == bone), default=0)


def places_around(ellipse: EllipseFeature, count: int = DRAWN_AROUND) -> np.ndarray:
    """Places (count, 2) on an ellipse, evenly spaced in its own angle."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    along, across = ellipse.a * np.cos(turn), ellipse.b * np.sin(turn)
    cos, sin = np.cos(ellipse.angle), np.sin(ellipse.angle)
    rows = ellipse.row + along * sin + across * cos
    return np.stack([rows, ellipse.column + along * cos - across * sin], axis=1)


def ellipse_around(places: np.ndarray) -> EllipseFeature:
    """The ellipse of places (N, 2) around a round part; see the top of this file.

    Raises:
        ValueError: fewer than three places, or places on a line.
    """
    places = np.asarray(places, dtype=np.float64)
    if len(places) < LEAST_AROUND:
        raise ValueError(f"ellipse: got {len(places)} places; expected at least {LEAST_AROUND}")
    circle = _nearest_circle(places)
    if len(places) < FOR_ELLIPSE or _largest_gap(places, circle) > MOST_GAP:
        return circle
    ellipse = _nearest_ellipse(places)
    if ellipse is None or max(ellipse[2:4]) > MOST_OBLONG * min(ellipse[2:4]):
        return circle
    return ellipse


def _largest_gap(places: np.ndarray, circle: EllipseFeature) -> float:
    """The largest angle [rad] about the middle in which there is no place."""
    turn = np.sort(np.arctan2(places[:, 0] - circle.row, places[:, 1] - circle.column))
    return float(np.diff(turn, append=turn[0] + 2 * np.pi).max())


def _nearest_circle(places: np.ndarray) -> EllipseFeature:
    """|x|² = 2 c·x + (r² - |c|²), linear in c and the rest."""
    middle = places.mean(axis=0)
    around = places - middle
    if np.linalg.svd(around, compute_uv=False)[-1] < 1e-6 * np.abs(around).max():
        raise ValueError("ellipse: the places lie on a line; expected some around a round part")
    system = np.column_stack([2 * around, np.ones(len(places))])
    row, column, rest = np.linalg.lstsq(system, (around**2).sum(axis=1))[0]
    radius = float(np.sqrt(rest + row**2 + column**2))
    return EllipseFeature(float(middle[0] + row), float(middle[1] + column), radius, radius)


def _nearest_ellipse(places: np.ndarray) -> EllipseFeature | None:
    """Least squares of the conic's equation, A + C = 1 in it; None where that is no ellipse."""
    middle, size = places.mean(axis=0), places.std()
    y, x = ((places - middle) / max(size, 1e-12)).T
    system = np.column_stack([x**2 - y**2, x * y, x, y, np.ones(len(x))])
    solution, _, rank, _ = np.linalg.lstsq(system, -(y**2))
    if rank < FOR_ELLIPSE:
        return None
    a, b, d, e, f = solution
    matrix = np.array([[a, b / 2], [b / 2, 1 - a]])
    values, axes = np.linalg.eigh(matrix)
    if values[0] <= 0:
        return None
    centre = np.linalg.solve(matrix, [-d / 2, -e / 2])
    level = centre @ matrix @ centre - f
    if level <= 0:
        return None
    long, short = size * np.sqrt(level / values)
    angle = float(np.arctan2(axes[1, 0], axes[0, 0]))
    column, row = centre * size
    return EllipseFeature(float(middle[0] + row), float(middle[1] + column),
                          float(long), float(short), angle)  # fmt: skip
