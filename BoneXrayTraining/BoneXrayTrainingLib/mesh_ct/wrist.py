"""How a wrist moves: the hand and each carpal bone against the forearm, the ulna about its axis.

Shares of the capitate's flexion and extension that scaphoid and lunate take: Wolfe, Neu, Crisco,
J Hand Surg 25A (2000) 860; in extreme positions they are less (Rainbow et al., J Hand Surg 38A
(2013) 278). The triquetrum is put between them. The distal row and the metacarpals move as one
(Kobayashi et al., Hand Clin 13 (1997) 143; Akhbari et al., J Orthop Res 37 (2019) 2661). With
radial deviation the proximal row flexes, with ulnar deviation it extends; how much follows from
the path along which a bone does not flex at all (Akhbari, table 3: flexion over deviation 0.75,
1.15 and 0.65 for scaphoid, lunate and triquetrum), times its share above. In the plane of the
deviation the proximal row takes 0.4 of radial and half of ulnar deviation (Imamura, Nihon
Seikeigeka Gakkai Zasshi 61 (1987) 499). All turn about the capitate's head, near which the
published axes pass (Neu, Crisco, Wolfe, J Biomech 34 (2001) 1429).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from .patient import Bone

CARPALS = (
    "scaphoid", "lunate", "triquetrum", "pisiform", "trapezium", "trapezoid", "capitate", "hamate",
)  # fmt: skip
HAND = ("phalanx", "metacarpal", "carpal")
THUMB = ("1mc", "thumbprox", "thumbdist")


@dataclass(frozen=True)
class Share:
    """What a bone of the proximal row does of the capitate's motion.

    Attributes:
        flexion, extension: share of the capitate's.
        coupled: degrees of flexion for each degree of radial deviation.
    """

    flexion: float
    extension: float
    coupled: float


SHARES = {
    "scaphoid": Share(0.73, 0.99, 0.65),
    "lunate": Share(0.46, 0.68, 0.66),
    "triquetrum": Share(0.60, 0.80, 0.46),
    "pisiform": Share(0.60, 0.80, 0.46),
}
"""The pisiform rides on the triquetrum."""
IN_PLANE = (0.4, 0.5)
"""Share of radial and of ulnar deviation that the proximal row takes."""


@dataclass(frozen=True)
class Range:
    """A normal distribution that is cut off [degrees]."""

    middle: float
    spread: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        return float(np.clip(rng.normal(self.middle, self.spread), self.low, self.high))


FLEXION = Range(0.0, 11.0, -25.0, 25.0)
DEVIATION = Range(4.0, 9.0, -10.0, 25.0)
PRONATION = Range(0.0, 16.0, -35.0, 35.0)
"""Of the forearm, away from how it lies in the file."""
OPPOSITION = Range(0.0, 6.0, -12.0, 12.0)
OWN = 2.0
"""Standard deviation of each carpal's own turn about each axis: people differ [degrees]."""


@dataclass(frozen=True)
class WristPose:
    """How a wrist is held, away from how it lies in the file [degrees]; zero is neutral.

    Attributes:
        flexion: of the capitate, towards the palm; extension is negative.
        deviation: of the capitate, towards the ulna; radial is negative.
        pronation: of radius and hand about the ulna.
        opposition: of the thumb, towards the palm.
        own: rotation vector of each of `CARPALS`, on top; empty where they have none.
    """

    flexion: float = 0.0
    deviation: float = 0.0
    pronation: float = 0.0
    opposition: float = 0.0
    own: tuple[tuple[float, float, float], ...] = ()

    def times(self, share: float) -> WristPose:
        """Drawn back towards neutral."""
        own = tuple((share * a, share * b, share * c) for a, b, c in self.own)
        angles = (self.flexion, self.deviation, self.pronation, self.opposition)
        return WristPose(*(share * a for a in angles), own=own)

    def turn_of(self, name: str) -> tuple[float, float]:
        """Flexion and ulnar deviation of a bone of the hand or the carpus [degrees]."""
        share = SHARES.get(name)
        if share is None:
            return self.flexion, self.deviation
        of_flexion = share.flexion if self.flexion > 0 else share.extension
        in_plane = IN_PLANE[1] if self.deviation > 0 else IN_PLANE[0]
        flexion = of_flexion * self.flexion - share.coupled * self.deviation
        return flexion, in_plane * self.deviation


def draw_wrist(rng: np.random.Generator) -> WristPose:
    """A wrist as radiographs show it: about neutral, more to the ulna than to the radius."""
    angles = (r.draw(rng) for r in (FLEXION, DEVIATION, PRONATION, OPPOSITION))
    own = rng.normal(0.0, OWN, (len(CARPALS), 3))
    return WristPose(*angles, own=tuple((float(a), float(b), float(c)) for a, b, c in own))


def moved_wrist(bones: list[Bone], pose: WristPose) -> list[Bone]:
    """The bones in a pose; each stays as it is but for its place. Radius and humerus stay.

    Raises:
        ValueError: there is no capitate or no radius to move.
    """
    if pose == WristPose():
        return bones
    named = {b.mesh.name: b for b in bones}
    missing = [name for name in ("capitate", "radius") if name not in named]
    if missing:
        raise ValueError(f"mesh.articulation: no {' and no '.join(missing)}; expected a wrist")
    frame = forearm_frame(named["radius"])
    centre = capitate_head(named["capitate"], frame)
    about_ulna = _forearm_axis(named)
    own = dict(zip(CARPALS, pose.own, strict=False))
    saddle = _end(named["1mc"], frame[2]) if "1mc" in named else centre
    out = []
    for bone in bones:
        name = bone.mesh.name
        if name == "ulna" and about_ulna is not None:
            # Hand and radius stay where they are; against them the ulna turns the other way.
            turn = _rotation(about_ulna[1], -pose.pronation)
            bone = bone.turned(turn, about_ulna[0])
        elif bone.kind.name in HAND:
            if name in THUMB:
                bone = bone.turned(_rotation(frame[2], -pose.opposition), saddle)
            if name in own:
                turn = Rotation.from_rotvec(own[name], degrees=True).as_matrix()
                bone = bone.turned(turn, bone.mesh.vertices.mean(axis=0))
            bone = bone.turned(wrist_rotation(frame, *pose.turn_of(name)), centre)
        out.append(bone)
    return out


def wrist_rotation(frame: np.ndarray, flexion: float, deviation: float) -> np.ndarray:
    """The rotation (3, 3) of a right hand that hangs down: flexed, then deviated to the ulna."""
    return _rotation(frame[1], deviation) @ _rotation(frame[0], flexion)


def forearm_frame(radius: Bone, reach_mm: float = 80.0) -> np.ndarray:
    """Lateral, anterior and proximal direction of a forearm, rows of (3, 3), from its radius."""
    vertices = radius.mesh.vertices
    near = vertices[vertices[:, 2] < vertices[:, 2].min() + reach_mm]
    _, _, axes = np.linalg.svd(near - near.mean(axis=0), full_matrices=False)
    up = axes[0] * np.sign(axes[0][2] or 1.0)
    lateral = np.array([1.0, 0.0, 0.0]) - up[0] * up
    lateral /= np.linalg.norm(lateral)
    return np.stack([lateral, np.cross(up, lateral), up])


def capitate_head(capitate: Bone, frame: np.ndarray) -> np.ndarray:
    """Middle of the capitate's proximal third, (3,)."""
    return _end(capitate, frame[2], 1 / 3)


def _end(bone: Bone, way: np.ndarray, share: float = 0.15) -> np.ndarray:
    """Middle of the end of a bone that lies in a direction."""
    vertices = bone.mesh.vertices
    along = vertices @ way
    end = vertices[along >= along.max() - share * np.ptp(along)]
    return (end.min(axis=0) + end.max(axis=0)) / 2


def _forearm_axis(named: dict[str, Bone]) -> tuple[np.ndarray, np.ndarray] | None:
    """A point of the axis that radius and ulna turn about, and its direction upwards.

    From the ulna's head to the radius's.
    """
    if "ulna" not in named:
        return None
    up = np.array([0.0, 0.0, 1.0])
    head = _end(named["ulna"], -up, 0.06)
    along = _end(named["radius"], up, 0.05) - head
    return head, along / np.linalg.norm(along)


def _rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    return Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()


def with_fingers(bones: list[Bone], pushes: dict[str, np.ndarray]) -> list[Bone]:
    """Bones moved by (3,) mm each; what hangs on a metacarpal goes with it."""
    digit = {f"{n}{part}ph": f"{n}mc" for n in range(2, 6) for part in ("prox", "mid", "dist")}
    digit |= dict.fromkeys(THUMB[1:], THUMB[0])
    out = []
    for bone in bones:
        push = pushes.get(digit.get(bone.mesh.name, bone.mesh.name))
        if push is not None and push.any():
            bone = dataclasses.replace(bone, mesh=bone.mesh.moved(bone.mesh.vertices + push))
        out.append(bone)
    return out
