"""The training panel's second section: start, follow, stop and resume a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from BoneXrayLib.scene.slicer_messages import errors_shown

from .slicer_curves import Curves
from .slicer_panel_data import PATHS, DataSection


class RunSection:
    """Runs the command and shows how it gets on."""

    def __init__(
        self, ui: Any, logic: Any, data: DataSection, changed: Callable[[], None],
        show_curves: Callable[[Curves], None],
    ) -> None:  # fmt: skip
        self._ui, self._logic, self._data, self._changed = ui, logic, data, changed
        self._show_curves = show_curves
        self.curves = Curves()
        self._stopping = self._preparing = False
        self._run = Path()
        logic.follow(self._told, self._logged, self._ended)
        ui.startButton.connect("clicked(bool)", self.on_start)
        ui.resumeButton.connect("clicked(bool)", self.on_resume)
        ui.stopButton.connect("clicked(bool)", self.on_stop)

    @property
    def is_busy(self) -> bool:
        """Whether a run goes on, or is being prepared."""
        return self._preparing or self._logic.isRunning

    def on_start(self, *_arguments: Any) -> None:
        """Start a new run."""
        if not self._ready():
            return
        self._preparing = True
        self._ui.statusText.text = _("Preparing the CTs …")
        self.update()
        with errors_shown(_("The training could not be started.")):
            self._data.configure(self._run, self._start, self._given_up)
            return
        self._given_up()

    def on_resume(self, *_arguments: Any) -> None:
        """Go on from the run's last checkpoint, with the configuration it was started with."""
        if self._ready():
            self._begin(self._run / "config.json", "", True)

    def _ready(self) -> bool:
        """Ensure the packages and remember the paths; False when that failed."""
        from BoneXrayLib.scene.slicer_packages import ensure_training_packages

        with errors_shown(_("The training could not be started.")):
            ensure_training_packages()
            for name in PATHS:
                qt.QSettings().setValue(f"BoneXrayTraining/{name}", self._data.path(name))
            self._run = Path(self._data.path("run"))
            self._ui.logBox.clear()
            self._stopping = False
            self._ui.progressBar.value = 0
            self._ui.statusText.text = _("Starting …")
            return True
        return False

    def _start(self, config: Path, data: str) -> None:
        self._begin(config, data, False, self._data.learning.start_from)

    def _begin(self, config: Path, data: str, resume: bool, start_from: str = "") -> None:
        self._preparing = False
        with errors_shown(_("The training could not be started.")):
            self._logic.start(str(config), data, str(self._run), resume, start_from)
        self.update()
        self._changed()

    def _given_up(self) -> None:
        self._preparing = False
        self._ui.statusText.text = ""
        self.update()

    def on_stop(self, *_arguments: Any) -> None:
        """First ask for a checkpoint; pressed again, end at once."""
        if self._preparing:
            self._data.stop()
            self._given_up()
            return
        if self._stopping:
            self._logic.kill()
            return
        self._stopping = True
        self._logic.stop()
        self._ui.statusText.text = _("Stopping after this step; press again to stop at once.")
        self.update()

    def _told(self, fraction: float, message: str) -> None:
        """A line of progress of the child."""
        self._ui.progressBar.value = round(100 * fraction)
        last = self._draw()
        if not self._stopping:
            self._ui.statusText.text = told(last) if message.startswith("step ") else message
            self._ui.statusText.text = self._ui.statusText.text or message
        self._ui.logBox.appendPlainText(message)

    def _draw(self) -> dict[str, Any]:
        last = self.curves.show(self._run)
        if last:
            self._show_curves(self.curves)
        return last

    def _logged(self, line: str) -> None:
        """Any other line of the child."""
        self._ui.logBox.appendPlainText(line)

    def _ended(self, code: int) -> None:
        """The child ended."""
        self._draw()
        if code == 0:
            text = _("Stopped; a checkpoint is written.") if self._stopping else _("Trained.")
        elif self._stopping:
            text = _("Stopped without a new checkpoint.")
        else:
            text = _("The training ended with an error (code {code}); see the log.").format(
                code=code
            )
        self._stopping = False
        self._ui.statusText.text = text
        self.update()
        self._changed()

    def update(self) -> None:
        """Enable what can be pressed now and say why the rest cannot."""
        ui, busy = self._ui, self.is_busy
        for button, resume in ((ui.startButton, False), (ui.resumeButton, True)):
            reason = _("A run is going on") if busy else self.why_not(resume)
            button.enabled = not reason
            button.toolTip = reason or _("Run the training as a process of its own")
        ui.stopButton.enabled = busy
        ui.stopButton.text = _("Stop now") if self._stopping else _("Stop")

    def why_not(self, resume: bool) -> str:
        """Why no run can be started, or an empty text."""
        reason = "" if resume else self._data.why_not()
        if reason:
            return reason
        if not self._data.path("run"):
            return _("Choose a folder for the run")
        started = (Path(self._data.path("run")) / "config.json").exists()
        if resume and not started:
            return _("There is no run in this folder yet")
        if started and not resume:
            return _("There is a run in this folder: resume it or choose another one")
        return ""


def told(record: dict[str, Any]) -> str:
    """A record of the log in words; an empty text where there is none yet."""
    if not record:
        return ""
    text = _("Step {step} of {of}: loss {loss:.4g}").format(
        step=record["step"], of=record["of"], loss=record["loss"] or 0.0
    )
    if record.get("eta_s") is not None:
        text += _(", about {time} left").format(time=duration(record["eta_s"]))
    if record.get("wait_share", 0.0) > 0.1:
        text += _(", waits for samples {share:.0%} of the time").format(share=record["wait_share"])
    return text


def duration(seconds: float) -> str:
    """Seconds in words."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return _("{n} s").format(n=round(seconds))
    if minutes < 120:
        return _("{n} min").format(n=minutes)
    return _("{h} h {m} min").format(h=minutes // 60, m=minutes % 60)
