"""What long work needs from the scene; the CT looked at is kept ready between two images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..dicom.dicom_files import is_dicom
from ..domain import domain_warnings
from ..drr import Drr, DrrConfig
from ..exposure import Exposed, ExposureConfig, expose_drr
from ..extraction import ExtractConfig, extract
from ..live import LiveCt
from ..progress import IsCancelled, Progress
from ..radiograph import Radiograph
from .slicer_jobs import Work
from .slicer_nodes import (
    PREFIX,
    ijk_to_world,
    labels_from_node,
    node_from_radiograph,
    radiograph_from_node,
    volume_from_node,
)


class SimulationInputs:
    """The last CT with its labels, as a `LiveCt`; a changed node is read again."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._live: LiveCt | None = None

    def live(self, ct: Any, segmentation: Any = None, device: str = "auto") -> LiveCt:
        """These nodes' arrays, kept ready for projection. Call it on the main thread.

        Args:
            ct: volume node.
            segmentation: node whose segments are the bones, or None.
            device: where to project, as `drr.simulate` takes it.

        Raises:
            ValueError: what the nodes hold is no CT, or no labels of it.
        """
        if ct is None:
            raise ValueError("ct: none was given; expected a CT volume")
        key = (_volume_key(ct), _segmentation_key(segmentation))
        if self._live is None or self._key != key:
            self._key = self._live = None
            volume = volume_from_node(ct)
            labels = (None, None) if segmentation is None else labels_from_node(segmentation, ct)
            self._key, self._live = key, LiveCt(volume, *labels)
        self._live.device = device
        return self._live

    def work(
        self,
        ct: Any,
        config: DrrConfig,
        segmentation: Any = None,
        device: str = "auto",
        exposure: ExposureConfig | None = None,
    ) -> Work:
        """The simulation of these nodes as work(progress, is_cancelled), arrays only.

        It gives a Drr, and its exposure or None.
        """
        live = self.live(ct, segmentation, device)

        def simulated(progress: Progress, is_cancelled: IsCancelled) -> tuple[Drr, Exposed | None]:
            drr = live.simulate(config, progress, is_cancelled)
            return drr, None if exposure is None else expose_drr(drr, exposure)

        return simulated


def input_node(radiograph: Radiograph, file: Path | None = None) -> Any:
    """A new node of a radiograph that was read from a file; it keeps what looks odd about it.

    It remembers a DICOM file: what is written of it as DICOM belongs to that image.
    """
    node = node_from_radiograph(radiograph)
    if file is not None and is_dicom(file):
        node.SetAttribute(PREFIX + "File", str(file.resolve()))
    node.SetAttribute(PREFIX + "Warnings", json.dumps(domain_warnings(radiograph)))
    return node


def extraction_work(radiograph: Any, config: ExtractConfig) -> Work:
    """The extraction from this node as work(progress, is_cancelled) -> Extraction."""
    given = radiograph_from_node(radiograph, config.pixel)
    return lambda progress, is_cancelled: extract(
        given, config, progress=progress, is_cancelled=is_cancelled
    )


def _volume_key(ct: Any) -> tuple[Any, ...]:
    image = ct.GetImageData()
    changed = None if image is None else image.GetMTime()
    return ct.GetID(), changed, ct.GetName(), ijk_to_world(ct, "ct").tobytes()


def _segmentation_key(segmentation: Any) -> tuple[Any, ...] | None:
    if segmentation is None:
        return None
    parts = (segmentation, segmentation.GetSegmentation(), segmentation.GetDisplayNode())
    return segmentation.GetID(), *(part.GetMTime() for part in parts if part is not None)
