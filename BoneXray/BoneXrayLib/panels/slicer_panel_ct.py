"""The panel's first section: a CT, what is bone in it, where tube and detector stand."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..bone_presets import PRESETS
from ..geometry import VIEWS
from ..scene.slicer_jobs import Job
from ..scene.slicer_messages import errors_shown, show_error
from ..scene.slicer_packages import ensure_packages, missing_packages
from ..scene.slicer_parameters import is_same
from ..scene.slicer_preview import LivePreview, Wanted
from ..scene.slicer_results import (
    drr_nodes,
    exposed_nodes,
    move_bone,
    preview_nodes,
    remove_previews,
)
from ..scene.slicer_views import SideBySide
from .slicer_panel_pose import PoseLine
from .slicer_panel_scene import SceneSection


class CtSection:
    """Keeps the preview up with the sliders; makes full-size radiographs when asked."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide, scene: SceneSection) -> None:
        self._ui, self._logic, self._views, self._scene = ui, logic, views, scene
        self._parameters: Any = None
        self._preset = ""
        self._seen: str | None = None
        self._job: Job | None = None
        self._making = False
        self._pose = PoseLine(ui)
        self._shown: Any = None
        self._preview = LivePreview(
            self._previewed, self._bone_moved, self._say_computing, self._no_preview
        )
        ui.makeButton.connect("clicked(bool)", self.on_make)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
        self._parameters = parameters
        self._seen = None
        self._pose.follow(parameters)
        if parameters is None:
            remove_previews()  # a closed scene would keep them
            return
        self._preset = parameters.preset
        _name_entries(self._ui.presetBox, [(p.label, p.description) for p in PRESETS.values()])
        _name_entries(self._ui.viewBox, [(name, view.label) for name, view in VIEWS.items()])
        self._seen = self._signature()
        self.update()
        if self._job is None:
            self._say(self._why_not())

    def update(self) -> None:
        """The choices changed: enable the button or say why not, refresh the preview."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.preset != self._preset:
            self._preset = parameters.preset
            parameters.use_preset()  # comes back here with the new window
            return
        self._pose.update()
        self._ui.huRange.enabled = parameters.labels is None
        reason = self._why_not()
        if not self._making:
            self._ui.makeButton.enabled = not reason
            self._ui.makeButton.toolTip = reason or _("Compute the radiographs at full size")
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        if parameters.preview and not reason and not self._making:
            self._want()
        else:
            self._preview.stop()
            self._say(reason)

    def stop(self) -> None:
        """End whatever runs; nothing of it will arrive."""
        self._preview.stop()
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_make(self) -> None:
        """Make radiographs at full size, or cancel that."""
        if self._making:
            self._job.cancel()
            return
        self.stop()
        with errors_shown(_("The radiographs could not be made.")):
            ensure_packages()
            self._begin()
            self._making = True
            self._ui.makeButton.text = _("Cancel")
            self._ui.makeProgress.visible = True

    def _want(self) -> None:
        """The preview is to show these choices."""
        if missing_packages():
            self._say(_("Press Make radiographs: some packages have to be installed first."))
            return
        ct, labels = self._parameters.ct, self._parameters.labels
        live = functools.partial(self._logic.liveCt, ct, labels, self._parameters.device)
        config, exposure = self._parameters.drr_config(), self._parameters.exposure_config()
        self._preview.want(Wanted(ct, config, live, exposure))

    def _previewed(self, drr: Any, exposed: Any, ct: Any, is_exact: bool) -> None:
        if not slicer.mrmlScene.IsNodePresent(ct):
            return
        with errors_shown(_("The preview could not be shown.")):
            self._shown = nodes = preview_nodes(drr, ct, exposed)
            self._views.show("drr", [nodes.full, nodes.bone])
            self._scene.show(drr, nodes.full, ct)
            text = _("Preview of {rows} × {columns} pixels, projected on {device}.")
            if not is_exact:
                text = _("Coarse preview of {rows} × {columns} pixels …")
            rows, columns = drr.geometry.size
            self._say(text.format(rows=rows, columns=columns, device=device_text(drr.device)))

    def _bone_moved(self, bone: Any) -> None:
        move_bone(self._shown, bone)

    def _no_preview(self, error: Exception) -> None:
        self._say(str(error))

    def _say_computing(self, what: str) -> None:
        self._say(_("Computing: {what} …").format(what=what))

    def _begin(self) -> None:
        ct, labels = self._parameters.ct, self._parameters.labels
        config, device = self._parameters.drr_config(), self._parameters.device
        work = self._logic.simulation(
            ct, config, labels, device, self._parameters.exposure_config()
        )
        self._say(_("Computing …"))
        self._job = Job(
            work, lambda made: self._ended(*made, ct), self._failed, self._tell, self._idle
        ).start()

    def _ended(self, drr: Any, exposed: Any, ct: Any) -> None:
        self._idle()
        if slicer.mrmlScene.IsNodePresent(ct):
            with errors_shown(_("The radiographs could not be shown.")):
                self._made(drr, exposed, ct)

    def _made(self, drr: Any, exposed: Any, ct: Any) -> None:
        nodes = drr_nodes(drr, ct)
        if self._parameters.radiograph is None:
            self._parameters.radiograph = nodes.full
        if exposed is not None:
            nodes = exposed_nodes(exposed, drr, ct)
        self._views.show("drr", [nodes.full, nodes.bone])
        self._scene.show(drr, nodes.full, ct)
        remove_previews()
        self._say(_("Made {full} and {bone}, projected on {device}.").format(
            full=nodes.full.GetName(), bone=nodes.bone.GetName(),
            device=device_text(drr.device)))  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self._idle()
        self._say(str(error))
        show_error(_("The radiographs could not be made."), error)

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.makeProgress.value = round(100 * fraction)
        if message:
            self._say_computing(message)

    def _idle(self) -> None:
        self._job = None
        self._making = False
        self._ui.makeButton.text = _("Make radiographs")
        self._ui.makeProgress.visible = False
        self._ui.makeProgress.value = 0
        self._say("")

    def _say(self, text: str) -> None:
        self._ui.ctStatus.text = text

    def _why_not(self) -> str:
        """Why no radiograph can be made, or an empty text."""
        ct = self._parameters.ct
        if ct is None:
            return _("Select a CT")
        image = ct.GetImageData()
        if image is None or min(image.GetDimensions()) < 2:
            return _("{name} is no CT: it has one slice").format(name=ct.GetName())
        try:
            geometry = self._parameters.drr_config()
            exposure = self._parameters.exposure_config()
            if exposure is not None:
                exposure.check_fits(geometry)
        except ValueError as error:
            return str(error)
        return ""

    def _signature(self) -> str:
        """What the radiograph depends on, as one text."""
        parameters = self._parameters
        nodes = [n.GetID() if n is not None else "" for n in (parameters.ct, parameters.labels)]
        try:
            config = dataclasses.asdict(parameters.drr_config())
            exposure = parameters.exposure_config()
            config["exposure"] = exposure and dataclasses.asdict(exposure)
        except ValueError as error:
            config = {"error": str(error)}
        return json.dumps([nodes, config, parameters.preview, parameters.device])


def device_text(device: str) -> str:
    """What projected an image, for a status line."""
    return _("the processor") if device == "cpu" else device


def _name_entries(box: Any, entries: list[tuple[str, str]]) -> None:
    """Give a combo box of bare choices their labels and tooltips."""
    for index, (text, tip) in enumerate(entries):
        box.setItemText(index, text)
        box.setItemData(index, tip, qt.Qt.ToolTipRole)
