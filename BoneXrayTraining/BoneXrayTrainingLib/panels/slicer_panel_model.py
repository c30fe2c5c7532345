"""The training panel's third section: a model of the run, opened in BoneXray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from BoneXrayLib.models import user_folders, verify_model
from BoneXrayLib.scene.slicer_messages import errors_shown

from ..choices import plain_name
from .slicer_panel_data import DataSection
from .slicer_panel_run import RunSection
from .slicer_process import TrainingProcess, export_command

MODEL_FIELDS = {
    "extract": "model",
    "segment": "segment_model",
    "separate": "separate_model",
    "features": "leg_finder",
}
"""Task -> what BoneXray's parameter node calls its model."""
BITS = (16, 8, 6, 4)
"""Rows of the box that says how weights are stored."""
FRAMINGS = ("content", "whole")
"""Rows of the box that says what of an image is shown."""


class ModelSection:
    """Exports the run's last checkpoint into the user's folder of models and selects it there."""

    def __init__(self, ui: Any, data: DataSection, run: RunSection) -> None:
        self._ui, self._data, self._run = ui, data, run
        self._child = TrainingProcess(self._told, self._logged, self._ended)
        self._folder = Path()
        self._last = ""
        self._named = ""
        ui.exportButton.connect("clicked(bool)", self.on_export)
        for edit in (ui.nameEdit, ui.versionEdit):
            edit.connect("textChanged(QString)", self.update)

    def update(self, *_arguments: Any) -> None:
        """Another run or another name: enable the button or say why not."""
        run = self._data.path("run")
        if run != self._named and (Path(run) / "config.json").is_file():
            self._named = run  # once a run: what the user typed stays
            config = config_of(Path(run))
            name = str(config.get("name", Path(run).name))
            self._ui.nameEdit.text = f"{plain_name(name)}-{plain_name(Path(run).name)}"
            for widget in (self._ui.finestBox, self._ui.closerEdit):
                widget.enabled = config.get("task") == "segment"
        busy = self._child.is_running
        reason = _("The model is being exported") if busy else self.why_not()
        self._ui.exportButton.enabled = not reason
        self._ui.exportButton.toolTip = reason or _(
            "Make a model of the last checkpoint, or of the best one where a CT was kept out"
        )

    def why_not(self) -> str:
        """Why there is no model to export, or an empty text."""
        run = self._data.path("run")
        if not run or not any(Path(run).glob("checkpoint-*/state.json")):
            return _("There is no checkpoint in the folder of the run yet")
        if self._run.is_busy:
            return _("A run is going on: stop it first, it can be resumed")
        name = self._ui.nameEdit.text
        if not name or plain_name(name) != name:
            return _("Name the model with letters, digits, dot, dash and underscore")
        if not self._ui.versionEdit.text.strip():
            return _("Give the model a version")
        return ""

    def on_export(self, *_arguments: Any) -> None:
        """Have a child export, after asking where that replaces a model."""
        run, name = self._data.path("run"), self._ui.nameEdit.text
        self._folder = user_folders()[0] / name
        if self._folder.exists():
            question = _("There is a model in {folder}. Replace it?").format(folder=self._folder)
            if not slicer.util.confirmOkCancelDisplay(question, "BoneXray Training"):
                return
        self._last = ""
        with errors_shown(_("The model could not be exported.")):
            version = self._ui.versionEdit.text.strip()
            command = export_command(run, self._folder, name, version, **self._choices(Path(run)))
            self._child.start(command, self._folder.parent)
            self._ui.modelStatus.text = _("Exporting …")
        self.update()

    def close(self) -> None:
        """The panel goes."""
        self._child.kill()
        self._child.close()

    def _choices(self, run: Path) -> dict[str, Any]:
        """What `bone-xray export` is asked for beyond name and version."""
        finest, closer = self._ui.finestBox, self._ui.closerEdit
        names = (name.strip() for name in closer.text.split(",")) if closer.enabled else ()
        return {
            "best": any(run.glob("best-*/state.json")),
            "working_size": self._ui.workingSizeBox.value or None,
            "finest_mm": (finest.value or None) if finest.enabled else None,
            "closer": tuple(filter(None, names)),
            "framing": FRAMINGS[self._ui.framingBox.currentIndex],
            "gain": self._ui.gainBox.value,
            "bits": BITS[self._ui.weightsBox.currentIndex],
            **self._mean(),
        }

    def _mean(self) -> dict[str, Any]:
        """The run or model whose weights to take the mean with, where one is chosen."""
        other = self._ui.meanEdit.currentPath
        return {"mean_with": other, "mean_share": self._ui.meanShareBox.value} if other else {}

    def _told(self, fraction: float, message: str) -> None:
        self._last = message

    def _logged(self, line: str) -> None:
        self._last = line

    def _ended(self, code: int) -> None:
        self.update()
        if code != 0:
            self._ui.modelStatus.text = self._last or _("No model: code {code}.").format(code=code)
            return
        with errors_shown(_("The model could not be opened.")):
            model = verify_model(self._folder)
            self._ui.modelStatus.text = _("{name} {version} is in {folder}.").format(
                name=model.card.name, version=model.card.version, folder=self._folder
            )
            open_in_bonexray(model.card.name, model.card.task)


def config_of(run: Path) -> dict[str, Any]:
    """The configuration of a run; nothing of one that cannot be read."""
    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return {}
    return config if isinstance(config, dict) else {}


def open_in_bonexray(name: str, task: str) -> None:
    """Select the model in the panel of BoneXray and open that, where there is a window.

    Nothing happens where that panel has no place for models of the task.
    """
    from BoneXray import BoneXrayLogic

    parameters = BoneXrayLogic().getParameterNode()
    field = MODEL_FIELDS.get(task, "")
    if not hasattr(parameters, field):
        return
    setattr(parameters, field, name)
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule("BoneXray")
