"""A stand-in for 3D Slicer's Qt layer, over the real MRML of `slicer-core`. For tests only.

`install()` gives `import qt, ctk, slicer` in a plain Python the names a scripted module uses:

    qt_layer, ctk_layer    Qt and ctk in PythonQt's manner, on PySide6 (offscreen)
    qmrml_layer            qMRMLWidget, qMRMLNodeComboBox
    module_classes         ScriptedLoadableModule, ...Widget, ...Logic, ...Test
    parameters             parameterNodeWrapper and the bindings of widgets to it
    layouts                layout manager and slice views, their images without a screen
    application            slicer.app, slicer.modules, files, dialogs, SampleData, packages
    seen                   every name a module may use, and the Slicer version it was seen in

It is thin and strict on purpose: a name that is not covered raises, a signal text that is wrong
makes `connect` return False as in Slicer, an exception in a slot is kept and fails the test.
What it proves and what it cannot prove is in README.md beside this file.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


class NotCovered(AttributeError):
    """The stand-in does not imitate this name; add it there after reading Slicer's own code."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not covered by the stand-in")


def install() -> None:
    """Put `qt`, `ctk`, `slicer.app` and the rest in place; once a process is enough."""
    if "qt" in sys.modules:
        return
    from . import application, qt_layer

    qt_layer.start_application()
    application.install()


def errors() -> list[BaseException]:
    """Exceptions raised in slots and observers since the last `clear_errors`."""
    from . import qt_layer

    return qt_layer.ERRORS


def clear_errors() -> None:
    """Forget collected exceptions."""
    errors().clear()
