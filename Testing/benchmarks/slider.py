"""A step of the HU slider after the first render: its time, and its error beside a direct one."""

from __future__ import annotations

import dataclasses
import statistics
import time

import numpy as np
from accuracy import relative_rmse
from peers import DETECTOR_MM, geometry_of

from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.projection import BinnedView, PreparedParts, prepare, project_bins, project_bone

BARS_MS = {512: 5.0, 1024: 20.0}
ERROR_BAR = 0.01
LOWS = range(100, 1001, 3)
WINDOWS = (
    *((100.0, np.inf), (111.0, np.inf), (203.0, np.inf), (317.0, np.inf), (409.0, np.inf)),
    *((600.0, np.inf), (879.0, np.inf), (400.0, 801.0), (400.0, 700.0), (155.0, 233.0)),
)


def measure_slider(prepared: PreparedParts, hu: np.ndarray, matrix: np.ndarray) -> dict:
    """By view and detector side: milliseconds of all steps, and the largest error of `WINDOWS`."""
    found = {}
    for name in ("AP", "tilted"):
        for pixels in BARS_MS:
            pixel = DETECTOR_MM / pixels
            geometry = dataclasses.replace(
                geometry_of(name), pixel_mm=(pixel, pixel), size=(pixels, pixels)
            )
            view = project_bins(prepared, geometry)
            row = _steps(view) | {"bins_mb": view.above.nbytes >> 20}
            if pixels == min(BARS_MS):
                row["errors"] = {
                    f"{low:g} to {high:g} HU": _error(view, geometry, hu, matrix, low, high)
                    for low, high in WINDOWS
                }
            found[f"{name}, {pixels}"] = row
            print(f"slider {name} {pixels}", row, flush=True)
            del view
    return found


def _steps(view: BinnedView) -> dict[str, float]:
    """Each step is taken five times and its fastest counts; then over all steps."""
    taken, spent = [], []
    for low in LOWS:
        walls, works = [], []
        for _ in range(5):
            began, worked = time.perf_counter(), time.process_time()
            view.from_hu(float(low))
            walls.append(1e3 * (time.perf_counter() - began))
            works.append(1e3 * (time.process_time() - worked))
        taken.append(min(walls))
        spent.append(min(works))
    return {
        "median_ms": round(statistics.median(taken), 2),
        "max_ms": round(max(taken), 2),
        "cpu_median_ms": round(statistics.median(spent), 2),
        "cpu_max_ms": round(max(spent), 2),
    }


def _error(
    view: BinnedView, geometry: Geometry, hu: np.ndarray, matrix: np.ndarray, *window: float
) -> float:
    part = ((hu >= window[0]) & (hu < window[1])).astype(np.uint8)
    direct = project_bone(prepare(Parts(hu, matrix, part, None, ("rest", "bone"))), geometry)
    return float(f"{relative_rmse(view.window(*window), direct):.2g}")


def missed_by(found: dict) -> list[str]:
    """The bars that are missed, of untilted views for time and of all for error."""
    missed = []
    for name, row in found.items():
        pixels = int(name.split(", ")[1])
        if name.startswith("AP") and row["max_ms"] > BARS_MS[pixels]:
            missed.append(f"slider {name}: {row['max_ms']} ms, bar {BARS_MS[pixels]}")
        worst = max(row.get("errors", {"": 0.0}).values())
        if worst > ERROR_BAR:
            missed.append(f"slider {name}: error {worst}, bar {ERROR_BAR}")
    return missed
