"""Where the landmarks of a right femur or tibia are on a model's mean, and the frame they span.

They are found once, on the mean, by what they are (the top of the greater trochanter, the lowest of
a condyle), and kept as vertices, which then follow the shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.shape_marks import Mark, Sphere, fitted_sphere

from ..mesh_ct.meshes import Mesh
from .surface import vertex_normals

ABOUT_MM = 6.0
"""A landmark of one place is the mean of the vertices about it, the nearest weighing most."""
RING_MM = 5.0
SHAFT = (0.3, 0.7)
"""Shares of the length, from the lower end, where the ends of the shaft are."""
NECK = 1.1
"""Where the neck's middle is, in radii of the head from its centre. Between 0.9 and 1.1 a neck is
as wide to 2 %: its thinnest place jumped by 5 mm from one set of subjects to the next."""


@dataclass(frozen=True, eq=False)
class Places:
    """A mesh (right side, about RAS): vertices (V, 3), normals, height (V,) from 0 below to 1."""

    vertices: np.ndarray
    normals: np.ndarray
    height: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh) -> Places:
        s = mesh.vertices[:, 2]
        height = (s - s.min()) / np.ptp(s)
        return cls(mesh.vertices, vertex_normals(mesh.vertices, mesh.faces), height)

    @property
    def r(self) -> np.ndarray:
        return self.vertices[:, 0]

    @property
    def a(self) -> np.ndarray:
        return self.vertices[:, 1]

    @property
    def s(self) -> np.ndarray:
        return self.vertices[:, 2]

    def extreme(self, direction: tuple[float, float, float], among: np.ndarray) -> Mark:
        """The place farthest along a direction among some vertices (V,) bool."""
        along = self.vertices @ np.asarray(direction)
        at = self.vertices[np.where(among, along, -np.inf).argmax()]
        away = np.linalg.norm(self.vertices - at, axis=1)
        near = np.flatnonzero(away < ABOUT_MM)
        # Narrow: the mean of many would lie beneath a tip.
        weights = np.exp(-((away[near] / (0.35 * ABOUT_MM)) ** 2))
        return Mark(near, weights / weights.sum())

    def mean(self, among: np.ndarray) -> Mark:
        """The middle of some vertices (V,) bool."""
        at = np.flatnonzero(among)
        return Mark(at, np.full(len(at), 1.0 / len(at)))

    def ring(self, share: float) -> Mark:
        """The middle of the bone at a height."""
        s = self.s.min() + share * np.ptp(self.s)
        return self.mean(np.abs(self.s - s) < RING_MM)

    def round_part(self, start: Sphere, among: np.ndarray, within: float) -> np.ndarray:
        """Vertices (K,) among some that lie on one sphere, found from a first guess of it."""
        sphere = start
        for limit in (*np.linspace(6.0, within, 12), within, within):
            away = np.linalg.norm(self.vertices - sphere.centre, axis=1) - sphere.radius
            looks = np.einsum("ij,ij->i", self.normals, self.vertices - sphere.centre)
            at = np.flatnonzero(among & (np.abs(away) < limit) & (looks > 0.8 * sphere.radius))
            sphere = fitted_sphere(self.vertices[at])
        return at


def femur_marks(mesh: Mesh) -> tuple[dict[str, Mark], dict[str, np.ndarray]]:
    """Landmarks and round parts of a right femur."""
    p = Places.of(mesh)
    upper, shaft = p.ring(SHAFT[1]).of(p.vertices), p.ring(0.5).of(p.vertices)
    top = p.height > 0.8
    medial = p.vertices[np.where(top, p.s - p.r, -np.inf).argmax()]
    head = p.round_part(
        Sphere(medial + np.array([14.0, 0.0, -14.0]), 22.0), top & (p.r < upper[0]), 0.8
    )
    centre = fitted_sphere(p.vertices[head])
    low = p.height < 0.12
    middle = float((p.r[low].max() + p.r[low].min()) / 2)
    sides = {"medial": low & (p.r < middle), "lateral": low & (p.r > middle)}
    # The articular surface that rolls, not the condyle's side walls nor the groove in front.
    rolls = low & (p.a < shaft[1]) & (np.abs(p.normals[:, 0]) < 0.6) & (p.normals[:, 1] < 0.3)
    rounds = {"head": head}
    for name, side in sides.items():
        at = p.vertices[np.where(side, -p.a, -np.inf).argmax()]
        rounds[f"{name}_condyle"] = p.round_part(
            Sphere(at + np.array([0.0, 20.0, 0.0]), 20.0), side & rolls, 1.2
        )
    below_head = (p.s < centre.centre[2] - 30.0) & (p.s > centre.centre[2] - 95.0)
    notch = low & (np.abs(p.r - middle) < 4.0) & (p.normals[:, 2] < -0.2)
    marks = {
        "greater_trochanter": p.extreme((0, 0, 1), top & (p.r > upper[0])),
        "lesser_trochanter": p.extreme((-0.6, -0.8, 0), below_head & (p.a < centre.centre[1])),
        "neck_centre": p.mean(_neck(p, centre, upper)),
        "medial_condyle": p.extreme((0, 0, -1), sides["medial"]),
        "lateral_condyle": p.extreme((0, 0, -1), sides["lateral"]),
        "medial_epicondyle": p.extreme((-1, 0, 0), low & (p.height > 0.03)),
        "lateral_epicondyle": p.extreme((1, 0, 0), low & (p.height > 0.03)),
        "intercondylar_notch": p.mean(notch),
    }
    return marks | _shaft(p), rounds


def _neck(p: Places, head: Sphere, shaft: np.ndarray) -> np.ndarray:
    """Vertices (V,) bool around the neck, `NECK` radii from the head's centre towards the shaft."""
    target = np.array([shaft[0], shaft[1], head.centre[2] - 1.5 * head.radius])
    axis = (target - head.centre) / np.linalg.norm(target - head.centre)
    from_head = p.vertices - head.centre
    along = from_head @ axis
    beside = np.linalg.norm(from_head - along[:, None] * axis, axis=1)
    ring = (np.abs(along - NECK * head.radius) < 3.0) & (beside < 1.6 * head.radius)
    if ring.sum() < 8:
        raise ValueError("surface: no neck found; expected a right femur in RAS mm")
    return ring


def tibia_marks(mesh: Mesh) -> tuple[dict[str, Mark], dict[str, np.ndarray]]:
    """Landmarks of a right tibia; it has no round parts."""
    p = Places.of(mesh)
    top, low = p.height > 0.95, p.height < 0.06
    plateau = top & (p.normals[:, 2] > 0.75)
    middle = float((p.r[top].max() + p.r[top].min()) / 2)
    half = float(np.ptp(p.r[top]) / 2)
    central = np.abs(p.r - middle) < 0.25 * half
    upper = p.ring(SHAFT[1]).of(p.vertices)
    below = (p.height > 0.82) & (p.height < 0.93)
    marks = {
        "medial_plateau": p.mean(plateau & (p.r < middle - 0.25 * half)),
        "lateral_plateau": p.mean(plateau & (p.r > middle + 0.25 * half)),
        "intercondylar_eminence": p.extreme((0, 0, 1), top & central),
        "tibial_tuberosity": p.extreme((0, 1, 0), below & (np.abs(p.r - upper[0]) < 0.6 * half)),
        "medial_malleolus": p.extreme((0, 0, -1), low),
    }
    tip = marks["medial_malleolus"].of(p.vertices)
    flat = low & (p.normals[:, 2] < -0.8) & (p.s > tip[2] + 5.0)
    return marks | {"plafond_centre": p.mean(flat)} | _shaft(p), {}


def _shaft(p: Places) -> dict[str, Mark]:
    return {"shaft_proximal": p.ring(SHAFT[1]), "shaft_distal": p.ring(SHAFT[0])}


MARKS: dict[str, Callable[[Mesh], tuple[dict[str, Mark], dict[str, np.ndarray]]]] = {
    "femur": femur_marks,
    "tibia": tibia_marks,
}
ACROSS = {
    "femur": ("medial_condyle", "lateral_condyle"),
    "tibia": ("medial_plateau", "lateral_plateau"),
}
"""What lies at the same height and depth, to the left and to the right in a right leg."""


def standing(bone: str, mesh: Mesh) -> Mesh:
    """The mesh, about RAS, turned so that its shaft is along S and its condyles along R."""
    for _ in range(3):
        marks, rounds = MARKS[bone](mesh)
        vertices = mesh.vertices
        up = marks["shaft_proximal"].of(vertices) - marks["shaft_distal"].of(vertices)
        ends = [
            fitted_sphere(vertices[rounds[name]]).centre
            if name in rounds
            else marks[name].of(vertices)
            for name in ACROSS[bone]
        ]
        up /= np.linalg.norm(up)
        right = ends[1] - ends[0]
        right -= (right @ up) * up
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(up, right), up])
        turned = (vertices - vertices.mean(axis=0)) @ rotation.T
        mesh = mesh.moved(turned)
    return mesh
