"""The pixel under the cursor: its value in words, its ray in 3D and in the CT's slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..beam_models import inside_grid, pixel_ray
from ..geometry import Geometry
from .slicer_nodes import PREFIX, ijk_to_world
from .slicer_scene import RAY, geometry_of_node, remove_models, show_ray


class Pixel(NamedTuple):
    """A pixel of a radiograph whose geometry is known."""

    node: Any
    geometry: Geometry
    row: int
    column: int


class RayFollower:
    """Shows the ray of the pixel under the cursor, in any slice view that has a simulated image.

    While it follows nothing, it observes nothing.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._ct: Any = None
        self._observed: tuple[Any, int] | None = None
        self._seen: tuple[Any, ...] | None = None

    def follow(self, ct: Any) -> None:
        """Show rays through this CT from now on; None ends it and takes the ray away."""
        self._ct = ct
        if ct is not None and self._observed is None:
            crosshair = slicer.mrmlScene.GetSingletonNode("default", "vtkMRMLCrosshairNode")
            event = crosshair.CursorPositionModifiedEvent
            self._observed = (crosshair, crosshair.AddObserver(event, self._moved))
        elif ct is None and self._observed is not None:
            crosshair, tag = self._observed
            crosshair.RemoveObserver(tag)
            self._observed = self._seen = None
            remove_models(RAY)
            self._tell("")

    def refresh(self) -> None:
        """The image under the cursor was made anew."""
        if self._observed is not None and self._seen is not None:
            self._seen = None
            self._moved(self._observed[0])

    def _moved(self, crosshair: Any, event: Any = None) -> None:
        pixel = pixel_under_cursor(crosshair)
        seen = None if pixel is None else (pixel.node.GetID(), pixel.row, pixel.column)
        if seen == self._seen:
            return
        self._seen = seen
        if pixel is None:
            show_ray(None, None, self._ct)
            self._tell("")
            return
        whole = pixel_ray(pixel.geometry, pixel.row, pixel.column)
        shape = self._ct.GetImageData().GetDimensions()[::-1]
        within = inside_grid(*whole, ijk_to_world(self._ct, "ct"), shape)
        show_ray(whole, within, self._ct)
        self._tell(in_words(pixel, within, self._ct))


def pixel_under_cursor(crosshair: Any) -> Pixel | None:
    """The pixel of a simulated radiograph that the cursor is on, in any slice view, or None."""
    xyz, ras = [0.0] * 3, [0.0] * 3
    slice_node = crosshair.GetCursorPositionXYZ(xyz)
    manager = slicer.app.layoutManager()
    if slice_node is None or manager is None or not crosshair.GetCursorPositionRAS(ras):
        return None
    widget = manager.sliceWidget(slice_node.GetLayoutName())
    shown = None if widget is None else widget.mrmlSliceCompositeNode().GetBackgroundVolumeID()
    node = slicer.mrmlScene.GetNodeByID(shown) if shown else None
    geometry = None if node is None else geometry_of_node(node)
    if geometry is None:
        return None
    to_ijk = np.linalg.inv(ijk_to_world(node, "radiograph"))
    column, row = np.rint((to_ijk @ [*ras, 1.0])[:2]).astype(int)
    columns, rows = node.GetImageData().GetDimensions()[:2]
    if not (0 <= row < rows and 0 <= column < columns):
        return None
    return Pixel(node, geometry, int(row), int(column))


def in_words(pixel: Pixel, within: tuple[np.ndarray, np.ndarray] | None, ct: Any) -> str:
    """Where the cursor is, what the pixel holds, how long its ray is in the CT."""
    value = pixel.node.GetImageData().GetScalarComponentAsDouble(pixel.column, pixel.row, 0, 0)
    length = 0.0 if within is None else np.linalg.norm(within[1] - within[0])
    return _(
        "Row {row}, column {column}: {domain} {value:.3f}; {length:.0f} mm within {ct}"
    ).format(
        row=pixel.row,
        column=pixel.column,
        domain=pixel.node.GetAttribute(PREFIX + "Domain"),
        value=value,
        length=length,
        ct=ct.GetName(),
    )
