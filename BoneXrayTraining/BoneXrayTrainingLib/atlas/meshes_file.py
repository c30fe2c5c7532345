"""Meshes as they were laid over bones, in a file that `read_patient` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from BoneXrayLib.files import written_whole

from ..mesh_ct.meshes import FACES, VERTICES, Mesh


def checked_meshes_file(path: Path) -> Path:
    """The path, refused before the work is done where nothing can be written to it.

    Raises:
        ValueError: another suffix, or a folder that is not there.
    """
    path = path.expanduser()
    if path.suffix.lower() != ".npz" or path.is_dir():
        raise ValueError(f"fitted: {path}; expected the name of an .npz file")
    if not path.parent.is_dir():
        raise ValueError(f"fitted: folder {path.parent} does not exist; expected an existing one")
    return path


def write_meshes(path: Path, meshes: list[Mesh]) -> Path:
    """Write meshes as an archive (.npz) in RAS mm, whole or not at all; gives where."""
    path = checked_meshes_file(path)
    arrays: dict[str, Any] = {mesh.name + VERTICES: mesh.vertices for mesh in meshes}
    arrays |= {mesh.name + FACES: mesh.faces for mesh in meshes}
    with written_whole(path) as beside:
        np.savez_compressed(beside, **arrays)
    return path
