"""Layout manager and views: real layout and slice logics, slice images on request."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
import vtk.util.numpy_support
from PySide6 import QtCore

from . import NotCovered

SIZE = (320, 320)


class SliceWidget:
    """One slice view: its node, its logic, and a picture of it."""

    def __init__(self, node: Any, application_logic: Any) -> None:
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._logic.SetSliceNode(node)
        self._logic.ResizeSliceNode(*SIZE)
        self._controller = SliceController()
        self._style = InteractorStyle()
        # As in Slicer, where the offset slider's first signal is queued: seen to move the slice.
        offset = node.GetSliceOffset()
        QtCore.QTimer.singleShot(0, lambda: self._logic.SetSliceOffset(offset))

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def sliceController(self) -> SliceController:
        return self._controller

    def sliceView(self) -> SliceWidget:
        """The view itself; of it only the interactor observer is covered."""
        return self

    def interactorObserver(self) -> Any:
        return self._style

    def __getattr__(self, name: str) -> Any:
        raise NotCovered(f"qMRMLSliceWidget.{name}")

    def picture(self, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8, row 0 on top: the slice image the view shows after a fit.

        Slicer's own reslicing, window and blending; what displayable managers draw on top
        (segmentations, markups, corner texts) is not in it, and no OpenGL is needed.
        """
        self._logic.ResizeSliceNode(width, height)
        self._logic.FitSliceToBackground()
        connection = self._logic.GetImageDataConnection()
        connection.GetProducer().Update()
        image = connection.GetProducer().GetOutputDataObject(connection.GetIndex())
        flat = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        return flat.reshape(height, width, -1)[::-1, :, :3].copy()


class ThreeDWidget:
    """A 3D view: its node and its camera; nothing is drawn."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._camera = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCameraNode")
        self._camera.SetLayoutName(node.GetLayoutName())
        self.fitted = 0

    def threeDView(self) -> ThreeDWidget:
        """The view itself; of it only the camera is covered."""
        return self

    def mrmlViewNode(self) -> Any:
        return self._node

    def cameraNode(self) -> Any:
        return self._camera

    def resetCamera(self, rotation: bool = True, translation: bool = True, distance: bool = True):
        """Counted: needs what is drawn."""
        self.fitted += 1

    def __getattr__(self, name: str) -> Any:
        raise NotCovered(f"qMRMLThreeDWidget.{name}")


class InteractorStyle:
    """What may be done with the mouse; the real one needs a render window."""

    BrowseSlice = 64

    def __init__(self) -> None:
        self.disabled: set[int] = set()

    def SetActionEnabled(self, action: int, enabled: bool = True) -> None:
        (self.disabled.discard if enabled else self.disabled.add)(action)


class SliceController:
    """The bar above a slice view."""

    def __init__(self) -> None:
        self.__dict__["showSliceOffsetSlider"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            raise NotCovered(f"qMRMLSliceControllerWidget.{name}")
        self.__dict__[name] = value


class LayoutManager:
    """qSlicerLayoutManager's part that modules use, over the real vtkMRMLLayoutLogic."""

    def __init__(self, application_logic: Any) -> None:
        self._application_logic = application_logic
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)
        self._widgets: dict[str, SliceWidget] = {}
        self._three_d: dict[str, ThreeDWidget] = {}

    def layoutLogic(self) -> Any:
        return self._logic

    @property
    def layout(self) -> int:
        return self._logic.GetLayoutNode().GetViewArrangement()

    def setLayout(self, layout: int) -> None:
        node = self._logic.GetLayoutNode()
        if not node.IsLayoutDescription(layout):
            raise ValueError(f"layout {layout} has no description")
        node.SetViewArrangement(layout)
        for name in self.sliceViewNames():
            self.sliceWidget(name)

    def sliceViewNames(self) -> tuple[str, ...]:
        """Names of the slice views of the current layout."""
        nodes = self._logic.GetViewNodes()
        found = [nodes.GetItemAsObject(n) for n in range(nodes.GetNumberOfItems())]
        return tuple(n.GetLayoutName() for n in found if n.IsA("vtkMRMLSliceNode"))

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """The view of that name; None when no slice view has it, as in Slicer."""
        node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is None:
            return None
        if name not in self._widgets or self._widgets[name].mrmlSliceNode() is not node:
            self._widgets[name] = SliceWidget(node, self._application_logic)
        return self._widgets[name]

    def threeDWidget(self, number: int) -> ThreeDWidget | None:
        """The 3D view of that number; None where no layout had one, as in Slicer."""
        nodes = slicer.util.getNodesByClass("vtkMRMLViewNode")
        if not 0 <= number < len(nodes):
            return None
        node = nodes[number]
        kept = self._three_d.get(node.GetID())
        if kept is None or not slicer.mrmlScene.IsNodePresent(kept.cameraNode()):
            kept = self._three_d[node.GetID()] = ThreeDWidget(node)
        return kept

    def __getattr__(self, name: str) -> Any:
        raise NotCovered(f"layoutManager().{name}")
