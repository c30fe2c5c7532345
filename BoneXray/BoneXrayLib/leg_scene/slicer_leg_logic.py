"""The part of the module's logic that rebuilds leg bones; nodes in, nodes out."""

from __future__ import annotations

from typing import Any


class LegLogic:
    """Console calls of the panel's group "Leg bones in 3D".

    >>> logic.findLegFeatures([frontalNode, lateralNode])
    >>> made = logic.rebuildLeg([frontalNode, lateralNode])
    >>> logic.exportLeg(made.measures, "leg")
    """

    def findLegFeatures(self, radiographNodes: Any, config: Any = None, views: Any = None) -> Any:
        """Draw the features that the network finds; see `BoneXrayLib.legs.leg_config.LegConfig`."""
        from .slicer_leg_work import show_found

        config, views = self._of_leg(radiographNodes, config, views)
        found = self.legFinding(radiographNodes, config, views)(None, None)
        show_found(found, radiographNodes)
        return found

    def rebuildLeg(self, radiographNodes: Any, config: Any = None, views: Any = None) -> Any:
        """Rebuild bones from what is drawn on one radiograph or two.

        Returns nodes (measures: a table, bones: models by name, radiographs).
        """
        from .slicer_leg_nodes import leg_nodes

        config, views = self._of_leg(radiographNodes, config, views)
        leg = self.legRebuilding(radiographNodes, config, views)(None, None)
        return leg_nodes(leg, list(radiographNodes))

    def showLeg(self, measuresNode: Any) -> None:
        """Show a rebuilt leg's radiographs on their detectors, with its contours."""
        from .slicer_leg_scene import show_leg

        show_leg(measuresNode)

    def exportLeg(self, measuresNode: Any, folder: Any) -> Any:
        """Write a rebuilt leg's bones as STL, and its record."""
        from .slicer_leg_nodes import export_leg

        return export_leg(measuresNode, folder)

    def setLegGeometry(self, radiographNode: Any, path: Any, pixelMm: Any = None) -> None:
        """Take where tube and detector stood from a file: drr.json, matrix, or a C-arm's DICOM."""
        from .slicer_leg_work import set_geometry

        set_geometry(radiographNode, path, pixelMm)

    def featureModels(self) -> list[Any]:
        """Trained models that find the features of a leg."""
        from ..models import list_models

        return list_models(task="features")

    def shapeModels(self, bone: str) -> list[Any]:
        """Shape models of a bone."""
        from ..models import list_models

        return [m for m in list_models(task="reconstruct") if m.card.input.get("bone") == bone]

    def legFinding(self, radiographNodes: Any, config: Any, views: Any) -> Any:
        """Finding features as a function of arrays, work(progress, is_cancelled), for a thread."""
        from .slicer_leg_work import finding_work

        return finding_work(radiographNodes, config, views)

    def legRebuilding(self, radiographNodes: Any, config: Any, views: Any) -> Any:
        """Rebuilding bones as a function of arrays, work(progress, is_cancelled)."""
        from .slicer_leg_work import rebuilding_work

        return rebuilding_work(radiographNodes, config, views)

    def _of_leg(self, nodes: Any, config: Any, views: Any) -> tuple[Any, Any]:
        from ..legs.leg_config import LegConfig

        config = config or LegConfig()
        return config, list(views or config.view or [""] * len(nodes))
