"""Scenes and volumes to and from files, over the scene's own storage nodes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer

from . import NotCovered


class FileManager:
    """Scenes and volumes to and from files, with the scene's own storage nodes."""

    def loadNodes(self, file_type: str, properties: dict, found: Any, notes: Any) -> bool:
        path = str(properties["fileName"])
        if file_type == "SceneFile":
            return self._load_scene(path, properties.get("clear", False))
        if file_type != "VolumeFile":
            raise NotCovered(f"file type {file_type}")
        node = slicer.mrmlScene.AddNewNodeByClass(
            "vtkMRMLScalarVolumeNode", properties.get("name") or Path(path).stem
        )
        storage = node.CreateDefaultStorageNode()
        storage.SetFileName(path)
        storage.SetSingleFile(True)
        if not storage.ReadData(node):
            slicer.mrmlScene.RemoveNode(node)
            return False
        node.CreateDefaultDisplayNodes()
        found.AddItem(node)
        return True

    def _load_scene(self, path: str, clear: bool) -> bool:
        scene = slicer.mrmlScene
        if clear:
            scene.Clear(False)
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect())

    def saveNodes(self, file_type: str, properties: dict, notes: Any) -> bool:
        if file_type != "SceneFile":
            raise NotCovered(f"saving file type {file_type}")
        path = str(properties["fileName"])
        if path.endswith(".mrb"):
            return bool(slicer.mrmlScene.WriteToMRB(path, None))
        slicer.mrmlScene.SetURL(path)
        return bool(slicer.mrmlScene.Commit())


def install_file_cache(scene: Any) -> None:
    """Reading an .mrb asks for these, otherwise it answers False."""
    remote, manager = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
    remote.SetMRMLScene(scene)
    remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="standin-"))
    remote.AddDataIOToScene()
    manager.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    slicer.app.kept_logics = (remote, manager)
