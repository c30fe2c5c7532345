"""What the panel's groups that work on radiographs for a while have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..scene.slicer_jobs import Job, Work
from ..scene.slicer_messages import errors_shown, show_error
from ..scene.slicer_packages import ensure_packages


@dataclass(frozen=True)
class JobWidgets:
    """The button that runs and cancels, and what tells how far it is."""

    button: Any
    progress: Any
    status: Any


@dataclass(frozen=True)
class JobWords:
    """What a group says; `run` and `stop` on and over its button."""

    run: str
    can: str
    stop: str
    failed: str
    not_shown: str


class JobSection:
    """Runs one piece of work at a time, which can be cancelled, and shows what came of it."""

    def __init__(self, widgets: JobWidgets, words: JobWords) -> None:
        self._widgets, self._words = widgets, words
        self._parameters: Any = None
        self._job: Job | None = None
        widgets.button.connect("clicked(bool)", self.on_run)

    @abstractmethod
    def _inputs(self) -> list[Any]:
        """The nodes that are worked on; a result counts only while all of them are there."""

    @abstractmethod
    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        """What is to be done with a radiograph as the user chose, and what shows its result."""

    @abstractmethod
    def _why_not(self) -> str:
        """Why it cannot be done, or an empty text."""

    @abstractmethod
    def update(self) -> None:
        """The choices changed."""

    def stop(self) -> None:
        """End the work; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_run(self, _checked: bool = False) -> None:
        """Begin, or cancel what was begun."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(self._words.failed):
            ensure_packages()
            sources = self._inputs()
            work, show = self._work(sources[0])
            self._job = Job(
                work, lambda found: self._ended(found, sources, show), self._failed,
                self._tell, self._cancelled,
            ).start()  # fmt: skip
            self._widgets.button.text = _("Cancel")
            self._widgets.button.toolTip = self._words.stop
            self._widgets.progress.visible = True

    def _offer(self) -> None:
        """Enable the button, or say why not."""
        if self._job is None:
            reason = self._why_not()
            self._widgets.button.enabled = not reason
            self._widgets.button.toolTip = reason or self._words.can

    def _ended(self, found: Any, sources: list[Any], show: Callable[[Any], None]) -> None:
        self._idle()
        if all(slicer.mrmlScene.IsNodePresent(source) for source in sources):
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
