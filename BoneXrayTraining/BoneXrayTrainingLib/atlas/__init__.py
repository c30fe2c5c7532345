"""Names for the bones of a CT that nobody has labelled, from surface meshes of such bones.

start         where a person says the bones lie, roughly
placing       similarities; each mesh to its first place
surface       all bones as one surface, and the edges of bone beside it
fitting       neighbours together, each bone by itself, its shape
voxel_labels  surfaces to voxels
meshes_file   the meshes in a file
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.volume import Volume

from ..mesh_ct.meshes import Mesh
from ..mesh_ct.voxels import closed
from .fitting import fitted
from .placing import placed
from .start import Start, landmarks, read_start
from .surface import Sampler, surface_of
from .voxel_labels import Box, box_around, voxel_labels

LEAST_SHOWN = 0.1
"""Share of a bone's vertices that the CT must show, else the bone gets no label."""
ROOM_MM = 12.0
"""How far bones may lie from where they are put first."""

__all__ = ["Labelled", "Start", "label_by_meshes", "read_start"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A CT whose bones have names.

    Attributes:
        labels: (k, j, i) uint8 on the CT's grid, 0 = no bone with a name.
        names: {value: name of the mesh}.
        meshes: as they were laid over the CT, RAS mm.
        notes: bones that got no label.
    """

    labels: np.ndarray
    names: dict[int, str]
    meshes: list[Mesh]
    notes: tuple[str, ...] = ()


def label_by_meshes(
    volume: Volume,
    meshes: list[Mesh],
    start: Start,
    progress: Callable[[float, str], None] | None = None,
) -> Labelled:
    """Lay meshes over the bones of a CT and name its voxels after them.

    Args:
        volume: the CT.
        meshes: of a right side, RAS mm, as `read_patient` gives them.
        start: where the bones lie, roughly.
        progress: told of the work.

    Raises:
        ValueError: points that fit no mesh or lie outside the CT, a mesh that is wide open.
    """
    meshes = [closed(mesh) for mesh in meshes]
    if start.side == "left":
        meshes = [mesh.moved(mesh.vertices * (-1.0, 1.0, 1.0)) for mesh in meshes]
    meshes = [_sized(mesh, start.sizes.get(mesh.name, 1.0)) for mesh in meshes]
    points = landmarks(meshes, start)
    sampler = Sampler(volume)
    if not sampler.inside(points.ct).any():
        raise ValueError("start.points: none lies in the CT; expected [R, A, S] in mm in it")
    there = [m for m in placed(meshes, points) if sampler.inside(m.vertices).mean() > LEAST_SHOWN]
    if not there:
        raise ValueError("start.points: they put no bone into the CT; expected points of its bones")
    surface = surface_of(there)
    box = box_around(surface.vertices, sampler, ROOM_MM) or (slice(None),) * 3
    part = _part(volume, box)
    found = fitted(surface, Sampler(part), progress).meshes()
    labels = np.zeros(volume.hu.shape, dtype=np.uint8)
    labels[box] = voxel_labels(found, part, start.bone)
    names = {int(n): found[n - 1].name for n in np.unique(labels[box]) if n}
    missed = [mesh.name for mesh in meshes if mesh.name not in names.values()]
    notes = (f"no label for what the CT does not show: {', '.join(missed)}",) if missed else ()
    return Labelled(labels, names, found, notes)


def _sized(mesh: Mesh, size: float) -> Mesh:
    """Larger about its own middle."""
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    return mesh.moved(middle + size * (mesh.vertices - middle))


def _part(volume: Volume, box: Box) -> Volume:
    """The voxels of a box, in their places."""
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [s.start or 0 for s in reversed(box)]
    return Volume(np.ascontiguousarray(volume.hu[box]), matrix, volume.name)
