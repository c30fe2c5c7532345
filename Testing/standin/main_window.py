"""The main window, as far as modules use it: another module is opened with it."""

from __future__ import annotations

import sys
from typing import Any

import qt
import slicer

shown: list[Any] = []
"""The panel that is shown."""


class ModuleSelector:
    """The list of modules in the tool bar."""

    def selectModule(self, name: str) -> None:
        """Open a module; its panel is set up when that is the first time."""
        panel = vars(slicer.modules).get(f"{name}Widget")
        if panel is None:
            from .application import open_panel

            open_panel(sys.modules[name])
        else:
            enter_panel(panel)


class MainWindow(qt.QMainWindow):
    """qSlicerMainWindow."""

    def moduleSelector(self) -> ModuleSelector:
        return ModuleSelector()


def enter_panel(panel: Any) -> None:
    """Show a panel that is set up, after leaving the one before."""
    for other in shown:
        if other is not panel and other.parent.isEntered:
            other.parent.isEntered = False
            if hasattr(other, "exit"):
                other.exit()
    shown[:] = [panel]
    panel.parent.isEntered = True
    if hasattr(panel, "enter"):  # Slicer calls it where there is one
        panel.enter()
