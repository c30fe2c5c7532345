"""The panel's sections, in the order in which they hear of a choice."""

from __future__ import annotations

from typing import Any

from .slicer_nodes import first_ct, first_radiograph
from .slicer_panel_ct import CtSection
from .slicer_panel_radiograph import RadiographSection
from .slicer_panel_scene import SceneSection
from .slicer_views import SideBySide


def make_sections(ui: Any, logic: Any, views: SideBySide) -> list[Any]:
    """The sections over the widgets of `BoneXray.ui`."""
    scene = SceneSection(ui, views)
    return [CtSection(ui, logic, views, scene), RadiographSection(ui, logic, views), scene]


def select_first(parameters: Any) -> None:
    """Choose what is there where nothing is chosen, to save clicks."""
    if parameters.ct is None:
        parameters.ct = first_ct()
    if parameters.radiograph is None:
        parameters.radiograph = first_radiograph()
