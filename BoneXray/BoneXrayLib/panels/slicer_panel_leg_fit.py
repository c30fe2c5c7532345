"""The panel's group "Leg bones in 3D": shape models, the fit, what came of it, and its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from ..leg_scene.slicer_leg_markups import show_in_views, stop_placing
from ..leg_scene.slicer_leg_nodes import RECORD, export_leg, leg_nodes, legs_of, nodes_of_leg
from ..leg_scene.slicer_leg_scene import hide_leg, show_leg
from ..leg_scene.slicer_leg_words import in_words, what_is_missing
from ..scene.slicer_jobs import Work
from ..scene.slicer_layouts import LEG_LAYOUTS
from ..scene.slicer_messages import errors_shown
from ..scene.slicer_parameters import is_same
from ..scene.slicer_views import SideBySide, fit_three_d
from .slicer_panel_job import JobSection, JobWidgets, JobWords

FOLDER_SETTING = "BoneXray/LastLegFolder"


class LegFitSection(JobSection):
    """Rebuilds leg bones from what is drawn on radiographs and shows them in 3D."""

    def __init__(self, ui: Any, logic: Any, views: SideBySide) -> None:
        words = JobWords(
            run=_("Rebuild"),
            can=_("Fit the shape models to what is drawn on the radiographs"),
            stop=_("Stop the fit"),
            failed=_("The bones could not be rebuilt."),
            not_shown=_("The bones could not be shown."),
        )
        super().__init__(JobWidgets(ui.legButton, ui.legProgress, ui.legStatus), words)
        self._ui, self._logic, self._views = ui, logic, views
        self._boxes = {"femur": ui.legFemurBox, "tibia": ui.legTibiaBox}
        self._shapes: dict[str, list[Any]] = {"femur": [], "tibia": []}
        self._sources: list[Any] = []
        self._looks: tuple[Any, ...] | None = None
        for bone, box in self._boxes.items():
            box.connect("currentIndexChanged(int)", lambda row, bone=bone: self.on_model(bone, row))
        ui.legExportButton.connect("clicked(bool)", self.on_export)

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on; None, or another node's, ends all work."""
        if not is_same(parameters, self._parameters):
            self.stop()
            self._say("")
            self._sources, self._looks = [], None
        self._parameters = None
        if parameters is None:
            return
        self._list_models(parameters)
        self._parameters = parameters
        self.update()

    def update(self) -> None:
        """The choices changed: enable the button or say why not, show the result as wanted."""
        chosen = self._parameters
        if chosen is None:
            return
        sources = chosen.leg_radiographs()
        if sources != self._sources:
            self._sources = sources
            self._say("")
            found = [] if not sources else legs_of(sources[0])
            found = [table for table in found if self._images(table) == sources]
            chosen.leg = found[-1] if found else None
        self._offer()
        self._look()

    def on_model(self, bone: str, row: int) -> None:
        """Another shape model was chosen."""
        if self._parameters is not None and 0 <= row < len(self._shapes[bone]):
            setattr(self._parameters, f"leg_{bone}_model", self._shapes[bone][row].card.name)

    def on_export(self, _checked: bool = False) -> None:
        """Ask for a folder and write the bones into it."""
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder for the bones"),
            slicer.util.settingsValue(FOLDER_SETTING, ""),
        )  # fmt: skip
        if not folder:
            return
        with errors_shown(_("The bones could not be written.")):
            files = export_leg(self._parameters.leg, folder)
            qt.QSettings().setValue(FOLDER_SETTING, str(folder))
            self._say(_("Written to {folder}: {names}.").format(
                folder=folder, names=", ".join(files)))  # fmt: skip

    def _inputs(self) -> list[Any]:
        return self._parameters.leg_radiographs()

    def _work(self, source: Any) -> tuple[Work, Callable[[Any], None]]:
        chosen, sources = self._parameters, self._inputs()
        stop_placing()
        work = self._logic.legRebuilding(sources, chosen.leg_config(), chosen.leg_views())
        return work, lambda found: self._show(found, sources)

    def _show(self, found: Any, sources: list[Any]) -> None:
        nodes = leg_nodes(found, sources)
        self._views.show(LEG_LAYOUTS[len(sources) - 1], sources)
        show_in_views(sources)
        self._parameters.leg = nodes.measures
        self.update()
        fit_three_d()

    def _images(self, table: Any) -> list[Any]:
        try:
            return nodes_of_leg(table).radiographs
        except ValueError:  # some of it was deleted
            return []

    def _look(self) -> None:
        """Radiographs and contours of the result; nothing where it did not change."""
        chosen = self._parameters
        table = chosen.leg
        self._ui.legExportButton.enabled = table is not None
        looks = (table, chosen.leg_in_scene, table and table.GetAttribute(RECORD))
        if looks == self._looks:
            return
        self._looks = looks
        if table is None or not chosen.leg_in_scene:
            hide_leg()
        try:
            if table is not None:
                self._say(in_words(table))
                if chosen.leg_in_scene:
                    show_leg(table)
        except ValueError as error:  # some of it was deleted
            self._say(str(error))

    def _why_not(self) -> str:
        names = {bone: [m.card.name for m in models] for bone, models in self._shapes.items()}
        return what_is_missing(self._parameters, names)

    def _list_models(self, parameters: Any) -> None:
        for bone, box in self._boxes.items():
            with errors_shown(_("The models could not be listed.")):
                self._shapes[bone] = self._logic.shapeModels(bone)
            names = [model.card.name for model in self._shapes[bone]]
            chosen = getattr(parameters, f"leg_{bone}_model")
            box.clear()
            for model in self._shapes[bone]:
                box.addItem(model.card.title)
            box.enabled = bool(names)
            box.currentIndex = names.index(chosen) if chosen in names else -1
