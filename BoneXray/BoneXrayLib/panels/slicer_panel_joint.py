"""The panel's group "Joint space": two of the bones pulled apart, one visit or two."""

from __future__ import annotations

import dataclasses
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..scene.slicer_jobs import Job
from ..scene.slicer_joint_space import Joint, in_words, joint_nodes, show_chart
from ..scene.slicer_layer_looks import show_layers, show_overlaps
from ..scene.slicer_layer_nodes import SOFT, all_separations, shares_of
from ..scene.slicer_messages import errors_shown, show_error
from ..scene.slicer_packages import ensure_packages
from ..scene.slicer_parameters import is_same
from ..scene.slicer_results import input_of
from ..scene.slicer_views import SideBySide


class JointSection:
    """Measures the space between two bones, and how it narrowed until a second visit."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        self._ui, self._logic, self._views = ui, logic, views
        self._parameters: Any = None
        self._job: Job | None = None
        self._bones: list[str] = []
        self._visits: list[Any] = []
        self._is_filling = False
        self._measured: tuple[Any, ...] | None = None
        ui.measureJointButton.connect("clicked(bool)", self.on_measure)
        ui.upperBoneBox.connect("currentIndexChanged(int)", self.on_upper)
        ui.lowerBoneBox.connect("currentIndexChanged(int)", self.on_lower)
        ui.secondVisitBox.connect("currentIndexChanged(int)", self.on_second)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._say("")
        self._parameters = parameters
        if parameters is not None:
            self.update()

    def update(self) -> None:
        """The choices changed: list bones and visits, enable the button or say why not."""
        chosen = self._parameters
        if chosen is None or self._is_filling:
            return
        self._list_bones()
        self._list_visits()
        config = dataclasses.astuple(chosen.joint_config())
        what = (chosen.faded, chosen.upper_bone, chosen.lower_bone, chosen.second_visit, config)
        if what != self._measured and self._job is None:
            self._measured = what
            self._say("")
        reason = self._why_not()
        self._ui.measureJointButton.enabled = not reason
        self._ui.measureJointButton.toolTip = reason or _(
            "Measure the width along the joint, and how it narrowed until the second visit"
        )

    def stop(self) -> None:
        """End the work; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_upper(self, index: int) -> None:
        """Another upper bone was chosen."""
        if not self._is_filling and self._parameters is not None and index >= 0:
            self._parameters.upper_bone = self._bones[index]

    def on_lower(self, index: int) -> None:
        """Another lower bone was chosen."""
        if not self._is_filling and self._parameters is not None and index >= 0:
            self._parameters.lower_bone = self._bones[index]

    def on_second(self, index: int) -> None:
        """Another second visit was chosen, or none."""
        if not self._is_filling and self._parameters is not None and index >= 0:
            self._parameters.second_visit = None if index == 0 else self._visits[index - 1]

    def on_measure(self, _checked: bool = False) -> None:
        """Measure the joint space that is chosen."""
        if self._job is not None:
            return
        with errors_shown(_("The joint space could not be measured.")):
            ensure_packages()
            chosen = self._parameters
            faded, second = chosen.faded, chosen.second_visit
            bones = (chosen.upper_bone, chosen.lower_bone)
            config, pixel_mm = chosen.joint_config(), chosen.pixel_mm or None
            work = self._logic.jointSpace(faded, bones, second, config, pixel_mm)
            self._job = Job(
                work, lambda found: self._ended(found, faded, second), self._failed
            ).start()
            self._ui.measureJointButton.enabled = False
            self._say(_("Measuring …"))

    def _ended(self, found: Joint, faded: Any, second: Any) -> None:
        self._idle()
        nodes = [node for node in (faded, second) if node is not None]
        if not all(slicer.mrmlScene.IsNodePresent(node) and input_of(node) for node in nodes):
            return
        with errors_shown(_("The joint space could not be shown.")):
            made = joint_nodes(found, faded, second)
            chosen = self._parameters
            layout = "joint space" if second is None else "visits"
            show_layers(self._views, faded, second, chosen.layer_colours, layout)
            show_overlaps(faded, second, chosen.overlap_outline)
            show_chart(made.chart)
            self._say(_("{what} In {table}.").format(
                what=in_words(found), table=made.figures.GetName()))  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self._idle()
        show_error(_("The joint space could not be measured."), error)

    def _idle(self) -> None:
        self._job = None
        self._say("")
        if self._parameters is not None:
            self.update()

    def _say(self, text: str) -> None:
        self._ui.jointStatus.text = text

    def _list_bones(self) -> None:
        """The bones of the layers; the first two where what was chosen is not among them."""
        chosen = self._parameters
        shares = {} if chosen.faded is None else shares_of(chosen.faded)
        self._bones = [name for name in shares if name != SOFT]
        if len(self._bones) > 1 and not {chosen.upper_bone, chosen.lower_bone} <= set(self._bones):
            self._is_filling = True
            chosen.upper_bone, chosen.lower_bone = self._bones[:2]
            self._is_filling = False
        boxes = (self._ui.upperBoneBox, self._ui.lowerBoneBox)
        for box, bone in zip(boxes, (chosen.upper_bone, chosen.lower_bone), strict=True):
            self._fill(box, self._bones, self._bones.index(bone) if bone in self._bones else -1)

    def _list_visits(self) -> None:
        """Other radiographs whose bones were pulled apart."""
        chosen = self._parameters
        own = None if chosen.faded is None else input_of(chosen.faded)
        others = [node for node in all_separations() if input_of(node) is not own]
        self._visits = others if own is not None else []
        second = chosen.second_visit
        if second is not None and second not in self._visits:
            self._is_filling = True
            second = chosen.second_visit = None
            self._is_filling = False
        names = [_("none"), *(node.GetName() for node in self._visits)]
        index = 0 if second is None else self._visits.index(second) + 1
        self._fill(self._ui.secondVisitBox, names, index)

    def _fill(self, box: Any, entries: list[str], index: int) -> None:
        """Put entries into a list; its signals are not the user's."""
        self._is_filling = True
        if [box.itemText(n) for n in range(box.count)] != entries:
            box.clear()
            for entry in entries:
                box.addItem(entry)
        box.currentIndex = index
        box.enabled = len(entries) > 1
        self._is_filling = False

    def _why_not(self) -> str:
        """Why no joint space can be measured, or an empty text."""
        chosen = self._parameters
        if self._job is not None:
            return _("Measuring …")
        if len(self._bones) < 2:
            return _("Pull two bones apart first")
        if chosen.upper_bone == chosen.lower_bone:
            return _("Choose two different bones")
        second = chosen.second_visit
        if second is not None and not {chosen.upper_bone, chosen.lower_bone} <= set(
            shares_of(second)
        ):
            return _("{name} has no bones of these names").format(name=second.GetName())
        return ""
