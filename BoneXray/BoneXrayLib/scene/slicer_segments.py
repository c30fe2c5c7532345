"""Named bones as a segmentation node on the radiograph, their areas as a table, and back.

Bones that do not overlap share a label map, those that do have layers of their own, as Slicer
keeps them: the Segment Editor edits each, and a saved scene brings all of them back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util
import vtk
import vtk.util.numpy_support

from ..segment_files import FORMS, area_rows, write_segmentation
from ..segmentation import Segmentation, SegmentConfig, segment
from ..segments.segment_nrrd import LABELMAP, shared_layers
from ..segments.segment_terminology import TAG, named_structure, terminology_entry
from ..segments.structures import Structure
from .slicer_jobs import Work
from .slicer_nodes import PREFIX, ijk_to_world, place_beneath, radiograph_from_node
from .slicer_results import INPUT_ROLE

AREAS_ROLE = "BoneXrayAreas"
FILL_OPACITY = 0.35


class SegmentNodes(NamedTuple):
    """What naming the bones of a radiograph makes."""

    segments: Any
    areas: Any


def segmentation_work(radiograph: Any, config: SegmentConfig) -> Work:
    """The naming of this node's bones as work(progress, is_cancelled) -> Segmentation."""
    given = radiograph_from_node(radiograph, config.pixel)
    return lambda progress, is_cancelled: segment(
        given, config, progress=progress, is_cancelled=is_cancelled
    )


def segment_nodes(found: Segmentation, source: Any) -> SegmentNodes:
    """Segments and their areas beneath `source`; the same model fills its nodes again."""
    wanted = {PREFIX + "Result": "segments", PREFIX + "Model": found.model}
    node = next(
        (n for n in segmentations_of(source) if all(n.GetAttribute(k) == v for k, v in
                                                    wanted.items())), None)  # fmt: skip
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{source.GetName()} segments")
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY)
        for tag, value in wanted.items():
            node.SetAttribute(tag, value)
        node.SetNodeReferenceID(INPUT_ROLE, source.GetID())
        place_beneath(node, source)
    fill_segments(node, found.structures, found.masks, source)
    return SegmentNodes(node, measure(node, found))


def fill_segments(
    node: Any, structures: Sequence[Structure], masks: np.ndarray, source: Any
) -> None:
    """Replace a segmentation's segments by masks (N, rows, columns) on a radiograph's pixels."""
    # Not within NodeModify: events told later have lost which segment they are of.
    node.SetReferenceImageGeometryParameterFromVolumeNode(source)
    node.SetAndObserveTransformNodeID(source.GetTransformNodeID())
    segmentation = node.GetSegmentation()
    segmentation.RemoveAllSegments()
    if not len(masks):
        return
    layers, places = shared_layers(masks)
    images = [_label_map(layer, source) for layer in layers]
    for number, (named, (layer, value)) in enumerate(zip(structures, places, strict=True), 1):
        one = slicer.vtkSegment()
        one.SetName(named.name)
        one.SetColor(*(c / 255 for c in named.colour))
        one.SetTag(TAG, terminology_entry(named))
        one.SetLabelValue(value)
        one.AddRepresentation(LABELMAP, images[layer])  # the same object for all of its layer
        segmentation.AddSegment(one, f"Segment_{number}")


def _label_map(layer: np.ndarray, source: Any) -> Any:
    """A layer (rows, columns) on the grid of a volume node of one slice."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(layer.shape[1], layer.shape[0], 1)
    values = vtk.util.numpy_support.numpy_to_vtk(layer.ravel(), deep=True)
    values.SetName("ImageScalars")
    image.GetPointData().SetScalars(values)
    matrix = vtk.vtkMatrix4x4()
    source.GetIJKToRASMatrix(matrix)
    image.SetImageToWorldMatrix(matrix)
    return image


def segmentations_of(source: Any) -> list[Any]:
    """The nodes with named bones of a radiograph node, the newest last."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return [n for n in nodes if n.GetNodeReferenceID(INPUT_ROLE) == source.GetID()]


def segmentation_from_node(node: Any) -> Segmentation:
    """The segments as they are now, edited or not, on the pixels of their radiograph.

    Raises:
        ValueError: no node or no segments, its radiograph is gone, or two segments of one name.
    """
    if node is None or not node.GetSegmentation().GetNumberOfSegments():
        raise ValueError("segments: there are none; expected the named bones of a radiograph")
    source = node.GetNodeReference(INPUT_ROLE)
    if source is None:
        raise ValueError(f"segments: the radiograph of {node.GetName()!r} is gone")
    radiograph = radiograph_from_node(source)
    structures, masks = masks_on(node, source)
    model = node.GetAttribute(PREFIX + "Model") or ""
    return Segmentation(radiograph, structures, masks, model)


def masks_on(
    node: Any, source: Any, visible_only: bool = False
) -> tuple[tuple[Structure, ...], np.ndarray]:
    """What the segments are, and their masks (N, rows, columns) on the pixels of a radiograph."""
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    structures, masks = [], []
    for identifier in segmentation.GetSegmentIDs():
        if visible_only and display is not None and not display.GetSegmentVisibility(identifier):
            continue
        structures.append(_structure(segmentation.GetSegment(identifier)))
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier, source)
        masks.append(array[0] > 0)
    rows_columns = source.GetImageData().GetDimensions()[1::-1]
    return tuple(structures), np.stack(masks) if masks else np.zeros((0, *rows_columns), bool)


def _structure(one: Any) -> Structure:
    entry = vtk.reference("")
    one.GetTag(TAG, entry)
    red, green, blue = (round(255 * c) for c in one.GetColor())
    return named_structure(one.GetName() or "", (red, green, blue), str(entry))


def measure(node: Any, found: Segmentation | None = None) -> Any:
    """The table node of a segmentation's areas and shared areas, filled again as it is now."""
    found = found or segmentation_from_node(node)
    table = node.GetNodeReference(AREAS_ROLE)
    if table is None:
        name = slicer.mrmlScene.GenerateUniqueName(f"{found.radiograph.name} areas")
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
        node.SetNodeReferenceID(AREAS_ROLE, table.GetID())
        # Not beneath the segmentation: Slicer takes what lies there for segments.
        place_beneath(table, node.GetNodeReference(INPUT_ROLE))
    rows = area_rows(found)
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        add_column(table, vtk.vtkStringArray(), "Bone", [row[0] for row in rows])
        add_column(table, vtk.vtkStringArray(), "Shared with", [row[1] for row in rows])
        areas = [row[2] for row in rows]
        add_column(table, vtk.vtkDoubleArray(), f"Area [{found.area_unit}]", areas)
        table.SetUseColumnTitleAsColumnHeader(True)
    return table


def add_column(table: Any, column: Any, name: str, values: Sequence[Any]) -> None:
    """Put values into an empty VTK array and that into a table."""
    column.SetName(name)
    for value in values:
        column.InsertNextValue(value)
    table.AddColumn(column)


def areas_of(node: Any) -> Any:
    """The table of a segmentation's areas, or None."""
    return node.GetNodeReference(AREAS_ROLE)


def show_segments(node: Any, fill: bool, outline: bool) -> None:
    """Show the bones' areas and outlines in slice views, or not; without both they are hidden."""
    display = node.GetDisplayNode()
    display.SetVisibility(fill or outline)
    if fill or outline:  # Slicer calls neither an error
        display.SetVisibility2DFill(fill)
        display.SetVisibility2DOutline(outline)


def export_segments(
    node: Any, folder: str | os.PathLike, forms: Sequence[str] = FORMS[:2]
) -> dict[str, Path]:
    """Write the segments as they are now, beside other forms of them exported before.

    See `segment_files.write_segmentation`.

    Raises:
        ValueError: no segments, their radiograph is gone, no highdicom, or no such folder.
    """
    found = segmentation_from_node(node)
    source = node.GetNodeReference(INPUT_ROLE)
    record = {"image": source.GetName(), "notes": found.radiograph.notes}
    place = ijk_to_world(source, "radiograph")
    return write_segmentation(found, folder, forms, record, dicom_file(source), place, alone=False)


def dicom_file(source: Any) -> str | None:
    """The DICOM file that a radiograph node was loaded from, by us or by Slicer's database."""
    own = source.GetAttribute(PREFIX + "File")
    if own:
        return own
    instances = (source.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if len(instances) != 1 or database is None:
        return None
    return database.fileForInstance(instances[0]) or None
