"""`slicer.ScriptedLoadableModule`: the four base classes of a scripted module."""

from __future__ import annotations

import sys
import types
import unittest
from pathlib import Path
from typing import Any

import qt
import slicer
import slicer.util


class ScriptedLoadableModule:
    """Title, category, help: what the module selector shows."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        for icon in (".svg", ".png"):
            path = Path(parent.path).parent / "Resources" / "Icons" / (self.moduleName + icon)
            if path.is_file():
                parent.icon = qt.QIcon(str(path))

    def resourcePath(self, name: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / name)


class ScriptedLoadableModuleWidget:
    """The panel; `parent` is the widget it is laid out in."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            parent = slicer.qMRMLWidget()
            parent.setLayout(qt.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None:
        """Adds the developer's buttons in Slicer; nothing here."""

    def cleanup(self) -> None:
        """Called before the widget goes."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """What a module can do without its panel."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        """The module's one parameter node, made when there is none."""
        kind = "vtkMRMLScriptedModuleNode"
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, kind)
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass(kind)
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetModuleName(self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A test that Slicer's Reload & Test button runs."""

    messageDelay = 100

    def runTest(self) -> None:
        for name in dir(self):
            if name.startswith("test_"):
                self.setUp()
                getattr(self, name)()
                self.tearDown()

    def delayDisplay(self, message: str, msec: int | None = None) -> None:
        print(message)


def install() -> None:
    """Make `from slicer.ScriptedLoadableModule import *` work."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")
    names = [
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleLogic",
        "ScriptedLoadableModuleTest",
    ]
    for name in names:
        setattr(module, name, globals()[name])
    module.__all__ = names
    sys.modules[module.__name__] = module
    slicer.ScriptedLoadableModule = module
