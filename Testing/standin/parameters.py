"""`slicer.parameterNodeWrapper`: typed members of a scripted module node, bound to widgets."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

import slicer
import slicer.util
import vtk

from . import NotCovered, parameter_types
from .connectors import make_connector
from .parameter_types import Member

PROPERTY = "SlicerParameterName"


def parameterNodeWrapper(cls: type) -> type:
    """Make the annotated class a view of a vtkMRMLScriptedModuleNode."""
    hints = typing.get_type_hints(cls, include_extras=True)
    cls.allParameters = {
        name: Member(name, hint, getattr(cls, name, None)) for name, hint in hints.items()
    }
    for name in cls.allParameters:
        setattr(cls, name, _member_property(name))
    for name, function in _METHODS.items():
        if hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        setattr(cls, name, function)
    cls.__init__ = _init
    return cls


def _member_property(name: str) -> property:
    return property(
        lambda self: self.getValue(name), lambda self, value: self.setValue(name, value)
    )


def _init(self: Any, parameter_node: Any) -> None:
    self.parameterNode = parameter_node
    self._guis: dict[int, dict] = {}
    self._observers: dict[int, int] = {}
    self._next_tag = 0
    self._updating = False
    for member in self.allParameters.values():
        if not member.is_in(parameter_node):
            member.write(parameter_node, member.default)


def _get_value(self: Any, name: str) -> Any:
    return _member(self, name).read(self.parameterNode)


def _set_value(self: Any, name: str, value: Any) -> None:
    with slicer.util.NodeModify(self.parameterNode):
        _member(self, name).write(self.parameterNode, value)


def _member(self: Any, name: str) -> Member:
    if name not in self.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {name}")
    return self.allParameters[name]


def _connect_gui(self: Any, gui: Any) -> int:
    """Bind every widget that carries the dynamic property; returns a tag for disconnectGui."""
    mapping = {}
    for widget in vars(gui).values():
        name = widget.property(PROPERTY)
        if name:
            mapping[name] = make_connector(widget, _member(self, name))
    tag, self._next_tag = self._next_tag, self._next_tag + 1
    self._guis[tag] = mapping
    for name, connector in mapping.items():
        connector.write(self.getValue(name))
        connector.start(_gui_callback(self, name, connector))
    self._observers[tag] = self.AddObserver(
        vtk.vtkCommand.ModifiedEvent, lambda *_: _update_gui(self)
    )
    return tag


def _gui_callback(self: Any, name: str, connector: Any) -> Any:
    def changed(*_: Any) -> None:
        if not self._updating:
            self.setValue(name, connector.read())

    return changed


def _update_gui(self: Any) -> None:
    if self._updating:
        return
    self._updating = True
    try:
        with slicer.util.NodeModify(self):
            for mapping in self._guis.values():
                for name, connector in mapping.items():
                    connector.write(self.getValue(name))
    finally:
        self._updating = False


def _disconnect_gui(self: Any, tag: int) -> None:
    for connector in self._guis.pop(tag, {}).values():
        connector.stop()
    observer = self._observers.pop(tag, None)
    if observer is not None:
        self.RemoveObserver(observer)


_METHODS = {
    "getValue": _get_value,
    "setValue": _set_value,
    "connectGui": _connect_gui,
    "disconnectGui": _disconnect_gui,
    "StartModify": lambda self: self.parameterNode.StartModify(),
    "EndModify": lambda self, before: self.parameterNode.EndModify(before),
    "AddObserver": lambda self, event, callback, priority=0.0: self.parameterNode.AddObserver(
        event, callback, priority
    ),
    "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
    "Modified": lambda self: self.parameterNode.Modified(),
}


def install() -> None:
    """Make `from slicer.parameterNodeWrapper import ...` work."""
    module = types.ModuleType("slicer.parameterNodeWrapper")
    module.parameterNodeWrapper = parameterNodeWrapper
    for name in (
        "WithinRange",
        "Minimum",
        "Choice",
        "RangeBounds",
        "Default",
        "Decimals",
        "SingleStep",
        "FloatRange",
    ):
        setattr(module, name, getattr(parameter_types, name))

    def unknown(name: str) -> Any:
        raise NotCovered(f"slicer.parameterNodeWrapper.{name}")

    module.__getattr__ = unknown
    sys.modules[module.__name__] = module
    slicer.parameterNodeWrapper = module
