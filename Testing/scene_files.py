"""Scenes on disk over `slicer-core`'s MRML, without the application: .mrb written and read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util

from BoneXrayLib.volume import Volume


@contextlib.contextmanager
def scene() -> Iterator[Any]:
    """A new scene as `slicer.mrmlScene`, with what reading a bundle needs."""
    made = slicer.vtkMRMLScene()
    slicer.mrmlScene = made
    with tempfile.TemporaryDirectory() as folder:
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.GetCacheManager().SetRemoteCacheDirectory(folder)
        remote.SetMRMLScene(made)
        made.SetDataIOManager(remote.GetDataIOManager())
        try:
            yield made
        finally:
            made.Clear(True)


def add_ct(volume: Volume) -> Any:
    """The CT as a volume node of the scene, on a right-handed grid as Slicer loads it."""
    hu, ijk_to_ras = volume.hu, volume.ijk_to_ras.copy()
    if np.linalg.det(ijk_to_ras[:3, :3]) < 0:
        hu = hu[::-1]
        ijk_to_ras[:3, 3] += (len(hu) - 1) * ijk_to_ras[:3, 2]
        ijk_to_ras[:3, 2] *= -1
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", volume.name)
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(hu))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    return node


def images_of_scene() -> dict[str, np.ndarray]:
    """A copy of every volume's array by the node's name."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return {node.GetName(): slicer.util.arrayFromVolume(node).copy() for node in nodes}


def save(path: Path) -> None:
    """Write the scene as a bundle; whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scene-", dir=path.parent) as beside:
        whole = Path(beside) / path.name
        if not slicer.mrmlScene.WriteToMRB(str(whole)) or not whole.is_file():
            raise OSError(f"{path} could not be written")
        whole.replace(path)


def load(path: Path) -> None:
    """Read a bundle into the scene.

    Raises:
        OSError: it could not be read.
    """
    if not slicer.mrmlScene.ReadFromMRB(str(path), True):
        raise OSError(f"{path} could not be read")
