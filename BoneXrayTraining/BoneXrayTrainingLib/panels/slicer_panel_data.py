"""The training panel's first section: what to train on, and what to start from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ..choices import cts_in_folder, is_dataset, names_cts, write_dataset_choice
from .slicer_panel_hand_over import Chosen, Found, HandOver
from .slicer_panel_labels import LabelSection
from .slicer_panel_task import TaskSection

CONFIGURATION, FOLDER, SCENE, DATASET = range(4)
"""Where the CTs are named: entries of the box."""
PATHS = {"config": "configEdit", "data": "dataEdit", "run": "runEdit"}
"""User setting -> the widget that shows it."""


class DataSection:
    """Chooses CTs and hands over a configuration of them."""

    def __init__(self, ui: Any, changed: Callable[[], None]) -> None:
        self._ui, self._changed = ui, changed
        self._nodes: list[Any] = []
        self._names: list[str] = []
        self._rows: list[tuple[str, bool]] = []
        self._usable: list[int] = []
        self.learning = TaskSection(ui, self.refresh)
        self.labels = LabelSection(ui, self.refresh, changed)
        self._hand_over = HandOver(self._tell)
        ui.sourceBox.connect("currentIndexChanged(int)", self.refresh)
        for name in PATHS.values():
            getattr(ui, name).connect("currentPathChanged(QString)", self.refresh)
        ui.ctList.connect("itemChanged(QListWidgetItem*)", self._on_item)
        ui.validationBox.connect("currentIndexChanged(int)", self._on_item)
        self.learning.follow()

    # -- what is chosen ---------------------------------------------------------------------------
    def path(self, name: str) -> str:
        """A path of the panel: config, data or run."""
        return getattr(self._ui, PATHS[name]).currentPath

    @property
    def source(self) -> int:
        """Where the CTs are named."""
        return self._ui.sourceBox.currentIndex

    @property
    def _learns_names(self) -> bool:
        """Whether named bones are learned, from CTs that are chosen here."""
        return self.learning.fewest_bones > 0 and self.source in (FOLDER, SCENE)

    @property
    def lists_scene(self) -> bool:
        """Whether CTs are chosen from the scene."""
        return self.source == SCENE

    def checked(self) -> list[int]:
        """Numbers of the CTs that are ticked."""
        widget = self._ui.ctList
        ticked = qt.Qt.Checked
        return [n for n in range(widget.count) if widget.item(n).checkState() == ticked]

    def why_not(self) -> str:
        """Why there is nothing to train on, or an empty text."""
        if not Path(self.path("config")).is_file():
            return _("Choose a training configuration (.toml)")
        if self.source == DATASET:
            if self.learning.fewest_bones:
                return _("A data set has no names of bones: take CTs of a folder or of the scene")
            return "" if is_dataset(self.path("data")) else _("Choose the folder of a data set")
        if self.source != SCENE and not Path(self.path("data") or "/nowhere").is_dir():
            return _("Choose the folder of the CTs")
        if self.source == CONFIGURATION:
            if self.learning.fewest_bones and not names_cts(self.path("config")):
                return _("The configuration names no CT: take those of a folder or of the scene")
            return ""
        if not self._names:
            where = _("scene") if self.source == SCENE else _("folder")
            return _("There is no CT in the {where}").format(where=where)
        if not self._used():
            return self._labels_missing() or _("Tick a CT to train on, besides the one kept out")
        return self._labels_missing() or self._other_bones()

    def _labels_missing(self) -> str:
        if not self._learns_names:
            return ""
        return self.labels.why_not(self._used(), self._kept_out(), self.learning.fewest_bones)

    def _other_bones(self) -> str:
        """Why the model to start from does not fit the bones to learn, or an empty text."""
        names = self.learning.structures()
        if not self._learns_names or not names or set(names) == set(self.labels.structures()):
            return ""
        text = _("{model} names other bones: tick {names}, or start from nothing")
        return text.format(model=self.learning.start_from, names=", ".join(names))

    def _used(self) -> list[int]:
        return [n for n in self.checked() if n != self._kept_out()]

    def _kept_out(self) -> int:
        place = self._ui.validationBox.currentIndex - 1
        return self._usable[place] if 0 <= place < len(self._usable) else -1

    # -- the panel --------------------------------------------------------------------------------
    def refresh(self, *_arguments: Any) -> None:
        """The source, a path or the scene changed: list the CTs there are."""
        self.learning.follow()
        self._names = self._list_cts()
        self.labels.show(self._learns_names)
        if self._learns_names and self.source == FOLDER:
            self.labels.follow_folder(self.path("data"), self._names)
        elif self._learns_names:
            self.labels.follow_nodes(self._nodes)
        rows = self._made_rows()
        if rows != self._rows:
            self._rows = rows
            self._fill_lists()
        ui, chosen = self._ui, self.source in (FOLDER, SCENE)
        for widget in (ui.ctList, ui.validationBox, ui.licenceEdit):
            widget.enabled = chosen
        ui.ctList.visible = chosen
        ui.dataEdit.enabled = self.source != SCENE
        self._changed()

    def _made_rows(self) -> list[tuple[str, bool]]:
        """Text of each CT, and whether it can be ticked."""
        if not self._learns_names:
            return [(name, True) for name in self._names]
        if self.labels.is_reading:
            return [(name, False) for name in self._names]
        with_labels, left_out = _("{ct} with {labels}"), _("{ct} is left out: {reason}")
        return [
            (left_out.format(ct=ct.path, reason=ct.reason), False) if ct.reason
            else (with_labels.format(ct=ct.path, labels=ct.labels), True)
            for ct in self.labels.cts
        ]  # fmt: skip

    def _on_item(self, *_arguments: Any) -> None:
        self._changed()

    @property
    def is_writing(self) -> bool:
        """Whether CTs of the scene are being written."""
        return self._hand_over.is_writing

    def _list_cts(self) -> list[str]:
        if self.source == FOLDER:
            return cts_in_folder(self.path("data")) if self.path("data") else []
        if self.source == SCENE:
            nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            self._nodes = [
                n for n in nodes
                if n.GetImageData() is not None and min(n.GetImageData().GetDimensions()) > 1
                and n.GetClassName() == "vtkMRMLScalarVolumeNode"
            ]  # fmt: skip
            return [n.GetName() for n in self._nodes]
        return []

    def _fill_lists(self) -> None:
        """Fill the list of CTs, a box to tick before each that can be used."""
        widget, box = self._ui.ctList, self._ui.validationBox
        kept, ticked = box.currentText, self.checked()
        dropped = {widget.item(n).text() for n in self._usable if n not in ticked}
        widget.blockSignals(True)
        box.blockSignals(True)
        widget.clear()
        box.clear()
        box.addItem(_("no CT"))
        self._usable = [n for n, (_text, is_usable) in enumerate(self._rows) if is_usable]
        for number, (text, is_usable) in enumerate(self._rows):
            item = qt.QListWidgetItem(text)
            item.setToolTip(text)
            if is_usable:
                item.setCheckState(qt.Qt.Unchecked if text in dropped else qt.Qt.Checked)
                box.addItem(self._names[number])
            widget.addItem(item)
        box.currentIndex = max(0, box.findText(kept))
        widget.blockSignals(False)
        box.blockSignals(False)

    # -- the configuration ------------------------------------------------------------------------
    def configure(self, run: Path, ready: Found, failed: Callable[[], None]) -> None:
        """Call `ready(config, data root)` once the chosen CTs are where a child can read them.

        CTs of the scene are written into `run` first, by a thread.
        """
        config, data = Path(self.path("config")), self.path("data")
        if self.source == CONFIGURATION:
            ready(config, data)
            return
        if self.source == DATASET:
            ready(write_dataset_choice(run, config, data), "")
            return
        self._hand_over.start(run, self._chosen(config, data), ready, failed)

    def _chosen(self, config: Path, data: str) -> Chosen:
        kept = self._kept_out()
        used = sorted({*self.checked(), *([kept] if kept >= 0 else [])})
        chosen = Chosen(
            config, data, [self._names[n] for n in used], used.index(kept) if kept >= 0 else -1,
            self._ui.licenceEdit.text.strip(), used,
            [self._nodes[n] for n in used] if self.source == SCENE else [],
        )  # fmt: skip
        if not self._learns_names:
            return chosen
        segmentations = self.labels.segmentations
        names, model = self.learning.structures(), self.learning.model()
        return dataclasses.replace(
            chosen,
            segmentations=[segmentations[n] for n in used] if segmentations else [],
            labelled=[self.labels.cts[n] for n in used],
            structures=names or self.labels.structures(),
            network=model.card.network or None if model else None,
        )

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.dataStatus.text = message

    def stop(self) -> None:
        """End what goes on; nothing of it will arrive."""
        self._hand_over.stop()

    def close(self) -> None:
        """The panel goes."""
        self.stop()
        self.labels.stop()
