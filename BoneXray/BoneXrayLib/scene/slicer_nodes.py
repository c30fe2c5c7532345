"""MRML nodes to the types of the stages and back. RAS and mm on both sides.

Needs the scene and nothing of the window: works in `Slicer --no-main-window`, too.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk

from ..geometry import Geometry
from ..radiograph import Radiograph, display_window, radiograph_from_array
from ..volume import Volume, volume_from_array

PREFIX = "BoneXray."
"""Of the node attributes that say what an image is."""
OWN_PLACE_S = -3000.0
"""Where radiographs without a geometry lie [mm, S]. Slicer draws segmentations and models in
every slice view they cross; so far below any patient nothing crosses a radiograph."""


def volume_from_node(node: Any) -> Volume:
    """A CT volume node as a `Volume` in world RAS; its parent transform counts.

    The array is the node's own where it holds int16: read it, do not write it.

    Raises:
        ValueError: no image, one slice only, a colour volume, or a transform that bends.
    """
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        raise ValueError("ct: no scalar volume; expected a CT in Hounsfield units")
    array = pixels_of(node, "ct")
    if array.shape[0] < 2:
        raise ValueError(f"ct: {node.GetName()!r} has one slice; expected a CT of several")
    return volume_from_array(array, ijk_to_world(node, "ct"), node.GetName())


def ijk_to_world(node: Any, argument: str) -> np.ndarray:
    """(4, 4) from voxel (i, j, k) to world RAS [mm], with the node's parent transforms.

    Raises:
        ValueError: a parent transform is not linear.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ijk_to_ras = slicer.util.arrayFromVTKMatrix(matrix)
    parent = node.GetParentTransformNode()
    if parent is None:
        return ijk_to_ras
    if not parent.IsTransformToWorldLinear():
        raise ValueError(
            f"{argument}: transform {parent.GetName()!r} of {node.GetName()!r} bends the image; "
            "expected a linear one, or harden the transform first"
        )
    parent.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix) @ ijk_to_ras


def pixels_of(node: Any, argument: str) -> np.ndarray:
    """The node's own array (k, j, i); ValueError when there is none, or several values a voxel."""
    image = node.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise ValueError(f"{argument}: {node.GetName()!r} holds no image; expected a loaded volume")
    if image.GetNumberOfScalarComponents() != 1:
        raise ValueError(
            f"{argument}: {node.GetName()!r} holds {image.GetNumberOfScalarComponents()} values "
            "for each pixel; expected one (grey)"
        )
    return slicer.util.arrayFromVolume(node)


def labels_from_node(segmentation: Any, ct: Any) -> tuple[np.ndarray, dict[int, str]]:
    """Visible segments as labels 1, 2, … on the CT's grid (k, j, i), and their names.

    Hidden segments are left out, so that organs beside the bones need not be deleted. Where
    segments overlap, the later one in the list wins.

    Raises:
        ValueError: there is no visible segment, or they lie outside the CT.
    """
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    display = segmentation.GetDisplayNode()
    identifiers = [
        name
        for name in segmentation.GetSegmentation().GetSegmentIDs()
        if display is None or display.GetSegmentVisibility(name)
    ]
    if not identifiers:
        raise ValueError(
            f"labels: {segmentation.GetName()!r} has no visible segment; expected bones"
        )
    before = {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLNode")}
    grid = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "BoneXray labels")
    try:
        if not logic.ExportSegmentsToLabelmapNode(segmentation, identifiers, grid, ct):
            raise ValueError(
                f"labels: {segmentation.GetName()!r} could not be put on the CT's grid"
            )
        labels = slicer.util.arrayFromVolume(grid).astype(np.uint16)
    finally:  # the label map, and the colour table and display node that came with it
        for node in slicer.util.getNodesByClass("vtkMRMLNode"):
            if node.GetID() not in before and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
    if not labels.any():
        raise ValueError(
            f"labels: no visible segment of {segmentation.GetName()!r} lies within {ct.GetName()!r}"
        )
    segments = segmentation.GetSegmentation()
    names = {n: segments.GetSegment(name).GetName() for n, name in enumerate(identifiers, 1)}
    return labels, names


def node_from_radiograph(
    radiograph: Radiograph,
    node: Any = None,
    name: str | None = None,
    pixels: np.ndarray | None = None,
) -> Any:
    """A (1, rows, columns) volume node of a radiograph, marked so that it can be read back.

    Args:
        radiograph: what to show; one with a geometry lies on its detector, others in a plane of
            their own.
        node: an existing node to fill instead of a new one.
        name: of a new node; the radiograph's when None.
        pixels: (rows, columns) to show instead of the radiograph's, in the same units: its bones.
    """
    if node is None:
        wanted = slicer.mrmlScene.GenerateUniqueName(name or radiograph.name)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", wanted)
    shown = radiograph.pixels if pixels is None else pixels
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(shown[None], dtype=np.float32))
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image_to_ras(radiograph)))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    set_window(node, display_window(shown))
    mark(node, radiograph)
    return node


def set_window(node: Any, window: tuple[float, float]) -> None:
    """Show `window` (black, white) in the node's own units, fixed."""
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(*window)


def image_to_ras(radiograph: Radiograph) -> np.ndarray:
    """(4, 4) from (i = column, j = row, k) to RAS [mm]: the detector, or the own place."""
    if radiograph.geometry is not None:
        return radiograph.geometry.image_to_ras()
    row_mm, column_mm = radiograph.pixel_mm or (1.0, 1.0)
    rows, columns = radiograph.pixels.shape
    # Columns to the patient's left and rows to the back: upright in an axial view.
    matrix = np.diag([-column_mm, -row_mm, 1.0, 1.0])
    matrix[:3, 3] = (columns - 1) / 2 * column_mm, (rows - 1) / 2 * row_mm, OWN_PLACE_S
    return matrix


def mark(node: Any, radiograph: Radiograph) -> None:
    """Write as node attributes what the pixels mean; they are saved with the scene."""
    geometry = radiograph.geometry
    values = {
        "Domain": radiograph.domain,
        "Polarity": "bone bright",
        "PixelMm": json.dumps(radiograph.pixel_mm),
        "Magnification": json.dumps(radiograph.magnification),
        "Geometry": json.dumps(None if geometry is None else geometry.to_dict()),
        "Notes": json.dumps(radiograph.notes),
    }
    for name, value in values.items():
        node.SetAttribute(PREFIX + name, value)


def is_marked(node: Any) -> bool:
    """Whether the node was made by this program."""
    return node.GetAttribute(PREFIX + "Domain") is not None


def radiograph_from_node(node: Any, pixel_mm: float | None = None) -> Radiograph:
    """A volume node of one slice as a `Radiograph`.

    A node without our marks is taken as a display image that is bone bright; its spacing counts
    unless it is exactly 1 mm, which is what readers put where nothing is known.

    Args:
        node: the volume node.
        pixel_mm: pixel size at the detector [mm], where the node does not say it.

    Raises:
        ValueError: no volume, several slices, colour, or no picture.
    """
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        raise ValueError("radiograph: no scalar volume; expected a radiograph")
    array = pixels_of(node, "radiograph")
    if array.shape[0] != 1:
        raise ValueError(
            f"radiograph: {node.GetName()!r} has {array.shape[0]} slices; expected one, "
            "a radiograph"
        )
    if not is_marked(node):
        columns_mm, rows_mm = node.GetSpacing()[:2]
        known = None if columns_mm == rows_mm == 1.0 else (rows_mm, columns_mm)
        return radiograph_from_array(array[0], "display", known or pixel_mm, node.GetName())
    kept = {n: json.loads(node.GetAttribute(PREFIX + n) or "null") for n in
            ("PixelMm", "Magnification", "Geometry", "Notes")}  # fmt: skip
    spacing = kept["PixelMm"] or (None if pixel_mm is None else (pixel_mm, pixel_mm))
    return Radiograph(
        array[0].astype(np.float32),
        node.GetAttribute(PREFIX + "Domain"),
        None if spacing is None else (spacing[0], spacing[1]),
        kept["Magnification"],
        None if kept["Geometry"] is None else Geometry.from_dict(kept["Geometry"]),
        node.GetName(),
        tuple(kept["Notes"] or ()),
    )


def place_beneath(node: Any, parent: Any) -> None:
    """Put a result under its input in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = [hierarchy.GetItemByDataNode(n) or hierarchy.CreateItem(
        hierarchy.GetSceneItemID(), n) for n in (parent, node)]  # fmt: skip
    hierarchy.SetItemParent(items[1], items[0])


def first_ct() -> Any:
    """The first volume of the scene that may be a CT, or None."""
    return next((n for n in _scalar_volumes() if min(n.GetImageData().GetDimensions()) > 1), None)


def first_radiograph() -> Any:
    """The first volume of the scene that may be a radiograph, or None."""
    return next((n for n in _scalar_volumes() if n.GetImageData().GetDimensions()[2] == 1), None)


def _scalar_volumes() -> list[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [
        node
        for node in nodes
        if node.GetClassName() == "vtkMRMLScalarVolumeNode"
        and not node.GetHideFromEditors()
        and node.GetImageData() is not None
    ]
