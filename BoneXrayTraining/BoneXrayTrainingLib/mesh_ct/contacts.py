"""Bones that run into each other: how deep, and pushed apart until a joint is open."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.distances import distance_mm

from .patient import Bone
from .voxels import Grid, fill, grid_around
from .wrist import with_fingers

JOINT_MM = 0.35
"""The narrowest joint of a wrist that was moved."""
DEEPEST_MM = 0.4
"""Deeper than this a wrist is not taken."""
SPACING_MM = 0.5
ROUNDS = 40
FIXED = ("radius",)
REACH_MM = 3.0
ROOM_MM = 15.0
"""Around the carpus, for the bones that meet it."""


@dataclass(frozen=True, eq=False)
class Field:
    """Signed distance to a bone's surface, negative inside, mm on a grid."""

    grid: Grid
    values: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """Distance at places (N, 3) RAS mm; `REACH_MM` off the grid."""
        where = self.grid.index(points).T
        return ndimage.map_coordinates(self.values, where, order=1, cval=REACH_MM)

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which of places (N, 3) lie on the grid, bool."""
        last = [self.grid.coordinates(axis)[-1] for axis in range(3)]
        return np.all((points >= self.grid.origin) & (points <= last), axis=1)

    def slope(self, points: np.ndarray) -> np.ndarray:
        """Unit vectors (N, 3) away from the bone."""
        step = np.eye(3) * self.grid.spacing
        out = np.stack([self.at(points + s) - self.at(points - s) for s in step], axis=1)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def field_of(
    bone: Bone, box: tuple[np.ndarray, np.ndarray], spacing: float = SPACING_MM,
    reach: float = REACH_MM,
) -> Field | None:  # fmt: skip
    """The distances to a bone within a box (low, high) RAS mm; None where it is not there."""
    low = np.maximum(bone.mesh.vertices.min(axis=0) - reach, box[0])
    high = np.minimum(bone.mesh.vertices.max(axis=0) + reach, box[1])
    if (high <= low).any():
        return None
    grid = grid_around(low, high, spacing)
    found = fill(bone.mesh, grid)
    if found is None or not found[0].any():
        return None
    inside = np.zeros(grid.shape, dtype=bool)
    inside[found[1]] = found[0]
    mm = np.full(3, spacing)
    within, beyond = (distance_mm(mask, mm, reach) for mask in (inside, ~inside))
    values = np.where(inside, spacing / 2 - within, beyond - spacing / 2)
    values = np.clip(values, -reach, reach).astype(np.float32)
    # Voxels are stairs; a little smoothing puts the surface between them.
    return Field(grid, ndimage.gaussian_filter(values, 0.6, mode="nearest"))


class Contacts:
    """Bones of a wrist that may touch, each free to shift."""

    def __init__(self, bones: list[Bone]) -> None:
        some = [b for b in bones if b.kind.name in ("carpal", "metacarpal", "forearm")]
        carpals = [b.mesh.vertices for b in some if b.kind.name == "carpal"]
        around = np.concatenate(carpals or [b.mesh.vertices for b in some])
        box = (around.min(axis=0) - ROOM_MM, around.max(axis=0) + ROOM_MM)
        self.bones: list[Bone] = []
        self.fields: list[Field] = []
        for bone in some:
            field = field_of(bone, box)
            if field is not None:
                self.bones.append(bone)
                self.fields.append(field)
        # Beyond the box a forearm's and a palm's bones are far from any other.
        within = (b.mesh.vertices for b in self.bones)
        self.points = [v[np.all((v > box[0]) & (v < box[1]), axis=1)] for v in within]
        self.shift = np.zeros((len(self.bones), 3))
        count = range(len(self.bones))
        self.pairs = [pair for pair in itertools.combinations(count, 2) if self._are_near(*pair)]

    def _are_near(self, a: int, b: int) -> bool:
        if not len(self.points[a]) or not len(self.points[b]):
            return False
        low = [p.min(axis=0) for p in (self.points[a], self.points[b])]
        high = [p.max(axis=0) for p in (self.points[a], self.points[b])]
        room = 2.0 * REACH_MM
        return bool((low[0] < high[1] + room).all() and (low[1] < high[0] + room).all())

    def gap(self, a: int, b: int) -> tuple[float, np.ndarray]:
        """The narrowest gap between two bones [mm], negative where they overlap.

        Second, the way (3,) that `a` has to go to be freed.
        """
        best = np.inf
        way = np.zeros(3)
        for one, other, sign in ((a, b, 1.0), (b, a, -1.0)):
            points = self.points[one] + self.shift[one] - self.shift[other]
            field = self.fields[other]
            points = points[field.holds(points)]
            if not len(points):
                continue
            away = field.at(points)
            least = float(away.min())
            if least < JOINT_MM:
                worst = points[away < least + 0.3]
                way += sign * field.slope(worst).mean(axis=0)
            best = min(best, least)
        return best, way / max(float(np.linalg.norm(way)), 1e-9)

    def push_apart(self) -> float:
        """Shift the bones until their joints are open; the narrowest gap that is left [mm]."""
        look = self.pairs
        for turn in range(ROUNDS):
            found = [(pair, *self.gap(*pair)) for pair in look]
            if min((gap for _, gap, _ in found), default=np.inf) > JOINT_MM - 0.05:
                if len(look) == len(self.pairs):
                    break
                look = self.pairs
                continue
            for (a, b), gap, way in found:
                if gap < JOINT_MM:
                    self._push(a, b, (JOINT_MM - gap) * way)
            # Most pairs never meet: they are looked at every few rounds.
            close = [pair for pair, gap, _ in found if gap < 3 * JOINT_MM]
            look = self.pairs if turn % 6 == 5 else close
        return self.narrowest()

    def narrowest(self) -> float:
        """The narrowest gap of all [mm]."""
        return min((self.gap(*pair)[0] for pair in self.pairs), default=np.inf)

    def _push(self, a: int, b: int, way: np.ndarray) -> None:
        free = [0.0 if self.bones[n].mesh.name in FIXED else 1.0 for n in (a, b)]
        total = max(sum(free), 1.0)
        self.shift[a] += 0.7 * free[0] / total * way
        self.shift[b] -= 0.7 * free[1] / total * way

    def pushes(self) -> dict[str, np.ndarray]:
        """How far each bone was shifted, (3,) mm."""
        return {b.mesh.name: s for b, s in zip(self.bones, self.shift, strict=True)}


def parted(bones: list[Bone]) -> tuple[list[Bone], float]:
    """The bones of a wrist pushed apart, and the narrowest gap that is left [mm]."""
    contacts = Contacts(bones)
    gap = contacts.push_apart()
    return with_fingers(bones, contacts.pushes()), gap
