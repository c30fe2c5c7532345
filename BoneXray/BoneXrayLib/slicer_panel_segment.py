"""The panel's group "Bones by name": a model, its segments on the radiograph, areas, export."""

from __future__ import annotations

from typing import Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from .segment_dicom import REQUIREMENT
from .segment_files import FORMS
from .slicer_about import about_models, is_one_slice, warnings_of
from .slicer_jobs import Job
from .slicer_messages import errors_shown, show_error
from .slicer_packages import ensure_packages
from .slicer_parameters import is_same
from .slicer_segments import (
    SegmentNodes,
    areas_of,
    export_segments,
    measure,
    segment_nodes,
    segmentations_of,
    show_segments,
)
from .slicer_views import SideBySide

FOLDER_SETTING = "BoneXray/LastSegmentsFolder"


class SegmentSection:
    """Runs a model that names bones, shows and measures its segments, writes them to files."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        self._ui, self._logic, self._views = ui, logic, views
        self._parameters: Any = None
        self._radiograph: Any = None
        self._models: list[Any] = []
        self._job: Job | None = None
        self._looks: tuple[Any, ...] | None = None
        names = (_("PNG masks"), _("Segmentation (.seg.nrrd)"), _("DICOM SEG"))
        for name in names:
            ui.exportBox.addItem(name)
        ui.segmentButton.connect("clicked(bool)", self.on_segment)
        ui.measureButton.connect("clicked(bool)", self.on_measure)
        ui.exportButton.connect("clicked(bool)", self.on_export)
        ui.segmentModelBox.connect("currentIndexChanged(int)", self.on_model)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._say("")
        self._parameters = None
        if parameters is None:
            return
        self._list_models(parameters.segment_model)
        self._parameters = parameters
        self._radiograph = parameters.radiograph
        self.update()

    def update(self) -> None:
        """The choices changed: enable the buttons or say why not, show segments as wanted."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.radiograph is not self._radiograph:
            self._radiograph = parameters.radiograph
            found = [] if self._radiograph is None else segmentations_of(self._radiograph)
            parameters.segments = found[-1] if found else None
            self._ui.segmentStatus.text = ""
        self._describe()
        if self._job is None:
            reason = self._why_not()
            self._ui.segmentButton.enabled = not reason
            self._ui.segmentButton.toolTip = reason or _("Name the bones with the chosen model")
        for button in (self._ui.measureButton, self._ui.exportButton):
            button.enabled = parameters.segments is not None
        self._look()

    def stop(self) -> None:
        """End the work; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_model(self, index: int) -> None:
        """Another model was chosen."""
        if self._parameters is not None and 0 <= index < len(self._models):
            self._parameters.segment_model = self._models[index].card.name

    def on_segment(self, _checked: bool = False) -> None:
        """Name the bones, or cancel that."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(_("The bones could not be named.")):
            ensure_packages()
            source, config = self._parameters.radiograph, self._parameters.segment_config()
            work = self._logic.segmentation(source, config)
            self._job = Job(
                work, lambda found: self._ended(found, source), self._failed,
                self._tell, self._cancelled,
            ).start()  # fmt: skip
            self._ui.segmentButton.text = _("Cancel")
            self._ui.segmentButton.toolTip = _("Stop naming the bones")
            self._ui.segmentProgress.visible = True

    def on_measure(self, _checked: bool = False) -> None:
        """Measure the segments as they are now."""
        with errors_shown(_("The segments could not be measured.")):
            table = measure(self._parameters.segments)
            self._say(_("Measured: {name}.").format(name=table.GetName()))

    def on_export(self, _checked: bool = False) -> None:
        """Ask for a folder and write the segments as they are now into it."""
        form = FORMS[self._ui.exportBox.currentIndex]
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the segments"),
            slicer.util.settingsValue(FOLDER_SETTING, ""),
        )  # fmt: skip
        if not folder:
            return
        with errors_shown(_("The segments could not be written.")):
            ensure_packages((REQUIREMENT,) if form == "dicom" else ())
            files = export_segments(self._parameters.segments, folder, (form,))
            qt.QSettings().setValue(FOLDER_SETTING, str(folder))
            self._say(_("Written to {folder}: {names}.").format(
                folder=folder, names=", ".join(files)))  # fmt: skip

    def _ended(self, found: Any, source: Any) -> None:
        self._idle()
        if not slicer.mrmlScene.IsNodePresent(source):
            return
        with errors_shown(_("The segments could not be shown.")):
            nodes = segment_nodes(found, source)
            self._parameters.segments = nodes.segments
            self._views.show("radiograph", [source])
            self.update()
            self._say(" ".join([_in_words(found, nodes), *warnings_of(source)]))

    def _look(self) -> None:
        """Show areas and outlines as wanted; what another module changed meanwhile stays."""
        chosen = self._parameters
        looks = (chosen.segments, chosen.segment_fill, chosen.segment_outline)
        if looks == self._looks or looks[0] is None or looks[0].GetDisplayNode() is None:
            return
        self._looks = looks
        show_segments(*looks)

    def _failed(self, error: Exception) -> None:
        self._idle()
        self.update()
        show_error(_("The bones could not be named."), error)

    def _cancelled(self) -> None:
        self._idle()
        self.update()
        self._say(_("Cancelled."))

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.segmentProgress.value = round(100 * fraction)
        self._say(message)

    def _idle(self) -> None:
        self._job = None
        self._ui.segmentButton.text = _("Segment bones")
        self._ui.segmentProgress.visible = False
        self._ui.segmentProgress.value = 0
        self._say("")

    def _say(self, text: str) -> None:
        self._ui.segmentStatus.text = text

    def _list_models(self, chosen: str) -> None:
        with errors_shown(_("The models could not be listed.")):
            self._models = self._logic.segmentModels()
        names = [model.card.name for model in self._models]
        box = self._ui.segmentModelBox
        box.clear()
        for model in self._models:
            box.addItem(f"{model.card.name} {model.card.version}")
        box.enabled = bool(names)
        box.currentIndex = names.index(chosen) if chosen in names else -1

    def _describe(self) -> None:
        text = about_models(self._model(), self._models, [])
        if not self._models:
            text = _("There is no model that names bones yet.")
        if self._ui.segmentModelText.toPlainText() != text:
            self._ui.segmentModelText.setPlainText(text)

    def _model(self) -> Any:
        name = self._parameters.segment_model
        return next((m for m in self._models if m.card.name == name), None)

    def _why_not(self) -> str:
        """Why no bones can be named, or an empty text."""
        node = self._parameters.radiograph
        if not self._models:
            return _("There is no model that names bones yet; train one, or add one's folder")
        if node is None:
            return _("Select or load a radiograph")
        if not is_one_slice(node):
            return _("{name} is no radiograph: it has several slices").format(name=node.GetName())
        if self._model() is None:
            name = self._parameters.segment_model
            return _("There is no model named {name} that names bones").format(name=name)
        return ""


def _in_words(found: Any, nodes: SegmentNodes) -> str:
    count = sum(bool(area) for area in found.areas().values())
    return _("{count} of {all} bones in {node}, areas in {table}, by {model}.").format(
        count=count, all=len(found.structures), node=nodes.segments.GetName(),
        table=areas_of(nodes.segments).GetName(), model=found.model)  # fmt: skip
