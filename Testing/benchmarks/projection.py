"""Speed, memory and error of the projector beside its peers, on one volume and one geometry.

Run with `python Testing/benchmarks/projection.py [--ct FILE] [--voxels N] [--json FILE]`. All is
timed in one process, the contestants in turn, and medians and minima are printed: ours for a
frontal, a lateral, a rotated and a tilted view, for the same ITK-RTK's Joseph projector,
plastimatch's exact one (a program that times itself), nanodrr and DiffDRR on the CPU (`pip install
itk-rtk plastimatch nanodrr diffdrr`), and for the localizer scipy's product with the sparse matrix
of the same rays. Ratios within ours: rest and bone in one pass, bone alone, 64 bins of HU (into
memory of an earlier view). A step of the HU slider is timed besides. Error is relative RMSE against
the line integrals of solids known exactly; memory is what a process of each contestant's own takes.
What is not installed is named so. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from accuracy import PHANTOMS, grids, relative_rmse
from peer_memory import peak_memory
from peers import PEERS, SLOW, VIEWS, geometry_of, installed, peers_of, sparse_localizer
from slider import measure_slider, missed_by

from BoneXrayLib.attenuation import MU_WATER_70KEV
from BoneXrayLib.bone import Parts
from BoneXrayLib.phantoms import sample_on_grid
from BoneXrayLib.projection import prepare, project_bins, project_bone, project_prepared

BARS = {"AP": 6.0, "lateral": 6.0, "rotated": 6.0, "tilted": 3.5, "localizer": 3.0}
EDGES_64 = (-1000.0, *np.linspace(100.0, 1000.0, 63).round().tolist())
CEILINGS = {"fused": 1.36, "bone alone": 0.6, "64 bins": 2.5}
BONE_HU = 200


def volume_of(path: Path | None, voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """HU (k, j, i) int16 and ijk_to_ras, `voxels` a side, centred: a CT resampled or a phantom."""
    matrix = grids(voxels)["plain"]
    if path is None:
        hu = sample_on_grid(PHANTOMS["ellipsoids"], (voxels,) * 3, matrix) - 1000.0
        return np.rint(hu).astype(np.int16), matrix
    import SimpleITK as sitk

    image = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    spacing = [n * s / voxels for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    resample = sitk.ResampleImageFilter()
    resample.SetReferenceImage(image)
    resample.SetSize([voxels] * 3)
    resample.SetOutputSpacing(spacing)
    resample.SetDefaultPixelValue(-1000)
    hu = np.clip(np.rint(sitk.GetArrayFromImage(resample.Execute(image))), -1024, 3071)
    matrix = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    matrix[:3, 3] = -matrix[:3, :3] @ np.full(3, (voxels - 1) / 2)
    return hu.astype(np.int16), matrix


def timed(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict]:
    """Milliseconds of each, in turn, after one unmeasured run; of processor time besides.

    Processor time is that of all threads: on a busy machine the fairer of the two. A contestant
    that is a program of its own tells in `own_seconds` how long it projected.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for n in range(rounds):
        for name, run in contestants.items():
            if n >= SLOW.get(name, rounds):
                continue
            began, worked = time.perf_counter(), time.process_time()
            run()
            seconds = time.perf_counter() - began
            taken[name].append(1e3 * getattr(run, "own_seconds", seconds))
            if not hasattr(run, "own_seconds"):
                spent[name].append(1e3 * (time.process_time() - worked))
    return {
        name: {
            "median_ms": round(statistics.median(ms), 2),
            "min_ms": round(min(ms), 2),
            "cpu_min_ms": round(min(spent[name]), 2) if spent[name] else None,
        }
        for name, ms in taken.items()
    }


def errors(voxels: int) -> dict[str, dict[str, float]]:
    """Relative RMSE against exact line integrals, by phantom and view, ours and the peers'."""
    matrix = grids(voxels)["plain"]
    found: dict[str, dict[str, float]] = {}
    for name, solids in PHANTOMS.items():
        hu = np.rint(sample_on_grid(solids, (voxels,) * 3, matrix) - 1000.0).astype(np.int16)
        prepared = prepare(Parts(hu, matrix, np.zeros((1, 1, 1), np.uint8), None, ("rest",)))
        peers = peers_of(hu, matrix)
        for view in VIEWS:
            geometry = geometry_of(view)
            lines = (geometry.sources(), geometry.detector_points())
            exact = sum(s.line_integrals(*lines) for s in solids) * MU_WATER_70KEV / 1000.0
            row = {"ours": relative_rmse(project_prepared(prepared, geometry)[0], exact)}
            for peer, adapter in peers.items():
                row[peer] = relative_rmse(adapter.projector(geometry)(), exact)
            found[f"{name}, {view}"] = row
            print(f"error {name:10} {view:8}", {k: f"{v:.5f}" for k, v in row.items()}, flush=True)
    return found


def measure(hu: np.ndarray, matrix: np.ndarray, rounds: int) -> dict:
    """Times of all views, and what our own variants cost beside a plain view."""
    plain = prepare(Parts(hu, matrix, np.zeros((1, 1, 1), np.uint8), None, ("rest",)))
    part = (hu >= BONE_HU).astype(np.uint8)
    began = time.perf_counter()
    split = prepare(Parts(hu, matrix, part, None, ("rest", "bone")))
    seconds = time.perf_counter() - began
    del part
    bins = project_bins(plain, geometry_of("AP"), EDGES_64).above
    peers = peers_of(hu, matrix)
    times = {}
    for view in VIEWS:
        geometry = geometry_of(view)
        contestants: dict[str, Callable[[], object]] = {
            "ours": lambda g=geometry: project_prepared(plain, g),
            "fused": lambda g=geometry: project_prepared(split, g),
            "bone alone": lambda g=geometry: project_bone(split, g),
            "64 bins": lambda g=geometry: project_bins(plain, g, EDGES_64, out=bins),
            "one read of the volume": hu.max,
        }
        contestants |= {name: peer.projector(geometry) for name, peer in peers.items()}
        times[view] = timed(contestants, rounds)
        print(view, {k: tuple(v.values()) for k, v in times[view].items()}, flush=True)
    localizer = geometry_of("AP", "localizer")
    contestants = {
        "ours": lambda: project_prepared(plain, localizer),
        "scipy CSR": sparse_localizer(hu, matrix),
    }
    times["localizer"] = timed(contestants, rounds)
    print("localizer", times["localizer"], flush=True)
    return {
        "slider": measure_slider(plain, hu, matrix),
        "times": times,
        "prepare_s": round(seconds, 3),
        "prepared_over_ct": round(split.nbytes / hu.nbytes, 3),
    }


def ratios(times: dict[str, dict]) -> tuple[dict[str, float], list[str]]:
    """Speed over the peer and costs over a plain view, of minima; and the bars that are missed."""
    found, missed = {}, []
    for view, row in times.items():
        ours = row["ours"]["min_ms"]
        peer = row.get("itk-rtk") or row.get("scipy CSR")
        if peer is not None:
            found[f"{view}: times faster"] = round(peer["min_ms"] / ours, 2)
            worked = peer["cpu_min_ms"] / row["ours"]["cpu_min_ms"]
            found[f"{view}: times less processor time"] = round(worked, 2)
            if peer["min_ms"] < BARS[view] * ours:
                missed.append(f"{view}: {peer['min_ms'] / ours:.2f} times faster, bar {BARS[view]}")
        for name in PEERS.keys() & row.keys():
            faster = row[name]["min_ms"] / ours
            found[f"{view}: times faster than {name}"] = round(faster, 2)
            if faster <= 1.0:
                missed.append(f"{view}: {faster:.2f} times faster than {name}, bar above 1")
        for name, ceiling in CEILINGS.items():
            if name in row:
                cost = row[name]["min_ms"] / ours
                worked = row[name]["cpu_min_ms"] / row["ours"]["cpu_min_ms"]
                found[f"{view}: {name}"] = round(cost, 2)
                found[f"{view}: {name}, processor time"] = round(worked, 2)
                if cost > ceiling:
                    missed.append(f"{view}: {name} {cost:.2f}, bar {ceiling}")
        if "one read of the volume" in row:
            reads = ours / row["one read of the volume"]["min_ms"]
            found[f"{view}: reads of the volume"] = round(reads, 2)
    return found, missed


def main(argv: list[str] | None = None) -> int:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", type=Path, help="a CT to resample; the analytic phantom otherwise")
    parser.add_argument("--voxels", type=int, default=512, help="grid side (512)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(argv)
    there = installed()
    print(", ".join(f"{name} {told}" for name, told in there.items()), flush=True)
    hu, matrix = volume_of(options.ct, options.voxels)
    names = ["ours", *(name for name, told in there.items() if told != "not installed")]
    memory = peak_memory(names, hu, matrix)
    print("memory besides the CT, MB:", memory, flush=True)
    result = {"peers": there, "memory_mb": memory} | measure(hu, matrix, options.rounds)
    del hu
    result["errors"] = errors(options.voxels)
    result["ratios"], missed = ratios(result["times"])
    missed += missed_by(result["slider"])
    for name, value in result["ratios"].items():
        print(f"{name:40} {value:7.2f}")
    print("\n".join(f"MISSED {line}" for line in missed) or "all bars hold")
    if options.json:
        options.json.write_text(json.dumps(result | {"missed": missed}, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
