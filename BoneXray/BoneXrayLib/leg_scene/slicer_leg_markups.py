"""What is drawn of a leg's bones on a radiograph, as markups that the user may drag.

A bone's landmarks are one list of points, each with its name from the start and without a place
until it is put somewhere. Round parts, outline and box are closed curves. Each belongs to its
radiograph and is seen in that one's view only: radiographs without a geometry lie in one place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk

from ..legs.leg_drawing import DRAWN_AROUND, POINTS, Item
from ..legs.leg_picture import COLOURS
from ..scene.slicer_folders import place_in_folder
from ..scene.slicer_layouts import LEG_VIEWS, view_ids
from ..scene.slicer_nodes import PREFIX, ijk_to_world
from ..scene.slicer_results import INPUT_ROLE

FOLDER = "Leg bones in 3D"
FEATURE = PREFIX + "Feature"
POINT_CLASS, CURVE_CLASS = "vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsClosedCurveNode"


def put_point(source: Any, item: Item, at: np.ndarray, note: str = "") -> None:
    """Place a landmark at (row, column)."""
    node = markup_of(source, item, make=True)
    number = node.GetControlPointIndexByLabel(item.name)
    node.SetNthControlPointPositionWorld(number, *_world(source, at)[0])
    node.SetNthControlPointDescription(number, note)


def put_curve(source: Any, item: Item, places: np.ndarray) -> None:
    """Draw a closed curve through places (N, 2)."""
    node = markup_of(source, item, make=True)
    node.RemoveAllControlPoints()
    for place in _world(source, places):
        node.AddControlPointWorld(vtk.vtkVector3d(*place))


def is_drawn(source: Any, item: Item) -> bool:
    """Whether something is there of an item."""
    node = markup_of(source, item)
    if node is None:
        return False
    if item.kind != "point":
        return bool(placed(node))
    return node.GetControlPointIndexByLabel(item.name) in placed(node)


def remove(source: Any, item: Item) -> None:
    """Take one item off the radiograph."""
    node = markup_of(source, item)
    if node is None:
        return
    if item.kind == "point":
        node.UnsetNthControlPointPosition(node.GetControlPointIndexByLabel(item.name))
    else:
        slicer.mrmlScene.RemoveNode(node)


def move_markups(source: Any, moved: np.ndarray) -> None:
    """Move what is drawn on a radiograph by a matrix (4, 4) RAS to RAS."""
    for node in markups_of(source):
        for number in placed(node):
            at = moved @ [*node.GetNthControlPointPositionWorld(number), 1.0]
            node.SetNthControlPointPositionWorld(number, *at[:3])


def start_placing(source: Any, item: Item) -> None:
    """Let the next clicks into the radiograph's view place an item; a right click ends a curve."""
    node = markup_of(source, item, make=True)
    if item.kind == "point":
        remove(source, item)
        node.SetControlPointPlacementStartIndex(node.GetControlPointIndexByLabel(item.name))
    else:
        node.RemoveAllControlPoints()
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection.SetReferenceActivePlaceNodeClassName(node.GetClassName())
    selection.SetActivePlaceNodeID(node.GetID())
    interaction.SetPlaceModePersistence(int(item.kind != "point"))
    interaction.SetCurrentInteractionMode(interaction.Place)


def stop_placing() -> None:
    """Clicks turn the views again."""
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    if interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place:
        interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def show_in_views(sources: Sequence[Any]) -> None:
    """Show what is drawn on each radiograph in its own view; on no other radiograph."""
    views = {
        source.GetID(): view_ids((name,)) for source, name in zip(sources, LEG_VIEWS, strict=False)
    }
    for node in slicer.util.getNodesByClass("vtkMRMLMarkupsNode"):
        if node.GetAttribute(FEATURE) is None:
            continue
        display = node.GetDisplayNode()
        wanted = views.get(node.GetNodeReferenceID(INPUT_ROLE), [])
        if list(display.GetViewNodeIDs() or ()) != wanted:
            display.RemoveAllViewNodeIDs()
            for view in wanted:
                display.AddViewNodeID(view)
        if display.GetVisibility() != bool(wanted):
            display.SetVisibility(bool(wanted))


def markup_of(source: Any, item: Item, make: bool = False) -> Any:
    """The node that an item is drawn in, or None; a new one where it is to be made."""
    title = _title(item)
    for node in markups_of(source):
        if node.GetAttribute(FEATURE) == title:
            return node
    return _made(source, item, title) if make else None


def item_of(node: Any) -> Item:
    """What a markups node shows."""
    return Item(*json.loads(node.GetAttribute(PREFIX + "Item")))


def markups_of(source: Any) -> list[Any]:
    """The nodes in which something is drawn on a radiograph."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsNode")
    here = [node for node in nodes if node.GetAttribute(FEATURE) is not None]
    return [node for node in here if node.GetNodeReferenceID(INPUT_ROLE) == source.GetID()]


def _title(item: Item) -> str:
    last = {"point": "points", "ellipse": item.name.replace("_", " ")}.get(item.kind, item.kind)
    return f"{item.bone} {last}"


def _made(source: Any, item: Item, title: str) -> Any:
    kind = POINT_CLASS if item.kind == "point" else CURVE_CLASS
    name = slicer.mrmlScene.GenerateUniqueName(f"{source.GetName()} {title}")
    node = slicer.mrmlScene.AddNewNodeByClass(kind, name)
    node.CreateDefaultDisplayNodes()
    node.SetAttribute(FEATURE, title)
    node.SetAttribute(PREFIX + "Item", json.dumps(item))
    node.SetNodeReferenceID(INPUT_ROLE, source.GetID())
    if item.kind == "point":
        for landmark in POINTS[item.bone]:
            number = node.AddControlPoint(vtk.vtkVector3d(), landmark)
            node.UnsetNthControlPointPosition(number)
    elif item.kind == "box":
        node.SetCurveTypeToLinear()
    _set_look(node.GetDisplayNode(), item)
    place_in_folder(node, source, FOLDER)
    return node


def _set_look(display: Any, item: Item) -> None:
    colour = [c / 255 for c in COLOURS[item.bone]]
    display.SetSelectedColor(*colour)
    display.SetColor(*colour)
    display.SetGlyphScale(1.6)
    display.SetTextScale(2.4)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(item.kind == "point")


def placed(node: Any) -> list[int]:
    """Numbers of a node's control points that have a place."""
    if node is None:
        return []
    numbers = range(node.GetNumberOfControlPoints())
    return [n for n in numbers if node.GetNthControlPointPositionStatus(n) == node.PositionDefined]


def pixel_places(source: Any, node: Any, numbers: Sequence[int]) -> np.ndarray:
    """(N, 2) of control points, (row, column) of the radiograph."""
    world = np.array([node.GetNthControlPointPositionWorld(n) for n in numbers]).reshape(-1, 3)
    return _topixel_places(source, world)


def along(source: Any, node: Any) -> np.ndarray:
    """(N, 2) of a curve between its control points, too; those alone where they are few."""
    count = len(placed(node))
    points = node.GetCurvePointsWorld()
    if count < DRAWN_AROUND or points is None or points.GetNumberOfPoints() < count:
        return pixel_places(source, node, placed(node))
    world = np.array([points.GetPoint(n) for n in range(points.GetNumberOfPoints())])
    return _topixel_places(source, world)


def _topixel_places(source: Any, world: np.ndarray) -> np.ndarray:
    ijk = np.c_[world, np.ones(len(world))] @ np.linalg.inv(ijk_to_world(source, "radiograph")).T
    return ijk[:, 1::-1]


def _world(source: Any, places: np.ndarray) -> np.ndarray:
    """(N, 3) RAS of (row, column)."""
    places = np.atleast_2d(places)
    ijk = np.c_[places[:, ::-1], np.zeros(len(places)), np.ones(len(places))]
    return (ijk @ ijk_to_world(source, "radiograph").T)[:, :3]
