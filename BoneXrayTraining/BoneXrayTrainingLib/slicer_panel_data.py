"""The training panel's first section: what to train on, and what to start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from BoneXrayLib.models import list_models
from BoneXrayLib.slicer_jobs import Job
from BoneXrayLib.slicer_messages import errors_shown, show_error
from BoneXrayLib.slicer_nodes import volume_from_node
from BoneXrayLib.volume_files import write_image_file

from .choices import cts_in_folder, is_dataset, plain_name, write_choice, write_dataset_choice

CONFIGURATION, FOLDER, SCENE, DATASET = range(4)
"""Where the CTs are named: entries of the box."""
PATHS = {"config": "configEdit", "data": "dataEdit", "run": "runEdit"}
"""User setting -> the widget that shows it."""
Found = Callable[[Path, str], None]


class DataSection:
    """Chooses CTs and hands over a configuration of them."""

    def __init__(self, ui: Any, changed: Callable[[], None]) -> None:
        self._ui, self._changed = ui, changed
        self._nodes: list[Any] = []
        self._names: list[str] = []
        self._job: Job | None = None
        ui.sourceBox.connect("currentIndexChanged(int)", self.refresh)
        for name in PATHS.values():
            getattr(ui, name).connect("currentPathChanged(QString)", self.refresh)
        ui.ctList.connect("itemChanged(QListWidgetItem*)", self._on_item)
        ui.validationBox.connect("currentIndexChanged(int)", self._on_item)
        self.list_models()

    # -- what is chosen ---------------------------------------------------------------------------
    def path(self, name: str) -> str:
        """A path of the panel: config, data or run."""
        return getattr(self._ui, PATHS[name]).currentPath

    @property
    def source(self) -> int:
        """Where the CTs are named."""
        return self._ui.sourceBox.currentIndex

    @property
    def lists_scene(self) -> bool:
        """Whether CTs are chosen from the scene."""
        return self.source == SCENE

    @property
    def start_from(self) -> str:
        """Name of the model to start from; empty for none."""
        box = self._ui.startFromBox
        return box.currentText if box.currentIndex > 0 else ""

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
            return "" if is_dataset(self.path("data")) else _("Choose the folder of a data set")
        if self.source != SCENE and not Path(self.path("data") or "/nowhere").is_dir():
            return _("Choose the folder of the CTs")
        if self.source == CONFIGURATION:
            return ""
        if not self._names:
            where = _("scene") if self.source == SCENE else _("folder")
            return _("There is no CT in the {where}").format(where=where)
        if not self._used():
            return _("Tick a CT to train on, besides the one kept out")
        return ""

    def _used(self) -> list[int]:
        return [n for n in self.checked() if n != self._kept_out()]

    def _kept_out(self) -> int:
        return self._ui.validationBox.currentIndex - 1

    # -- the panel --------------------------------------------------------------------------------
    def refresh(self, *_arguments: Any) -> None:
        """The source, a path or the scene changed: list the CTs there are."""
        names = self._list_cts()
        if names != self._names:
            self._names = names
            self._fill_lists()
        ui, chosen = self._ui, self.source in (FOLDER, SCENE)
        for widget in (ui.ctList, ui.validationBox, ui.licenceEdit):
            widget.enabled = chosen
        ui.ctList.visible = chosen
        ui.dataEdit.enabled = self.source != SCENE
        self._changed()

    def _on_item(self, *_arguments: Any) -> None:
        self._changed()

    @property
    def is_writing(self) -> bool:
        """Whether CTs of the scene are being written."""
        return self._job is not None

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
        widget, box = self._ui.ctList, self._ui.validationBox
        widget.blockSignals(True)
        box.blockSignals(True)
        widget.clear()
        box.clear()
        box.addItem(_("no CT"))
        for name in self._names:
            item = qt.QListWidgetItem(name)
            item.setCheckState(qt.Qt.Checked)
            widget.addItem(item)
            box.addItem(name)
        widget.blockSignals(False)
        box.blockSignals(False)

    def list_models(self) -> None:
        """Offer the models there are to start from; the one that was chosen stays."""
        box, chosen = self._ui.startFromBox, self.start_from
        box.clear()
        box.addItem(_("nothing learned yet"))
        with errors_shown(_("The models could not be listed.")):
            for model in list_models(task="extract"):
                box.addItem(model.card.name)
        box.currentIndex = max(0, box.findText(chosen)) if chosen else 0

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
        used = sorted({*self.checked(), *([self._kept_out()] if self._kept_out() >= 0 else [])})
        if self.source == FOLDER:
            names = [self._names[n] for n in used]
            ready(self._choice(run, config, data, names, used), "")
            return
        names = [f"{n + 1}-{plain_name(self._names[n])}.nrrd" for n in used]
        volumes = [volume_from_node(self._nodes[n]) for n in used]
        root = run / "ct"

        def write(progress: Any, is_cancelled: Callable[[], bool]) -> None:
            root.mkdir(parents=True, exist_ok=True)
            for n, (name, volume) in enumerate(zip(names, volumes, strict=True)):
                progress(n / len(names), _("writing {name}").format(name=name))
                if not is_cancelled():
                    write_image_file(root / name, volume.hu, volume.ijk_to_ras)

        def written(_result: Any) -> None:
            self._job = None
            ready(self._choice(run, config, str(root), names, used), "")

        def broken(error: Exception | None = None) -> None:
            self._job = None
            if error is not None:
                show_error(_("The CTs could not be written."), error)
            failed()

        self._job = Job(write, written, broken, self._tell, broken).start()

    def _choice(self, run: Path, config: Path, root: str, names: list, used: list) -> Path:
        kept = names[used.index(self._kept_out())] if self._kept_out() in used else ""
        return write_choice(run, config, root, names, kept, self._ui.licenceEdit.text.strip())

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.dataStatus.text = message

    def stop(self) -> None:
        """End what goes on; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._job = None
