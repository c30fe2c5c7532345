"""The panel's group "Bones apart": a model, masks, layers, and how far each is faded out."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from .slicer_about import about_models, is_one_slice, warnings_of
from .slicer_jobs import Job
from .slicer_layer_looks import LAYER_LAYOUTS, hide_overlap, show_layers, show_overlaps
from .slicer_layer_nodes import LayerNodes, nodes_of, separations_of, shares_of
from .slicer_layers import layer_nodes, set_shares
from .slicer_messages import errors_shown, show_error
from .slicer_outlines import segment_colours
from .slicer_packages import ensure_packages
from .slicer_panel_fades import FadeSliders
from .slicer_parameters import is_same
from .slicer_results import INPUT_ROLE
from .slicer_segments import segmentations_of
from .slicer_views import SideBySide


class LayersSection:
    """Runs a model that pulls bones apart and fades its layers."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        self._ui, self._logic, self._views = ui, logic, views
        self._parameters: Any = None
        self._radiograph: Any = None
        self._models: list[Any] = []
        self._job: Job | None = None
        self._looks: tuple[Any, ...] | None = None
        self.fades = FadeSliders(ui.fadesWidget, ui.fadesLabel, self.on_fade)
        ui.separateButton.connect("clicked(bool)", self.on_separate)
        ui.separateModelBox.connect("currentIndexChanged(int)", self.on_model)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._say("")
            self._looks = None
        self._parameters = None
        if parameters is None:
            return
        _name_sources(self._ui.masksBox)
        self._list_models(parameters.separate_model)
        self._parameters = parameters
        self._radiograph = parameters.radiograph
        self.update()

    def update(self) -> None:
        """The choices changed: enable the button or say why not, show the layers as wanted."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.radiograph is not self._radiograph:
            self._radiograph = parameters.radiograph
            self._take_up()
            return  # which set a choice, so this was called again
        if parameters.masks is None and parameters.segments is not None:
            parameters.masks = parameters.segments
        self._describe()
        self._ui.masksSelector.enabled = parameters.masks_from == "segments"
        if self._job is None:
            reason = self._why_not()
            self._ui.separateButton.enabled = not reason
            self._ui.separateButton.toolTip = reason or _(
                "Find what each bone adds to the radiograph, with the chosen model"
            )
        self._look()

    def stop(self) -> None:
        """End the work; nothing of it will arrive."""
        if self._job is not None:
            self._job.abandon()
            self._idle()

    def on_model(self, index: int) -> None:
        """Another model was chosen."""
        if self._parameters is not None and 0 <= index < len(self._models):
            self._parameters.separate_model = self._models[index].card.name

    def on_separate(self, _checked: bool = False) -> None:
        """Pull the bones apart, or cancel that."""
        if self._job is not None:
            self._job.cancel()
            return
        with errors_shown(_("The bones could not be pulled apart.")):
            ensure_packages()
            chosen = self._parameters
            source, config = chosen.radiograph, chosen.separate_config()
            masks = chosen.masks if chosen.masks_from == "segments" else None
            work = self._logic.separation(source, config, masks)
            self._job = Job(
                work, lambda found: self._ended(found, source), self._failed,
                self._tell, self._cancelled,
            ).start()  # fmt: skip
            self._ui.separateButton.text = _("Cancel")
            self._ui.separateButton.toolTip = _("Stop pulling the bones apart")
            self._ui.separateProgress.visible = True

    def on_fade(self, layer: str, share: float) -> None:
        """A slider moved: bones of the same name fade in both visits."""
        chosen = self._parameters
        with errors_shown(_("The bone could not be faded.")):
            set_shares(chosen.faded, {layer: share})
            second = chosen.second_visit
            if second is not None and layer in shares_of(second):
                set_shares(second, {layer: share})
            self._show_faded()

    def _ended(self, found: Any, source: Any) -> None:
        self._idle()
        if not slicer.mrmlScene.IsNodePresent(source):
            return
        with errors_shown(_("The layers could not be shown.")):
            nodes = layer_nodes(found, source)
            self._looks = None  # its segments may be new
            self._parameters.faded = nodes.faded
            self.update()
            self._show_faded(LAYER_LAYOUTS[0])
            self._say(" ".join([_in_words(found, nodes), *warnings_of(source)]))

    def _show_faded(self, layout: str | None = None) -> None:
        chosen = self._parameters
        show_layers(self._views, chosen.faded, chosen.second_visit, chosen.layer_colours, layout)

    def _take_up(self) -> None:
        """Another radiograph: its own last layers are what the sliders move now."""
        parameters, source = self._parameters, self._radiograph
        found = [] if source is None else separations_of(source)
        named = [] if source is None else segmentations_of(source)
        self._say("")
        masks = parameters.masks
        if masks is not None and masks.GetNodeReference(INPUT_ROLE) not in (None, source):
            parameters.masks = named[-1] if named else None
        parameters.faded = found[-1] if found else None
        self.update()

    def _look(self) -> None:
        """Sliders, outline and colours of what is chosen; nothing where it did not change."""
        chosen = self._parameters
        faded, second = chosen.faded, chosen.second_visit
        shares = {} if faded is None else shares_of(faded)
        looks = (faded, second, chosen.layer_colours, chosen.overlap_outline, shares)
        if looks == self._looks:
            return
        before, self._looks = self._looks, looks
        for gone in set(() if before is None else before[:2]) - {faded, second, None}:
            hide_overlap(gone)
        try:
            colours = {} if faded is None else segment_colours(nodes_of(faded).masks)
            self.fades.show(shares, colours)
            if faded is not None:
                show_overlaps(faded, second, chosen.overlap_outline)
                if before is not None and before[0] is faded and before[2] != looks[2]:
                    self._show_faded()
        except ValueError as error:  # some of it was deleted
            self.fades.show({}, {})
            self._say(str(error))

    def _failed(self, error: Exception) -> None:
        self._idle()
        self.update()
        show_error(_("The bones could not be pulled apart."), error)

    def _cancelled(self) -> None:
        self._idle()
        self.update()
        self._say(_("Cancelled."))

    def _tell(self, fraction: float, message: str) -> None:
        self._ui.separateProgress.value = round(100 * fraction)
        self._say(message)

    def _idle(self) -> None:
        self._job = None
        self._ui.separateButton.text = _("Pull bones apart")
        self._ui.separateProgress.visible = False
        self._ui.separateProgress.value = 0
        self._say("")

    def _say(self, text: str) -> None:
        self._ui.separateStatus.text = text

    def _list_models(self, chosen: str) -> None:
        with errors_shown(_("The models could not be listed.")):
            self._models = self._logic.separateModels()
        names = [model.card.name for model in self._models]
        box = self._ui.separateModelBox
        box.clear()
        for model in self._models:
            box.addItem(f"{model.card.name} {model.card.version}")
        box.enabled = bool(names)
        box.currentIndex = names.index(chosen) if chosen in names else -1

    def _describe(self) -> None:
        text = about_models(self._model(), self._models, [])
        if not self._models:
            text = _("There is no model that pulls bones apart yet.")
        if self._ui.separateModelText.toPlainText() != text:
            self._ui.separateModelText.setPlainText(text)

    def _model(self) -> Any:
        name = self._parameters.separate_model
        return next((m for m in self._models if m.card.name == name), None)

    def _why_not(self) -> str:
        """Why no bones can be pulled apart, or an empty text."""
        chosen = self._parameters
        node = chosen.radiograph
        if not self._models:
            return _("There is no model that pulls bones apart yet; train one, or add its folder")
        if node is None:
            return _("Select or load a radiograph")
        if not is_one_slice(node):
            return _("{name} is no radiograph: it has several slices").format(name=node.GetName())
        if self._model() is None:
            name = chosen.separate_model
            return _("There is no model named {name} that pulls bones apart").format(name=name)
        return self._no_masks()

    def _no_masks(self) -> str:
        """Why the masks that were chosen cannot be had, or an empty text."""
        chosen = self._parameters
        if chosen.masks_from == "segments" and chosen.masks is None:
            return _("Select a segmentation whose segments are the bones")
        if chosen.masks_from == "segment model" and chosen.segment_model not in [
            model.card.name for model in self._logic.segmentModels()
        ]:
            return _("Choose a model under Bones by name")
        return ""


def _in_words(found: Any, nodes: LayerNodes) -> str:
    return _("{count} layers and soft tissue, faded in {node}, by {model}.").format(
        count=len(found.names), node=nodes.faded.GetName(), model=found.model)  # fmt: skip


def _name_sources(box: Any) -> None:
    texts = (_("found by the model (upright joint)"), _("segments"), _("model under Bones by name"))
    for index, text in enumerate(texts):
        box.setItemText(index, text)
