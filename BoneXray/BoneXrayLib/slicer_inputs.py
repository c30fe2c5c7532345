"""What long work needs from the scene; of a simulation kept while the same CT is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drr import Drr, DrrConfig, exposure_geometry, simulate
from .extraction import ExtractConfig, extract
from .geometry import coarser
from .progress import IsCancelled, Progress
from .projection import PreparedParts, prepare_ct
from .slicer_jobs import Work
from .slicer_nodes import (
    ijk_to_world,
    labels_from_node,
    radiograph_from_node,
    volume_from_node,
)
from .volume import Volume

PREVIEW_SIDE = 192
"""Longer side of the preview [pixels]."""
COARSE_MM = 2.0
"""Voxels of the preview are left out up to this spacing, which its large pixels do not resolve."""


class SimulationInputs:
    """The last CT, its labels and what was prepared of them; a changed node is read again.

    Nodes are read where `work` is called, on the main thread; the function it gives back touches
    arrays only.
    """

    def __init__(self) -> None:
        self._volume: tuple[Any, Any] = (None, None)
        self._labels: tuple[Any, Any] = (None, (None, None))
        self._prepared: tuple[Any, PreparedParts | None] = (None, None)

    def work(
        self, ct: Any, config: DrrConfig, segmentation: Any = None, coarse: bool = False
    ) -> Work:
        """The simulation of these nodes as work(progress, is_cancelled) -> Drr.

        Args:
            ct: volume node.
            config: what to simulate.
            segmentation: node whose segments are the bones, or None.
            coarse: leave out voxels that a preview does not resolve; answers sooner.

        Raises:
            ValueError: what the nodes hold is no CT, or no labels of it.
        """
        if ct is None:
            raise ValueError("ct: none was given; expected a CT volume")
        volume_key = _volume_key(ct)
        if self._volume[0] != volume_key:
            self._volume = (volume_key, volume_from_node(ct))
        labels_key = (volume_key, _segmentation_key(segmentation))
        if self._labels[0] != labels_key:
            read = (None, None) if segmentation is None else labels_from_node(segmentation, ct)
            self._labels = (labels_key, read)
        volume, (labels, names) = self._volume[1], self._labels[1]
        parts_key = (labels_key, coarse, repr(config.bone_config()))

        def run(progress: Progress | None, is_cancelled: IsCancelled | None) -> Drr:
            seen, seen_labels = thinned(volume, labels) if coarse else (volume, labels)
            prepared = self._prepared[1] if self._prepared[0] == parts_key else None
            if prepared is None:
                if progress is not None:
                    progress(0.0, "finding bone")
                # The old ones go first: two would outweigh the CT twice.
                self._prepared = (None, None)
                bone = config.bone_config()
                prepared = prepare_ct(seen, bone, seen_labels, names, None, is_cancelled)
                self._prepared = (parts_key, prepared)
            geometry = None
            if coarse and config.pose is not None:
                geometry = coarser(exposure_geometry(config, volume), PREVIEW_SIDE)
            return simulate(seen, config, None, None, progress, is_cancelled, prepared, geometry)

        return run


def extraction_work(radiograph: Any, config: ExtractConfig) -> Work:
    """The extraction from this node as work(progress, is_cancelled) -> Extraction."""
    given = radiograph_from_node(radiograph, config.pixel)
    return lambda progress, is_cancelled: extract(
        given, config, progress=progress, is_cancelled=is_cancelled
    )


def thinned(volume: Volume, labels: np.ndarray | None) -> tuple[Volume, np.ndarray | None]:
    """Every n-th voxel along each axis, to `COARSE_MM` at most; labels alike.

    Leaving voxels out, unlike averaging them, keeps thin bone above its threshold.
    """
    steps = [max(1, int(COARSE_MM / mm)) for mm in volume.spacing_mm]
    steps = [min(s, n // 2) for s, n in zip(steps, volume.hu.shape[::-1], strict=True)]
    every = tuple(slice(step // 2, None, step) for step in steps[::-1])
    ijk_to_ras = volume.ijk_to_ras.copy()
    ijk_to_ras[:3, 3] += ijk_to_ras[:3, :3] @ [step // 2 for step in steps]
    ijk_to_ras[:3, :3] *= steps
    fewer = Volume(np.ascontiguousarray(volume.hu[every]), ijk_to_ras, volume.name, volume.notes)
    return fewer, None if labels is None else np.ascontiguousarray(labels[every])


def _volume_key(ct: Any) -> tuple[Any, ...]:
    image = ct.GetImageData()
    changed = None if image is None else image.GetMTime()
    return ct.GetID(), changed, ct.GetName(), ijk_to_world(ct, "ct").tobytes()


def _segmentation_key(segmentation: Any) -> tuple[Any, ...] | None:
    if segmentation is None:
        return None
    parts = (segmentation, segmentation.GetSegmentation(), segmentation.GetDisplayNode())
    return segmentation.GetID(), *(part.GetMTime() for part in parts if part is not None)
