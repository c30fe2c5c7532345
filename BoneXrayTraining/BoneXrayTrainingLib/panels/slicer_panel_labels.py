"""The training panel's bones by name: which label map each CT has, and which bones to learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from BoneXrayLib.scene.slicer_jobs import Job
from BoneXrayLib.scene.slicer_messages import show_error

from ..choices import label_map_beside
from ..label_choices import LabelledCt, read_labelled, structures_of, values_by_structure

RULE = _(
    "Label maps are NAME.seg.nrrd, NAME_seg.*, NAME_labels.* or labels/NAME.*, or lie as in the "
    "data sets of TotalSegmentator and nnU-Net"
)
SCENE_RULE = _("A segmentation counts for the CT it was made on; its hidden segments do not")


class LabelSection:
    """Reads label maps by a thread, lists the bones they name, and keeps what was ticked."""

    def __init__(self, ui: Any, arrived: Callable[[], None], changed: Callable[[], None]) -> None:
        self._ui, self._arrived, self._changed = ui, arrived, changed
        self._seen: tuple | None = None
        self._job: Job | None = None
        self._structures: list[str] = []
        self.cts: list[LabelledCt] = []
        self.segmentations: list[Any] = []
        ui.structureList.connect("itemChanged(QListWidgetItem*)", self._on_item)
        ui.allStructuresBox.connect("clicked(bool)", self._on_all)

    @property
    def is_reading(self) -> bool:
        """Whether label maps are being read."""
        return self._job is not None

    # -- which labels there are -------------------------------------------------------------------
    def show(self, shown: bool) -> None:
        """Bones by name are learned from chosen CTs, or something else is."""
        ui = self._ui
        for widget in (
            ui.labelStatus, ui.structuresLabel, ui.allStructuresBox, ui.structureList
        ):  # fmt: skip
            widget.visible = shown
        if not shown:
            self.stop()
            self._seen, self.cts, self.segmentations = None, [], []

    def follow_folder(self, folder: str, names: Sequence[str]) -> None:
        """Read the label maps of these CTs, unless that was done already."""
        files = [label_map_beside(folder, name) for name in names]
        stamps = [(Path(folder) / f).stat().st_mtime_ns if f else 0 for f in files]
        seen = (folder, *zip(names, files, stamps, strict=True))
        if seen == self._seen:
            return
        self.stop()
        self._seen, self.segmentations = seen, []
        self.cts = [LabelledCt(name, reason="not read yet") for name in names]
        self._fill()

        def read(progress: Any, is_cancelled: Callable[[], bool]) -> list[LabelledCt]:
            return read_labelled(folder, names, progress, is_cancelled)

        self._job = Job(read, self._read, self._failed, self._tell).start()

    def _read(self, cts: list[LabelledCt]) -> None:
        self._job, self.cts = None, cts
        self._say(RULE)
        self._fill()
        self._arrived()

    def _failed(self, error: Exception) -> None:
        self._job = None
        show_error(_("The label maps could not be read."), error)

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.labelStatus.text = message

    def follow_nodes(self, nodes: Sequence[Any]) -> None:
        """Take the segmentations of these CTs."""
        self.stop()
        self._seen = None
        self.segmentations = [segmentation_of(node, len(nodes) == 1) for node in nodes]
        names = [visible_segments(node) if node else {} for node in self.segmentations]
        self.cts = []
        for ct, node, values in zip(
            nodes, self.segmentations, values_by_structure(names), strict=True
        ):
            reason = "" if values else _("no segment is shown") if node else _("no segmentation")
            label = node.GetName() if node else ""
            self.cts.append(LabelledCt(ct.GetName(), label, values, reason))
        self._say(SCENE_RULE)
        self._fill()

    def _say(self, rule: str) -> None:
        count = sum(not ct.reason for ct in self.cts)
        text = _("{n} of {of} CTs have labels. {rule}.")
        self._ui.labelStatus.text = text.format(n=count, of=len(self.cts), rule=rule)

    def stop(self) -> None:
        """End what goes on; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._job = self._seen = None

    # -- which bones are learned ------------------------------------------------------------------
    def structures(self) -> list[str]:
        """The bones that are ticked."""
        widget = self._ui.structureList
        ticked = (n for n in range(widget.count) if _is_ticked(widget.item(n)))
        return [self._structures[n] for n in ticked]

    def why_not(self, trained: Sequence[int], kept_out: int, fewest: int) -> str:
        """Why nothing can be learned from these CTs, of `fewest` bones each; or an empty text."""
        if self.is_reading:
            return _("The label maps are being read")
        if not any(not ct.reason for ct in self.cts):
            return _("No CT has labels; those found say why")
        wanted = self.structures()
        if len(wanted) < fewest:
            return _("Tick a bone to learn") if fewest == 1 else _("Tick two bones that meet")
        for number in [*trained, *([kept_out] if kept_out >= 0 else [])]:
            if sum(name in self.cts[number].structures for name in wanted) < fewest:
                none = _("{ct} has none of the ticked bones: leave it out")
                few = _("{ct} has fewer than two of the ticked bones: leave it out")
                return (none if fewest == 1 else few).format(ct=self.cts[number].path)
        learned = structures_of([self.cts[number] for number in trained])
        missing = [name for name in wanted if name not in learned]
        if trained and missing:
            text = _("No CT to train on has {bone}: untick it")
            return text.format(bone=missing[0])
        return ""

    def _fill(self) -> None:
        """List the bones again; what was not ticked stays so."""
        widget, counts = self._ui.structureList, structures_of(self.cts)
        of = sum(not ct.reason for ct in self.cts)
        texts = [
            name if n == of else _("{name} (in {n} of {of} CTs)").format(name=name, n=n, of=of)
            for name, n in counts.items()
        ]
        if texts == [widget.item(n).text() for n in range(widget.count)]:
            return
        dropped = set(self._structures) - set(self.structures())
        widget.blockSignals(True)
        widget.clear()
        self._structures = list(counts)
        for name, text in zip(counts, texts, strict=True):
            item = qt.QListWidgetItem(text)
            item.setCheckState(qt.Qt.Unchecked if name in dropped else qt.Qt.Checked)
            widget.addItem(item)
        widget.blockSignals(False)

    def _on_item(self, *_arguments: Any) -> None:
        self._ui.allStructuresBox.checked = len(self.structures()) == len(self._structures)
        self._changed()

    def _on_all(self, wanted: bool) -> None:
        widget = self._ui.structureList
        widget.blockSignals(True)
        for number in range(widget.count):
            widget.item(number).setCheckState(qt.Qt.Checked if wanted else qt.Qt.Unchecked)
        widget.blockSignals(False)
        self._changed()


def _is_ticked(item: Any) -> bool:
    return item.checkState() == qt.Qt.Checked


def segmentation_of(ct: Any, is_only_ct: bool) -> Any:
    """The segmentation that was made on a CT, or None.

    One that does not say on what it was made counts for the only CT, if it is the only one.
    """
    there = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    reference = {node.GetID(): reference_of(node) for node in there}
    own = [node for node in there if reference[node.GetID()] is ct]
    free = [node for node in there if reference[node.GetID()] is None]
    if not own and is_only_ct and len(free) == 1:
        return free[0]
    return own[0] if own else None


def reference_of(segmentation: Any) -> Any:
    """The volume that a segmentation was made on, or None."""
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())


def visible_segments(segmentation: Any) -> dict[int, str]:
    """Names of the visible segments, numbered 1, 2, … as `labels_from_node` does."""
    display, segments = segmentation.GetDisplayNode(), segmentation.GetSegmentation()
    shown = [
        name
        for name in segments.GetSegmentIDs()
        if display is None or display.GetSegmentVisibility(name)
    ]
    return {n: segments.GetSegment(name).GetName() for n, name in enumerate(shown, 1)}
