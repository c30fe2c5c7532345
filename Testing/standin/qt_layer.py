"""Qt in PythonQt's manner: properties without parentheses, `connect` by signal text."""

from __future__ import annotations

import ctypes
import inspect
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any, ClassVar

from PySide6 import QtCore, QtGui, QtWidgets

from . import NotCovered
from .qt_user import QFileDialog, QSettings

ERRORS: list[BaseException] = []

#: Seen in Slicer 5.13 (Qt 5.15.8); all of them are in Qt 5.15 and 6.
COVERED = {
    QtWidgets: [
        "QWidget",
        "QLabel",
        "QPushButton",
        "QToolButton",
        "QCheckBox",
        "QComboBox",
        "QLineEdit",
        "QListWidget",
        "QSpinBox",
        "QDoubleSpinBox",
        "QSlider",
        "QProgressBar",
        "QPlainTextEdit",
        "QTextEdit",
        "QGroupBox",
        "QFrame",
        "QVBoxLayout",
        "QHBoxLayout",
        "QFormLayout",
        "QGridLayout",
        "QMainWindow",
        "QSizePolicy",
        "QScrollArea",
    ],
    QtCore: [
        "QObject",
        "QTimer",
        "QProcess",
        "QFile",
        "QUrl",
        "QSize",
        "QByteArray",
        "QEvent",
        "QIODevice",
    ],
    QtGui: ["QIcon", "QPixmap", "QColor", "QImage", "QDesktopServices", "QFont"],
}

#: Virtual functions (must stay callable for Qt) and names that are methods in PythonQt as well.
_NO_PROPERTY = {"sizeHint", "minimumSizeHint", "layout", "style", "font", "parent", "singleShot"}
_UNWRAPPED = {"QSizePolicy", "QUrl", "QSize", "QByteArray", "QEvent", "QIcon", "QPixmap", "QColor"}
_UNWRAPPED |= {"QImage", "QDesktopServices", "QFont", "QFile", "QIODevice"}


def start_application() -> QtWidgets.QApplication:
    """The one QApplication, its settings in memory of this process only."""
    _keep_constants_alive()
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer stand-in"])
    sys.excepthook = _keep
    return application


def _keep_constants_alive() -> None:
    """PySide6 6.12 gives away a reference to None with each call that returns nothing.

    Before Python 3.12 made None, True and False immortal, those were counted, and the process
    ended with "fatal error: deallocating None".
    """
    if sys.version_info < (3, 12):
        for constant in (None, True, False):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


def _keep(kind: type, error: BaseException, trace: types.TracebackType | None) -> None:
    """Keep an exception nobody caught (Slicer prints it and goes on)."""
    ERRORS.append(error)
    traceback.print_exception(kind, error, trace)


class PythonQtObject:
    """What PythonQt adds to, and takes away from, a wrapped Qt class."""

    #: C++ signature -> Python signal, where Qt cannot know the C++ type
    cpp_signals: ClassVar[dict[str, str]] = {}
    strict = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.strict = False
        for name in ("connect", "disconnect"):  # PySide looks these up in the exact type only
            if name not in cls.__dict__:
                setattr(cls, name, PythonQtObject.__dict__[name])

    #: PySide's loader hangs children on the top widget as attributes; PythonQt does not
    loading = False

    def __setattr__(self, name: str, value: Any) -> None:
        if PythonQtObject.loading and not name.startswith("_standin"):
            return
        if type(self).strict and not name.startswith("_standin") and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        super().__setattr__(name, value)

    def connect(self, signal: str, slot: Callable[..., Any]) -> bool:
        """Connect by text; False, and nothing else, when there is no such signal (as PythonQt)."""
        bound = self._standin_signal(signal)
        if bound is None:
            return False
        caller = guarded(slot)
        self.__dict__.setdefault("_standin_slots", []).append((signal, slot, bound, caller))
        bound.connect(caller)
        return True

    def disconnect(self, signal: str, slot: Callable[..., Any]) -> bool:
        """Undo a `connect` with the same text and slot."""
        kept = self.__dict__.setdefault("_standin_slots", [])
        for entry in kept:
            if entry[0] == signal and entry[1] == slot:
                entry[2].disconnect(entry[3])
                kept.remove(entry)
                return True
        return False

    def _standin_signal(self, text: str) -> Any:
        signature = bytes(QtCore.QMetaObject.normalizedSignature(text).data()).decode()
        if signature in self.cpp_signals:
            return getattr(self, self.cpp_signals[signature])
        index = self.metaObject().indexOfSignal(signature)
        if index < 0:
            return None
        name, _, arguments = signature.rstrip(")").partition("(")
        bound = getattr(self, name)
        try:
            return bound[arguments] if arguments else bound
        except (KeyError, IndexError, TypeError):
            return bound

    def className(self) -> str:
        """Name of the C++ class."""
        return type(self).__name__

    @property
    def name(self) -> str:
        """PythonQt's short form of objectName."""
        return QtCore.QObject.objectName(self)

    @name.setter
    def name(self, value: str) -> None:
        QtCore.QObject.setObjectName(self, value)


def guarded(slot: Callable[..., Any]) -> Callable[..., None]:
    """The slot with as many arguments as it takes, its exceptions kept (PythonQt prints them)."""
    accepted = _argument_count(slot)

    def call(*arguments: Any) -> None:
        try:
            slot(*arguments[:accepted])
        except Exception as error:
            _keep(type(error), error, error.__traceback__)

    return call


def _argument_count(slot: Callable[..., Any]) -> int | None:
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def pythonqt_class(cls: type, base: type | None = None) -> type:
    """`cls` as PythonQt shows it: Qt properties are attributes, new attributes are refused."""
    members: dict[str, Any] = {}
    names = []
    meta = cls.staticMetaObject
    for index in range(meta.propertyCount()):
        qt_property = meta.property(index)
        name = qt_property.name()
        names.append(name)
        in_python = isinstance(getattr(cls, name, None), QtCore.Property)
        if name not in _NO_PROPERTY and not name.startswith("_") and not in_python:
            members[name] = _as_attribute(name, qt_property.isWritable())
    made = type(cls.__name__, (PythonQtObject, base or cls), members)
    made.strict = True
    made.qt_properties = frozenset(names)
    return made


def _as_attribute(name: str, writable: bool) -> property:
    setter = "set" + name[0].upper() + name[1:]

    def read(self: Any) -> Any:
        value = QtCore.QObject.property(self, name)
        return _rich(value) if name == "toolTip" else value

    def write(self: Any, value: Any) -> None:
        call = getattr(self, setter, None)
        if call is None:
            QtCore.QObject.setProperty(self, name, value)
        else:
            call(value)

    return property(read, write if writable else None)


def _rich(text: str) -> str:
    """Slicer makes every tooltip rich text, so that long ones are wrapped (ctkToolTipTrapper)."""
    if not text or QtGui.Qt.mightBeRichText(text):
        return text
    return QtGui.Qt.convertFromPlainText(text, QtCore.Qt.WhiteSpaceMode.WhiteSpaceNormal)


def build_module() -> types.ModuleType:
    """The module that `import qt` gives."""
    module = types.ModuleType("qt")
    for source, names in COVERED.items():
        for name in names:
            cls = getattr(source, name)
            setattr(module, name, cls if name in _UNWRAPPED else pythonqt_class(cls))
    module.Qt = QtCore.Qt
    module.QFileDialog = QFileDialog
    module.QMessageBox = QtWidgets.QMessageBox  # boxes are recorded, see application.messages
    module.QSettings = QSettings
    module.QListWidgetItem = QtWidgets.QListWidgetItem
    module.Signal = QtCore.Signal
    module.QApplication = QtWidgets.QApplication

    def unknown(name: str) -> Any:
        raise NotCovered(f"qt.{name}")

    module.__getattr__ = unknown
    sys.modules["qt"] = module
    return module
