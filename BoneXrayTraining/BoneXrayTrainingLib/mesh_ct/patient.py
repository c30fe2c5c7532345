"""Whose bones they are: what a bone's name says about its flesh, and what is drawn a patient."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np

from .meshes import Mesh

Flesh = tuple[float, float, float, float]
"""Depth of soft tissue [mm] in front, behind, on the medial and on the lateral side."""


@dataclass(frozen=True)
class BoneKind:
    """What is known of a bone by its name; depths are a slim adult's.

    Attributes:
        name: of the kind.
        pattern: regular expression found in the names of such bones.
        proximal, middle, distal: soft tissue around it.
        tip: soft tissue beyond its distal end where the limb ends there; 0 where it goes on.
        length: of the whole bone [mm], for long bones of which a part is there.
    """

    name: str
    pattern: str
    proximal: Flesh
    middle: Flesh
    distal: Flesh
    tip: float = 0.0
    length: float = 0.0


KINDS = (
    BoneKind("phalanx", r"(prox|mid|dist)ph|thumb(prox|dist)|phalan", (7, 4.5, 4, 4),
             (6, 3.5, 4, 4), (5, 3, 3.5, 3.5), tip=3.5),
    BoneKind("metacarpal", r"\dmc|metacarp", (13, 5, 7, 7), (13, 4.5, 7, 7), (10, 5, 6, 6)),
    BoneKind("carpal", r"capitate|hamate|lunate|pisiform|scaphoid|trape|triquetr",
             (9, 6, 7, 7), (10, 5.5, 7, 7), (12, 5, 8, 8)),
    BoneKind("forearm", r"radius|ulna", (30, 20, 22, 26), (22, 17, 18, 18), (9, 6, 7, 7),
             length=240),
    BoneKind("humerus", r"humer", (40, 35, 30, 25), (38, 30, 28, 22), (25, 10, 12, 12),
             length=310),
    BoneKind("femur", r"femur|femor", (60, 75, 48, 42), (52, 58, 50, 42), (16, 30, 14, 15),
             length=430),
    BoneKind("patella", r"patell", (8, 10, 12, 12), (7, 10, 14, 14), (8, 10, 12, 12)),
    BoneKind("fibula", r"fibul", (16, 34, 20, 12), (22, 42, 20, 24), (7, 14, 10, 5),
             length=350),
    BoneKind("tibia", r"tibi", (10, 40, 13, 15), (7, 58, 14, 34), (9, 24, 6, 8),
             length=360),
    BoneKind("foot", r"talus|calcan|navic|cuboid|cunei|metatars", (10, 22, 8, 8),
             (10, 14, 8, 8), (10, 12, 8, 8)),
    BoneKind("pelvis", r"pelvi|ilium|sacr|hip|innomin", (45, 60, 40, 35), (50, 70, 45, 45),
             (50, 70, 50, 50)),
    BoneKind("other", r"", (15, 15, 15, 15), (15, 15, 15, 15), (15, 15, 15, 15)),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone in its place.

    Attributes:
        mesh: its surface.
        kind: by its name.
        frame: (3, 3), rows are its lateral, anterior and proximal direction in RAS.
        capped: whether its proximal end is a flat cut: the bone goes on beyond.
    """

    mesh: Mesh
    kind: BoneKind
    frame: np.ndarray
    capped: bool = False

    def turned(self, rotation: np.ndarray, centre: np.ndarray) -> Bone:
        """Turned by a matrix (3, 3) about a point."""
        vertices = (self.mesh.vertices - centre) @ rotation.T + centre
        return dataclasses.replace(
            self, mesh=self.mesh.moved(vertices), frame=self.frame @ rotation.T
        )


@dataclass(frozen=True)
class Patient:
    """What differs between patients; Hounsfield units, mm, shares."""

    mirrored: bool
    """Whether it is a left side."""
    scale: tuple[float, float, float]
    """Of the bones along R, A and S."""
    flesh: float
    """Soft tissue, relative to `BoneKind`."""
    fat: float
    """Share of the soft tissue's depth that is fat, where it is thin."""
    cortex_share: float
    """Thickness of a shaft's cortex over the shaft's radius."""
    cortex: float
    trabecular: float
    marrow: float
    muscle: float
    fat_hu: float
    thin: float = 1.0
    """Thickness of the cortex where there is no shaft, relative to what a bone's size asks for."""
    grain: float = 0.28
    """Contrast of spongy bone's struts, logarithmic."""


def draw_patient(rng: np.random.Generator, both_sides: bool = True) -> Patient:
    """A patient; old and thin bone comes together as it does in people."""
    strength = float(rng.beta(2.5, 2.0))
    common = rng.normal(0.0, 0.06)
    scale = np.exp(common + rng.normal(0.0, 0.03, 3))
    return Patient(
        mirrored=bool(rng.random() < 0.5) and both_sides,
        scale=(float(scale[0]), float(scale[1]), float(scale[2])),
        flesh=float(np.exp(rng.normal(0.05, 0.2))),
        fat=float(rng.uniform(0.12, 0.45)),
        cortex_share=0.28 + 0.22 * strength,
        cortex=1050.0 + 550.0 * strength + float(rng.normal(0.0, 50.0)),
        trabecular=170.0 + 200.0 * strength + float(rng.normal(0.0, 20.0)),
        marrow=float(rng.uniform(-60.0, 40.0)),
        muscle=float(rng.uniform(45.0, 65.0)),
        fat_hu=float(rng.uniform(-110.0, -85.0)),
    )


def kind_of(name: str, otherwise: str = "") -> BoneKind:
    """What a bone is by its name, or else `otherwise`, the name of a kind."""
    lower = name.lower()
    found = next(k for k in KINDS if re.search(k.pattern, lower))
    if found.name == "other" and otherwise:
        return kind_of(otherwise)
    if found.name == "tibia" and re.search(r" \d+$", lower):
        # The second piece of a mesh of the lower leg.
        return kind_of("fibula")
    return found


def as_bones(meshes: list[Mesh], otherwise: str = "") -> list[Bone]:
    """The bones of a right side, standing as in anatomy."""
    return [Bone(m, kind_of(m.name, otherwise), np.eye(3), _is_capped(m)) for m in meshes]


def _is_capped(mesh: Mesh) -> bool:
    """Whether the mesh ends on top in a flat cut rather than in a joint."""
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1) / 2
    top = mesh.vertices[:, 2].max()
    flat = (np.abs(normal[:, 2]) > 1.98 * area) & ((a + b + c)[:, 2] / 3 > top - 0.6)
    below = mesh.vertices[mesh.vertices[:, 2] > top - 5.0]
    return bool(area[flat].sum() > 0.4 * np.prod(np.ptp(below[:, :2], axis=0)))
