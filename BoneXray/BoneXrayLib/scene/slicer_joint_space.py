"""Joint space of pulled-apart bones in the scene: its figures, its profile, and a plot of it.

The figures' table is the node to hold: it refers to the profile of each visit and to the chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util
import vtk

from ..joints.joint_space import JointSpace, Narrowing, narrowing, space_of
from ..joints.joint_space_config import JointConfig
from ..joints.joint_visit import joint_of
from .slicer_jobs import Work
from .slicer_layer_nodes import layers_from_node
from .slicer_layouts import WIDTHS_VIEW
from .slicer_nodes import PREFIX, place_beneath
from .slicer_results import input_of
from .slicer_segments import add_column

FIRST_ROLE, SECOND_ROLE = "BoneXrayFirstVisit", "BoneXraySecondVisit"
PROFILES_ROLE, SERIES_ROLE, CHART_ROLE = "BoneXrayProfiles", "BoneXraySeries", "BoneXrayChart"
POSITION, WIDTH = "Position [mm]", "Width [mm]"
COLOURS = ((0.13, 0.44, 0.71), (0.85, 0.33, 0.1))
"""Of the profiles in the plot, first visit and second."""

Row = tuple[str, float, str]


@dataclass(frozen=True)
class Joint:
    """What was measured: a space a visit, upper and lower bone, and between two visits more."""

    bones: tuple[str, str]
    spaces: tuple[JointSpace, ...]
    narrowing: Narrowing | None = None


class JointNodes(NamedTuple):
    """Nodes of one measurement."""

    figures: Any
    profiles: tuple[Any, ...]
    chart: Any


def joint_work(
    faded: Any,
    bones: tuple[str, str] | None = None,
    second: Any = None,
    config: JointConfig | None = None,
    pixel_mm: float | None = None,
) -> Work:
    """Measuring a joint space as work(progress, is_cancelled) -> Joint.

    Args:
        faded: radiograph whose bones were pulled apart, the first visit.
        bones: names of the upper and the lower one; where there are two, none: by height.
        second: the second visit's, with bones of the same names.
        config: what is measured.
        pixel_mm: pixel size at the detector [mm], where a radiograph does not say it.

    Raises:
        ValueError: no such bones, no pixel size, or nodes that are gone.
    """
    first = joint_of(layers_from_node(faded, pixel_mm), *(bones or ("", ""))).layers
    later = None
    if second is not None:
        later = joint_of(layers_from_node(second, pixel_mm), *first.names).layers

    def run(progress: Any, is_cancelled: Any) -> Joint:
        if later is None:
            return Joint(first.names, (space_of(first, config),))
        found = narrowing(first, later, config)
        return Joint(first.names, (found.first, found.second), found)

    return run


def joint_nodes(found: Joint, faded: Any, second: Any = None) -> JointNodes:
    """Figures, profiles and chart beneath the radiograph; the same joint fills them again."""
    joint = " – ".join(found.bones)
    source = input_of(faded)
    figures = _figures_of(faded, second, joint)
    if figures is None:
        figures = _added("vtkMRMLTableNode", f"{source.GetName()} joint space {joint}")
        figures.SetAttribute(PREFIX + "Joint", joint)
        figures.SetNodeReferenceID(FIRST_ROLE, faded.GetID())
        figures.SetNodeReferenceID(SECOND_ROLE, None if second is None else second.GetID())
        place_beneath(figures, source)
    visits = [input_of(node).GetName() for node in (faded, second) if node is not None]
    _fill_figures(figures, figure_rows(found, visits))
    figures.SetDescription(in_words(found))
    profiles = tuple(
        _profile(figures, place, space, visit, source)
        for place, (space, visit) in enumerate(zip(found.spaces, visits, strict=True))
    )
    return JointNodes(figures, profiles, _chart(figures, f"Joint space {joint}"))


def figure_rows(found: Joint, visits: list[str]) -> list[Row]:
    """Quantity, value and unit, row by row."""
    rows: list[Row] = []
    for space, visit in zip(found.spaces, visits, strict=True):
        of = f" of {visit}" if len(visits) > 1 else ""
        rows += [
            (f"Mean width{of}", space.mean_mm, "mm"),
            (f"Minimum width{of}", space.minimum_mm, "mm"),
            (f"Position of minimum{of}", space.minimum_at_mm, "mm"),
            (f"Overlap{of}", 100 * space.overlap_share, "%"),
        ]
    if (moved := found.narrowing) is not None:
        low, high = moved.interval_mm
        rows += [
            ("Narrowing", moved.narrowing_mm, "mm"),
            ("Standard error of narrowing", moved.standard_error_mm, "mm"),
            ("95 % interval from", low, "mm"),
            ("95 % interval to", high, "mm"),
            (f"Sideways motion of {found.bones[0]}", moved.sideways_mm, "mm"),
            ("Bend", moved.bend_deg, "°"),
        ]
    return rows


def in_words(found: Joint) -> str:
    """One line about a joint."""
    first = found.spaces[0]
    text = f"Mean width {first.mean_mm:.2f} mm, minimum {first.minimum_mm:.2f} mm."
    if (moved := found.narrowing) is None:
        return text
    second = found.spaces[1]
    how = "Narrowed" if moved.narrowing_mm >= 0 else "Widened"
    return (
        f"{text} Second visit: {second.mean_mm:.2f} mm, minimum {second.minimum_mm:.2f} mm. {how} "
        f"by {abs(moved.narrowing_mm):.3f} ± {moved.standard_error_mm:.3f} mm (standard error)."
    )


def show_chart(chart: Any) -> None:
    """Put a chart into our plot view, where the layout has one."""
    for name in WIDTHS_VIEW:
        view = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLPlotViewNode")
        if view is not None:
            view.SetPlotChartNodeID(chart.GetID())


def _figures_of(faded: Any, second: Any, joint: str) -> Any:
    for node in slicer.util.getNodesByClass("vtkMRMLTableNode"):
        visits = [node.GetNodeReference(role) for role in (FIRST_ROLE, SECOND_ROLE)]
        if visits == [faded, second] and node.GetAttribute(PREFIX + "Joint") == joint:
            return node
    return None


def _fill_figures(table: Any, rows: list[Row]) -> None:
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        quantities, values, units = zip(*rows, strict=True)
        add_column(table, vtk.vtkStringArray(), "Quantity", quantities)
        add_column(table, vtk.vtkDoubleArray(), "Value", [round(v, 4) for v in values])
        add_column(table, vtk.vtkStringArray(), "Unit", units)
        table.SetUseColumnTitleAsColumnHeader(True)


def _profile(figures: Any, place: int, space: JointSpace, visit: str, source: Any) -> Any:
    table = figures.GetNthNodeReference(PROFILES_ROLE, place)
    if table is None:
        joint = figures.GetAttribute(PREFIX + "Joint")
        table = _added("vtkMRMLTableNode", f"{visit} joint space profile {joint}")
        figures.SetNthNodeReferenceID(PROFILES_ROLE, place, table.GetID())
        place_beneath(table, source)
    columns = np.stack([space.positions_mm, space.width_mm], axis=1)
    slicer.util.updateTableFromArray(table, columns, [POSITION, WIDTH])
    series = figures.GetNthNodeReference(SERIES_ROLE, place)
    if series is None:
        series = _added("vtkMRMLPlotSeriesNode", f"{visit} width")
        figures.SetNthNodeReferenceID(SERIES_ROLE, place, series.GetID())
        series.SetPlotType(series.PlotTypeScatter)  # x against y, joined by a line
        series.SetMarkerStyle(series.MarkerStyleNone)
        series.SetColor(*COLOURS[place])
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(POSITION)
    series.SetYColumnName(WIDTH)
    return table


def _chart(figures: Any, title: str) -> Any:
    chart = figures.GetNodeReference(CHART_ROLE)
    if chart is None:
        chart = _added("vtkMRMLPlotChartNode", title)
        figures.SetNodeReferenceID(CHART_ROLE, chart.GetID())
        chart.SetTitle(title)
        chart.SetXAxisTitle(POSITION)
        chart.SetYAxisTitle(WIDTH)
    for place in range(figures.GetNumberOfNodeReferences(SERIES_ROLE)):
        series = figures.GetNthNodeReferenceID(SERIES_ROLE, place)
        if not chart.HasPlotSeriesNodeID(series):
            chart.AddAndObservePlotSeriesNodeID(series)
    return chart


def _added(kind: str, name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))
