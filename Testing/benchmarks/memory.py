"""Peak memory and time of a preview, in multiples of the CT's own bytes.

Run with `python Testing/benchmarks/memory.py [--ct FILE] [--voxels N] [--json FILE]`. Each preset
is measured in a fresh process: the CT in memory (1.0), prepared, one 512² view of rest and bone,
the bins of it, and the bone window set anew. What counts is the growth of the largest resident
size, the CT included. Libraries and compiled kernels, which do not grow with the CT, are there
before, as a tiny CT went through the same steps; their megabytes are printed. A segmentation's own
array is not counted. Exits with 1 when a bar is missed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import geometry_of
from projection import volume_of

from BoneXrayLib.bone import BoneConfig
from BoneXrayLib.projection import (
    can_flag,
    flag_bone,
    prepare_ct,
    project_bins,
    project_prepared,
)
from BoneXrayLib.volume import Volume

BAR = 2.5
BARRED = ("bone", "400-800", "cortical")
CASES = (*BARRED, "labels", "soft-ramp")
LABELS_A_SIDE = 4


def resident_bytes(largest: bool = True) -> int:
    """The resident size of this process: the largest so far, or that of now.

    Not by getrusage: what that says of a child begins with the size of its parent.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(f"{'VmHWM' if largest else 'VmRSS'}:\\s*(\\d+) kB", status)[1])


def labels_of(shape: tuple[int, ...]) -> np.ndarray:
    """Boxes in the middle of a grid, (k, j, i) uint8: as a segmentation, not part of the peak."""
    labels = np.zeros(shape, np.uint8)
    side = [n // (2 * LABELS_A_SIDE) for n in shape]
    for n, place in enumerate(np.ndindex((LABELS_A_SIDE,) * 3)):
        box = tuple(
            slice(length // 4 + at * step, length // 4 + at * step + step // 2)
            for length, at, step in zip(shape, place, side, strict=True)
        )
        labels[box] = n + 1
    return labels


def preview(ct: str, case: str) -> dict[str, float]:
    """Seconds of each step, and the growth of memory over the CT's bytes after each."""
    matrix = np.load(ct.replace(".npy", "-matrix.npy"))
    labels = labels_of(np.load(ct, mmap_mode="r").shape) if case == "labels" else None
    tiny = np.diag([-4.0, -4.0, 4.0, 1.0])
    few = None if labels is None else labels_of((32, 32, 32))
    began = resident_bytes(False)
    steps(lambda: Volume(np.load(ct, mmap_mode="r")[:32, :32, :32].copy(), tiny), case, few)
    before = resident_bytes(False)
    found = steps(lambda: Volume(np.load(ct), matrix), case, labels)
    size = int(np.prod(np.load(ct, mmap_mode="r").shape)) * 2
    seconds = {f"{name}_s": round(spent, 3) for name, (spent, _) in found.items()}
    over = {f"{name}_over_ct": round((at - before) / size, 3) for name, (_, at) in found.items()}
    return seconds | over | {"kernels_mb": (before - began) >> 20}


def steps(
    read: Callable[[], Volume], case: str, labels: np.ndarray | None
) -> dict[str, tuple[float, int]]:
    """Seconds of each step of a preview, and the largest memory after it."""
    config = BoneConfig("bone" if labels is not None else case)
    window = BoneConfig(config.preset, hu=(250.0, 1500.0))
    geometry = geometry_of("AP")
    found: dict[str, tuple[float, int]] = {}

    def step(name: str, run: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        made = run()
        found[name] = time.perf_counter() - began, resident_bytes()
        return made

    volume = step("ct", read)
    prepared = step("prepare", lambda: prepare_ct(volume, config, labels))
    view = step("view", lambda: project_prepared(prepared, geometry))
    bins = step("bins", lambda: project_bins(prepared, geometry))
    if can_flag(prepared, window):
        step("new_window", lambda: flag_bone(prepared, window))
    # Until here a panel holds them all.
    del view, bins
    return found


def measure(ct: str) -> dict[str, dict[str, float]]:
    """`preview` of every case, the second of two processes: the first one may compile."""
    results = {}
    for case in CASES:
        call = [sys.executable, __file__, "--child", ct, case]
        runs = [subprocess.run(call, check=True, capture_output=True, text=True) for _ in range(2)]
        results[case] = json.loads(runs[1].stdout)
        print(f"{case:10}", results[case], flush=True)
    return results


def main() -> int:
    """Measure, print, compare with the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", type=Path, help="CT to resample; a phantom without")
    parser.add_argument("--voxels", type=int, default=512, help="grid side (512)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(preview(*asked.child)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ct = str(Path(folder) / "ct.npy")
        hu, matrix = volume_of(asked.ct, asked.voxels)
        np.save(ct, hu)
        np.save(ct.replace(".npy", "-matrix.npy"), matrix)
        results = measure(ct)
    peaks = {case: max(v for k, v in row.items() if "over" in k) for case, row in results.items()}
    missed = [case for case in BARRED if peaks[case] > BAR]
    report = {"ct_bytes": hu.nbytes, "steps": results, "peak_over_ct": peaks, "bar": BAR}
    print("peak over the CT's bytes:", peaks, "- bar", BAR, "- missed:", missed or "none")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
