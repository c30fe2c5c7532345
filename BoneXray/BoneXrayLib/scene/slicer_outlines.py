"""Outlines of projected bones over the radiographs, each in the colour of its segment."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk
import vtk.util.numpy_support

from .slicer_scene import KIND, LOOKS, fill_model, mesh_of, remove_models

Colour = tuple[float, float, float]


def show_outlines(
    outlines: dict[str, np.ndarray],
    colours: dict[str, Colour],
    image_to_ras: np.ndarray,
    parent: Any,
) -> None:
    """Show outlines (N, 2, 2) of (row, column) over the radiograph, each in its colour.

    Args:
        outlines: straight pieces by name, as `outlines.layer_outlines` gives them.
        colours: red, green and blue from 0 to 1 by name.
        image_to_ras: (4, 4) from (column, row, k) to RAS [mm].
        parent: the CT.
    """
    pieces = np.concatenate([np.zeros((0, 2, 2)), *outlines.values()]).reshape(-1, 2)
    ends = np.c_[pieces[:, ::-1], np.zeros(len(pieces)), np.ones(len(pieces))] @ image_to_ras.T
    mesh = mesh_of(ends[:, :3], lines=np.arange(len(ends)).reshape(-1, 2))
    numbers = [len(pieces) for pieces in outlines.values()]
    bone = vtk.util.numpy_support.numpy_to_vtk(
        np.repeat(np.arange(len(outlines), dtype=np.float32), numbers), deep=True
    )
    bone.SetName("Segment")
    mesh.GetCellData().SetScalars(bone)
    display = fill_model("outlines", mesh, parent).GetDisplayNode()
    table = _colour_table({name: colours.get(name, LOOKS["outlines"].colour) for name in outlines})
    display.SetAndObserveColorNodeID(table.GetID())
    display.SetActiveScalar("Segment", vtk.vtkAssignAttribute.CELL_DATA)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(-0.5, max(1, len(outlines)) - 0.5)
    display.SetScalarVisibility(True)


def remove_outlines() -> None:
    """Take the outlines and their colours out of the scene."""
    remove_models(["outlines"])
    table = _find_table()
    if table is not None:
        slicer.mrmlScene.RemoveNode(table)


def segment_colours(segmentation: Any) -> dict[str, Colour]:
    """Colours of a segmentation's segments by name."""
    segments = segmentation.GetSegmentation()
    each = [segments.GetSegment(name) for name in segments.GetSegmentIDs()]
    return {segment.GetName(): tuple(segment.GetColor()) for segment in each}


def _find_table() -> Any:
    nodes = slicer.util.getNodesByClass("vtkMRMLColorTableNode")
    return next((node for node in nodes if node.GetAttribute(KIND) == "outlines"), None)


def _colour_table(colours: dict[str, Colour]) -> Any:
    """The scene's table of these colours, one a bone: Slicer draws no other colours quietly."""
    table = _find_table()
    if table is None:
        table = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
        table.UnRegister(None)
        table.SetName("Colours of outlines")
        table.SetAttribute(KIND, "outlines")
        table.SetHideFromEditors(True)
        table.SetSaveWithScene(False)
        table.SetTypeToUser()
        table = slicer.mrmlScene.AddNode(table)
    table.SetNumberOfColors(max(1, len(colours)))
    for number, (name, colour) in enumerate(colours.items()):
        table.SetColor(number, name, *colour, 1.0)
    return table
