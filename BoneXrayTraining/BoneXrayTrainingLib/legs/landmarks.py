"""Landmarks of a femur's and a tibia's surface, found by their geometry alone.

For surfaces that no shape model speaks of: right bones that stand about upright, RAS mm. Extremes
of a bone are looked for in its own frame, so that a few degrees of lean do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.shape_marks import Sphere, fitted_sphere

SLICE_MM = 2.5
"""Half the thickness of a slice of vertices."""
HEAD_MM = 24.0
"""About a femoral head's radius."""
STRIP_MM = 4.0
"""Half the width of the strip between the condyles."""


@dataclass(frozen=True, eq=False)
class Marks:
    """What is marked on one bone.

    Attributes:
        points: landmarks (3,) RAS mm by name.
        rounds: spheres of its round parts by name.
    """

    points: Mapping[str, np.ndarray]
    rounds: Mapping[str, Sphere]

    def moved(self, matrix: np.ndarray, shift: np.ndarray) -> Marks:
        """Turned and scaled alike along all axes by `matrix` (3, 3), then shifted [mm]."""
        scale = float(np.cbrt(abs(np.linalg.det(matrix))))
        points = {name: matrix @ at + shift for name, at in self.points.items()}
        rounds = {
            name: Sphere(matrix @ s.centre + shift, scale * s.radius)
            for name, s in self.rounds.items()
        }
        return Marks(points, rounds)


@dataclass(frozen=True, eq=False)
class Frame:
    """A long bone's own axes: origin at its lower end's middle, z its length, x to the right."""

    origin: np.ndarray
    axes: np.ndarray
    length: float

    def into(self, points: np.ndarray) -> np.ndarray:
        """Places (..., 3) in the bone's frame; z from 0 to its length."""
        return (points - self.origin) @ self.axes.T

    def out(self, point: np.ndarray) -> np.ndarray:
        """The way back."""
        return point @ self.axes + self.origin


def shaft_frame(vertices: np.ndarray) -> Frame:
    """The frame of a long bone from its shaft's middle line."""
    low, high = vertices[:, 2].min(), vertices[:, 2].max()
    heights = low + (high - low) * np.linspace(0.3, 0.7, 9)
    middles = np.array([_middle(vertices[np.abs(vertices[:, 2] - h) < 4.0]) for h in heights])
    up = np.linalg.svd(middles - middles.mean(axis=0))[2][0]
    up *= np.sign(up[2])
    right = np.cross([0.0, 1.0, 0.0], up)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(up, right), up])
    along = vertices @ up
    origin = middles.mean(axis=0)
    origin = origin + (along.min() - origin @ up) * up
    return Frame(origin, axes, float(np.ptp(along)))


def femur_marks(vertices: np.ndarray) -> Marks:
    """Landmarks and spheres of a right femur's vertices (N, 3)."""
    frame = shaft_frame(vertices)
    v, length = frame.into(vertices), frame.length
    head = _head(v, length)
    found = _distal_femur(v)
    found |= {
        "head_centre": head.centre,
        "neck_centre": _neck(v, head, length),
        "greater_trochanter": _highest(v[(v[:, 2] > 0.85 * length) & (v[:, 0] > 0.0)]),
        "lesser_trochanter": _farthest(v, (0.76, 0.88), length, np.array([-1.0, -0.6])),
        "shaft_proximal": _slice_middle(v, 0.7 * length),
        "shaft_distal": _slice_middle(v, 0.3 * length),
    }
    rounds = {"head": head} | {
        name: _condyle(v, found[name], found["intercondylar_notch"])
        for name in ("medial_condyle", "lateral_condyle")
    }
    return Marks(
        {name: frame.out(at) for name, at in found.items()},
        {name: Sphere(frame.out(s.centre), s.radius) for name, s in rounds.items()},
    )


def tibia_marks(vertices: np.ndarray) -> Marks:
    """Landmarks of a right tibia's vertices (N, 3)."""
    frame = shaft_frame(vertices)
    v, length = frame.into(vertices), frame.length
    top = v[v[:, 2] > 0.93 * length]
    middle = (top[:, 0].min() + top[:, 0].max()) / 2
    near = top[np.abs(top[:, 0] - middle) < 10.0]
    malleolus = _highest(-v) * -1.0
    found = {
        "medial_plateau": _plateau(top, top[:, 0] < middle - 10.0),
        "lateral_plateau": _plateau(top, top[:, 0] > middle + 10.0),
        "intercondylar_eminence": _highest(near),
        "tibial_tuberosity": _farthest(v, (0.85, 0.93), length, np.array([0.0, 1.0])),
        "medial_malleolus": malleolus,
        "plafond_centre": _plafond(v, malleolus),
        "shaft_proximal": _slice_middle(v, 0.7 * length),
        "shaft_distal": _slice_middle(v, 0.3 * length),
    }
    return Marks({name: frame.out(at) for name, at in found.items()}, {})


def _middle(points: np.ndarray) -> np.ndarray:
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _highest(points: np.ndarray) -> np.ndarray:
    return points[np.argmax(points[:, 2])]


def _slice_middle(v: np.ndarray, height: float) -> np.ndarray:
    middle = _middle(v[np.abs(v[:, 2] - height) < SLICE_MM])
    return np.array([middle[0], middle[1], height])


def _farthest(
    v: np.ndarray, span: tuple[float, float], length: float, way: np.ndarray
) -> np.ndarray:
    """The vertex between two heights that is farthest from the shaft towards `way` (x, y)."""
    part = v[(v[:, 2] > span[0] * length) & (v[:, 2] < span[1] * length)]
    return part[np.argmax(part[:, :2] @ way)]


def _head(v: np.ndarray, length: float) -> Sphere:
    """The sphere in the medial upper corner, its surface followed inwards by and by."""
    top = v[v[:, 2] > 0.82 * length]
    medial = top[np.argmin(top[:, 0])]
    sphere = Sphere(medial + np.array([0.9 * HEAD_MM, 0.0, 0.0]), HEAD_MM)
    for reach in (9.0, 6.0, 4.0, 3.0, 2.0, 2.0, 2.0, 2.0):
        way = top - sphere.centre
        near = np.abs(np.linalg.norm(way, axis=1) - sphere.radius) < reach
        # The neck leaves on the lateral lower side; it is no part of the sphere.
        near &= way @ np.array([0.7, 0.0, -0.7]) < 0.5 * sphere.radius
        sphere = fitted_sphere(top[near])
    return sphere


def _neck(v: np.ndarray, head: Sphere, length: float) -> np.ndarray:
    """The middle of the neck where it is narrowest, between the head and the shaft."""
    below = _slice_middle(v, 0.8 * length)
    way = below - head.centre
    way[2] *= 0.45  # the neck is flatter than the straight way down to the shaft
    way /= np.linalg.norm(way)
    along = (v - head.centre) @ way
    best, found = np.inf, head.centre + 1.3 * head.radius * way
    for far in np.linspace(0.9, 1.6, 15) * head.radius:
        part = v[np.abs(along - far) < SLICE_MM]
        part = part[np.linalg.norm(part - head.centre - far * way, axis=1) < 1.3 * head.radius]
        if len(part) < 12:
            continue
        middle = part.mean(axis=0)
        wide = float(np.linalg.norm(part - middle, axis=1).mean())
        if wide < best:
            best, found = wide, middle
    return found


def _distal_femur(v: np.ndarray) -> dict[str, np.ndarray]:
    """Condyles, epicondyles and the notch between them."""
    low = v[v[:, 2] < 70.0]
    medial, lateral = (low[pick(low[:, 0])] for pick in (np.argmin, np.argmax))
    middle = (medial[0] + lateral[0]) / 2
    end = v[v[:, 2] < 35.0]
    condyles = []
    for side in (end[:, 0] < middle - STRIP_MM, end[:, 0] > middle + STRIP_MM):
        condyles.append(-_highest(-end[side]))
    strip = end[np.abs(end[:, 0] - middle) < STRIP_MM]
    depth = _middle(end)[1]
    strip = strip[np.abs(strip[:, 1] - depth) < 12.0]
    return {
        "medial_condyle": condyles[0],
        "lateral_condyle": condyles[1],
        "medial_epicondyle": medial,
        "lateral_epicondyle": lateral,
        "intercondylar_notch": -_highest(-strip),
    }


def _condyle(v: np.ndarray, lowest: np.ndarray, notch: np.ndarray) -> Sphere:
    """The sphere of a condyle's lower and posterior surface."""
    outwards = np.sign(lowest[0] - notch[0])
    aside = outwards * (v[:, 0] - notch[0])
    part = v[(aside > 9.0) & (v[:, 2] < 45.0)]
    behind = part[:, 1].min()
    part = part[(part[:, 1] < behind + 32.0) & (part[:, 2] < 38.0)]
    wide = outwards * (part[:, 0] - notch[0])
    part = part[(wide < np.quantile(wide, 0.8)) & (wide > np.quantile(wide, 0.15))]
    sphere = fitted_sphere(part)
    for reach in (4.0, 3.0, 2.5):
        off = np.abs(np.linalg.norm(part - sphere.centre, axis=1) - sphere.radius)
        if (off < reach).sum() > 30:
            sphere = fitted_sphere(part[off < reach])
    return sphere


def _plateau(top: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The middle of one half of the upper surface."""
    part = top[side]
    high = part[part[:, 2] > np.quantile(part[:, 2], 0.97) - 7.0]
    middle = _middle(high)
    near = high[np.linalg.norm(high[:, :2] - middle[:2], axis=1) < 8.0]
    return np.array([*middle[:2], near[:, 2].max() if len(near) else high[:, 2].mean()])


def _plafond(v: np.ndarray, malleolus: np.ndarray) -> np.ndarray:
    """The middle of the lower joint surface, beside the malleolus."""
    end = v[(v[:, 2] < malleolus[2] + 30.0) & (v[:, 0] > malleolus[0] + 13.0)]
    outline = end[end[:, 2] < end[:, 2].min() + 9.0]
    middle = _middle(outline)
    near = end[np.linalg.norm(end[:, :2] - middle[:2], axis=1) < 7.0]
    height = near[:, 2].min() if len(near) else outline[:, 2].mean()
    return np.array([*middle[:2], height])
