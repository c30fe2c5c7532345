"""What the panel's groups that run a model on the radiograph have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from .slicer_about import about_models, is_one_slice
from .slicer_jobs import Job, Work
from .slicer_messages import errors_shown, show_error
from .slicer_packages import ensure_packages
from .slicer_parameters import is_same
from .slicer_views import SideBySide


@dataclass(frozen=True)
class ModelWidgets:
    """The button that runs and cancels, what tells how far it is, and the choice of a model."""

    button: Any
    progress: Any
    status: Any
    box: Any
    text: Any


@dataclass(frozen=True)
class ModelWords:
    """What a group says; `run` and `stop` on and over its button."""

    run: str
    can: str
    stop: str
    failed: str
    not_shown: str
    none: str
    none_named: str
    """With {name}."""


class ModelSection:
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
        self._ui, self._logic, self._views = ui, logic, views
        self._widgets, self._words = widgets, words
        self._choice, self._offered = choice, models
        self._parameters: Any = None
        self._radiograph: Any = None
        self._models: list[Any] = []
        self._refused: Sequence[Any] = ()
        self._job: Job | None = None
        widgets.button.connect("clicked(bool)", self.on_run)
        widgets.box.connect("currentIndexChanged(int)", self.on_model)

    @abstractmethod
    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        """What is to be done with a radiograph as the user chose, and what shows its result."""

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
        if self._job is None:
            reason = self._why_not()
            self._widgets.button.enabled = not reason
            self._widgets.button.toolTip = reason or self._words.can
        self._look()

    def stop(self) -> None:
        """End the work; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_model(self, index: int) -> None:
        """Another model was chosen."""
        if self._parameters is not None and 0 <= index < len(self._models):
            setattr(self._parameters, self._choice, self._models[index].card.name)

    def on_run(self, _checked: bool = False) -> None:
        """Run the model, or cancel that."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(self._words.failed):
            ensure_packages()
            source = self._parameters.radiograph
            work, show = self._work(source)
            self._job = Job(
                work, lambda found: self._ended(found, source, show), self._failed,
                self._tell, self._cancelled,
            ).start()  # fmt: skip
            self._widgets.button.text = _("Cancel")
            self._widgets.button.toolTip = self._words.stop
            self._widgets.progress.visible = True

    def _ended(self, found: Any, source: Any, show: Callable[[Any], None]) -> None:
        self._idle()
        if slicer.mrmlScene.IsNodePresent(source):
            with errors_shown(self._words.not_shown):
                show(found)
        self.update()

    def _failed(self, error: Exception) -> None:
        self._idle()
        self.update()
        show_error(self._words.failed, error)

    def _cancelled(self) -> None:
        self._idle()
        self.update()
        self._say(_("Cancelled."))

    def _tell(self, fraction: float, message: str) -> None:
        self._widgets.progress.value = round(100 * fraction)
        self._say(message)

    def _idle(self) -> None:
        self._job = None
        self._widgets.button.text = self._words.run
        self._widgets.progress.visible = False
        self._widgets.progress.value = 0
        self._say("")

    def _say(self, text: str) -> None:
        self._widgets.status.text = text

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
