"""ctkRangeWidget, written on Qt, and what the ctk widgets made of several others share."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

Signal, Property = QtCore.Signal, QtCore.Property


def delegated(kind: Any, name: str, targets: tuple[str, ...]) -> Any:
    """A Qt property kept by one or more inner widgets."""
    setter = "set" + name[0].upper() + name[1:]

    def read(self: Any) -> Any:
        return QtCore.QObject.property(getattr(self, targets[0]), name)

    def write(self: Any, value: Any) -> None:
        for target in targets:
            getattr(getattr(self, target), setter)(value)

    return Property(kind, read, write)


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
    decimals = delegated(int, "decimals", ("_standin_low", "_standin_high"))
    singleStep = delegated(float, "singleStep", ("_standin_low", "_standin_high"))
    suffix = delegated(str, "suffix", ("_standin_low", "_standin_high"))


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
