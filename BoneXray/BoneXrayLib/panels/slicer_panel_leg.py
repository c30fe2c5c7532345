"""The panel's group "Leg bones in 3D": radiographs, how they were taken, features on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ..leg_scene.slicer_leg_markups import (
    is_drawn,
    remove,
    show_in_views,
    start_placing,
    stop_placing,
)
from ..leg_scene.slicer_leg_watch import DrawingWatch
from ..leg_scene.slicer_leg_work import set_geometry, show_found
from ..legs.leg_drawing import Item, items
from ..scene.slicer_about import is_one_slice, warnings_of
from ..scene.slicer_jobs import Work
from ..scene.slicer_layouts import LEG_LAYOUTS
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_views import SideBySide
from .slicer_panel_model import ModelSection, ModelWidgets, ModelWords

GEOMETRIES = "drr.json, matrices, C-arms (*.json *.txt *.dcm);;All files (*)"
FOLDER_SETTING = "BoneXray/LastFolder"


class LegFeaturesSection(ModelSection):
    """Finds features of leg bones by a network, and lets the user place and drag them."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        widgets = ModelWidgets(
            ui.legFindButton, ui.legFindProgress, ui.legFindStatus, ui.legFinderBox,
            ui.legFinderText,
        )  # fmt: skip
        words = ModelWords(
            run=_("Find features"),
            can=_("Draw what the chosen model finds, in place of what is drawn"),
            stop=_("Stop looking for features"),
            failed=_("The features could not be found."),
            not_shown=_("The features could not be shown."),
            none=_("There is no model that finds features yet: place them by hand below."),
            none_named=_("There is no model named {name} that finds features"),
        )
        super().__init__(ui, logic, views, widgets, words, "leg_finder", logic.featureModels)
        self._rows: list[tuple[int, Item]] = []
        self._watch = DrawingWatch(self._on_drawn)
        ui.legPlaceButton.connect("clicked(bool)", self.on_place)
        ui.legRemoveButton.connect("clicked(bool)", self.on_remove)
        ui.legFeatureList.connect("currentRowChanged(int)", lambda _row: self._offer_placing())
        ui.legGeometryButton.connect("clicked(bool)", lambda _checked: self.on_geometry(0))
        ui.legSecondGeometryButton.connect("clicked(bool)", lambda _checked: self.on_geometry(1))

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if parameters is None:
            self._watch.stop()
            stop_placing()
        super().follow(parameters)

    def on_place(self, _checked: bool = False) -> None:
        """Let the next click, or the next ones up to a right click, place what is chosen."""
        number, item = self._rows[self._ui.legFeatureList.currentRow]
        with errors_shown(_("It could not be placed.")):
            self._show_images()
            start_placing(self._parameters.leg_radiographs()[number], item)
            self._show_images()
            self._on_drawn()

    def on_remove(self, _checked: bool = False) -> None:
        """Take what is chosen off the radiograph."""
        number, item = self._rows[self._ui.legFeatureList.currentRow]
        remove(self._parameters.leg_radiographs()[number], item)
        self._on_drawn()

    def on_geometry(self, number: int) -> None:
        """Ask for a file that says where tube and detector stood, and read it."""
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Geometry of the radiograph"),
            slicer.util.settingsValue(FOLDER_SETTING, ""), GEOMETRIES,
        )  # fmt: skip
        if not path:
            return
        with errors_shown(_("The geometry could not be taken.")):
            source = self._parameters.leg_radiographs()[number]
            set_geometry(source, path, self._parameters.pixel_mm or None)
            self._show_images()
            self._parameters.Modified()

    def _inputs(self) -> list[Any]:
        return self._parameters.leg_radiographs()

    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        chosen, sources = self._parameters, self._inputs()
        work = self._logic.legFinding(sources, chosen.leg_config(), chosen.leg_views())
        return work, lambda found: self._show(found, sources)

    def _show(self, found: Any, sources: list[Any]) -> None:
        show_found(found, sources)
        self._show_images()
        self._on_drawn()
        said = [message for one in found for message in one.messages]
        self._say(" ".join([
            _("Drawn by {model}: drag what is not right.").format(model=found[0].model),
            *said, *(text for source in sources for text in warnings_of(source)),
        ]))  # fmt: skip

    def _show_images(self) -> None:
        """Each radiograph in a view of its own, what is drawn on it there and nowhere else."""
        sources = self._inputs()
        self._views.show(LEG_LAYOUTS[len(sources) - 1], sources)
        show_in_views(sources)

    def _on_drawn(self) -> None:
        if self._parameters is not None:
            self._parameters.Modified()

    def _take_up(self) -> None:
        stop_placing()

    def _look(self) -> None:
        """The list of what can be drawn, each with a mark where it is."""
        chosen, ui = self._parameters, self._ui
        sources = [node for node in chosen.leg_radiographs() if is_one_slice(node)]
        self._watch.follow(sources)
        ui.legSecondViewBox.enabled = ui.legSecondGeometryButton.enabled = len(sources) > 1
        ui.legGeometryButton.enabled = bool(sources)
        bones = chosen.leg_bones.split(" and ")
        self._rows = [(n, item) for n in range(len(sources)) for item in items(bones)]
        texts = [
            _in_words(item, is_drawn(sources[n], item), n + 1 if len(sources) > 1 else 0)
            for n, item in self._rows
        ]
        fill_list(ui.legFeatureList, texts)
        self._offer_placing()

    def _offer_placing(self) -> None:
        row = self._ui.legFeatureList.currentRow
        is_chosen = 0 <= row < len(self._rows)
        self._ui.legPlaceButton.enabled = is_chosen
        self._ui.legPlaceButton.toolTip = "" if is_chosen else _("Choose a feature in the list")
        self._ui.legRemoveButton.enabled = is_chosen and self._is_there(row)

    def _is_there(self, row: int) -> bool:
        number, item = self._rows[row]
        sources = self._inputs()
        return number < len(sources) and is_drawn(sources[number], item)


def fill_list(box: Any, texts: list[str]) -> None:
    """Lines of a list; the chosen one stays chosen."""
    if box.count != len(texts):
        row = box.currentRow
        box.clear()
        for text in texts:
            box.addItem(text)
        box.setCurrentRow(row if 0 <= row < len(texts) else 0)
        return
    for number, text in enumerate(texts):
        if box.item(number).text() != text:
            box.item(number).setText(text)


def _in_words(item: Item, is_there: bool, number: int) -> str:
    kinds = {
        "point": _("{name}: one click"),
        "ellipse": _("{name}, round: 3 clicks or more around it"),
        "outline": _("outline (may be left out): clicks along it"),
        "box": _("box (may be left out): 2 corners"),
    }
    text = kinds[item.kind].format(name=item.name.replace("_", " "))
    image = _("{number} · ").format(number=number) if number else ""
    return f"{'✓' if is_there else '–'} {image}{item.bone} {text}"
