"""The panel's group "Long-leg view": several shots along the patient, stitched to one picture."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..long_leg import LongLeg, LongLegConfig, ShotPlan
from ..long_leg_config import METHODS
from ..scene.slicer_jobs import Job
from ..scene.slicer_long_leg import long_leg_work, plan_of
from ..scene.slicer_messages import errors_shown, show_error
from ..scene.slicer_packages import ensure_packages
from ..scene.slicer_parameters import is_same
from ..scene.slicer_results import long_leg_nodes
from ..scene.slicer_scene import show_radiograph
from ..scene.slicer_views import SideBySide


class LongLegSection:
    """Says what picture the choices will give, and makes it when asked. One job at most."""

    def __init__(self, ui: Any, views: SideBySide) -> None:
        self._ui, self._views = ui, views
        self._parameters: Any = None
        self._foreseen: str | None = None
        self._foreseen_of: tuple[Any, ...] | None = None
        self._job: Job | None = None
        ui.makeLongLegButton.connect("clicked(bool)", self.on_make)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._foreseen = self._foreseen_of = None
        self._parameters = parameters
        if parameters is not None:
            _name_methods(self._ui.methodBox)
            self.update()

    def update(self) -> None:
        """The choices changed: enable the button or say why not, foretell the picture."""
        if self._parameters is None or self._job is not None:
            return
        depends_on = self._dependencies()
        if depends_on is not None and depends_on == self._foreseen_of:
            return
        self._foreseen_of = depends_on
        reason, picture = self._foresee()
        button = self._ui.makeLongLegButton
        button.enabled = not reason
        button.toolTip = reason or _(
            "Compute the shots and stitch them; view, distances, pixel and bones are those above"
        )
        foreseen = reason or picture
        if foreseen != self._foreseen:  # else what was made last is still said
            self._foreseen = foreseen
            self._say(foreseen)

    def stop(self) -> None:
        """End what runs; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_make(self) -> None:
        """Make the picture, or cancel that."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(_("The long-leg view could not be made.")):
            ensure_packages()
            ct, config = self._parameters.ct, self._parameters.long_leg_config()
            work = long_leg_work(ct, config, self._parameters.labels)
            self._job = Job(
                work, lambda found: self._ended(found, ct), self._failed, self._tell,
                self._cancelled,
            ).start()  # fmt: skip
            self._ui.makeLongLegButton.text = _("Cancel")
            self._ui.makeLongLegButton.toolTip = _("Stop the computation")
            self._ui.longLegProgress.visible = True
            self._say(_("Computing …"))

    def _ended(self, found: LongLeg, ct: Any) -> None:
        self._idle()
        self.update()
        if not slicer.mrmlScene.IsNodePresent(ct):
            return
        with errors_shown(_("The long-leg view could not be shown.")):
            nodes = long_leg_nodes(found, ct)
            if self._parameters.radiograph is None:
                self._parameters.radiograph = nodes.full
            self._views.show("drr", [nodes.full, nodes.bone])
            if self._parameters.show_scene and found.plan.geometry is not None:
                show_radiograph(nodes.full)
            made = _("Made {full} and {bone}.").format(
                full=nodes.full.GetName(), bone=nodes.bone.GetName())  # fmt: skip
            self._say(" ".join([made, found.plan.statement, *_sentences(found.plan)]))

    def _failed(self, error: Exception) -> None:
        self._idle()
        self.update()
        self._say(str(error))
        show_error(_("The long-leg view could not be made."), error)

    def _cancelled(self) -> None:
        self._idle()
        self.update()
        self._say(_("Cancelled."))

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.longLegProgress.value = round(100 * fraction)
        if message:
            self._say(_("Computing: {what} …").format(what=message))

    def _idle(self) -> None:
        self._job = self._foreseen_of = None
        self._ui.makeLongLegButton.text = _("Make long-leg view")
        self._ui.longLegProgress.visible = False
        self._ui.longLegProgress.value = 0

    def _say(self, text: str) -> None:
        self._ui.longLegStatus.text = text

    def _dependencies(self) -> tuple[Any, ...] | None:
        """What the shots depend on, all but the bones; None where something is wrong."""
        ct = self._parameters.ct
        try:
            shots = vars(self._parameters.long_leg_config())
        except ValueError:
            return None
        bone = ("preset", "hu", "remove_couch")
        chosen = {name: value for name, value in shots.items() if name not in bone}
        return None if ct is None else (ct.GetID(), chosen)

    def _foresee(self) -> tuple[str, str]:
        """Why no picture can be made, or an empty text; and what picture it will be."""
        ct = self._parameters.ct
        if ct is None:
            return _("Select a CT"), ""
        try:
            config = self._parameters.long_leg_config()
            return "", in_words(plan_of(ct, config), config)
        except ValueError as error:
            return str(error), ""


def in_words(plan: ShotPlan, config: LongLegConfig) -> str:
    """What the shots of a plan are, and what they will miss."""
    height, width = (n * config.pixel for n in plan.shots[0].size)
    shots = _("{n} shots of {height:.0f} × {width:.0f} mm").format(
        n=len(plan.shots), height=height, width=width)  # fmt: skip
    if len(plan.shots) > 1:
        shots += _(", {overlap:.0f} mm shared by neighbours").format(overlap=height - plan.step_mm)
    rows, columns = plan.size
    pixels = _("{rows} × {columns} pixels").format(rows=rows, columns=columns)
    return " ".join([f"{shots}: {pixels}.", *_sentences(plan)])


def _sentences(plan: ShotPlan) -> list[str]:
    return [note[0].upper() + note[1:] + "." for note in plan.notes]


def _name_methods(box: Any) -> None:
    """Say what the bare words of the list mean."""
    meanings = {
        "translate": _("Tube and detector move together: lengths along the leg are true from tube "
                       "to tube, what lies in an overlap appears twice"),
        "tilt": _("The tube stays, the detector moves: the picture is one perspective"),
    }  # fmt: skip
    for index, method in enumerate(METHODS):
        box.setItemData(index, meanings[method], qt.Qt.ToolTipRole)
