"""Joint space of pulled-apart bones as tables and a plot of the scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import load_module, start_slicer
from small_layers import joint_visits

start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402

from BoneXrayLib.joints.joint_space import narrowing, space_of  # noqa: E402
from BoneXrayLib.joints.joint_visit import joint_of  # noqa: E402
from BoneXrayLib.layers import LOWER, UPPER, Layers  # noqa: E402
from BoneXrayLib.scene import slicer_joint_space, slicer_layers, slicer_nodes  # noqa: E402


@pytest.fixture(autouse=True)
def _empty_scene() -> Iterator[None]:
    slicer.mrmlScene.Clear(False)
    yield
    slicer.mrmlScene.Clear(False)


VISITS = joint_visits()


def in_scene(found: Layers) -> Any:
    """The faded node of layers."""
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    return slicer_layers.layer_nodes(found, source).faded


def measured(faded: Any, second: Any = None, **how: Any) -> slicer_joint_space.JointNodes:
    return load_module("BoneXray").BoneXrayLogic().measureJointSpace(
        faded, secondNode=second, **how)  # fmt: skip


def rows_of(table: Any) -> dict[str, float]:
    count = range(table.GetNumberOfRows())
    return {table.GetCellText(row, 0): float(table.GetCellText(row, 1)) for row in count}


def profile_of(table: Any) -> np.ndarray:
    return np.stack([slicer.util.arrayFromTableColumn(table, table.GetColumnName(n)).copy()
                     for n in range(2)])  # fmt: skip


def test_one_visit_gives_its_profile_its_figures_and_a_plot() -> None:
    space = space_of(joint_of(VISITS[0]).layers)
    nodes = measured(in_scene(VISITS[0]))
    heads = [nodes.profiles[0].GetColumnName(n) for n in range(2)]
    assert heads == ["Position [mm]", "Width [mm]"]
    found = profile_of(nodes.profiles[0])
    np.testing.assert_allclose(found, [space.positions_mm, space.width_mm])
    rows = rows_of(nodes.figures)
    assert rows["Mean width"] == pytest.approx(found[1].mean(), abs=1e-3)
    assert rows["Minimum width"] == pytest.approx(found[1].min(), abs=1e-3)
    assert rows["Position of minimum"] == pytest.approx(found[0][found[1].argmin()], abs=1e-3)
    assert nodes.figures.GetDescription().startswith(f"Mean width {space.mean_mm:.2f} mm, minimum")
    assert nodes.chart.GetNumberOfPlotSeriesNodes() == 1
    series = nodes.chart.GetNthPlotSeriesNode(0)
    assert series.GetTableNode() is nodes.profiles[0]
    assert (series.GetXColumnName(), series.GetYColumnName()) == tuple(heads)


def test_two_visits_give_the_narrowing_and_its_standard_error() -> None:
    expected = narrowing(*(joint_of(visit).layers for visit in VISITS))
    first, second = map(in_scene, VISITS)
    nodes = measured(first, second)
    rows = rows_of(nodes.figures)
    assert rows["Narrowing"] == pytest.approx(expected.narrowing_mm, abs=1e-3)
    error = rows["Standard error of narrowing"]
    assert error == pytest.approx(expected.standard_error_mm, abs=1e-3)
    assert rows["95 % interval to"] - rows["95 % interval from"] == pytest.approx(
        2 * 1.96 * error, abs=1e-3
    )
    assert rows["Mean width of Finger 2"] == pytest.approx(expected.second.mean_mm, abs=1e-3)
    assert len(nodes.profiles) == nodes.chart.GetNumberOfPlotSeriesNodes() == 2
    names = [nodes.chart.GetNthPlotSeriesNode(n).GetName() for n in range(2)]
    assert names == ["Finger 1 width", "Finger 2 width"]
    moved = f"{abs(expected.narrowing_mm):.3f} ± {expected.standard_error_mm:.3f} mm"
    assert moved in nodes.figures.GetDescription()
    word = "Narrowed" if expected.narrowing_mm > 0 else "Widened"
    assert word in nodes.figures.GetDescription()
    assert measured(second, first).figures is not nodes.figures


def test_the_same_joint_fills_its_nodes_again() -> None:
    faded = in_scene(VISITS[0])
    nodes = measured(faded)
    nodes.figures.RemoveAllColumns()
    again = measured(faded, bones=(UPPER, LOWER))
    assert again == nodes
    assert rows_of(nodes.figures)["Mean width"]
    assert nodes.chart.GetNumberOfPlotSeriesNodes() == 1


def test_a_saved_scene_brings_figures_and_plot_back(tmp_path: Path) -> None:
    nodes = measured(in_scene(VISITS[0]))
    profile, name = profile_of(nodes.profiles[0]), nodes.figures.GetName()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    again = measured(slicer.util.getNode("Finger 1 faded"))
    assert again.figures is slicer.util.getNode(name)
    np.testing.assert_allclose(profile_of(again.profiles[0]), profile, atol=1e-5)
    assert again.chart.GetNumberOfPlotSeriesNodes() == 1


def test_what_cannot_be_measured_is_refused_in_one_line() -> None:
    faded = in_scene(VISITS[0])
    with pytest.raises(ValueError, match="upper: got 'tibia'; expected one of upper bone"):
        measured(faded, bones=("tibia", LOWER))
    with pytest.raises(ValueError, match="lower: got 'lower bone', as upper; expected another"):
        measured(faded, bones=(LOWER, LOWER))
    no_size = replace(VISITS[0].radiograph, pixel_mm=None, name="Unknown")
    with pytest.raises(ValueError, match="pixel: unknown of Unknown"):
        measured(in_scene(replace(VISITS[0], radiograph=no_size)))
    assert measured(slicer.util.getNode("Unknown faded"), pixelMm=0.2).figures


def test_without_names_the_higher_bone_is_the_upper_one_as_in_the_shell() -> None:
    first = VISITS[0]
    turned = Layers(
        first.radiograph, first.structures[::-1], first.layers[::-1].copy(),
        first.masks[::-1].copy(), first.model,
    )  # fmt: skip
    assert turned.names == (LOWER, UPPER)
    assert measured(in_scene(turned)).figures.GetName().endswith("upper bone – lower bone")
