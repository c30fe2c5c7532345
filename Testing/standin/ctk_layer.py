"""The ctk widgets the panels use, written on Qt; as seen in CTK's headers with Slicer 5.13."""

from __future__ import annotations

import sys
import types
from typing import Any

from PySide6 import QtCore, QtWidgets

from . import NotCovered
from .ctk_range import RangeWidget, delegated
from .qt_layer import PythonQtObject, pythonqt_class

Signal, Property = QtCore.Signal, QtCore.Property
_STEPS = 1000


class CollapsibleButton(QtWidgets.QWidget):
    """A heading that folds what is below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_collapsed = False
        self._standin_text = ""
        self._standin_folded: list[QtWidgets.QWidget] = []
        self.setContentsMargins(0, 26, 0, 0)

    def _read_collapsed(self) -> bool:
        return self._standin_collapsed

    def _write_collapsed(self, value: bool) -> None:
        changed = bool(value) != self._standin_collapsed
        self._standin_collapsed = bool(value)
        self._standin_fold()
        if changed:
            self.contentsCollapsed.emit(bool(value))

    def _standin_fold(self) -> None:
        self.setMaximumHeight(26 if self._standin_collapsed else 16777215)
        children = [c for c in QtWidgets.QWidget.children(self) if isinstance(c, QtWidgets.QWidget)]
        if self._standin_collapsed:
            shown = [c for c in children if not c.isHidden()]
            self._standin_folded += shown
        else:  # what the module hid itself stays hidden
            shown, self._standin_folded = self._standin_folded, []
        for child in shown:
            child.setVisible(not self._standin_collapsed)

    def showEvent(self, event: Any) -> None:
        self._standin_fold()
        super().showEvent(event)

    def _read_text(self) -> str:
        return self._standin_text

    def _write_text(self, value: str) -> None:
        self._standin_text = value

    def paintEvent(self, event: Any) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.rect = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), 22)
        arrow = "\u25b8" if self._standin_collapsed else "\u25be"
        option.text = f"{arrow}  {self._standin_text}"
        option.state = QtWidgets.QStyle.StateFlag.State_Enabled
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)

    collapsed = Property(bool, _read_collapsed, _write_collapsed)
    text = Property(str, _read_text, _write_text)


class SliderWidget(QtWidgets.QWidget):
    """A slider and a spin box with one value."""

    valueChanged = Signal(float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._standin_box = QtWidgets.QDoubleSpinBox(self)
        self._standin_slider.setRange(0, _STEPS)
        self._standin_box.setMaximum(100.0)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._standin_slider, 1)
        row.addWidget(self._standin_box)
        self._standin_box.valueChanged.connect(lambda value: self._standin_box_moved(value))
        self._standin_slider.sliderMoved.connect(lambda step: self._standin_slider_moved(step))

    def _standin_box_moved(self, value: float) -> None:
        self._standin_follow()
        self.valueChanged.emit(value)

    def _standin_follow(self) -> None:
        box = self._standin_box
        extent = box.maximum() - box.minimum()
        self._standin_slider.setValue(round(_STEPS * (box.value() - box.minimum()) / extent))

    def _standin_slider_moved(self, step: int) -> None:
        box = self._standin_box
        box.setValue(box.minimum() + (box.maximum() - box.minimum()) * step / _STEPS)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._standin_box.setRange(minimum, maximum)
        self._standin_follow()

    def setMinimum(self, value: float) -> None:
        self.setRange(value, max(value, self._standin_box.maximum()))

    def setMaximum(self, value: float) -> None:
        self.setRange(min(value, self._standin_box.minimum()), value)

    def setValue(self, value: float) -> None:
        self._standin_box.setValue(value)

    value = Property(float, lambda self: self._standin_box.value(), setValue)
    minimum = Property(float, lambda self: self._standin_box.minimum(), setMinimum)
    maximum = Property(float, lambda self: self._standin_box.maximum(), setMaximum)
    singleStep = delegated(float, "singleStep", ("_standin_box",))
    decimals = delegated(int, "decimals", ("_standin_box",))
    suffix = delegated(str, "suffix", ("_standin_box",))


class PathLineEdit(QtWidgets.QWidget):
    """A path to type or to browse for."""

    currentPathChanged = Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_edit = QtWidgets.QLineEdit(self)
        self._standin_browse = QtWidgets.QToolButton(self)
        self._standin_browse.setText("…")
        self._standin_filters = 0
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._standin_edit)
        row.addWidget(self._standin_browse)
        self._standin_edit.textChanged.connect(lambda text: self.currentPathChanged.emit(text))

    def setCurrentPath(self, path: str) -> None:
        self._standin_edit.setText(path)

    def setFilters(self, value: int) -> None:
        self._standin_filters = int(value)

    def setNameFilters(self, value: list[str]) -> None:
        self._standin_edit.setToolTip(" ".join(value))

    def setSettingKey(self, value: str) -> None:
        """ctk keeps a history of paths under this key; the stand-in has none."""

    currentPath = Property(str, lambda self: self._standin_edit.text(), setCurrentPath)
    filters = Property(int, lambda self: self._standin_filters, setFilters)
    nameFilters = Property("QStringList", lambda self: [], setNameFilters)
    settingKey = Property(str, lambda self: "", setSettingKey)


COVERED = {
    "ctkCollapsibleButton": CollapsibleButton,
    "ctkSliderWidget": SliderWidget,
    "ctkRangeWidget": RangeWidget,
    "ctkPathLineEdit": PathLineEdit,
}


def build_module() -> types.ModuleType:
    """The module that `import ctk` gives."""
    module = types.ModuleType("ctk")
    for name, cls in COVERED.items():
        made = pythonqt_class(cls)
        made.__name__ = made.__qualname__ = name
        setattr(module, name, made)

    def unknown(name: str) -> Any:
        raise NotCovered(f"ctk.{name}")

    module.__getattr__ = unknown
    sys.modules["ctk"] = module
    return module


__all__ = ["COVERED", "PythonQtObject", "build_module"]
