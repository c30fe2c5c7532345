"""The panel's second section: a radiograph, a model, its bones, and how strongly they show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ..extraction import ExtractConfig
from ..scene.slicer_about import about_radiograph, is_one_slice, warnings_of
from ..scene.slicer_jobs import Work
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_nodes import PREFIX, is_marked
from ..scene.slicer_packages import ensure_packages
from ..scene.slicer_results import (
    ExtractionNodes,
    bones_of,
    extraction_nodes,
    input_of,
    results_of,
    set_enhance,
)
from ..scene.slicer_views import SideBySide
from .slicer_panel_model import ModelSection, ModelWidgets, ModelWords, set_text

FILES = "Radiographs (*.dcm *.png *.jpg *.jpeg *.tif *.tiff *.nrrd);;All files (*)"
FOLDER_SETTING = "BoneXray/LastFolder"


class RadiographSection(ModelSection):
    """Loads radiographs, runs a model that extracts bones, moves the enhancement."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        widgets = ModelWidgets(
            ui.applyButton, ui.applyProgress, ui.resultStatus, ui.modelBox, ui.modelText
        )
        words = ModelWords(
            run=_("Extract bones"),
            can=_("Find the bones with the chosen model"),
            stop=_("Stop the extraction"),
            failed=_("The bones could not be extracted."),
            not_shown=_("The result could not be shown."),
            none=_("There is no trained model."),
            none_named=_("There is no trained model named {name}"),
        )
        super().__init__(ui, logic, views, widgets, words, "model", logic.models)
        ui.loadButton.connect("clicked(bool)", self.on_load)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if parameters is not None:
            _name_entries(self._ui.polarityBox)
        super().follow(parameters)

    def on_load(self) -> None:
        """Ask for a file and load it with our own reader."""
        folder = slicer.util.settingsValue(FOLDER_SETTING, "")
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Load radiograph"), folder, FILES
        )
        if not path:
            return
        with errors_shown(_("The radiograph could not be loaded.")):
            ensure_packages()
            config = self._parameters.extract_config()
            node = self._logic.loadRadiograph(path, config.pixel, config.polarity)
            qt.QSettings().setValue(FOLDER_SETTING, str(Path(path).parent))
            self._parameters.radiograph = node

    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        config = self._parameters.extract_config()
        work = self._logic.extraction(source, config)
        return work, lambda found: self._show_result(found, source, config)

    def _show_result(self, found: Any, source: Any, config: ExtractConfig) -> None:
        config.enhance = self._parameters.enhance  # which may have been moved meanwhile
        nodes = extraction_nodes(found, source, config)
        self._parameters.enhanced = nodes.enhanced
        self._show(source, nodes)

    def _show(self, source: Any, nodes: ExtractionNodes) -> None:
        shown = [node for node in (source, *nodes) if node is not None]
        layout = "extraction" if nodes.uncertainty is None else "extraction and uncertainty"
        self._views.show(layout, shown)
        made = ", ".join(node.GetName() for node in nodes if node is not None)
        text = _("{made}, by {model}.").format(
            made=made, model=nodes.bones.GetAttribute(PREFIX + "Model"))  # fmt: skip
        self._say(" ".join([text, *warnings_of(source)]))

    def _look(self) -> None:
        """Bring the last result to the slider's value, where it is not there yet."""
        enhanced = self._parameters.enhanced
        if enhanced is None or input_of(enhanced) is not self._parameters.radiograph:
            return
        shown = enhanced.GetAttribute(PREFIX + "Enhance")
        if shown != f"{self._parameters.enhance:g}":
            with errors_shown(_("The enhancement could not be changed.")):
                set_enhance(enhanced, self._parameters.enhance)

    def _take_up(self) -> None:
        source = self._radiograph
        found = [] if source is None else [n for n in results_of(source) if bones_of(n)]
        enhanced = found[-1] if found else None
        self._parameters.enhanced = enhanced
        if enhanced is not None:
            self._parameters.enhance = float(enhanced.GetAttribute(PREFIX + "Enhance"))
            self._show(source, ExtractionNodes(bones_of(enhanced), enhanced))
        elif source is not None and is_one_slice(source):
            self._views.show("radiograph", [source])

    def _list_models(self, chosen: str) -> None:
        super()._list_models(chosen)
        with errors_shown(_("The models could not be listed.")):
            self._refused = self._logic.refusedModels()

    def _describe(self) -> None:
        """What is known of the radiograph and of the model, in words."""
        node = self._parameters.radiograph
        set_text(self._ui.radiographText, "" if node is None else about_radiograph(node))
        known = node is not None and is_marked(node) and json.loads(
            node.GetAttribute(PREFIX + "PixelMm"))  # fmt: skip
        self._ui.spacingBox.enabled = not known
        super()._describe()


def _name_entries(box: Any) -> None:
    for index, text in enumerate((_("automatic"), _("bone bright"), _("bone dark"))):
        box.setItemText(index, text)
