"""The training panel's look at the data: a few of the pairs that a run would train on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.scene.slicer_messages import errors_shown
from BoneXrayLib.scene.slicer_nodes import node_from_radiograph

from .slicer_panel_data import DataSection
from .slicer_process import TrainingProcess, preview_command

NODES = {"Sample images": "images.nrrd", "Bones of the samples": "bones.nrrd"}
"""Name of a node -> the file of `preview` it shows."""
KIND = "BoneXrayTraining.Pairs"
SHOWN = {
    "extract": _("Left: images to train on. Right: their bones."),
    "segment": _("Left: images to train on. Right: the bones to name, outlined."),
    "separate": _("Left: images to train on. Right: a bone and those over it, outlined."),
}
"""What is shown, by task."""


class PairsSection:
    """Has a child make sample pairs, and shows them."""

    def __init__(self, ui: Any, data: DataSection, show: Callable[[list[Any]], None]) -> None:
        self._ui, self._data, self._show = ui, data, show
        self._child = TrainingProcess(self._told, self._logged, self._ended)
        self._folder: tempfile.TemporaryDirectory | None = None
        self._last = ""
        ui.previewButton.connect("clicked(bool)", self.on_preview)

    @property
    def is_busy(self) -> bool:
        """Whether pairs are being made."""
        return self._folder is not None

    def update(self) -> None:
        """Enable the button, or say why not."""
        reason = "" if self.is_busy else self._data.why_not()
        button = self._ui.previewButton
        button.text = _("Cancel") if self.is_busy else _("Show sample pairs")
        button.enabled = not reason
        button.toolTip = reason or _("Project a few pairs as the network will get them")

    def on_preview(self, *_arguments: Any) -> None:
        """Make pairs of the chosen CTs, or cancel that."""
        if self.is_busy:
            self.stop()
            self._ui.dataStatus.text = _("Cancelled.")
            return
        from BoneXrayLib.scene.slicer_packages import ensure_training_packages

        with errors_shown(_("The sample pairs could not be made.")):
            ensure_training_packages()
            self._folder = tempfile.TemporaryDirectory(prefix="BoneXrayTraining-")
            self._last = ""
            self.update()
            self._data.configure(Path(self._folder.name), self._project, self.stop)
            return
        self.stop()

    def _project(self, config: Path, data: str) -> None:
        if self._folder is None:
            return
        with errors_shown(_("The sample pairs could not be made.")):
            folder = Path(self._folder.name)
            self._ui.dataStatus.text = _("Starting …")
            self._child.start(preview_command(config, data, folder / "pairs"), folder)
            return
        self.stop()

    def _told(self, fraction: float, message: str) -> None:
        self._ui.dataStatus.text = message

    def _logged(self, line: str) -> None:
        self._last = line

    def _ended(self, code: int) -> None:
        if code == 0:
            with errors_shown(_("The sample pairs could not be shown.")):
                self._show(self._nodes(Path(self._folder.name) / "pairs"))
                self._ui.dataStatus.text = SHOWN[self._data.learning.task]
        else:
            self._ui.dataStatus.text = self._last or _("No pairs: code {code}.").format(code=code)
        self.stop()

    @staticmethod
    def _nodes(folder: Path) -> list[Any]:
        nodes = []
        for name, file in NODES.items():
            there = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            node = next((n for n in there if n.GetAttribute(KIND) == name), None)
            node = node_from_radiograph(read_radiograph(folder / file), node, name)
            node.SetAttribute(KIND, name)
            node.SetSaveWithScene(False)
            nodes.append(node)
        return nodes

    def stop(self) -> None:
        """End what goes on; nothing of it will arrive."""
        if self._folder is not None:
            self._data.stop()
            self._child.kill()
            self._child.close()
            self._folder.cleanup()
            self._folder = None
        self.update()
