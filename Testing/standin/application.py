"""`slicer.app`, `slicer.modules`, the scene and its logics, as far as the modules use them."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import vtk
from PySide6 import QtWidgets

from . import NotCovered, ctk_layer, qt_layer, qt_user, ui_loader
from .files import FileManager, install_file_cache

MOST_UNCOLLECTED = 50_000
"""Objects made since the last collection, from which the window's thread collects."""

messages: list[str] = []
"""Texts of message boxes, newest last."""


def collect() -> None:
    """Collect cycles where there may be many; only by the thread of the windows."""
    if not gc.isenabled() and gc.get_count()[0] > MOST_UNCOLLECTED:
        gc.collect()


class Application:
    """`slicer.app`. `testing` plays `--testing`; off, message boxes are recorded."""

    applicationName = "Slicer"
    applicationVersion = "5.13.0-standin"
    temporaryPath = tempfile.gettempdir()
    majorVersion, minorVersion = 5, 13

    def __init__(self, application_logic: Any) -> None:
        # widgets in cycles, collected by a thread that compiles, would end the process
        gc.disable()
        self.testing = False
        self.headless = False
        self._logic = application_logic
        self._layout_manager: Any = None
        self._io = FileManager()
        self._manager = ModuleManager()
        self.started: list[Any] = []
        from . import main_window  # makes classes of what `qt` gives

        self._main_window = main_window.MainWindow()
        self._main_window.objectName = "qSlicerMainWindow"

    def connect(self, signal: str, slot: Any) -> bool:
        """Only startupCompleted(), kept in `started` for tests to call."""
        if signal != "startupCompleted()":
            return False
        self.started.append(slot)
        return True

    def testingEnabled(self) -> bool:
        return self.testing

    def processEvents(self, *_: Any) -> None:
        QtWidgets.QApplication.processEvents()
        collect()

    def layoutManager(self) -> Any:
        """None with --no-main-window."""
        if self.headless:
            return None
        if self._layout_manager is None:
            from .layouts import LayoutManager

            self._layout_manager = LayoutManager(self._logic)
        return self._layout_manager

    def applicationLogic(self) -> Any:
        return self._logic

    def coreIOManager(self) -> FileManager:
        return self._io

    def ioManager(self) -> FileManager:
        return self._io

    def moduleManager(self) -> ModuleManager:
        return self._manager

    def topLevelWidgets(self) -> list[Any]:
        """slicer.util.mainWindow looks for the main window here."""
        return [] if self.headless else [self._main_window]

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def userSettings(self) -> Any:
        return qt_user.QSettings()

    settings = userSettings

    def __getattr__(self, name: str) -> Any:
        raise NotCovered(f"slicer.app.{name}")


class ModuleManager:
    """Tells of modules being unloaded; the stand-in never unloads one."""

    def connect(self, signal: str, slot: Any) -> bool:
        return signal == "moduleAboutToBeUnloaded(QString)"

    def disconnect(self, signal: str, slot: Any) -> bool:
        return signal == "moduleAboutToBeUnloaded(QString)"


class Module:
    """What a loaded module's entry in `slicer.modules` gives."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, str(path)
        self.title, self.categories, self.dependencies, self.contributors = "", [], [], []
        self.helpText = self.acknowledgementText = ""
        self.icon = None

    def widgetRepresentation(self) -> Any:
        """The panel's parent widget, made at the first call."""
        if "_representation" not in vars(self):
            self._representation = slicer.qMRMLWidget()
            self._representation.setLayout(qt_layer.QtWidgets.QVBoxLayout())
            self._representation.setMRMLScene(slicer.mrmlScene)
        return self._representation


class PanelParent:
    """`parent` of a panel: its widget, and whether the module is shown."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self.isEntered = False

    def layout(self) -> Any:
        return self._widget.layout()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._widget, name)


def load_module(folder: Path) -> types.ModuleType:
    """Load `<folder>/<folder name>.py` as Slicer does: its folder on sys.path, registered."""
    name = folder.name
    path = folder / f"{name}.py"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    entry = Module(name, path)
    setattr(slicer.modules, name.lower(), entry)
    specification.loader.exec_module(module)
    entry.instance = getattr(module, name)(entry)
    return module


def open_panel(module: types.ModuleType) -> Any:
    """The module's panel, set up and entered."""
    name = module.__name__
    widget = slicer.qMRMLWidget()
    widget.setLayout(qt_layer.QtWidgets.QVBoxLayout())
    widget.setMRMLScene(slicer.mrmlScene)
    panel = getattr(module, f"{name}Widget")(PanelParent(widget))
    setattr(slicer.modules, f"{name}Widget", panel)
    panel.setup()
    from .main_window import enter_panel

    enter_panel(panel)
    return panel


def _record_message(text: str, parent: Any = None, **_: Any) -> None:
    messages.append(text)


def install() -> None:
    """Scene, logics, application, the modules `qt`, `ctk` and `slicer.*`."""
    qt = qt_layer.build_module()
    ctk = ctk_layer.build_module()
    from . import qmrml_layer

    qmrml_layer.install()
    sources = (
        (qt, qt_layer.COVERED[QtWidgets]),
        (ctk, ctk_layer.COVERED),
        (slicer, qmrml_layer.COVERED),
    )
    for source, names in sources:
        ui_loader.QUiLoader.classes.update({name: getattr(source, name) for name in names})
    qt.QUiLoader = ui_loader.QUiLoader
    _install_scene()
    slicer.util.messageBox = _record_message
    from . import module_classes, parameters, slicers_own, small_modules

    small_modules.install()
    checkout = os.environ.get("SLICER_PYTHON")
    if checkout:
        slicers_own.install(Path(checkout))
    else:
        module_classes.install()
        parameters.install()


def _install_scene() -> None:
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    for kind in (slicer.vtkMRMLColorLegendDisplayNode, slicer.vtkMRMLMarkupsJsonStorageNode):
        scene.RegisterNodeClass(kind())  # which their modules do
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetSingletonTag("default")
    scene.AddNode(crosshair)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    slicer.app = Application(logic)
    slicer.modules = Modules()
    colors = logic.GetColorLogic()
    logic.SetModuleLogic("Colors", colors)
    for name, kind in {
        "Volumes": slicer.vtkSlicerVolumesLogic,
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
        "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    }.items():
        module_logic = kind()
        module_logic.SetMRMLScene(scene)
        module_logic.SetMRMLApplicationLogic(logic)
        logic.SetModuleLogic(name, module_logic)
        entry = types.SimpleNamespace(logic=lambda kept=module_logic: kept, name=name)
        setattr(slicer.modules, name.lower(), entry)
    install_file_cache(scene)


class Modules(types.SimpleNamespace):
    """`slicer.modules`."""

    def __getattr__(self, name: str) -> Any:
        raise NotCovered(f"slicer.modules.{name}")
