"""The layouts of the panel, and which views of the scene are whose."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import slicer.util

VIEW_GROUP = 557
"""A view group of their own: zooming and panning links these views and no other."""

LAYOUTS: dict[str, tuple[int, dict[str, str]]] = {
    "radiograph": (5570, {"BoneXrayInput": "I"}),
    "drr": (5571, {"BoneXrayFull": "F", "BoneXrayBone": "B"}),
    "drr in scene": (5573, {"BoneXrayFull": "F", "BoneXrayBone": "B"}),
    "extraction": (
        5572,
        {"BoneXrayInput": "I", "BoneXrayBones": "B", "BoneXrayEnhanced": "E"},
    ),
    "extraction and uncertainty": (
        5581,
        {
            "BoneXrayInput": "I",
            "BoneXrayBones": "B",
            "BoneXrayEnhanced": "E",
            "BoneXrayUncertainty": "U",
        },
    ),
    "pairs": (5574, {"BoneXrayImages": "I", "BoneXrayTargets": "B"}),
    "pairs and plots": (5575, {"BoneXrayImages": "I", "BoneXrayTargets": "B"}),
    "plots": (5576, {}),
    "rating": (5577, {"BoneXrayJudged": "J"}),
    "rating beside": (5578, {"BoneXrayInput": "I", "BoneXrayJudged": "J"}),
    "preference": (5579, {"BoneXrayLeft": "L", "BoneXrayRight": "R"}),
    "preference beside": (
        5580,
        {"BoneXrayLeft": "L", "BoneXrayInput": "I", "BoneXrayRight": "R"},
    ),
    "apart": (5582, {"BoneXrayInput": "I", "BoneXrayApart": "A"}),
    "joint space": (5583, {"BoneXrayInput": "I", "BoneXrayApart": "A"}),
    "visits": (5584, {"BoneXrayApart": "A", "BoneXraySecondVisit": "B"}),
    "leg": (5585, {"BoneXrayLeg1": "1"}),
    "leg in two views": (5586, {"BoneXrayLeg1": "1", "BoneXrayLeg2": "2"}),
}
"""Layout name -> number (500 and above are free for modules), slice view names with a letter."""
DRR_LAYOUTS = ("drr", "drr in scene")
LEG_LAYOUTS = ("leg", "leg in two views")
"""With one radiograph of a leg and with two; beside them the 3D view."""
LEG_VIEWS = ("BoneXrayLeg1", "BoneXrayLeg2")
PLOT_VIEWS = {"BoneXrayLoss": "L", "BoneXrayQuality": "Q"}
"""Names of the plot views, where a layout has them."""
WIDTHS_VIEW = {"BoneXrayWidths": "W"}
PLOTS = {
    "plots": PLOT_VIEWS,
    "pairs and plots": PLOT_VIEWS,
    "joint space": WIDTHS_VIEW,
    "visits": WIDTHS_VIEW,
}
"""Layout name -> its plot views, which lie below its slice views."""
THREE_D = '<item><view class="vtkMRMLViewNode" singletontag="1"/></item>'
SLICES = {"Red": ("Axial", "#F34A33"), "Green": ("Coronal", "#6EB04B"),
          "Yellow": ("Sagittal", "#EDD54C")}  # fmt: skip
"""The user's own views, which a layout may hold, too."""


def description(layout: str) -> str:
    """The layout's XML: its slice views side by side; in the scene, the user's views with them."""
    views = own_views(layout)
    if layout in PLOTS:
        rows = ([views] if views else []) + [plot_views(layout)]
        whole = "".join(f'<item><layout type="horizontal">{row}</layout></item>' for row in rows)
        return f'<layout type="vertical">{whole}</layout>'
    if layout != "drr in scene":
        views += THREE_D if layout in LEG_LAYOUTS else ""
        return f'<layout type="horizontal">{views}</layout>'
    slices = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{name[0]}</property>'
        f'<property name="viewcolor" action="default">{colour}</property></view></item>'
        for name, (orientation, colour) in SLICES.items()
    )
    rows = (f'<item><layout type="horizontal">{row}</layout></item>'
            for row in (views + THREE_D, slices))  # fmt: skip
    return f'<layout type="vertical">{"".join(rows)}</layout>'


def own_views(layout: str) -> str:
    """The XML items of a layout's own slice views."""
    return "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        '<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{letter}</property>'
        '<property name="viewcolor" action="default">#8C8C8C</property>'
        f'<property name="viewgroup" action="default">{VIEW_GROUP}</property>'
        "</view></item>"
        for name, letter in LAYOUTS[layout][1].items()
    )


def plot_views(layout: str) -> str:
    """The XML items of a layout's plot views."""
    return "".join(
        f'<item><view class="vtkMRMLPlotViewNode" singletontag="{name}">'
        f'<property name="viewlabel" action="default">{letter}</property></view></item>'
        for name, letter in PLOTS[layout].items()
    )


def view_ids(names: Container[str]) -> list[str]:
    """IDs of the slice views of these names, as far as a layout made them."""
    return [node.GetID() for node in _slice_nodes() if node.GetLayoutName() in names]


def three_d_views() -> list[str]:
    """IDs of the 3D views."""
    return [node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLViewNode")]


def drr_views() -> list[str]:
    """IDs of the slice views that show simulated radiographs."""
    return view_ids(LAYOUTS["drr"][1])


def foreign_views() -> list[str]:
    """IDs of the slice views that are not ours: where a CT is looked at."""
    ours = {name for _number, views in LAYOUTS.values() for name in views}
    return [node.GetID() for node in _slice_nodes() if node.GetLayoutName() not in ours]


def _slice_nodes() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSliceNode")
