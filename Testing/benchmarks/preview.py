"""What a user of the panel waits for: first preview, a dragged bone window, a dragged orbit.

    python Testing/benchmarks/preview.py --ct CT [--empty-cache] [--json FILE]

Runs the real panel on Slicer's stand-in, without a screen. The event loop's longest hold is the
time in which the window could not have reacted; it should stay below 50 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", required=True, help="CT file or DICOM folder")
    parser.add_argument("--side", type=int, default=512, help="rows and columns of the detector")
    parser.add_argument(
        "--empty-cache", action="store_true", help="compile the projector as on a new computer"
    )
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.empty_cache:
            os.environ["NUMBA_CACHE_DIR"] = folder
        figures = measure(given.ct, given.side)
    for name, value in figures.items():
        print(f"{name:50s} {value:8.1f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(ct: str, side: int) -> dict[str, float]:
    """Times by name, ms."""
    from panels import drag, load_module, start_slicer, wait

    start_slicer()
    from standin import application

    from BoneXrayLib.scene.slicer_samples import node_from_volume
    from BoneXrayLib.volume import read_volume

    panel = application.open_panel(load_module("BoneXray"))
    panel.ui.rowsBox.value = panel.ui.columnsBox.value = side
    panel.ui.pixelBox.value = 512 / side
    node = node_from_volume(read_volume(ct))
    ready = Ready(panel)
    figures = ready.first(lambda: panel.ui.ctSelector.setCurrentNode(node), wait)
    for name, move, positions in (
        ("bone window", lambda v: setattr(panel.ui.huRange, "minimumValue", v), (205, 700, 100)),
        ("orbit", lambda v: setattr(panel.ui.orbitalSlider, "value", v), (1, 60, 20)),
        ("tilt", lambda v: setattr(panel.ui.tiltSlider, "value", v), (1, 20, 20)),
    ):
        wait(ready, 60)
        ready.moves.clear()
        steps = np.linspace(*positions).round().tolist()
        _, held = drag(lambda v, move=move: ready.timed(move, v), steps, lambda: None)
        figures[f"{name}, one step, median [ms]"] = 1e3 * float(np.median(ready.moves))
        figures[f"{name}, event loop held at most [ms]"] = held
        began = time.perf_counter()
        wait(ready, 60)
        figures[f"{name}, at rest until exact and sorted [ms]"] = ms_since(began)
    panel.cleanup()
    return figures


class Ready:
    """Whether the panel shows the exact image and has sorted its view; times of moves."""

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.moves: list[float] = []

    def __call__(self) -> bool:
        parameters = self.panel.logic.getParameterNode()
        config = parameters.drr_config()
        exact = self.panel.sections._sections[0]._preview._exact
        live = self.panel.logic.liveCt(parameters.ct)
        return exact is not None and exact.config == config and live.is_sorted(config)

    def timed(self, move: Any, value: float) -> None:
        """Move and note how long it took."""
        began = time.perf_counter()
        move(value)
        self.moves.append(time.perf_counter() - began)

    def first(self, choose: Any, wait: Any) -> dict[str, float]:
        """Times from choosing a CT to each of the first images."""
        status = self.panel.ui.ctStatus
        began = time.perf_counter()
        choose()
        figures = {}
        wait(lambda: "Coarse preview" in status.text, 120)
        figures["first coarse preview [ms]"] = ms_since(began)
        wait(lambda: status.text.startswith("Preview"), 120)
        figures["first exact preview [ms]"] = ms_since(began)
        wait(self, 120)
        figures["first view sorted [ms]"] = ms_since(began)
        return figures


def ms_since(began: float) -> float:
    """Milliseconds since a `time.perf_counter`."""
    return 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
