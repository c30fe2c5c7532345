"""The panel's group "Bones by name": a model, its segments on the radiograph, areas, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ..scene.slicer_about import as_warnings
from ..scene.slicer_jobs import Work
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_packages import ensure_packages
from ..scene.slicer_segments import (
    SegmentNodes,
    areas_of,
    export_segments,
    measure,
    segment_nodes,
    segmentations_of,
    show_segments,
)
from ..scene.slicer_views import SideBySide
from ..segment_files import FORMS
from ..segments.segment_dicom import REQUIREMENT
from .slicer_panel_model import ModelSection, ModelWidgets, ModelWords

FOLDER_SETTING = "BoneXray/LastSegmentsFolder"


class SegmentSection(ModelSection):
    """Runs a model that names bones, shows and measures its segments, writes them to files."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        widgets = ModelWidgets(
            ui.segmentButton, ui.segmentProgress, ui.segmentStatus, ui.segmentModelBox,
            ui.segmentModelText,
        )  # fmt: skip
        words = ModelWords(
            run=_("Segment bones"),
            can=_("Name the bones with the chosen model"),
            stop=_("Stop naming the bones"),
            failed=_("The bones could not be named."),
            not_shown=_("The segments could not be shown."),
            none=_("There is no model that names bones yet."),
            none_named=_("There is no model named {name} that names bones"),
        )
        super().__init__(ui, logic, views, widgets, words, "segment_model", logic.segmentModels)
        self._looks: tuple[Any, ...] | None = None
        names = (_("PNG masks"), _("Segmentation (.seg.nrrd)"), _("DICOM SEG"))
        for name in names:
            ui.exportBox.addItem(name)
        ui.measureButton.connect("clicked(bool)", self.on_measure)
        ui.exportButton.connect("clicked(bool)", self.on_export)

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

    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        work = self._logic.segmentation(source, self._parameters.segment_config())
        return work, lambda found: self._show(found, source)

    def _show(self, found: Any, source: Any) -> None:
        nodes = segment_nodes(found, source)
        self._parameters.segments = nodes.segments
        self._views.show("radiograph", [source])
        self._say(" ".join([_in_words(found, nodes), *as_warnings(found.warnings)]))

    def _take_up(self) -> None:
        found = [] if self._radiograph is None else segmentations_of(self._radiograph)
        self._parameters.segments = found[-1] if found else None

    def _look(self) -> None:
        """Show areas and outlines as wanted; what another module changed meanwhile stays."""
        chosen = self._parameters
        for button in (self._ui.measureButton, self._ui.exportButton):
            button.enabled = chosen.segments is not None
        looks = (chosen.segments, chosen.segment_fill, chosen.segment_outline)
        if looks == self._looks or looks[0] is None or looks[0].GetDisplayNode() is None:
            return
        self._looks = looks
        show_segments(*looks)


def _in_words(found: Any, nodes: SegmentNodes) -> str:
    count = sum(bool(area) for area in found.areas().values())
    return _("{count} of {all} bones in {node}, areas in {table}, by {model}.").format(
        count=count, all=len(found.structures), node=nodes.segments.GetName(),
        table=areas_of(nodes.segments).GetName(), model=found.model)  # fmt: skip
