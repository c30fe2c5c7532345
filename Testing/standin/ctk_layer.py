"""The ctk widgets the panels use, written on Qt; as seen in CTK's headers with Slicer 5.13."""

from __future__ import annotations

import sys
import types
from typing import Any

from PySide6 import QtCore, QtWidgets

from . import NotCovered
from .qt_layer import PythonQtObject, pythonqt_class

Signal, Property = QtCore.Signal, QtCore.Property
_STEPS = 1000


def _delegated(kind: Any, name: str, targets: tuple[str, ...]) -> Any:
    """A Qt property kept by one or more inner widgets."""
    setter = "set" + name[0].upper() + name[1:]

    def read(self: Any) -> Any:
        return QtCore.QObject.property(getattr(self, targets[0]), name)

    def write(self: Any, value: Any) -> None:
        for target in targets:
            getattr(getattr(self, target), setter)(value)

    return Property(kind, read, write)


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
    singleStep = _delegated(float, "singleStep", ("_standin_box",))
    decimals = _delegated(int, "decimals", ("_standin_box",))
    suffix = _delegated(str, "suffix", ("_standin_box",))


class RangeWidget(QtWidgets.QWidget):
    """Two spin boxes around a bar: a lower and an upper value."""

    valuesChanged = Signal(float, float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._standin_low = QtWidgets.QDoubleSpinBox(self)
        self._standin_high = QtWidgets.QDoubleSpinBox(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for box in (self._standin_low, self._standin_high):
            box.valueChanged.connect(lambda _: self._standin_moved())
        row.addWidget(self._standin_low)
        row.addWidget(RangeBar(self), 1)
        row.addWidget(self._standin_high)

    def _standin_moved(self, *_: Any) -> None:
        low, high = self._standin_low.value(), self._standin_high.value()
        self.update()
        self.valuesChanged.emit(min(low, high), max(low, high))

    def setRange(self, minimum: float, maximum: float) -> None:
        for box in (self._standin_low, self._standin_high):
            box.setRange(minimum, maximum)

    def setMinimum(self, value: float) -> None:
        for box in (self._standin_low, self._standin_high):
            box.setMinimum(value)

    def setMaximum(self, value: float) -> None:
        for box in (self._standin_low, self._standin_high):
            box.setMaximum(value)

    def setMinimumValue(self, value: float) -> None:
        self._standin_low.setValue(value)

    def setMaximumValue(self, value: float) -> None:
        self._standin_high.setValue(value)

    def setValues(self, low: float, high: float) -> None:
        """One signal for both, as ctkRangeWidget."""
        if (low, high) == (self._standin_low.value(), self._standin_high.value()):
            return
        for box, value in ((self._standin_low, low), (self._standin_high, high)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self._standin_moved()

    minimum = Property(float, lambda self: self._standin_low.minimum(), setMinimum)
    maximum = Property(float, lambda self: self._standin_low.maximum(), setMaximum)
    minimumValue = Property(float, lambda self: self._standin_low.value(), setMinimumValue)
    maximumValue = Property(float, lambda self: self._standin_high.value(), setMaximumValue)
    decimals = _delegated(int, "decimals", ("_standin_low", "_standin_high"))
    singleStep = _delegated(float, "singleStep", ("_standin_low", "_standin_high"))
    suffix = _delegated(str, "suffix", ("_standin_low", "_standin_high"))


class RangeBar(QtWidgets.QWidget):
    """Draws which part of the range is chosen."""

    def paintEvent(self, event: Any) -> None:
        from PySide6 import QtGui

        owner = self.parent()
        low, high = owner._standin_low, owner._standin_high
        extent = max(low.maximum() - low.minimum(), 1e-9)
        width, middle = QtWidgets.QWidget.width(self) - 8, QtWidgets.QWidget.height(self) // 2
        ends = [4 + width * (box.value() - low.minimum()) / extent for box in (low, high)]
        painter = QtGui.QPainter(self)
        painter.fillRect(4, middle - 2, width, 4, QtGui.QColor("#c8c8c8"))
        chosen = QtCore.QRectF(ends[0], middle - 2, ends[1] - ends[0], 4)
        painter.fillRect(chosen, QtGui.QColor("#3a7bd5"))
        for end in ends:
            painter.fillRect(QtCore.QRectF(end - 3, middle - 7, 6, 14), QtGui.QColor("#606060"))


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
