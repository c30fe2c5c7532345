"""A leg that stands: femur and tibia joined at the knee, and the bones that go with them.

Each long bone has a frame of its own: the femur's origin is between its condyles, the tibia's
between the halves of its plateau; z is the mechanical axis upwards, x the patient's right.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from .bones import Bones, LegBone
from .config import LegsConfig
from .foot import drawn_foot
from .landmarks import shaft_frame

TIBIA_SHARE = (0.86, 0.025)
"""Length of the tibia's mechanical axis over the femur's: mean and standard deviation."""
BEHIND_MM = (3.0, 2.0)
"""The middle of the condyles behind that of the plateau: mean and standard deviation."""
AXIAL = 5.0
"""Standard deviation of the tibia's turn about its length [degrees]."""
LEAN = 2.0
"""And of the whole leg's lean."""
MOST_FLEXION = 35.0
PATELLA_SHARE = 0.6
"""How far the kneecap follows the tibia."""
FIBULA_GAP_MM = 1.0
FIBULA_WAYS = ((0.80, -0.60), (0.97, -0.24))
"""Where the fibula lies beside the tibia, (right, front): at its head, above the ankle."""
BELOW_PLATEAU_MM = 12.0


@dataclass(frozen=True, eq=False)
class Place:
    """A frame on a bone: origin (3,), axes (3, 3) as rows, and a length to compare sizes by."""

    origin: np.ndarray
    axes: np.ndarray
    size: float

    def home(self, bone: LegBone) -> LegBone:
        """The bone with this frame at the origin, axes along the patient's."""
        return bone.moved(self.axes, -self.axes @ self.origin)


def femur_place(femur: LegBone) -> Place:
    """The frame of a femur's knee; its size is the width between the condyles' middles."""
    at, rounds = femur.marks.points, femur.marks.rounds
    origin = (at["medial_condyle"] + at["lateral_condyle"]) / 2
    wide = rounds["lateral_condyle"].centre - rounds["medial_condyle"].centre
    return _place(origin, at["head_centre"] - origin, wide)


def hip_place(femur: LegBone) -> Place:
    """The middle of a femoral head, axes the patient's; its size is the radius."""
    head = femur.marks.rounds["head"]
    return Place(head.centre, np.eye(3), head.radius)


def tibia_place(tibia: LegBone) -> Place:
    """The frame of a tibia's plateau; its size is the width between the halves' middles."""
    at = tibia.marks.points
    origin = (at["medial_plateau"] + at["lateral_plateau"]) / 2
    wide = at["lateral_plateau"] - at["medial_plateau"]
    return _place(origin, origin - at["plafond_centre"], wide)


def ankle_place(tibia: LegBone) -> Place:
    """The same at the ankle."""
    return dataclasses.replace(tibia_place(tibia), origin=tibia.marks.points["plafond_centre"])


PLACES = {"patella": femur_place, "pelvis": hip_place, "foot": ankle_place}


def _place(origin: np.ndarray, up: np.ndarray, right: np.ndarray) -> Place:
    size, up = float(np.linalg.norm(right)), up / np.linalg.norm(up)
    front = np.cross(up, right)
    front /= np.linalg.norm(front)
    return Place(origin, np.stack([np.cross(front, up), front, up]), size)


def standing_leg(bones: Bones, rng: np.random.Generator, config: LegsConfig) -> list[LegBone]:
    """A right leg, the femur first, the tibia second; the knee's middle is the origin."""
    femur, tibia = (bones.draw(kind, rng, config) for kind in ("femur", "tibia"))
    size = float(np.exp(rng.normal(0.0, config.size)))
    femur = femur_place(femur).home(femur).moved(size * np.eye(3), np.zeros(3))
    share = rng.normal(*TIBIA_SHARE)
    if femur.subject != tibia.subject:
        long = femur.marks.points["head_centre"][2]
        place = tibia_place(tibia)
        own = np.linalg.norm(place.origin - tibia.marks.points["plafond_centre"])
        size = float(np.clip(share * long / own, 0.85, 1.18))
    tibia = tibia_place(tibia).home(tibia).moved(size * np.eye(3), np.zeros(3))
    above = [femur, *_with(femur, bones, rng, ("pelvis", "patella"))]
    below = [tibia, *_with(tibia, bones, rng, ("fibula", "foot"))]
    if config.foot and rng.random() < config.foot:
        ankle = ankle_place(tibia)
        below += drawn_foot(ankle.origin, ankle.axes, ankle.size, rng)
    return _joined(above, below, rng, config)


def _with(
    host: LegBone, bones: Bones, rng: np.random.Generator, kinds: tuple[str, ...]
) -> list[LegBone]:
    """Further bones, where they lie beside their own host, in its size."""
    out = []
    for kind in kinds:
        found = bones.companion(kind, host.subject, rng)
        if found is None:
            continue
        bone, own = found
        if kind == "fibula":
            out.append(beside(host, bone))
            continue
        there, here = PLACES[kind](own), PLACES[kind](host)
        turn = here.size / there.size * here.axes.T @ there.axes
        out.append(bone.moved(turn, here.origin - turn @ there.origin))
    return out


def beside(tibia: LegBone, fibula: LegBone) -> LegBone:
    """A fibula beside a tibia that is at home: its head and its lower shaft put against it."""
    frame = shaft_frame(fibula.mesh.vertices)
    long = -float(tibia.marks.points["plafond_centre"][2])
    scale = float(np.clip(long / (0.96 * frame.length), 0.8, 1.2))
    moved = fibula.moved(scale * frame.axes, -scale * frame.axes @ frame.origin)
    top = -BELOW_PLATEAU_MM
    moved = moved.moved(np.eye(3), np.array([0.0, 0.0, top - moved.mesh.vertices[:, 2].max()]))
    for _ in range(2):
        ends = []
        for height, way in zip((top - 14.0, 25.0 - long), FIBULA_WAYS, strict=True):
            ends.append(_pushed(tibia.mesh.vertices, moved.mesh.vertices, height, np.array(way)))
        (at, by), (low, other) = ends
        # A shear by height moves both ends to their places; it is a degree or two.
        slope = (by - other) / (at - low)
        shear = np.eye(3)
        shear[:2, 2] = slope
        shift = np.array([*(by - slope * at), 0.0])
        mesh = moved.mesh.moved(moved.mesh.vertices @ shear.T + shift)
        moved = dataclasses.replace(moved, mesh=mesh)
    return moved


def _pushed(
    tibia: np.ndarray, fibula: np.ndarray, height: float, way: np.ndarray
) -> tuple[float, np.ndarray]:
    """How far (x, y) a slice of a fibula has to go to lie against the tibia's, at a height."""
    one, other = (v[np.abs(v[:, 2] - height) < 6.0][:, :2] for v in (tibia, fibula))
    middle = (one.min(axis=0) + one.max(axis=0)) / 2
    own = (other.min(axis=0) + other.max(axis=0)) / 2
    out = float(((one - middle) @ way).max()) - float(((other - own) @ way).min())
    return height, middle + (out + FIBULA_GAP_MM) * way - own


def _joined(
    above: list[LegBone], below: list[LegBone], rng: np.random.Generator, config: LegsConfig
) -> list[LegBone]:
    varus, axial = rng.normal(0.0, config.varus), rng.normal(0.0, AXIAL)
    flexion = min(MOST_FLEXION, float(rng.exponential(config.flexion or 1e-9)))
    gap, behind = rng.uniform(*config.gap), rng.normal(*BEHIND_MM)
    lean = rng.normal(0.0, LEAN, 2)
    rounds = above[0].marks.rounds
    ends = [rounds[f"{side}_condyle"].centre for side in ("medial", "lateral")]
    centre = (ends[0] + ends[1]) / 2
    turn = Rotation.from_euler("zy", (axial, varus), degrees=True).as_matrix()
    down = np.array([centre[0], centre[1] + behind, 0.0])
    below = [bone.moved(turn, down) for bone in below]
    lower = gap - joint_gap(above[0], below[0])
    below = [bone.moved(np.eye(3), np.array([0.0, 0.0, -lower])) for bone in below]
    about = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    below = [_turned(bone, about, -flexion, centre) for bone in below]
    above = [
        _turned(b, about, -PATELLA_SHARE * flexion, centre) if b.kind == "patella" else b
        for b in above
    ]
    tilt = Rotation.from_euler("xy", lean, degrees=True).as_matrix()
    ordered = [above[0], below[0], *above[1:], *below[1:]]
    return [bone.moved(tilt, np.zeros(3)) for bone in ordered]


def _turned(bone: LegBone, axis: np.ndarray, degrees: float, centre: np.ndarray) -> LegBone:
    turn = Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()
    return bone.moved(turn, centre - turn @ centre)


def joint_gap(femur: LegBone, tibia: LegBone) -> float:
    """The least height between the condyles and the plateau below them [mm]; may be negative."""
    upper, lower = femur.mesh.vertices, tibia.mesh.vertices
    upper = upper[upper[:, 2] < 25.0]
    middle = tibia.marks.points["intercondylar_eminence"][0]
    lower = lower[lower[:, 2] > lower[:, 2].max() - 30.0]
    lower = lower[np.abs(lower[:, 0] - middle) > 9.0]
    heights = []
    for near, point in zip(KDTree(upper[:, :2]).query_ball_point(lower[:, :2], 2.0), lower,
                           strict=True):  # fmt: skip
        if near:
            heights.append(float(upper[near, 2].min()) - point[2])
    return min(heights)
