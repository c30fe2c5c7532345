"""What is shown beside what: images upright in layouts of their own, the user's layout back."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
import slicer.util

from .slicer_layouts import DRR_LAYOUTS, LAYOUTS, SLICES, VIEW_GROUP, description
from .slicer_nodes import ijk_to_world


class SideBySide:
    """Shows images in one of `LAYOUTS` and remembers what the user had before.

    Without a window (`slicer.app.layoutManager()` is None) all of it does nothing.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        self._is_paused = False
        self._in_scene = False
        self.shown: tuple[str, list[Any]] | None = None

    def show(self, layout: str, nodes: list[Any]) -> None:
        """Put one volume node into each view of the layout, upright and fitted.

        While another module is open the images are only remembered for `resume`.
        """
        if layout in DRR_LAYOUTS:
            layout = DRR_LAYOUTS[self._in_scene]
        manager = slicer.app.layoutManager()
        if manager is None or self._is_paused:
            self.shown = (layout, list(nodes))
            return
        number = LAYOUTS[layout][0]
        node = manager.layoutLogic().GetLayoutNode()
        if not node.IsLayoutDescription(number):
            node.AddLayoutDescription(number, description(layout))
        if not self._is_ours(manager.layout):
            self._before = manager.layout
        is_other_layout = manager.layout != number
        is_new = is_other_layout or self.shown is None or list(nodes) != self.shown[1]
        self.shown = (layout, list(nodes))
        if is_other_layout:
            manager.setLayout(number)
            # A new view first works off what its own widgets queued: the offset it had.
            qt.QTimer.singleShot(0, self._show_settled)
        self._fill(is_new)

    def _show_settled(self) -> None:
        manager = slicer.app.layoutManager()
        if manager is None or self.shown is None or self._is_paused:
            return
        if self._is_all_there() and manager.layout == LAYOUTS[self.shown[0]][0]:
            self._fill(True)

    def _fill(self, fit: bool) -> None:
        """Put what is to be shown into the views of its layout."""
        layout, nodes = self.shown
        manager = slicer.app.layoutManager()
        for name, volume in zip(LAYOUTS[layout][1], nodes, strict=True):
            widget = manager.sliceWidget(name)
            hold_slice(widget)
            show_upright(widget, volume, fit)

    def set_in_scene(self, wanted: bool) -> None:
        """Show simulated radiographs with the 3D view and the CT's slices, or alone."""
        if wanted == self._in_scene:
            return
        self._in_scene = wanted
        if self.shown is not None and self.shown[0] in DRR_LAYOUTS and self._is_all_there():
            self.show(*self.shown)

    def _is_all_there(self) -> bool:
        return all(slicer.mrmlScene.IsNodePresent(node) for node in self.shown[1])

    def resume(self) -> None:
        """The module is open again: show what was shown last, where it still exists."""
        self._is_paused = False
        if self.shown is not None and self._is_all_there():
            self.show(*self.shown)

    def restore(self) -> None:
        """Another module is open: the user's layout, unless they chose another one meanwhile."""
        self._is_paused = True
        manager = slicer.app.layoutManager()
        if manager is not None and self._before is not None and self._is_ours(manager.layout):
            manager.setLayout(self._before)
        self._before = None

    def forget(self) -> None:
        """The scene is closing: nothing of it can be shown again."""
        self.shown = None

    @staticmethod
    def _is_ours(number: int) -> bool:
        return number in {entry[0] for entry in LAYOUTS.values()}


def show_ct(ct: Any) -> None:
    """Put the CT into the user's own slice views that show another volume or none."""
    manager = slicer.app.layoutManager()
    for name in SLICES:
        widget = None if manager is None else manager.sliceWidget(name)
        if widget is None:
            continue
        composite = widget.mrmlSliceCompositeNode()
        if composite.GetBackgroundVolumeID() != ct.GetID():
            composite.SetBackgroundVolumeID(ct.GetID())
            widget.sliceLogic().FitSliceToBackground()


def three_d_view() -> Any:
    """The first 3D view, or None without a window."""
    manager = slicer.app.layoutManager()
    widget = None if manager is None else manager.threeDWidget(0)
    return None if widget is None else widget.threeDView()


def fit_three_d() -> None:
    """Let the 3D view show all there is, from where it is looked at."""
    view = three_d_view()
    if view is not None:
        view.resetCamera(False, True, True)  # turned as it is, moved and at a distance


def camera_direction() -> np.ndarray:
    """(3,) RAS from what the 3D view looks at towards its camera.

    Raises:
        ValueError: there is no 3D view.
    """
    view = three_d_view()
    camera = None if view is None else view.cameraNode()
    if camera is None:
        raise ValueError("camera: there is no 3D view; open a layout with one")
    return np.subtract(camera.GetPosition(), camera.GetFocalPoint())


def hold_slice(widget: Any) -> None:
    """Keep a view on its one slice: the wheel and the slider would only move off the image."""
    widget.sliceController().showSliceOffsetSlider = False
    style = widget.sliceView().interactorObserver()
    style.SetActionEnabled(style.BrowseSlice, False)


def show_upright(widget: Any, volume: Any, fit: bool = True) -> None:
    """Show `volume` in a slice view as its array is: row 0 on top, column 0 on the left."""
    composite = widget.mrmlSliceCompositeNode()
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    composite.SetBackgroundVolumeID(volume.GetID())
    composite.SetLinkedControl(True)
    slice_node = widget.mrmlSliceNode()
    slice_node.SetViewGroup(VIEW_GROUP)  # a closed scene takes it away from existing views
    slice_to_ras = upright_slice_to_ras(volume)
    matrix = slice_node.GetSliceToRAS()
    if fit or not np.allclose(slicer.util.arrayFromVTKMatrix(matrix), slice_to_ras):
        slicer.util.updateVTKMatrixFromArray(matrix, slice_to_ras)
        slice_node.UpdateMatrices()
        widget.sliceLogic().FitSliceToBackground()


def upright_slice_to_ras(volume: Any) -> np.ndarray:
    """(4, 4) slice plane of a one-slice volume: x along its columns, y against its rows [mm].

    Slicer's own "rotate to volume plane" hangs images by the patient, which mirrors a right
    lateral; a radiograph hangs as its file says.
    """
    to_world = ijk_to_world(volume, "radiograph")
    columns, rows = volume.GetImageData().GetDimensions()[:2]
    right = to_world[:3, 0] / np.linalg.norm(to_world[:3, 0])
    up = -to_world[:3, 1] / np.linalg.norm(to_world[:3, 1])
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = right, up, np.cross(right, up)
    matrix[:3, 3] = (to_world @ [(columns - 1) / 2, (rows - 1) / 2, 0.0, 1.0])[:3]
    return matrix
