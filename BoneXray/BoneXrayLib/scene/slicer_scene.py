"""Tube, beam, detector and rays as models of the scene, beneath the CT.

They only show what is known elsewhere: none is saved with the scene, and each is filled again
where it is, so that what the user set for it (colour, opacity, visibility) stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util
import vtk
import vtk.util.numpy_support

from ..beam_models import BOX_EDGES, EDGES, FACES, beam_outline, box_corners
from ..geometry import Geometry
from .slicer_layouts import LEG_VIEWS, drr_views, foreign_views, three_d_views, view_ids
from .slicer_nodes import PREFIX, ijk_to_world, place_beneath
from .slicer_results import input_of

KIND = PREFIX + "Scene"


class Look(NamedTuple):
    """How a model is shown at first."""

    name: str
    colour: tuple[float, float, float]
    opacity: float = 1.0
    views: str = "all"
    """"all": the 3D views alone; "drr": radiographs, too, flattened; "ct": the others, too; a slice
    view's own name: in that one alone, flattened."""


LOOKS = {
    "tube": Look("X-ray tube", (1.0, 0.8, 0.2)),
    "beam": Look("X-ray beam", (1.0, 0.8, 0.2), 0.12),
    "detector": Look("Detector", (1.0, 1.0, 1.0)),
    "bounds": Look("CT bounds", (0.6, 0.8, 1.0)),
    "outlines": Look("Outlines of segments", (1.0, 1.0, 0.0), views="drr"),
    "ray": Look("Ray", (0.3, 1.0, 0.4)),
    "ray in ct": Look("Ray within the CT", (0.3, 1.0, 0.4), views="ct"),
}
LOOKS |= {f"leg plane {n}": Look(f"Radiograph {n} of a leg", (1.0, 1.0, 1.0)) for n in (1, 2)}
LOOKS |= {
    f"leg {bone} {where} {n}": Look(f"Contour of the {bone} {n}", colour, views=views)
    for bone, colour in (("femur", (1.0, 0.63, 0.2)), ("tibia", (0.31, 0.78, 1.0)))
    for n, view in enumerate(LEG_VIEWS, 1)
    for where, views in (("over", view), ("on", "all"))
}
EXPOSURE = ("tube", "beam", "detector", "bounds")
RAY = ("ray", "ray in ct")
TUBE_SIZE = 0.012
"""Radius of the tube's ball, as a part of the distance to the detector."""


def find_model(kind: str) -> Any:
    """The scene's model of this kind, or None."""
    nodes = slicer.util.getNodesByClass("vtkMRMLModelNode")
    return next((node for node in nodes if node.GetAttribute(KIND) == kind), None)


def fill_model(kind: str, mesh: Any, parent: Any) -> Any:
    """Show `mesh` (RAS mm) as the model of this kind; a new one is put beneath `parent`."""
    node = find_model(kind)
    if node is None:
        look = LOOKS[kind]
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLModelNode")
        node.UnRegister(None)
        node.SetName(look.name)
        node.SetAttribute(KIND, kind)
        node.SetSaveWithScene(False)
        node.SetAndObservePolyData(mesh)
        display = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelDisplayNode")
        node.SetAndObserveDisplayNodeID(display.GetID())  # the hierarchy looks for it at once
        node = slicer.mrmlScene.AddNode(node)
        _set_look(display, look)
        place_beneath(node, parent)
    else:
        node.SetAndObservePolyData(mesh)
    limit_views(node.GetDisplayNode(), LOOKS[kind].views)
    return node


def _set_look(display: Any, look: Look) -> None:
    display.SetSaveWithScene(False)
    display.SetSelectable(False)
    display.SetColor(*look.colour)
    display.SetOpacity(look.opacity)
    display.SetBackfaceCulling(False)
    display.SetLineWidth(2)
    display.SetAmbient(1.0)  # lines and pictures have no light and shade
    display.SetDiffuse(0.0)
    display.SetSpecular(0.0)
    if look.views != "all":
        display.SetVisibility2D(True)
        display.SetSliceDisplayModeToProjection()
        display.SetSliceIntersectionThickness(2)


def limit_views(display: Any, views: str) -> None:
    """Show a flattened model only where it lies in the plane, or crosses what is shown."""
    if views == "all":
        return
    if views in LEG_VIEWS:
        wanted = view_ids((views,))
    else:
        wanted = three_d_views() + (foreign_views() if views == "ct" else drr_views())
    if list(display.GetViewNodeIDs()) != wanted:
        display.RemoveAllViewNodeIDs()
        for identifier in wanted:
            display.AddViewNodeID(identifier)


def show_exposure(geometry: Geometry, parent: Any) -> None:
    """Show tube, beam and detector of a geometry, and where the CT is.

    Args:
        geometry: what is shown.
        parent: the CT, or a radiograph whose CT is gone.
    """
    beam = beam_outline(geometry)
    ball = vtk.vtkSphereSource()
    ball.SetCenter(*geometry.source)
    ball.SetRadius(TUBE_SIZE * geometry.source_detector_mm)
    whole = vtk.vtkAppendPolyData()
    ball.Update()
    whole.AddInputData(ball.GetOutput())
    whole.AddInputData(mesh_of(beam.points, lines=EDGES))
    whole.Update()
    fill_model("tube", whole.GetOutput(), parent)
    fill_model("beam", mesh_of(beam.points, faces=FACES), parent)
    image = parent.GetImageData()
    if image is not None and min(image.GetDimensions()) > 1:
        corners = box_corners(ijk_to_world(parent, "ct"), image.GetDimensions()[::-1])
        fill_model("bounds", mesh_of(corners, lines=BOX_EDGES), parent)


def show_radiograph(radiograph: Any) -> None:
    """Show a simulated radiograph node on its detector, with its tube and beam.

    Raises:
        ValueError: it was not simulated by this program, or was saved by another one.
    """
    geometry = geometry_of_node(radiograph)
    if geometry is None:
        raise ValueError(
            f"radiograph: {radiograph.GetName()!r} knows no tube and detector; expected one "
            "that was made from a CT"
        )
    parent = input_of(radiograph) or radiograph
    show_exposure(geometry, parent)
    show_picture(radiograph, parent)


def show_picture(radiograph: Any, parent: Any) -> None:
    """Show a radiograph node in its place, the detector, with its own window and level."""
    fill_picture("detector", radiograph, ijk_to_world(radiograph, "radiograph"), parent)


def fill_picture(kind: str, radiograph: Any, image_to_world: np.ndarray, parent: Any) -> None:
    """Show a radiograph node as the model of this kind, its pixels where a matrix (4, 4) says."""
    columns, rows = radiograph.GetImageData().GetDimensions()[:2]
    right, down = columns - 0.5, rows - 0.5
    ijk = np.array([[-0.5, -0.5], [right, -0.5], [right, down], [-0.5, down]])
    corners = (np.c_[ijk, np.zeros(4), np.ones(4)] @ image_to_world.T)[:, :3]
    mesh = mesh_of(corners, faces=((0, 1, 2, 3),))
    place = vtk.util.numpy_support.numpy_to_vtk(
        np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), deep=True
    )
    place.SetName("TextureCoordinates")
    mesh.GetPointData().SetTCoords(place)
    display = fill_model(kind, mesh, parent).GetDisplayNode()
    display.SetTextureImageDataConnection(radiograph.GetDisplayNode().GetImageDataConnection())


def show_ray(whole: Any, within: Any, parent: Any) -> None:
    """Show a ray (start, end) in 3D, and its piece within the CT in the CT's slice views, too.

    `whole` None hides both; `within` None hides the piece.
    """
    for kind, ends in zip(RAY, (whole, None if whole is None else within), strict=True):
        node = find_model(kind)
        if ends is not None:
            node = fill_model(kind, mesh_of(np.array(ends), lines=((0, 1),)), parent)
        if node is not None and node.GetDisplayVisibility() != (ends is not None):
            node.SetDisplayVisibility(ends is not None)


def geometry_of_node(node: Any) -> Geometry | None:
    """Tube and detector of a simulated radiograph, or None for any other node."""
    kept = json.loads(node.GetAttribute(PREFIX + "Geometry") or "null")
    return None if kept is None else Geometry.from_dict(kept)


def remove_models(kinds: Iterable[str]) -> None:
    """Take models of these kinds out of the scene."""
    for kind in kinds:
        node = find_model(kind)
        if node is not None:
            display = node.GetDisplayNode()
            slicer.mrmlScene.RemoveNode(node)
            if slicer.mrmlScene.IsNodePresent(display):  # Slicer may take it away with the model
                slicer.mrmlScene.RemoveNode(display)


def mesh_of(points: np.ndarray, lines: Any = (), faces: Any = ()) -> Any:
    """A vtkPolyData of points (N, 3) with lines (L, 2) or faces (F, 3 or 4) of point numbers."""
    mesh, places = vtk.vtkPolyData(), vtk.vtkPoints()
    places.SetData(vtk.util.numpy_support.numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    mesh.SetPoints(places)
    for cells, put in ((lines, mesh.SetLines), (faces, mesh.SetPolys)):
        if len(cells):
            numbers = np.asarray(cells, dtype=np.int64)
            flat = vtk.util.numpy_support.numpy_to_vtkIdTypeArray(numbers.ravel(), deep=True)
            array = vtk.vtkCellArray()
            array.SetData(numbers.shape[1], flat)
            put(array)
    return mesh
