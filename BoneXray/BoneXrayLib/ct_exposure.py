"""From a CT to an exposed radiograph: its line integrals, once as they are and once by HU."""

from __future__ import annotations

import numpy as np

from .drr import Drr, DrrConfig, simulate
from .exposure import Exposed, expose_drr
from .physics.exposure_config import ExposureConfig
from .physics.thicknesses import EXPOSURE_EDGES, object_of_bins
from .progress import IsCancelled, Progress
from .projection import PreparedParts, prepare_ct, project_bins
from .volume import Volume


def expose_ct(
    volume: Volume,
    config: DrrConfig,
    exposure: ExposureConfig,
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    device: str = "auto",
) -> tuple[Drr, Exposed]:
    """Project a CT as `drr.simulate` does, and expose it.

    Args:
        volume: the CT.
        config: view, beam and bone window.
        exposure: tube, grid, detector.
        labels: (k, j, i) label map on the CT's grid.
        label_names: names of the labels.
        progress: told fraction and message.
        is_cancelled: asked between blocks of work.
        device: as in `drr.simulate`; by HU it is always projected on the processor.

    Raises:
        FileNotFoundError, ValueError: as `drr.simulate`; a collimator that closes.
        Cancelled: `is_cancelled()` became true.
    """

    def part(begin: float, end: float) -> Progress:
        def tell(fraction: float, message: str) -> None:
            if progress is not None:
                progress(begin + (end - begin) * fraction, message)

        return tell

    prepared: PreparedParts = prepare_ct(
        volume, config.bone_config(), labels, label_names, part(0.0, 0.3), is_cancelled
    )
    drr = simulate(volume, config, progress=part(0.3, 0.6), is_cancelled=is_cancelled,
                   prepared=prepared, device=device)  # fmt: skip
    view = project_bins(
        prepared, drr.geometry, EXPOSURE_EDGES, progress=part(0.6, 0.9), is_cancelled=is_cancelled
    )
    parts = object_of_bins(view, drr.bone)
    part(0.9, 1.0)(0.0, "exposing")
    return drr, expose_drr(drr, exposure, parts)
