"""What the panel's groups that run a model on the radiograph have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ..scene.slicer_about import about_models, is_one_slice
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_parameters import is_same
from ..scene.slicer_views import SideBySide
from .slicer_panel_job import JobSection, JobWidgets, JobWords


@dataclass(frozen=True)
class ModelWidgets(JobWidgets):
    """Those of a job, and the choice of a model."""

    box: Any
    text: Any


@dataclass(frozen=True)
class ModelWords(JobWords):
    """What a group says."""

    none: str
    none_named: str
    """With {name}."""


class ModelSection(JobSection):
    """Offers the models of one task and runs the chosen one as a job that can be cancelled."""

    def __init__(
        self, ui: Any, logic: Any, views: SideBySide, widgets: ModelWidgets, words: ModelWords,
        choice: str, models: Callable[[], list[Any]],
    ) -> None:  # fmt: skip
        """Connect the widgets.

        Args:
            ui, logic, views: of the panel.
            widgets, words: of this group.
            choice: the parameter that holds the model's name.
            models: lists those of the task.
        """
        super().__init__(widgets, words)
        self._ui, self._logic, self._views = ui, logic, views
        self._widgets, self._words = widgets, words
        self._choice, self._offered = choice, models
        self._radiograph: Any = None
        self._models: list[Any] = []
        self._refused: Sequence[Any] = ()
        widgets.box.connect("currentIndexChanged(int)", self.on_model)

    @abstractmethod
    def _take_up(self) -> None:
        """Another radiograph was chosen: what was made of it before is what counts now."""

    @abstractmethod
    def _look(self) -> None:
        """Bring what is shown to what is chosen, where it is not there yet."""

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._say("")
        self._parameters = None
        if parameters is None:
            return
        self._list_models(getattr(parameters, self._choice))
        self._parameters = parameters
        self._radiograph = parameters.radiograph
        self.update()

    def update(self) -> None:
        """The choices changed: enable the button or say why not, show results as wanted."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.radiograph is not self._radiograph:
            self._radiograph = parameters.radiograph
            self._say("")
            self._take_up()
        self._describe()
        self._offer()
        self._look()

    def on_model(self, index: int) -> None:
        """Another model was chosen."""
        if self._parameters is not None and 0 <= index < len(self._models):
            setattr(self._parameters, self._choice, self._models[index].card.name)

    def _inputs(self) -> list[Any]:
        return [self._parameters.radiograph]

    def _list_models(self, chosen: str) -> None:
        with errors_shown(_("The models could not be listed.")):
            self._models = self._offered()
        names = [model.card.name for model in self._models]
        box = self._widgets.box
        box.clear()
        for model in self._models:
            box.addItem(model.card.title)
        box.enabled = bool(names)
        box.currentIndex = names.index(chosen) if chosen in names else -1

    def _describe(self) -> None:
        """What is known of the chosen model, in words."""
        text = about_models(self._model(), self._models, self._refused, self._words.none)
        set_text(self._widgets.text, text)

    def _model(self) -> Any:
        name = getattr(self._parameters, self._choice)
        return next((m for m in self._models if m.card.name == name), None)

    def _why_not(self) -> str:
        """Why the model cannot be run, or an empty text."""
        node = self._parameters.radiograph
        if not self._models:
            return self._words.none + _(" Train one, or add its folder.")
        if node is None:
            return _("Select or load a radiograph")
        if not is_one_slice(node):
            return _("{name} is no radiograph: it has several slices").format(name=node.GetName())
        if self._model() is None:
            return self._words.none_named.format(name=getattr(self._parameters, self._choice))
        return ""


def set_text(box: Any, text: str) -> None:
    """New text in a read-only box; the same one keeps its place."""
    if box.toPlainText() != text:
        box.setPlainText(text)
