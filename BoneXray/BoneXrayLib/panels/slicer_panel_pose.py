"""The line of the panel that takes a pose from a file, instead of view, angles and distances."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

REPLACED = (
    "viewBox",
    "beamBox",
    "orbitalSlider",
    "tiltSlider",
    "sourceDetectorBox",
    "sourceObjectBox",
    "shiftDownBox",
    "shiftRightBox",
)
"""Widgets whose choices a pose file replaces."""


class PoseLine:
    """Keeps the path of the pose in step with the parameter node."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: Any = None
        ui.poseEdit.connect("currentPathChanged(QString)", self._on_path)
        ui.poseClearButton.connect("clicked(bool)", self._on_clear)

    def follow(self, parameters: Any) -> None:
        """Show this node's choice from now on, or nothing's."""
        self._parameters = parameters
        if parameters is not None:
            self.update()

    def update(self) -> None:
        """The choice changed: show it, and which others count no more."""
        pose = self._parameters.pose
        if self._ui.poseEdit.currentPath != pose:
            self._ui.poseEdit.currentPath = pose
        self._ui.poseClearButton.enabled = bool(pose)
        self._ui.poseClearButton.toolTip = (
            _("Use view, angles and distances again") if pose else _("No pose file is chosen")
        )
        for name in REPLACED:
            getattr(self._ui, name).enabled = not pose

    def _on_path(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.pose = path.strip()

    def _on_clear(self, _checked: bool = False) -> None:
        if self._parameters is not None:
            self._parameters.pose = ""
