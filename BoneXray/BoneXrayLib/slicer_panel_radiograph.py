"""The panel's second section: a radiograph, a model, its bones, and how strongly they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from .slicer_about import about_models, about_radiograph, is_one_slice, warnings_of
from .slicer_jobs import Job
from .slicer_messages import errors_shown, show_error
from .slicer_nodes import PREFIX, is_marked
from .slicer_packages import ensure_packages
from .slicer_parameters import is_same
from .slicer_results import (
    ExtractionNodes,
    bones_of,
    extraction_nodes,
    input_of,
    results_of,
    set_enhance,
)
from .slicer_views import SideBySide

FILES = "Radiographs (*.dcm *.png *.jpg *.jpeg *.tif *.tiff *.nrrd);;All files (*)"
FOLDER_SETTING = "BoneXray/LastFolder"


class RadiographSection:
    """Loads radiographs, runs the model, moves the enhancement."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        self._ui, self._logic, self._views = ui, logic, views
        self._parameters: Any = None
        self._radiograph: Any = None
        self._models: list[Any] = []
        self._refused: list[Any] = []
        self._job: Job | None = None
        ui.loadButton.connect("clicked(bool)", self.on_load)
        ui.applyButton.connect("clicked(bool)", self.on_apply)
        ui.modelBox.connect("currentIndexChanged(int)", self.on_model)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
        self._parameters = None
        if parameters is None:
            return
        _name_entries(self._ui.polarityBox)
        self._list_models(parameters.model)
        self._parameters = parameters
        self._radiograph = parameters.radiograph
        self.update()

    def update(self) -> None:
        """The choices changed: enable Apply or say why not, move the enhancement."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.radiograph is not self._radiograph:
            self._radiograph = parameters.radiograph
            self._take_up_result()
        self._describe()
        reason = self._why_not()
        if self._job is None:
            self._ui.applyButton.enabled = not reason
            self._ui.applyButton.toolTip = reason or _("Find the bones with the chosen model")
        self._enhance()

    def stop(self) -> None:
        """End the extraction; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

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

    def on_model(self, index: int) -> None:
        """Another model was chosen."""
        if self._parameters is not None and 0 <= index < len(self._models):
            self._parameters.model = self._models[index].card.name

    def on_apply(self) -> None:
        """Extract the bones, or cancel that."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(_("The bones could not be extracted.")):
            ensure_packages()
            source, config = self._parameters.radiograph, self._parameters.extract_config()
            work = self._logic.extraction(source, config)
            self._job = Job(
                work, lambda found: self._ended(found, source, config), self._failed,
                self._tell, self._cancelled,
            ).start()  # fmt: skip
            self._ui.applyButton.text = _("Cancel")
            self._ui.applyButton.toolTip = _("Stop the extraction")
            self._ui.applyProgress.visible = True

    def _ended(self, found: Any, source: Any, config: Any) -> None:
        self._idle()
        if not slicer.mrmlScene.IsNodePresent(source):
            return
        with errors_shown(_("The result could not be shown.")):
            config.enhance = self._parameters.enhance
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
        self._ui.resultStatus.text = " ".join([text, *warnings_of(source)])

    def _failed(self, error: Exception) -> None:
        self._idle()
        show_error(_("The bones could not be extracted."), error)

    def _cancelled(self) -> None:
        self._idle()
        self._ui.resultStatus.text = _("Cancelled.")

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.applyProgress.value = round(100 * fraction)
        self._ui.resultStatus.text = message

    def _idle(self) -> None:
        self._job = None
        self._ui.applyButton.text = _("Extract bones")
        self._ui.applyProgress.visible = False
        self._ui.applyProgress.value = 0
        self._ui.resultStatus.text = ""

    def _enhance(self) -> None:
        """Bring the last result to the slider's value, where it is not there yet."""
        enhanced = self._parameters.enhanced
        if enhanced is None or input_of(enhanced) is not self._parameters.radiograph:
            return
        shown = enhanced.GetAttribute(PREFIX + "Enhance")
        if shown != f"{self._parameters.enhance:g}":
            with errors_shown(_("The enhancement could not be changed.")):
                set_enhance(enhanced, self._parameters.enhance)

    def _take_up_result(self) -> None:
        """Another radiograph: its own last result is what the slider moves now."""
        source = self._radiograph
        found = [] if source is None else [n for n in results_of(source) if bones_of(n)]
        enhanced = found[-1] if found else None
        self._parameters.enhanced = enhanced
        self._ui.resultStatus.text = ""
        if enhanced is not None:
            self._parameters.enhance = float(enhanced.GetAttribute(PREFIX + "Enhance"))
            self._show(source, ExtractionNodes(bones_of(enhanced), enhanced))
        elif source is not None and is_one_slice(source):
            self._views.show("radiograph", [source])

    def _list_models(self, chosen: str) -> None:
        """Fill the list of models, and say what the chosen one is."""
        with errors_shown(_("The models could not be listed.")):
            self._models = self._logic.models()
            self._refused = self._logic.refusedModels()
        names = [model.card.name for model in self._models]
        box = self._ui.modelBox
        box.clear()
        for model in self._models:
            box.addItem(f"{model.card.name} {model.card.version}")
        box.enabled = bool(names)
        box.currentIndex = names.index(chosen) if chosen in names else -1

    def _describe(self) -> None:
        """What is known of the radiograph and of the model, in words."""
        node = self._parameters.radiograph
        _set_text(self._ui.radiographText, "" if node is None else about_radiograph(node))
        known = node is not None and is_marked(node) and json.loads(
            node.GetAttribute(PREFIX + "PixelMm"))  # fmt: skip
        self._ui.spacingBox.enabled = not known
        _set_text(self._ui.modelText, about_models(self._model(), self._models, self._refused))

    def _model(self) -> Any:
        name = self._parameters.model
        return next((m for m in self._models if m.card.name == name), None)

    def _why_not(self) -> str:
        """Why no bones can be extracted, or an empty text."""
        node = self._parameters.radiograph
        if node is None:
            return _("Select or load a radiograph")
        if not is_one_slice(node):
            return _("{name} is no radiograph: it has several slices").format(name=node.GetName())
        if self._model() is None:
            return _("There is no trained model named {name}").format(name=self._parameters.model)
        return ""


def _set_text(box: Any, text: str) -> None:
    """New text in a read-only box; the same one keeps its place."""
    if box.toPlainText() != text:
        box.setPlainText(text)


def _name_entries(box: Any) -> None:
    for index, text in enumerate((_("automatic"), _("bone bright"), _("bone dark"))):
        box.setItemText(index, text)
