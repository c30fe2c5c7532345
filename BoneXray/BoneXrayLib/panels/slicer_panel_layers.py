"""The panel's group "Bones apart": a model, masks, layers, and how far each is faded out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ..scene.slicer_about import warnings_of
from ..scene.slicer_jobs import Work
from ..scene.slicer_layer_looks import LAYER_LAYOUTS, hide_overlap, show_layers, show_overlaps
from ..scene.slicer_layer_nodes import LayerNodes, nodes_of, separations_of, shares_of
from ..scene.slicer_layers import layer_nodes, set_shares
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_outlines import segment_colours
from ..scene.slicer_parameters import MASKS_FROM, is_same
from ..scene.slicer_results import INPUT_ROLE
from ..scene.slicer_segments import segmentations_of
from ..scene.slicer_views import SideBySide
from .slicer_panel_fades import FadeSliders
from .slicer_panel_model import ModelSection, ModelWidgets, ModelWords


class LayersSection(ModelSection):
    """Runs a model that pulls bones apart and fades its layers."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        widgets = ModelWidgets(
            ui.separateButton, ui.separateProgress, ui.separateStatus, ui.separateModelBox,
            ui.separateModelText,
        )  # fmt: skip
        words = ModelWords(
            run=_("Pull bones apart"),
            can=_("Find what each bone adds to the radiograph, with the chosen model"),
            stop=_("Stop pulling the bones apart"),
            failed=_("The bones could not be pulled apart."),
            not_shown=_("The layers could not be shown."),
            none=_("There is no model that pulls bones apart yet."),
            none_named=_("There is no model named {name} that pulls bones apart"),
        )
        super().__init__(ui, logic, views, widgets, words, "separate_model", logic.separateModels)
        self._looks: tuple[Any, ...] | None = None
        self.fades = FadeSliders(ui.fadesWidget, ui.fadesLabel, self.on_fade)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self._looks = None
        if parameters is not None:
            _name_sources(self._ui.masksBox)
        super().follow(parameters)

    def update(self) -> None:
        """The choices changed: enable the button or say why not, show the layers as wanted."""
        chosen = self._parameters
        if chosen is not None:
            if chosen.masks is None and chosen.segments is not None:
                chosen.masks = chosen.segments
                if chosen.masks_from == MASKS_FROM[0]:
                    # Bones that were named are surer than bones that the model has to find.
                    chosen.masks_from = "segments"
            self._ui.masksSelector.enabled = chosen.masks_from == "segments"
        super().update()

    def on_fade(self, layer: str, share: float) -> None:
        """A slider moved: bones of the same name fade in both visits."""
        chosen = self._parameters
        with errors_shown(_("The bone could not be faded.")):
            set_shares(chosen.faded, {layer: share})
            second = chosen.second_visit
            if second is not None and layer in shares_of(second):
                set_shares(second, {layer: share})
            self._show_faded()

    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        chosen = self._parameters
        masks = chosen.masks if chosen.masks_from == "segments" else None
        work = self._logic.separation(source, chosen.separate_config(), masks)
        return work, lambda found: self._show(found, source)

    def _show(self, found: Any, source: Any) -> None:
        nodes = layer_nodes(found, source)
        self._looks = None  # its segments may be new
        self._parameters.faded = nodes.faded
        self._parameters.segment_fill = False  # it would cover what is faded
        self.update()
        self._show_faded(LAYER_LAYOUTS[0])
        self._say(" ".join([_in_words(found, nodes), *warnings_of(source)]))

    def _show_faded(self, layout: str | None = None) -> None:
        chosen = self._parameters
        show_layers(self._views, chosen.faded, chosen.second_visit, chosen.layer_colours, layout)

    def _take_up(self) -> None:
        parameters, source = self._parameters, self._radiograph
        found = [] if source is None else separations_of(source)
        named = [] if source is None else segmentations_of(source)
        masks = parameters.masks
        if masks is not None and masks.GetNodeReference(INPUT_ROLE) not in (None, source):
            parameters.masks = named[-1] if named else None
        if parameters.masks is None and parameters.masks_from == "segments":
            parameters.masks_from = MASKS_FROM[0]
        parameters.faded = found[-1] if found else None

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

    def _why_not(self) -> str:
        return super()._why_not() or self._no_masks()

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
