"""Rebuilt bones of a leg as nodes: models coloured by uncertainty, and a table of measures.

The table is the node to hold: it refers to the radiographs and the models, and keeps the record
that the command writes, with the verdict and the geometries of all views. So all of it works in
loaded scenes, and without the fit.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util
import vtk
import vtk.util.numpy_support

from ..files import checked_output_folder, staged_folder
from ..geometry import Geometry
from ..legs.leg_measures import Measure
from ..legs.leg_reconstruction import RebuiltLeg
from ..legs.reconstruction_files import RECORD_FILE, bone_record, measures_of_sides, write_stl
from ..reconstruction import Reconstruction
from ..scene.slicer_folders import place_in_folder
from ..scene.slicer_layouts import three_d_views
from ..scene.slicer_nodes import PREFIX
from ..scene.slicer_results import INPUT_ROLE
from ..scene.slicer_scene import mesh_of
from ..scene.slicer_segments import add_column
from .slicer_leg_markups import FOLDER

MODELS_ROLE, IMAGES_ROLE = "BoneXrayLegBones", "BoneXrayLegRadiographs"
RECORD = PREFIX + "Record"
UNCERTAINTY = "Uncertainty [mm]"
LEGEND_SIZE = (0.1, 0.35)
"""Width and height of the colours' legend, as shares of the view's."""
COLOURS = ("vtkMRMLColorTableNodeFileColdToHotRainbow.txt", "vtkMRMLColorTableNodeReverseRainbow")
"""Blue where a bone is sure, red where it is least so; the first that the scene has."""


class LegNodes(NamedTuple):
    """What rebuilding a leg makes.

    Attributes:
        measures: table of lengths and angles.
        bones: models by name, such as femur-right.
        radiographs: what they were made from.
    """

    measures: Any
    bones: dict[str, Any]
    radiographs: list[Any]


def leg_nodes(leg: RebuiltLeg, sources: list[Any]) -> LegNodes:
    """Models and table beneath the first radiograph; the same radiographs fill them again."""
    table = next((t for t in legs_of(sources[0]) if _images(t) == sources), None)
    if table is None:
        table = _added("vtkMRMLTableNode", f"{sources[0].GetName()} leg measures")
        table.SetAttribute(PREFIX + "Result", "leg")
        table.SetNodeReferenceID(INPUT_ROLE, sources[0].GetID())
        for number, source in enumerate(sources):
            table.SetNthNodeReferenceID(IMAGES_ROLE, number, source.GetID())
        place_in_folder(table, sources[0], FOLDER)
    found = [bone.found for bone in leg.bones]
    record = {
        "models": list(leg.models),
        "notes": list(leg.notes),
        "images": [list(bone.images) for bone in leg.bones],
        "bones": [bone_record(bone) for bone in found],
        "measures": measures_of_sides(found),
    }
    table.SetAttribute(RECORD, json.dumps(record))
    _fill_table(table, record["measures"])
    before = dict(zip(_names(table), _models(table), strict=False))
    table.RemoveNodeReferenceIDs(MODELS_ROLE)
    top = max((float(bone.uncertainty.max()) for bone in found), default=1.0)
    bones = {}
    for number, bone in enumerate(leg.bones):
        node = before.pop(bone.name, None)
        node = _model(node, bone.found, f"{sources[0].GetName()} {bone.name}", sources[0], top)
        node.SetAttribute(PREFIX + "Bone", bone.name)
        table.SetNthNodeReferenceID(MODELS_ROLE, number, node.GetID())
        bones[bone.name] = node
    for gone in before.values():
        slicer.mrmlScene.RemoveNode(gone)
    _legend(list(bones.values()))
    return LegNodes(table, bones, sources)


def legs_of(source: Any) -> list[Any]:
    """The tables of legs that were rebuilt from a radiograph node first, the newest last."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTableNode")
    tables = [n for n in nodes if n.GetAttribute(PREFIX + "Result") == "leg"]
    return [n for n in tables if n.GetNodeReferenceID(INPUT_ROLE) == source.GetID()]


def nodes_of_leg(table: Any) -> LegNodes:
    """What a table of measures refers to.

    Raises:
        ValueError: it is none, or some of it is gone.
    """
    if table is None or table.GetAttribute(RECORD) is None:
        raise ValueError("leg: got none; expected the measures of a rebuilt leg")
    models, images = _models(table), _images(table)
    if None in (*models, *images) or not models:
        raise ValueError(
            f"leg: a bone or a radiograph of {table.GetName()!r} is gone; rebuild it again"
        )
    return LegNodes(table, dict(zip(_names(table), models, strict=True)), images)


def record_of(table: Any) -> dict[str, Any]:
    """What was found, as reconstruction.json has it."""
    return json.loads(table.GetAttribute(RECORD))


def views_of(table: Any) -> list[dict[int, Geometry]]:
    """The refined geometries of each bone, by the number of the radiograph."""
    record = record_of(table)
    return [
        {
            image: Geometry.from_dict(view["geometry"])
            for image, view in zip(images, bone["views"], strict=True)
        }
        for images, bone in zip(record["images"], record["bones"], strict=True)
    ]


def surface_of(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) RAS mm and faces (F, 3) of a model node."""
    mesh = model.GetPolyData()
    vertices = vtk.util.numpy_support.vtk_to_numpy(mesh.GetPoints().GetData())
    cells = vtk.util.numpy_support.vtk_to_numpy(mesh.GetPolys().GetConnectivityArray())
    return np.asarray(vertices, dtype=np.float64), cells.reshape(-1, 3)


def export_leg(table: Any, folder: str | os.PathLike) -> dict[str, Path]:
    """Write each bone as STL, and the record; all of them or nothing.

    Raises:
        ValueError: some of it is gone, or a folder that cannot be written to.
    """
    nodes, target = nodes_of_leg(table), checked_output_folder(Path(folder))
    with staged_folder(target) as stage:
        for name, model in nodes.bones.items():
            write_stl(stage / f"{name}.stl", *surface_of(model))
        text = json.dumps(record_of(table), indent=2, ensure_ascii=False)
        (stage / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
        names = sorted(path.name for path in stage.iterdir())
    return {name: target / name for name in names}


def _models(table: Any) -> list[Any]:
    count = table.GetNumberOfNodeReferences(MODELS_ROLE)
    return [table.GetNthNodeReference(MODELS_ROLE, n) for n in range(count)]


def _images(table: Any) -> list[Any]:
    count = table.GetNumberOfNodeReferences(IMAGES_ROLE)
    return [table.GetNthNodeReference(IMAGES_ROLE, n) for n in range(count)]


def _names(table: Any) -> list[str]:
    return [m.GetAttribute(PREFIX + "Bone") if m is not None else "" for m in _models(table)]


def _added(kind: str, name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))


def _fill_table(table: Any, measures: list[dict[str, Any]]) -> None:
    found = [(m.pop("side"), Measure(**m)) for m in map(dict, measures)]
    errors = [m.standard_error for _, m in found]
    with slicer.util.NodeModify(table):
        table.RemoveAllColumns()
        add_column(table, vtk.vtkStringArray(), "Quantity", [m.name for _, m in found])
        add_column(table, vtk.vtkDoubleArray(), "Value", [round(m.value, 2) for _, m in found])
        add_column(table, vtk.vtkDoubleArray(), "Standard error",
                   [float("nan") if e is None else round(e, 2) for e in errors])  # fmt: skip
        add_column(table, vtk.vtkStringArray(), "Unit", [m.unit for _, m in found])
        add_column(table, vtk.vtkStringArray(), "Side", [side for side, _ in found])
        table.SetUseColumnTitleAsColumnHeader(True)


def _model(node: Any, bone: Reconstruction, name: str, source: Any, top: float) -> Any:
    mesh = mesh_of(bone.vertices, faces=bone.faces)
    spread = vtk.util.numpy_support.numpy_to_vtk(bone.uncertainty.astype(np.float32), deep=True)
    spread.SetName(UNCERTAINTY)
    mesh.GetPointData().AddArray(spread)
    if node is None:
        node = _added("vtkMRMLModelNode", name)
        node.SetAndObserveMesh(mesh)
        node.CreateDefaultDisplayNodes()
        node.SetNodeReferenceID(INPUT_ROLE, source.GetID())
        place_in_folder(node, source, FOLDER)
    else:
        node.SetAndObserveMesh(mesh)
    display = node.GetDisplayNode()
    there = [colours for colours in COLOURS if slicer.mrmlScene.GetNodeByID(colours)]
    display.SetAndObserveColorNodeID(there[0])
    display.SetActiveScalar(UNCERTAINTY, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(0.0, top)
    display.SetScalarVisibility(True)
    return node


def _legend(models: list[Any]) -> None:
    """One legend of colours for all bones, in the 3D views."""
    for place, model in enumerate(models):
        kind = "vtkMRMLColorLegendDisplayNode"
        nodes = [model.GetNthDisplayNode(n) for n in range(model.GetNumberOfDisplayNodes())]
        legends = [node for node in nodes if node is not None and node.IsA(kind)]
        if place or legends:
            continue
        legend = slicer.mrmlScene.AddNewNodeByClass(kind)
        # Views draw it when it changes as one of the model's displays: so that it is first.
        model.AddAndObserveDisplayNodeID(legend.GetID())
        legend.SetAndObservePrimaryDisplayNode(model.GetDisplayNode())
        legend.SetTitleText(UNCERTAINTY)
        legend.SetSize(*LEGEND_SIZE)
        for view in three_d_views():
            legend.AddViewNodeID(view)
        legend.SetVisibility(True)
