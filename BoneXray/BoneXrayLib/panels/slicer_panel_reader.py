"""The panel's group "Reader study": one reader's blinded way through the images of a study."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

from ..reading import Reading, check_reader
from ..reading_study import SCALES, Study, read_study
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_packages import ensure_packages
from ..scene.slicer_parameters import is_same
from ..scene.slicer_reading import ReadingImages
from ..scene.slicer_views import SideBySide

BUTTONS = max(len(choices) for choices in SCALES.values())


class ReaderSection:
    """Shows a case, takes an answer, keeps it with the time it took. Stops and goes on at will."""

    def __init__(self, ui: Any, views: SideBySide) -> None:
        self._ui, self._images = ui, ReadingImages(views)
        self._parameters: Any = None
        self._reading: Reading | None = None
        self._choice: int | None = None
        self._since = 0.0
        self._buttons = [getattr(ui, f"answerButton{n}") for n in range(1, BUTTONS + 1)]
        for n, button in enumerate(self._buttons):
            button.connect("clicked(bool)", lambda _checked, n=n: self.on_choice(n))
        ui.studyEdit.connect("currentPathChanged(QString)", self._on_path)
        ui.readButton.connect("clicked(bool)", self.on_read)
        ui.backButton.connect("clicked(bool)", self.on_back)
        ui.nextButton.connect("clicked(bool)", self.on_next)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends the reading."""
        if not is_same(parameters, self._parameters):
            self.stop()
        self._parameters = parameters
        if parameters is not None:
            self.update()

    def update(self) -> None:
        """The choices changed: enable the button or say why not."""
        if self._parameters is None:
            return
        if self._ui.studyEdit.currentPath != self._parameters.study:
            self._ui.studyEdit.currentPath = self._parameters.study
        if self._reading is not None:
            return
        reason = self._why_not()
        self._ui.readButton.enabled = not reason
        self._ui.readButton.toolTip = reason or _(
            "Show the images one after the other; the answers so far are kept"
        )

    def stop(self) -> None:
        """End the reading; every answer given with Next is on the disk."""
        if self._reading is not None:
            self._reading = None
            self._images.remove()
        self._ask(None)

    def on_read(self, _checked: bool = False) -> None:
        """Start, go on, or stop."""
        if self._reading is not None:
            self._say(_("Stopped: {done} of {total} answered.").format(
                done=self._reading.done, total=self._reading.total))  # fmt: skip
            self.stop()
            self.update()
            return
        with errors_shown(_("The study could not be read.")):
            ensure_packages()
            study = read_study(self._parameters.study)
            self._reading = Reading(study, self._parameters.reader)
            self._show()

    def on_choice(self, choice: int) -> None:
        """An answer was chosen; Next keeps it."""
        self._choice = choice
        for n, button in enumerate(self._buttons):
            button.checked = n == choice
        self._ui.nextButton.enabled = True

    def on_next(self, _checked: bool = False) -> None:
        """Keep the answer and show the next case."""
        if self._reading is None or self._choice is None:
            return
        with errors_shown(_("The answer could not be kept.")):
            self._reading.answer(self._choice, time.monotonic() - self._since)
            self._show()

    def on_back(self, _checked: bool = False) -> None:
        """Show the case before once more."""
        if self._reading is not None:
            with errors_shown(_("The image could not be shown.")):
                self._reading.back()
                self._show()

    def _show(self) -> None:
        """The case that is to be judged now, or the end."""
        reading = self._reading
        showing = reading.current
        if showing is None:
            self._say(_("Done: all {total} answered. Thank you.").format(total=reading.total))
            self.stop()
            self.update()
            return
        self._images.show(showing)
        self._ask(reading.study)
        self._ui.backButton.enabled = reading.number > 1
        self._ui.readingProgress.value = round(100 * reading.done / reading.total)
        self._say(_("Image {number} of {total}, {done} answered.").format(
            number=reading.number, total=reading.total, done=reading.done))  # fmt: skip
        self._since = time.monotonic()

    def _ask(self, study: Study | None) -> None:
        """Offer the study's answers, or none."""
        self._choice = None
        choices = study.choices if study is not None else ()
        for n, button in enumerate(self._buttons):
            button.checked = False
            button.enabled = n < len(choices)
            button.visible = n < len(choices) or study is None
            text = choices[n] if n < len(choices) else str(n + 1)
            button.text = text.split()[0]
            button.toolTip = text
        ui = self._ui
        ui.nextButton.enabled = ui.backButton.enabled = False
        ui.readingProgress.visible = study is not None
        ui.questionText.text = "" if study is None else _in_words(study)
        ui.readButton.text = _("Stop reading") if study is not None else _("Start reading")
        ui.studyEdit.enabled = ui.readerEdit.enabled = study is None
        if study is not None:
            ui.readButton.toolTip = _("Stop here; go on later with the same study and reader")

    def _on_path(self, path: str) -> None:
        if self._parameters is not None:
            self._parameters.study = path.strip()

    def _why_not(self) -> str:
        """Why no reading can be started, or an empty text."""
        if not self._parameters.study:
            return _("Choose the folder of a study")
        try:
            check_reader(self._parameters.reader)
        except ValueError as error:
            return str(error) if self._parameters.reader else _("Say who reads")
        return ""

    def _say(self, text: str) -> None:
        self._ui.readingStatus.text = text


def _in_words(study: Study) -> str:
    """The question, and which view is which."""
    beside = any(case.beside is not None for case in study.cases)
    if study.scale == "rating":
        said = _("J is judged: {choices}.").format(choices=", ".join(study.choices))
    else:
        said = _("L or R, or none of them.")
    return " ".join([study.question, said, *([_("I is what it was made from.")] if beside else [])])
