"""What may be annotated on a parameter node's members, and how values are kept in the node."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import slicer

from . import NotCovered


@dataclass
class WithinRange:
    """A number between two bounds, both included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Minimum:
    """A number not below the bound."""

    minimum: float

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must not be below {self.minimum}, is {value}")


@dataclass
class Choice:
    """One of several values."""

    choices: list

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value}")


@dataclass
class RangeBounds:
    """A range that lies between two bounds."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        if value.minimum < self.minimum or value.maximum > self.maximum:
            raise ValueError(f"Range must be within [{self.minimum}, {self.maximum}], is {value}")


@dataclass
class Default:
    """The value of a new parameter node."""

    value: Any


@dataclass
class Decimals:
    """Digits behind the point in the widget."""

    value: int


@dataclass
class SingleStep:
    """Step of the widget's arrows."""

    value: float


class FloatRange:
    """Two numbers, the first not above the second."""

    def __init__(self, minimum: float = 0, maximum: float = 0) -> None:
        if not minimum <= maximum:
            raise ValueError(f"FloatRange must have minimum <= maximum: {minimum} <= {maximum}")
        self._minimum, self._maximum = minimum, maximum

    @property
    def minimum(self) -> float:
        return self._minimum

    @property
    def maximum(self) -> float:
        return self._maximum

    def __repr__(self) -> str:
        return f"FloatRange(minimum={self.minimum}, maximum={self.maximum})"


class ObservedFloatRange(FloatRange):
    """What a parameter node gives back: not to be copied by `type(value)(...)`, as in Slicer."""

    def __init__(self, parameter_node: Any, name: str, minimum: float, maximum: float) -> None:
        super().__init__(minimum, maximum)


VALIDATORS = (WithinRange, Minimum, Choice, RangeBounds)


class Member:
    """One typed member: its default, its rules, its text in the node."""

    def __init__(self, name: str, annotated: Any, default: Any) -> None:
        self.name, self.annotated = name, annotated
        self.type, *self.annotations = get_args(Annotated[annotated, None])[:-1]
        if not (self.is_node or self.type in (int, float, str, bool, FloatRange, pathlib.Path)):
            raise NotCovered(f"parameter type {self.type}")
        unused = [
            a
            for a in self.annotations
            if not isinstance(a, (*VALIDATORS, Default, Decimals, SingleStep))
        ]
        if unused:
            raise NotCovered(f"annotations {unused} of {name}")
        given = self.first(Default)
        if default is not None:
            if self.type is FloatRange:
                raise TypeError(f"{name}: a plain FloatRange default crashes Slicer; use Default")
            self.default = default
        else:
            self.default = given.value if given else (None if self.is_node else self.type())

    @property
    def is_node(self) -> bool:
        return isinstance(self.type, type) and issubclass(self.type, slicer.vtkMRMLNode)

    def first(self, kind: type) -> Any:
        """The first annotation of that kind, or None."""
        return next((a for a in self.annotations if isinstance(a, kind)), None)

    def validate(self, value: Any) -> None:
        """Slicer's checks: type first, then the annotated rules."""
        kinds = {int: int, float: (int, float)}.get(self.type, self.type)
        if value is None and not self.is_node:
            raise ValueError(f"{self.name}: Value must not be None")
        if value is not None and not isinstance(value, kinds):
            raise TypeError(f"{self.name}: Value must be of type {self.type}, is {value!r}")
        for rule in self.annotations:
            if isinstance(rule, VALIDATORS):
                rule.validate(value)

    def is_in(self, node: Any) -> bool:
        name = f"{self.name}._minimum" if self.type is FloatRange else self.name
        return bool(node.HasParameter(name))

    def write(self, node: Any, value: Any) -> None:
        """Keep a checked value in the parameter node."""
        self.validate(value)
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        elif self.type is FloatRange:
            node.SetParameter(f"{self.name}._minimum", str(value.minimum))
            node.SetParameter(f"{self.name}._maximum", str(value.maximum))
        else:
            node.SetParameter(self.name, str(value))

    def read(self, node: Any) -> Any:
        """The value the parameter node keeps."""
        if self.is_node:
            return node.GetNodeReference(self.name)
        if self.type is FloatRange:
            ends = [
                float(node.GetParameter(f"{self.name}._{end}")) for end in ("minimum", "maximum")
            ]
            return ObservedFloatRange(node, self.name, *ends)
        text = node.GetParameter(self.name)
        return text == "True" if self.type is bool else self.type(text)
