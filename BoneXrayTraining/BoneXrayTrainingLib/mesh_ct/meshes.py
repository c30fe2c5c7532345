"""Surface meshes of bones: read, chosen, brought to RAS and to the patient's right side."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from BoneXrayLib.files import existing_path

SUFFIX = ".npz"
VERTICES, FACES = ".vertices", ".faces"
AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
SIDES = ("right", "left")
REGIONS = ("", "wrist")
RANGES = {
    "variation": 2.0, "articulation": 1.0, "deformation": 0.1, "refine": 5.0, "casts": 1.0,
    "rings": 1.0, "own_turn": 20.0, "own_shift": 5.0,
}  # fmt: skip
SMALLEST_PIECE = 0.02
"""Pieces of a mesh below this share of its vertices are dropped."""


@dataclass(frozen=True)
class Towards:
    """The same bones of somebody else, vertex for vertex."""

    path: str = ""
    """File of `bone-xray label --fitted`, relative to the data root; in a list, to the list."""
    patient: str = ""
    """Whose bones they are: not to be among the patients of a validation."""
    licence: str = ""
    """As its source states it; goes into the model's card."""
    between: tuple[float, float] = (0.0, 1.0)
    """How far patients lie towards them: 0 the file's own, 1 the other; beyond either, too."""
    apart: float = 0.0
    """How much the bones of one patient differ in that, standard deviation."""

    def __post_init__(self) -> None:
        if self.path and not (self.patient and self.licence):
            raise ValueError("mesh.towards: expected patient and licence beside the path")
        low, high = self.between
        if not -1.0 <= low <= high <= 2.0:
            got = [low, high]
            raise ValueError(f"mesh.towards.between: got {got}; expected two of -1 to 2, rising")
        if not 0.0 <= self.apart <= 1.0:
            raise ValueError(f"mesh.towards.apart: got {self.apart}; expected 0 to 1")


@dataclass(frozen=True)
class MeshConfig:
    """What a file of surface meshes holds, and what is made of it."""

    axes: str = "RAS"
    """Where the file's x, y and z point to in the patient: letters of R/L, A/P and S/I."""
    side: str = "right"
    """Side of the body the meshes are of; patients of both sides are made."""
    only: tuple[str, ...] = ("*",)
    """Names of meshes to use; * stands for anything."""
    each: str = ""
    """Where the file holds several patients: the beginning, with * and ?, of one's mesh names."""
    kind: str = ""
    """Bone that meshes are whose names say nothing, such as femur."""
    voxel: float = 0.0
    """Voxel size [mm]; 0 takes what suits the size of the limb, 0.4 to 1."""
    both_sides: bool = True
    """Whether every other patient is mirrored."""
    region: str = ""
    """Part of the limb to make: all of it, or "wrist", from the metacarpals to some forearm."""
    variation: float = 1.0
    """How much patients differ in size, shape and turned fingers; 0 leaves them as in the file."""
    articulation: float = 0.0
    """Share of a wrist's range of motion that poses are drawn from; 0 leaves it as in the file."""
    deformation: float = 0.0
    """Smooth change of each wrist bone's shape over its size, and of its size, 0.04 or so."""
    own_turn: float = 0.0
    """How far each bone of a wrist is turned on its own, about each axis [degrees], 6 or so."""
    own_shift: float = 0.0
    """How far each carpal is shifted on its own, along each axis [mm], 1 or so."""
    refine: float = 0.0
    """Edge [mm] that coarse surfaces are refined to, with a radius that fits its carpals; 0 off."""
    towards: Towards = field(default_factory=Towards)
    """Somebody else with the same bones: patients lie between both people."""
    casts: float = 0.0
    """Share of patients whose forearm and wrist are in plaster or fibreglass."""
    rings: float = 0.0
    """Share of patients with a ring, and with a bracelet or watch."""

    def __post_init__(self) -> None:
        if sorted(AXES[c][0] if c in AXES else -1 for c in self.axes) != [0, 1, 2]:
            raise ValueError(f"mesh.axes: got {self.axes!r}; expected three letters such as LPS")
        if self.side not in SIDES:
            raise ValueError(f"mesh.side: got {self.side!r}; expected right or left")
        if self.voxel and not 0.2 <= self.voxel <= 3.0:
            raise ValueError(f"mesh.voxel: got {self.voxel}; expected 0 or 0.2 to 3 mm")
        if self.region not in REGIONS:
            raise ValueError(f"mesh.region: got {self.region!r}; expected nothing or wrist")
        for name, most in RANGES.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise ValueError(f"mesh.{name}: got {getattr(self, name)}; expected 0 to {most:g}")


@dataclass(frozen=True, eq=False)
class Mesh:
    """The surface of one bone.

    Attributes:
        name: as in the file; further pieces of one mesh are numbered.
        vertices: (N, 3) float64, RAS mm, of a right side.
        faces: (M, 3) int64, vertices of the triangles.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray

    def moved(self, vertices: np.ndarray) -> Mesh:
        """The same triangles elsewhere."""
        return dataclasses.replace(self, vertices=vertices)


def read_patient(path: Path, config: MeshConfig, number: int = 0) -> list[Mesh]:
    """The meshes of one patient in a file; those of several take turns by `number`.

    The file is a NumPy archive (.npz) that holds `NAME.vertices` (N, 3) in mm and `NAME.faces`
    (M, 3) for each bone.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no such file, or holds none of the meshes wanted.
    """
    with _opened(existing_path(path, "mesh")) as file:
        names = sorted(name.removesuffix(FACES) for name in file.files if name.endswith(FACES))
        patients: dict[str, list[str]] = {}
        for name in names:
            key = _beginning(name, config.each) if config.each else ""
            if key is not None and any(fnmatch.fnmatchcase(name, p) for p in config.only):
                patients.setdefault(key, []).append(name)
        if not patients:
            few = ", ".join(names[:6]) or "none"
            raise ValueError(f"mesh: {path.name} holds none of the meshes wanted; it holds {few}")
        chosen = list(patients.values())[number % len(patients)]
        meshes = [_in_file(name, file, path.name) for name in chosen]
    stood = [in_patient(mesh, config.axes, config.side) for mesh in meshes]
    return [piece for mesh in stood for piece in pieces(mesh)]


def read_meshes(path: Path, only: tuple[str, ...] = ("*",)) -> list[Mesh]:
    """The meshes in a file as they are, in the file's frame; raises as `read_patient`."""
    with _opened(existing_path(path, "mesh")) as file:
        names = sorted(name.removesuffix(FACES) for name in file.files if name.endswith(FACES))
        chosen = [n for n in names if any(fnmatch.fnmatchcase(n, each) for each in only)]
        if not chosen:
            few = ", ".join(names[:6]) or "none"
            raise ValueError(f"mesh: {path.name} holds none of the meshes wanted; it holds {few}")
        return [_in_file(name, file, path.name) for name in chosen]


def _opened(path: Path) -> np.lib.npyio.NpzFile:
    try:
        file = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        file = None
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError(
            f"mesh: {path.name} is no archive of arrays; expected .npz with NAME.vertices and "
            "NAME.faces"
        )
    return file


def _array(name: str, file: np.lib.npyio.NpzFile, called: str) -> np.ndarray:
    try:
        return file[name]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ValueError(f"mesh: {called}: {name}; expected a plain array of numbers") from None


def _in_file(name: str, archive: np.lib.npyio.NpzFile, file: str) -> Mesh:
    vertices = _array(name + VERTICES, archive, file)
    return checked_mesh(name, vertices, _array(name + FACES, archive, file), file)


def checked_mesh(name: str, vertices: np.ndarray, faces: np.ndarray, file: str) -> Mesh:
    """A mesh of arrays that a file held.

    Raises:
        ValueError: they are no bone's surface in mm.
    """
    if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) < 4:
        raise ValueError(f"mesh: {file}: {name}{VERTICES}; expected (N, 3) coordinates in mm")
    if vertices.dtype.kind not in "fiu" or not np.isfinite(vertices).all():
        raise ValueError(f"mesh: {file}: {name}{VERTICES}; expected finite numbers")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu" or len(faces) < 4:
        raise ValueError(f"mesh: {file}: {name}{FACES}; expected (M, 3) vertex numbers")
    if int(faces.min()) < 0 or int(faces.max()) >= len(vertices):
        raise ValueError(f"mesh: {file}: {name}{FACES}; expected numbers below {len(vertices)}")
    extent = float(np.ptp(vertices, axis=0).max())
    if not 2.0 <= extent <= 2000.0:
        raise ValueError(f"mesh: {file}: {name} is {extent:.3g} mm long; expected 2 to 2000")
    return Mesh(name, vertices.astype(np.float64), faces.astype(np.int64))


def in_patient(mesh: Mesh, axes: str, side: str) -> Mesh:
    """A mesh whose x, y and z point to `axes`, in RAS; one of the left side mirrored."""
    ras = np.empty_like(mesh.vertices)
    for column, letter in enumerate(axes):
        axis, sign = AXES[letter]
        ras[:, axis] = sign * mesh.vertices[:, column]
    if side == "left":
        ras[:, 0] *= -1
    return mesh.moved(ras)


def pieces(mesh: Mesh) -> list[Mesh]:
    """The mesh's connected pieces, largest first, vertices in one place made one."""
    _, first, same = np.unique(
        np.round(mesh.vertices, 4), axis=0, return_index=True, return_inverse=True
    )
    vertices, faces = mesh.vertices[first], same.reshape(-1)[mesh.faces]
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    links = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(first),) * 2)
    _, of_vertex = connected_components(links, directed=False)
    counts = np.bincount(of_vertex)
    found = []
    for piece in np.argsort(-counts, kind="stable"):
        if counts[piece] < max(4, SMALLEST_PIECE * len(vertices)):
            break
        used = of_vertex == piece
        number = np.cumsum(used) - 1
        own = number[faces[used[faces[:, 0]]]]
        name = mesh.name if not found else f"{mesh.name} {len(found) + 1}"
        found.append(Mesh(name, vertices[used], own))
    return found


def _beginning(name: str, pattern: str) -> str | None:
    """The longest beginning of a name that matches a pattern."""
    match = re.compile(fnmatch.translate(pattern))
    fits = (name[:n] for n in range(len(name), 0, -1) if match.match(name[:n]))
    return next(fits, None)
