"""How pulled-apart bones are shown: faded, in their colours, what overlaps outlined."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util

from ..layer_blending import blend
from .slicer_layer_nodes import OVERLAP_ROLE, SOFT, nodes_of, shares_of
from .slicer_layouts import LAYOUTS, view_ids
from .slicer_nodes import place_beneath, set_window
from .slicer_outlines import segment_colours
from .slicer_results import input_of, same_place
from .slicer_views import SideBySide

COLOURS_ROLE = "BoneXrayColours"
WHITE = (1.0, 1.0, 1.0)
SECOND_VIEW = "BoneXraySecondVisit"
LAYER_LAYOUTS = ("apart", "joint space", "visits")


def colours_of(faded: Any) -> Any:
    """The picture in colours of a faded radiograph, or None."""
    return faded.GetNodeReference(COLOURS_ROLE)


def colour_layers(faded: Any) -> Any:
    """The faded radiograph with each bone in its segment's colour, filled again as it is now.

    A colour volume beneath the radiograph; black and white are those of the faded radiograph.

    Raises:
        ValueError: some of the nodes are gone.
    """
    nodes = nodes_of(faded)
    node = colours_of(faded)
    layers = [slicer.util.arrayFromVolume(layer)[0] for layer in nodes.layers.values()]
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{faded.GetName()} in colours")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", name)
        faded.SetNodeReferenceID(COLOURS_ROLE, node.GetID())
    if node.GetImageData() is None or _size(node) != _size(faded):
        empty = np.zeros((1, *layers[0].shape, 3), np.uint8)
        slicer.util.updateVolumeFromArray(node, empty)
        node.CreateDefaultDisplayNodes()
        set_window(node, (0, 255))
        place_beneath(node, input_of(faded))
    same_place(node, faded)
    known = segment_colours(nodes.masks)
    colours = [tuple(round(255 * c) for c in known.get(bone, WHITE)) for bone in nodes.layers]
    kept, display = shares_of(faded), faded.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    gone = low * (1 - kept.get(SOFT, 1.0))  # black is a level of soft tissue: it fades with that
    out = slicer.util.arrayFromVolume(node)[0]
    blend(layers, colours, [kept.get(bone, 1.0) for bone in nodes.layers],
          (low - gone, high - gone), out)  # fmt: skip
    slicer.util.arrayFromVolumeModified(node)
    return node


def _size(node: Any) -> tuple[int, ...]:
    return node.GetImageData().GetDimensions()


def shown_of(faded: Any, in_colours: bool) -> Any:
    """The node to show of a faded radiograph: itself, or its picture in colours."""
    return (colours_of(faded) or colour_layers(faded)) if in_colours else faded


def show_layers(
    views: SideBySide, faded: Any, second: Any, in_colours: bool, layout: str | None = None
) -> None:
    """Show a faded radiograph beside its radiograph, or beside the second visit.

    Args:
        views: where.
        faded: the first visit.
        second: the second visit's faded radiograph, or None.
        in_colours: whether to show pictures in colours.
        layout: one of `LAYER_LAYOUTS`; the one that is shown when None.

    Raises:
        ValueError: some of the nodes are gone.
    """
    before = None if views.shown is None else views.shown[0]
    layout = layout or (before if before in LAYER_LAYOUTS else LAYER_LAYOUTS[0])
    if layout == "visits" and second is None:
        layout = "joint space"
    shown = shown_of(faded, in_colours)
    pair = [shown, shown_of(second, in_colours)] if layout == "visits" else [input_of(faded), shown]
    if views.shown != (layout, pair):
        views.show(layout, pair)


def show_overlaps(faded: Any, second: Any = None, wanted: bool = True) -> None:
    """Outline in slice views what overlaps, or not.

    Radiographs without a geometry lie in one place: with a second visit, each one's outline is
    drawn in its own views only.

    Raises:
        ValueError: some of the nodes are gone.
    """
    own = {name for _number, views in LAYOUTS.values() for name in views} - {SECOND_VIEW}
    places = [(faded, own if second is not None else ())]
    if second is not None:
        places.append((second, (SECOND_VIEW,)))
    for visit, names in places:
        display = nodes_of(visit).overlap.GetDisplayNode()
        views = view_ids(names)
        display.RemoveAllViewNodeIDs()
        for view in views:
            display.AddViewNodeID(view)
        display.SetVisibility2DFill(False)
        display.SetVisibility2DOutline(True)
        display.SetVisibility(wanted and bool(views or not names))


def hide_overlap(faded: Any) -> None:
    """No outline of what overlaps in a faded radiograph, where it is still there."""
    if faded is not None and slicer.mrmlScene.IsNodePresent(faded):
        node = faded.GetNodeReference(OVERLAP_ROLE)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(False)
