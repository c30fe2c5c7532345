"""Where a person says the bones of a CT lie, roughly: a TOML file, and what it means on meshes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..mappings import from_mapping, read_toml
from ..mesh_ct.meshes import SIDES, Mesh, MeshConfig
from .placing import Landmarks, similarity

LEAST_POINTS = 3
END_MM = 6.0
"""So much of a bone's length counts as its end."""
SLAB_MM = 5.0


@dataclass(frozen=True)
class Start:
    """A limb in a CT and the meshes that are to be laid over it.

    Points within 2 mm of the truth are near enough; 4 mm can put a border on the wrong side of a
    joint's dense bone.
    """

    points: dict[str, tuple[float, ...]]
    """{mesh name: [R, A, S] mm}, the middle of the box around the bone; of a long bone six numbers,
    two points: the middle of its last 6 mm at the distal end, and one on its axis farther up."""
    sizes: dict[str, float] = dataclasses.field(default_factory=dict)
    """{mesh name: how much larger it is than that mesh, against the other bones}."""
    side: str = "right"
    """Side of the body the limb in the CT is of."""
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    """How the file of meshes is read, and which of them are used."""
    bone: float = 200.0
    """What is bone, at least [HU]."""

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"start.side: got {self.side!r}; expected right or left")
        if not -200 <= self.bone <= 2000:
            raise ValueError(f"start.bone: got {self.bone:g}; expected -200 to 2000 HU")
        for name, size in self.sizes.items():
            if name not in self.points or not 0.5 <= size <= 2.0:
                raise ValueError(
                    f"start.sizes: {name} = {size:g}; expected 0.5 to 2 for bones that have points"
                )
        for name, numbers in self.points.items():
            if len(numbers) not in (3, 6) or not np.isfinite(numbers).all():
                raise ValueError(
                    f"start.points: {name} has {list(numbers)}; expected 3 numbers, or 6 for two "
                    "points, [R, A, S] in mm"
                )


def read_start(path: str | Path) -> Start:
    """The start in a TOML file.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no such file.
    """
    return from_mapping(Start, read_toml(path), "start")


def landmarks(meshes: list[Mesh], start: Start) -> Landmarks:
    """The start's points and where they are on the meshes, which are of the limb's own side.

    Raises:
        ValueError: points of a bone that is none of the meshes, or too few, or all in one line.
    """
    known = {mesh.name: mesh.vertices for mesh in meshes}
    unknown = sorted(set(start.points) - set(known))
    if unknown:
        raise ValueError(
            f"start.points: got {unknown[0]!r}; expected meshes in use: {', '.join(known)}"
        )
    typed = {name: np.reshape(numbers, (-1, 3)) for name, numbers in start.points.items()}
    first = np.array([points[0] for points in typed.values()]).reshape(-1, 3)
    if len(first) < LEAST_POINTS or np.linalg.svd(first - first.mean(0), compute_uv=False)[1] < 2:
        raise ValueError(
            f"start.points: got {len(first)} bones; expected at least {LEAST_POINTS}, not in a line"
        )
    ours = [_middle_or_end(known[name], len(points)) for name, points in typed.items()]
    size = similarity(np.array(ours), first, np.ones(len(first))).scale
    names = list(typed)
    second = [name for name, points in typed.items() if len(points) == 2]
    theirs = [*first, *(typed[name][1] for name in second)]
    for name in second:
        length = float(np.linalg.norm(typed[name][1] - typed[name][0])) / size
        ours.append(_farther_up(known[name], ours[names.index(name)], length))
    return Landmarks(np.array(ours), np.array(theirs), (*names, *second))


def _along(vertices: np.ndarray) -> np.ndarray:
    """Height of each vertex along the bone's own axis [mm], 0 at its lower end, (N,)."""
    _, _, axes = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)
    along = vertices @ axes[0] * (np.sign(axes[0, 2]) or 1.0)
    return along - along.min()


def _middle_or_end(vertices: np.ndarray, count: int) -> np.ndarray:
    """The middle of a bone of one point, (3,); of a bone of two the middle of its lower end."""
    if count == 1:
        return (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    along = _along(vertices)
    return vertices[along <= max(END_MM, np.sort(along)[3])].mean(axis=0)


def _farther_up(vertices: np.ndarray, end: np.ndarray, length: float) -> np.ndarray:
    """The middle of a bone at a height above its lower end [mm], (3,)."""
    along = _along(vertices)
    start = along[np.linalg.norm(vertices - end, axis=1).argmin()]
    away = np.abs(along - min(start + length, along.max()))
    own = vertices[away <= max(SLAB_MM, np.sort(away)[5])]
    return (own.min(axis=0) + own.max(axis=0)) / 2
