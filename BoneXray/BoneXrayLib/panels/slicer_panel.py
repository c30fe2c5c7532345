"""The panel's sections, in the order in which they hear of a choice."""

from __future__ import annotations

from typing import Any

import vtk

from ..scene.slicer_nodes import first_ct, first_radiograph
from ..scene.slicer_views import SideBySide
from .slicer_panel_ct import CtSection
from .slicer_panel_exposure import ExposureSection
from .slicer_panel_joint import JointSection
from .slicer_panel_layers import LayersSection
from .slicer_panel_leg import LegFeaturesSection
from .slicer_panel_leg_fit import LegFitSection
from .slicer_panel_long_leg import LongLegSection
from .slicer_panel_radiograph import RadiographSection
from .slicer_panel_reader import ReaderSection
from .slicer_panel_scene import SceneSection
from .slicer_panel_segment import SegmentSection

__all__ = ["Sections", "SideBySide"]


class Sections:
    """All sections over the widgets of `BoneXray.ui`, following one parameter node at a time."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        scene = SceneSection(ui, views)
        self._ui = ui
        self._sections = [
            CtSection(ui, logic, views, scene),
            ExposureSection(ui),
            LongLegSection(ui, views),
            RadiographSection(ui, logic, views),
            SegmentSection(ui, logic, views),
            LayersSection(ui, logic, views),
            JointSection(ui, logic, views),
            LegFeaturesSection(ui, logic, views),
            LegFitSection(ui, logic, views),
            ReaderSection(ui, views),
            scene,
        ]
        self._parameters: Any = None
        self._tags: tuple[int, int] | None = None

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices, after letting go of those before; None ends all work."""
        self.release()
        self._parameters = parameters
        if parameters is None:
            for section in self._sections:
                section.follow(None)
            return
        gui = parameters.connectGui(self._ui)
        for section in self._sections:
            section.follow(parameters)
        observer = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self._tags = (gui, observer)
        select_first(parameters)

    def release(self) -> None:
        """Stop reacting to choices; work that was begun goes on."""
        if self._tags is not None:
            self._parameters.disconnectGui(self._tags[0])
            self._parameters.RemoveObserver(self._tags[1])
            self._tags = None

    def _update(self, caller: Any = None, event: Any = None) -> None:
        """A choice changed, by the panel or by a script."""
        for section in self._sections:
            section.update()


def select_first(parameters: Any) -> None:
    """Choose what is there where nothing is chosen, to save clicks."""
    if parameters.ct is None:
        parameters.ct = first_ct()
    if parameters.radiograph is None:
        parameters.radiograph = first_radiograph()
