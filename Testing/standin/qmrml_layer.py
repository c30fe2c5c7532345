"""The qMRML widgets the panels use, over the real scene; as seen in Slicer 5.13's headers."""

from __future__ import annotations

from typing import Any

import shiboken6
import slicer
from PySide6 import QtCore, QtWidgets

from .qt_layer import pythonqt_class

Signal, Property = QtCore.Signal, QtCore.Property


class MRMLWidget(QtWidgets.QWidget):
    """A widget that tells its children which scene to use."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_scene = None

    def setMRMLScene(self, scene: Any) -> None:
        self._standin_scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._standin_scene


class NodeComboBox(QtWidgets.QWidget):
    """Chooses a node of given classes; follows the scene."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_box = QtWidgets.QComboBox(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._standin_box)
        policy = QtWidgets.QSizePolicy.Policy
        self._standin_box.setSizePolicy(policy.Ignored, policy.Fixed)
        self._standin_scene = None
        self._standin_ids: list[str] = []
        self._standin_flags = {
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "renameEnabled": False,
            "showChildNodeTypes": True,
        }
        self._standin_types: list[str] = []
        self._standin_none_text = "None"
        self._standin_box.currentIndexChanged.connect(lambda _: self._standin_emit())

    def setMRMLScene(self, scene: Any) -> None:
        self._standin_scene = scene
        one = (scene.NodeAddedEvent, scene.NodeRemovedEvent)
        tags = [scene.AddObserver(event, lambda *_: changed()) for event in one]
        tags.append(scene.AddObserver(scene.EndBatchProcessEvent, lambda *_: changed()))

        def changed() -> None:
            if not shiboken6.isValid(self._standin_box):  # the panel is gone
                for tag in tags:
                    scene.RemoveObserver(tag)
            elif not scene.IsBatchProcessing():  # as qMRML's do, once when it ends
                self._standin_refresh()

        self._standin_refresh()

    def mrmlScene(self) -> Any:
        return self._standin_scene

    def _standin_accepts(self, node: Any) -> bool:
        if node.GetHideFromEditors():
            return False
        if self._standin_flags["showChildNodeTypes"]:
            return any(node.IsA(name) for name in self._standin_types)
        return node.GetClassName() in self._standin_types

    def _standin_refresh(self) -> None:
        scene = self._standin_scene
        if scene is None:
            return
        before = self.currentNodeID
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        nodes = [node for node in nodes if self._standin_accepts(node)]
        none = self._standin_flags["noneEnabled"]
        self._standin_ids = ([""] if none else []) + [node.GetID() for node in nodes]
        names = ([self._standin_none_text] if none else []) + [node.GetName() for node in nodes]
        box = self._standin_box
        box.blockSignals(True)
        box.clear()
        box.addItems(names)
        first = 0 if self._standin_ids else -1
        kept = self._standin_ids.index(before) if before in self._standin_ids else first
        box.setCurrentIndex(kept)
        box.blockSignals(False)
        if self.currentNodeID != before:
            self._standin_emit()

    def _standin_emit(self, *_: Any) -> None:
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(self.currentNodeID)

    def _read_id(self) -> str:
        index = self._standin_box.currentIndex()
        return self._standin_ids[index] if 0 <= index < len(self._standin_ids) else ""

    def currentNode(self) -> Any:
        chosen = self.currentNodeID
        return self._standin_scene.GetNodeByID(chosen) if chosen else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        absent = self._standin_ids.index("") if "" in self._standin_ids else -1
        known = node_id in self._standin_ids
        self._standin_box.setCurrentIndex(self._standin_ids.index(node_id) if known else absent)

    def setNodeTypes(self, types: list[str]) -> None:
        self._standin_types = list(types)
        self._standin_refresh()

    def setNoneDisplay(self, text: str) -> None:
        self._standin_none_text = text
        self._standin_refresh()

    def _standin_set(self, name: str, value: bool) -> None:
        self._standin_flags[name] = bool(value)
        self._standin_refresh()

    currentNodeID = Property(str, _read_id, setCurrentNodeID)
    nodeTypes = Property("QStringList", lambda self: self._standin_types, setNodeTypes)
    noneDisplay = Property(str, lambda self: self._standin_none_text, setNoneDisplay)
    noneEnabled = Property(
        bool,
        lambda self: self._standin_flags["noneEnabled"],
        lambda self, value: self._standin_set("noneEnabled", value),
    )
    addEnabled = Property(
        bool,
        lambda self: self._standin_flags["addEnabled"],
        lambda self, value: self._standin_set("addEnabled", value),
    )
    removeEnabled = Property(
        bool,
        lambda self: self._standin_flags["removeEnabled"],
        lambda self, value: self._standin_set("removeEnabled", value),
    )
    renameEnabled = Property(
        bool,
        lambda self: self._standin_flags["renameEnabled"],
        lambda self, value: self._standin_set("renameEnabled", value),
    )
    showChildNodeTypes = Property(
        bool,
        lambda self: self._standin_flags["showChildNodeTypes"],
        lambda self, value: self._standin_set("showChildNodeTypes", value),
    )


COVERED = {"qMRMLWidget": MRMLWidget, "qMRMLNodeComboBox": NodeComboBox}


def install() -> None:
    """Put the widget classes into the `slicer` namespace."""
    for name, cls in COVERED.items():
        made = pythonqt_class(cls)
        made.__name__ = made.__qualname__ = name
        setattr(slicer, name, made)
    slicer.qMRMLWidget.cpp_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    slicer.qMRMLNodeComboBox.cpp_signals = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
    }
