"""Which widget may show which parameter type; the type test is exact, as in Slicer."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from .parameter_types import (
    Choice,
    Decimals,
    FloatRange,
    Member,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
)
from .qt_layer import guarded


class Connector:
    """Reads and writes one widget; `signal` tells of changes."""

    signal = ""

    def __init__(self, widget: Any, member: Member) -> None:
        self.widget, self.member = widget, member
        self._slot: Callable[..., None] | None = None

    def start(self, changed: Callable[..., None]) -> None:
        self._slot = guarded(changed)
        getattr(self.widget, self.signal).connect(self._slot)

    def stop(self) -> None:
        getattr(self.widget, self.signal).disconnect(self._slot)


class AttributeConnector(Connector):
    """A widget whose value is one Qt property."""

    def __init__(self, widget: Any, member: Member, attribute: str, signal: str) -> None:
        super().__init__(widget, member)
        self.attribute, self.signal = attribute, signal

    def read(self) -> Any:
        return self.member.type(getattr(self.widget, self.attribute))

    def write(self, value: Any) -> None:
        value = str(value) if isinstance(value, pathlib.Path) else value
        if getattr(self.widget, self.attribute) != value:
            setattr(self.widget, self.attribute, value)


class ComboBoxConnector(Connector):
    """A combo box filled with the choices of a Choice annotation."""

    signal = "currentIndexChanged"

    def __init__(self, widget: Any, member: Member) -> None:
        super().__init__(widget, member)
        choice = member.first(Choice)
        if choice is None:
            raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation.")
        self.choices = choice.choices
        widget.clear()
        for entry in self.choices:
            widget.addItem(str(entry))

    def read(self) -> Any:
        return self.choices[self.widget.currentIndex]

    def write(self, value: Any) -> None:
        self.widget.currentIndex = self.choices.index(value)


class RangeConnector(Connector):
    """A ctkRangeWidget and a FloatRange; Slicer asks for bounds, and for a default without 0."""

    signal = "valuesChanged"

    def __init__(self, widget: Any, member: Member) -> None:
        super().__init__(widget, member)
        bounds = member.first(RangeBounds)
        if bounds is None:
            raise RuntimeError("Cannot have a connection to a range widget without RangeBounds.")
        step, decimals = member.first(SingleStep), member.first(Decimals)
        if decimals is not None:
            widget.decimals = decimals.value
        if step is not None:
            widget.singleStep = step.value
        widget.setRange(bounds.minimum, bounds.maximum)

    def read(self) -> FloatRange:
        return FloatRange(self.widget.minimumValue, self.widget.maximumValue)

    def write(self, value: FloatRange) -> None:
        self.widget.setValues(value.minimum, value.maximum)


class NodeConnector(Connector):
    """A qMRMLNodeComboBox and a node member."""

    signal = "currentNodeChanged"

    def __init__(self, widget: Any, member: Member) -> None:
        super().__init__(widget, member)
        widget.nodeTypes = (member.type().GetClassName(),)

    def read(self) -> Any:
        return self.widget.currentNode()

    def write(self, value: Any) -> None:
        self.widget.setCurrentNode(value)


def make_connector(widget: Any, member: Member) -> Connector:
    """The connector of a widget and a member, or Slicer's RuntimeError."""
    kind = type(widget)
    if kind is qt.QCheckBox and member.type is bool:
        return AttributeConnector(widget, member, "checked", "stateChanged")
    if kind is qt.QSpinBox and member.type is int:
        return _bounded(AttributeConnector(widget, member, "value", "valueChanged"))
    if kind in (qt.QDoubleSpinBox, ctk.ctkSliderWidget) and member.type in (int, float):
        return _bounded(AttributeConnector(widget, member, "value", "valueChanged"))
    if kind is qt.QComboBox and member.type in (str, int, float, bool):
        return ComboBoxConnector(widget, member)
    if kind is qt.QLineEdit and member.type is str:
        return AttributeConnector(widget, member, "text", "textChanged")
    if kind is ctk.ctkRangeWidget and member.type is FloatRange:
        return RangeConnector(widget, member)
    if kind is ctk.ctkPathLineEdit and member.type is pathlib.Path:
        return AttributeConnector(widget, member, "currentPath", "currentPathChanged")
    if kind is slicer.qMRMLNodeComboBox and member.is_node:
        return NodeConnector(widget, member)
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{member.annotated}' to "
        f"widget type '{kind}'."
    )


def _bounded(connector: AttributeConnector) -> AttributeConnector:
    """Give a number's widget the annotated bounds, step and digits, as Slicer does."""
    widget, member = connector.widget, connector.member
    decimals, step = member.first(Decimals), member.first(SingleStep)
    if decimals is not None:
        widget.decimals = decimals.value
    if step is not None:
        widget.singleStep = step.value
    within, minimum = member.first(WithinRange), member.first(Minimum)
    if type(widget) is ctk.ctkSliderWidget and within is None:
        raise RuntimeError("Cannot have a connection to ctkSliderWidget where it is unbounded.")
    widget.setMinimum((within or minimum).minimum if within or minimum else -(2**31))
    widget.setMaximum(within.maximum if within else 2**31 - 1)
    return connector
