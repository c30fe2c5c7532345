"""The stand-in is strict: it refuses what it does not cover, and behaves as PythonQt does."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from panels import REPOSITORY, start_slicer, tip

standin = start_slicer()

import ctk  # noqa: E402
import qt  # noqa: E402
import slicer  # noqa: E402
from slicer.parameterNodeWrapper import (  # noqa: E402
    Choice,
    Default,
    FloatRange,
    RangeBounds,
    WithinRange,
    parameterNodeWrapper,
)
from standin import NotCovered  # noqa: E402
from standin.seen import ROOTS, SEEN  # noqa: E402

MODULE_FILES = [
    REPOSITORY / "BoneXray" / "BoneXray.py",
    REPOSITORY / "BoneXrayTraining" / "BoneXrayTraining.py",
    *sorted((REPOSITORY / "BoneXray" / "BoneXrayLib").rglob("slicer_*.py")),
    *sorted((REPOSITORY / "BoneXrayTraining" / "BoneXrayTrainingLib").rglob("slicer_*.py")),
]


@pytest.fixture(autouse=True)
def _no_errors_left() -> Iterator[None]:
    standin.clear_errors()
    yield
    standin.clear_errors()


def names_used(path: Path) -> Iterator[str]:
    """Dotted names of Slicer, Qt and VTK in a file, each as long as it is written."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ROOTS:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            parts, inner = [node.attr], node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in ROOTS:
                yield ".".join([inner.id, *reversed(parts)])


# -- drift ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", MODULE_FILES, ids=lambda path: path.name)
def test_every_name_a_module_uses_was_seen_in_slicers_sources(path: Path) -> None:
    known = {*SEEN, *(".".join(name.split(".")[:n]) for name in SEEN for n in range(1, 5))}
    unknown = {
        name for name in names_used(path)
        if name not in known and not any(name.startswith(f"{seen}.") for seen in SEEN)
    }  # fmt: skip
    assert unknown == set()


def test_no_name_is_listed_that_nobody_uses() -> None:
    used = {name for path in MODULE_FILES for name in names_used(path)}
    used |= {"slicer.packaging.pip_ensure"}  # imported under another name
    unused = {seen for seen in SEEN if not any(
        name == seen or name.startswith(f"{seen}.") for name in used)}  # fmt: skip
    assert unused == set()


# -- what is not there ----------------------------------------------------------------------------
@pytest.mark.skipif("SLICER_PYTHON" in os.environ, reason="Slicer's own files name more")
@pytest.mark.parametrize(
    "look_up",
    [
        lambda: qt.QDockWidget,
        lambda: ctk.ctkDirectoryButton,
        lambda: slicer.app.mainApplicationSettings,
        lambda: slicer.modules.cropvolume,
        lambda: slicer.app.layoutManager().plotWidget,
        lambda: slicer.packaging.pip_uninstall,
    ],
)
def test_an_uncovered_name_raises(look_up: Any) -> None:
    with pytest.raises(NotCovered, match="not covered by the stand-in"):
        look_up()


def test_a_ui_file_with_an_unknown_widget_or_property_raises(tmp_path: Path) -> None:
    def load(widget: str, properties: str = "") -> Any:
        path = tmp_path / "panel.ui"
        path.write_text(
            f'<ui version="4.0"><widget class="QWidget" name="top"><widget '
            f'class="{widget}" name="inner">{properties}</widget></widget></ui>'
        )
        return slicer.util.loadUI(str(path))

    assert load("QLabel") is not None
    with pytest.raises(NotCovered, match="ctkFontButton"):
        load("ctkFontButton")
    with pytest.raises(NotCovered, match="property hue of QLabel"):
        load("QLabel", '<property name="hue"><number>1</number></property>')


# -- PythonQt -------------------------------------------------------------------------------------
def test_properties_have_no_parentheses() -> None:
    button = qt.QPushButton("Go")
    assert button.text == "Go"
    with pytest.raises(TypeError):
        button.text()
    button.enabled = False
    assert not button.isEnabled()


def test_a_tooltip_comes_back_as_rich_text() -> None:
    button = qt.QPushButton()
    assert button.toolTip == ""
    button.toolTip = "low < high"
    assert button.toolTip == "<p>low &lt; high</p>"
    assert tip(button) == "low < high"
    button.toolTip = "<b>bold</b>"
    assert button.toolTip == "<b>bold</b>"


def test_a_wrong_signal_text_makes_connect_return_false() -> None:
    button = qt.QPushButton()
    assert button.connect("clicked(bool)", print) is True
    assert button.connect("clicked()", print) is True
    assert button.connect("klicked(bool)", print) is False
    assert button.connect("clicked(int)", print) is False
    box = slicer.qMRMLNodeComboBox()
    assert box.connect("currentNodeChanged(vtkMRMLNode*)", print) is True
    assert box.connect("currentNodeChanged(node)", print) is False


def test_a_wrapped_widget_takes_no_new_attribute_but_a_python_subclass_does() -> None:
    class Own(qt.QLabel):
        pass

    with pytest.raises(AttributeError):
        qt.QLabel().colour = "red"
    own = Own()
    own.colour = "red"
    assert own.colour == "red"


def test_an_exception_in_a_slot_is_kept() -> None:
    button = qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert [type(error) for error in standin.errors()] == [ZeroDivisionError]


# -- parameter nodes ------------------------------------------------------------------------------
def node() -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


class Gui:
    """What `childWidgetVariables` gives: widgets as attributes."""


def test_a_range_with_a_plain_default_fails_as_in_slicer() -> None:
    def connect() -> None:
        @parameterNodeWrapper
        class Bad:
            hu: Annotated[FloatRange, RangeBounds(0, 10)] = FloatRange(1, 2)

        gui = Gui()
        gui.range = ctk.ctkRangeWidget()
        gui.range.setProperty("SlicerParameterName", "hu")
        Bad(node()).connectGui(gui)

    with pytest.raises((TypeError, AttributeError)):
        connect()


def test_members_are_checked_kept_and_read_back() -> None:
    @parameterNodeWrapper
    class Parameters:
        view: Annotated[str, Choice(["AP", "PA"])] = "PA"
        tilt: Annotated[float, WithinRange(-90, 90)] = 5.0
        hu: Annotated[FloatRange, RangeBounds(-1000, 3000), Default(FloatRange(200, 3000))]

    kept = node()
    parameters = Parameters(kept)
    parameters.tilt = 10
    with pytest.raises(ValueError, match="AP"):
        parameters.view = "LAT"
    with pytest.raises(ValueError, match="90"):
        parameters.tilt = 91.0
    with pytest.raises(TypeError):
        parameters.tilt = "ten"
    again = Parameters(kept)
    assert (again.view, again.tilt, again.hu.minimum) == ("PA", 10.0, 200.0)
    with pytest.raises(TypeError):
        type(again.hu)(1, 2)  # what is read back observes the node: it cannot be copied so


def test_only_the_exact_widget_class_binds() -> None:
    @parameterNodeWrapper
    class Parameters:
        preview: bool = True

    class OwnCheckBox(qt.QCheckBox):
        pass

    gui = Gui()
    gui.box = OwnCheckBox()
    gui.box.setProperty("SlicerParameterName", "preview")
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        Parameters(node()).connectGui(gui)
