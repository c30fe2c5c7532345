"""Surfaces read from files of any make, and brought to the right side."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from BoneXrayLib.files import existing_path, one_line

from ..mesh_ct.meshes import SUFFIX, Mesh, checked_mesh, in_patient, pieces, read_meshes
from .config import ShapeModelConfig, SurfaceSource
from .surface import outwards
from .vtp_file import read_vtp

SUFFIXES = (".stl", ".ply", ".obj", ".vtp")
CUT_MM = 2.0
"""What is this near to the end of a bone that was cut is the cut, not the bone's surface."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A subject's bone: its surface, as a right one, and the source it came from."""

    name: str
    mesh: Mesh
    source: SurfaceSource

    @property
    def is_whole(self) -> bool:
        return not self.source.cut


def read_subjects(config: ShapeModelConfig) -> list[Subject]:
    """All bones that a configuration names, but those left out.

    Raises:
        FileNotFoundError: a file or folder is not there.
        ValueError: no surface, or not what it should be; a subject is there twice or not at all.
    """
    found: list[Subject] = []
    for source in config.surface:
        meshes = _meshes(existing_path(Path(config.data_root) / source.path, "surface"), source)
        if source.subject and len(meshes) > 1:
            raise ValueError(
                f"surface: {source.path} holds {len(meshes)} meshes for the subject "
                f"{source.subject!r}; expected one, named by `only`"
            )
        found += [
            Subject(source.subject or mesh.name, _whole(mesh, source), source) for mesh in meshes
        ]
    names = [subject.name for subject in found]
    for name in config.without:
        if name not in names:
            raise ValueError(f"without: got {name!r}; expected one of {', '.join(names)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"surface: the subject {twice!r} is there twice; expected each once")
    return [subject for subject in found if subject.name not in config.without]


def read_surface(path: Path) -> Mesh:
    """The surface in a file: STL, PLY, OBJ or VTP.

    Raises:
        ValueError: another kind of file, a broken one, or one without triangles.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"surface: {path.name}; expected {SUFFIX}, {', '.join(SUFFIXES)}")
    if suffix == ".vtp":
        return checked_mesh(path.stem, *read_vtp(path), path.name)
    import trimesh

    try:
        read: Any = trimesh.load(path, force="mesh", process=False)
        vertices, faces = np.asarray(read.vertices), np.asarray(read.faces)
    except Exception as error:  # its readers raise whatever comes up in a broken file
        raise ValueError(f"surface: {path.name} cannot be read: {one_line(error)}") from None
    return checked_mesh(path.stem, vertices, faces, path.name)


def _meshes(path: Path, source: SurfaceSource) -> list[Mesh]:
    if path.suffix.lower() == SUFFIX:
        return read_meshes(path, source.only)
    inside = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [
        p for p in inside
        if (p.suffix.lower() in SUFFIXES or not path.is_dir())
        and any(fnmatch.fnmatchcase(p.stem, each) for each in source.only)
    ]  # fmt: skip
    if not files:
        raise ValueError(f"surface: {path.name} holds no surface named {', '.join(source.only)}")
    return [read_surface(file) for file in files]


def _whole(mesh: Mesh, source: SurfaceSource) -> Mesh:
    """The largest piece of a mesh as a right bone, its cut end open."""
    mesh = outwards(pieces(in_patient(mesh, source.axes or "RAS", source.side))[0])
    if not source.cut:
        return mesh
    height = mesh.vertices[mesh.faces][:, :, 2]
    kept = mesh.faces[(height < mesh.vertices[:, 2].max() - CUT_MM).all(axis=1)]
    used, faces = np.unique(kept, return_inverse=True)
    return Mesh(mesh.name, mesh.vertices[used], faces.reshape(-1, 3))
