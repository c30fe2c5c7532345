"""The training panel's task: what is learned, by which configuration, from which model on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from BoneXrayLib.models import Model, list_models
from BoneXrayLib.scene.slicer_messages import errors_shown
from BoneXrayLib.segmentation import model_structures

from ..choices import task_of
from ..label_choices import FEWEST_BONES, SEGMENT_CONFIG, SEPARATE_CONFIG

CONFIGS = {
    "extract": SEGMENT_CONFIG.with_name("extract-general.toml"),
    "segment": SEGMENT_CONFIG,
    "separate": SEPARATE_CONFIG,
}
"""Entries of the box of tasks, and the configuration that each begins with."""


class TaskSection:
    """Keeps task and configuration together, and lists the models of the task."""

    def __init__(self, ui: Any, changed: Callable[[], None]) -> None:
        self._ui, self._changed = ui, changed
        self._models: list[Model] = []
        self._configs = {task: str(path) for task, path in CONFIGS.items()}
        ui.taskBox.connect("currentIndexChanged(int)", self._on_task)
        self.list_models()

    @property
    def task(self) -> str:
        """What the configuration trains for: extract, segment or separate."""
        return list(CONFIGS)[self._ui.taskBox.currentIndex]

    @property
    def fewest_bones(self) -> int:
        """How many named bones each CT must have; 0 where names do not matter."""
        return FEWEST_BONES.get(self.task, 0)

    def follow(self) -> None:
        """Show the task of the configuration, and the models of that task."""
        config, box = self._ui.configEdit.currentPath, self._ui.taskBox
        task = task_of(config)
        if task not in CONFIGS:
            return
        self._configs[task] = config
        if task != self.task:
            box.blockSignals(True)
            box.currentIndex = list(CONFIGS).index(task)
            box.blockSignals(False)
            self.list_models()

    def _on_task(self, *_arguments: Any) -> None:
        """Another task is wanted: take the configuration that was last used for it."""
        self.list_models()
        if task_of(self._ui.configEdit.currentPath) != self.task:
            self._ui.configEdit.currentPath = self._configs[self.task]
        self._changed()

    # -- what to start from -----------------------------------------------------------------------
    def list_models(self) -> None:
        """Offer the models there are to start from; the one that was chosen stays."""
        box, chosen = self._ui.startFromBox, self.start_from
        box.clear()
        box.addItem(_("nothing learned yet"))
        with errors_shown(_("The models could not be listed.")):
            there = list_models(task=self.task)
            # those of another recipe are trained by a command of their own
            self._models = [model for model in there if not model.card.input.get("recipe")]
            for model in self._models:
                box.addItem(model.card.name)
        box.currentIndex = max(0, box.findText(chosen)) if chosen else 0

    @property
    def start_from(self) -> str:
        """Name of the model to start from; empty for none."""
        model = self.model()
        return model.card.name if model else ""

    def model(self) -> Model | None:
        """The model to start from."""
        place = self._ui.startFromBox.currentIndex - 1
        return self._models[place] if 0 <= place < len(self._models) else None

    def structures(self) -> list[str]:
        """What the model to start from names, in its order; none without one."""
        model = self.model()
        if model is None or self.task != "segment":
            return []
        return [structure.name for structure in model_structures(model)]
