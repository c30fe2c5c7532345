"""`.ui` files: widgets of the stand-in's classes, connections made by name."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any, ClassVar

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import NotCovered
from .qt_layer import PythonQtObject


class QUiLoader(QtUiTools.QUiLoader):
    """Hands out stand-in classes; refuses widgets and connections it does not know."""

    classes: ClassVar[dict[str, type]] = {}

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        """A widget of the covered class, or NotCovered."""
        if class_name not in self.classes:
            raise NotCovered(f"{class_name} (widget {name!r})")
        widget = self.classes[class_name](parent)
        QtCore.QObject.setObjectName(widget, name)
        return widget

    def load(self, file: QtCore.QFile, parent: Any = None) -> Any:
        """The widget tree of an open `.ui` file, with its connections made."""
        root = ElementTree.fromstring(bytes(file.readAll().data()))
        refuse_unknown_properties(root, self.classes)
        take_ctk_flags(root)
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        PythonQtObject.loading = True
        try:
            widget = super().load(buffer, parent)
        finally:
            PythonQtObject.loading = False
        for connection in [] if connections is None else connections:
            connect_by_name(
                widget, *(connection.findtext(n) for n in ("sender", "signal", "receiver", "slot"))
            )
        return widget


def refuse_unknown_properties(root: ElementTree.Element, classes: dict[str, type]) -> None:
    """Qt ignores a property a widget lacks with a printed line; here it is an error."""
    for element in root.iter("widget"):
        class_name = element.get("class")
        if class_name not in classes:
            raise NotCovered(f"{class_name} (widget {element.get('name')!r})")
        known = classes[class_name].qt_properties
        for entry in element.findall("property"):
            dynamic = entry.get("stdset") == "0"
            if not dynamic and entry.get("name") not in known:
                raise NotCovered(f"property {entry.get('name')} of {class_name}")


PATH_FILTERS = {
    "Dirs",
    "Files",
    "Drives",
    "Readable",
    "Writable",
    "NoDot",
    "NoDotDot",
    "NoDotAndDotDot",
}


def take_ctk_flags(root: ElementTree.Element) -> None:
    """Qt cannot read the flags of classes written in Python: check them, then leave them out."""
    for element in root.iter("widget"):
        for entry in element.findall("property"):
            flags = entry.findtext("set") or ""
            if flags.startswith("ctkPathLineEdit::"):
                names = {flag.removeprefix("ctkPathLineEdit::") for flag in flags.split("|")}
                if not names <= PATH_FILTERS:
                    raise NotCovered(f"{flags} of {element.get('name')!r}")
                element.remove(entry)


def connect_by_name(root: Any, sender: str, signal: str, receiver: str, slot: str) -> None:
    """One `<connection>`; a name that does not exist raises."""
    ends = {}
    for name in (sender, receiver):
        is_root = QtCore.QObject.objectName(root) == name
        found = root if is_root else root.findChild(QtWidgets.QWidget, name)
        if found is None:
            raise NotCovered(f"connection to {name!r}, which is not in the .ui file")
        ends[name] = found
    target = getattr(ends[receiver], slot.partition("(")[0])
    if not ends[sender].connect(signal, target):
        raise NotCovered(f"signal {signal} of {sender!r}")
