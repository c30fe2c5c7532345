"""The part of the module's logic that names bones; nodes in, nodes out."""

from __future__ import annotations

from typing import Any


class SegmentLogic:
    """Console calls of the panel's group "Bones by name".

    >>> named = logic.segment(radiographNode)
    >>> logic.exportSegments(named.segments, "segments")
    """

    def segment(self, radiographNode: Any, config: Any = None) -> Any:
        """Name the bones; see `BoneXrayLib.segmentation.SegmentConfig` for what can be chosen.

        Returns nodes (segments: a segmentation, areas: a table), placed beneath the radiograph.
        """
        from ..segmentation import SegmentConfig
        from .slicer_segments import segment_nodes

        work = self.segmentation(radiographNode, config or SegmentConfig())
        return segment_nodes(work(None, None), radiographNode)

    def exportSegments(
        self, segmentationNode: Any, folder: Any, forms: Any = ("png", "nrrd")
    ) -> Any:
        """Write named bones as they are now, edited or not: png, nrrd (.seg.nrrd), dicom (SEG)."""
        from .slicer_segments import export_segments

        return export_segments(segmentationNode, folder, forms)

    def measureSegments(self, segmentationNode: Any) -> Any:
        """Fill the table of areas again, after segments were edited; returns its node."""
        from .slicer_segments import measure

        return measure(segmentationNode)

    def segmentModels(self) -> list[Any]:
        """Trained models that name bones, shipped ones and those in the user's folder."""
        from ..models import list_models

        return list_models(task="segment")

    def segmentation(self, radiographNode: Any, config: Any) -> Any:
        """Naming the bones as a function of arrays, work(progress, is_cancelled), for a thread."""
        from .slicer_segments import segmentation_work

        return segmentation_work(radiographNode, config)
