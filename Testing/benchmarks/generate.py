"""Data sets: samples a second by 1 and 2 workers, cost of a CT from 10 to 1000, kill and resume.

    python Testing/benchmarks/generate.py [--folder DIR] [--rounds N]

CTs are synthetic limbs that differ by a voxel. Workers have one thread each, and have made samples
before the clock starts. Prints JSON, ends with 1 where a bar is missed. `plain_times_faster` is
what two processes that know nothing of each other reach: what the computer allows. On a computer
that others use, look at `processor_times_faster`: what all processor time spent would allow.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

import numpy as np

from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.projection.workers import THREADS
from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.generation.config import GenerateConfig, GenerateSource
from BoneXrayTrainingLib.generation.plan import CtJob
from BoneXrayTrainingLib.generation.run import generate, planned
from BoneXrayTrainingLib.generation.schedule import crew
from BoneXrayTrainingLib.generation.watch import Watch
from BoneXrayTrainingLib.generation.work import make_ct
from BoneXrayTrainingLib.pairs import PairConfig

SPEED_BAR = 1.7
FLAT_BAR = 1.25
COUNTS = (10, 100, 1000)
KILLS = 3
DRAWS = 120
PARTS = ("workers", "flat", "kill")


def write_cts(folder: Path, limb: Volume, count: int) -> list[str]:
    """`count` limbs, each a file of its own content; their names."""
    folder.mkdir(parents=True)
    names = []
    for number in range(count):
        hu = limb.hu.copy()
        hu[0, 0, 0] = -1000 + number
        names.append(f"limb{number:04d}.nrrd")
        write_image_file(folder / names[-1], hu, limb.ijk_to_ras)
    return names


def config_of(root: Path, names: list[str], draws: int, size: int) -> GenerateConfig:
    """A data set of those limbs."""
    cts = tuple(GenerateSource(name, name, "MIT") for name in names)
    pairs = PairConfig(size=size)
    return GenerateConfig(ct=cts, data_root=str(root), draws=draws, shard=16, pairs=pairs)


def measure_workers(folder: Path, rounds: int, draws: int) -> dict:
    """Samples a second by 1 and 2 workers in turn, and by 2 processes without a scheduler."""
    names = write_cts(folder / "cts", synthetic_limb(2.0), 8)
    config = config_of(folder / "cts", names, draws, 256)
    found: dict[str, list[tuple[float, float, float]]] = {"1": [], "2": [], "plain": []}
    for _ in range(rounds):
        for kind, rows in found.items():
            if kind == "plain":
                rows.append(plain(config, folder / "set"))
            else:
                # A process of its own for each: neither finds what the other left in memory.
                with fresh() as process:
                    rows.append(process.submit(timed, config, folder / "set", int(kind)).result())
            shutil.rmtree(folder / "set")
    seconds, spent, besides = (
        {kind: statistics.median(row[n] for row in rows) for kind, rows in found.items()}
        for n in range(3)
    )
    count = draws * len(names)
    return {
        "samples": count,
        "samples_per_s": {kind: round(count / s, 2) for kind, s in seconds.items()},
        "times_faster": round(seconds["1"] / seconds["2"], 2),
        "plain_times_faster": round(seconds["1"] / seconds["plain"], 2),
        "processor_ms_per_sample": {kind: round(1e3 * s / count, 2) for kind, s in spent.items()},
        "scheduler_processor_share": round(besides["2"] / seconds["2"], 3),
        "processor_times_faster": round(2 * spent["1"] / spent["2"], 2),
    }


def fresh() -> ProcessPoolExecutor:
    """A new process."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


def timed(config: GenerateConfig, folder: Path, workers: int) -> tuple[float, float, float]:
    """Seconds once the workers are warm, processor seconds of all, and of the scheduler alone."""
    jobs, warm = planned(config, folder), warming(config, folder)
    with crew(workers, None, len(jobs)) as team:
        assert all(outcome.made for _, outcome in team.run(make_ct, warm, lambda: None))
        folder.mkdir(parents=True)
        watch = Watch(config, folder, jobs, None, None)
        began, own = time.monotonic(), time.process_time()
        outcomes = [outcome for _, outcome in team.run(make_ct, jobs, watch.tick)]
        seconds, own = time.monotonic() - began, time.process_time() - own
    assert sum(o.made for o in outcomes) == config.draws * len(jobs)
    if workers == 1:  # this process
        return seconds, own, 0.0
    return seconds, own + sum(o.processor_s for o in outcomes), own


def plain(config: GenerateConfig, folder: Path) -> tuple[float, float, float]:
    """The same by two processes, each with half the CTs and nobody to tell."""
    os.environ[THREADS] = "1"
    jobs, warm = planned(config, folder), warming(config, folder)
    with fresh() as one, fresh() as other:
        wait([process.submit(make_all, warm) for process in (one, other)])
        folder.mkdir(parents=True)
        began = time.monotonic()
        halves = [p.submit(make_all, jobs[n::2]) for n, p in enumerate((one, other))]
        spent = sum(half.result() for half in halves)
        return time.monotonic() - began, spent, 0.0


def make_all(jobs: list[CtJob]) -> float:
    """Make the jobs' samples; processor seconds of this process."""
    began = time.process_time()
    assert not any(make_ct(job).problem for job in jobs)
    return time.process_time() - began


def warming(config: GenerateConfig, folder: Path) -> list[CtJob]:
    """A few samples of several CTs, so that each worker has loaded all it needs."""
    few = dataclasses.replace(config, draws=12)
    return planned(few, Path(tempfile.mkdtemp(dir=folder.parent)))


def measure_flatness(folder: Path) -> dict:
    """Processor and wall time of a whole run a CT, from 10 to 1000 CTs."""
    names = write_cts(folder / "cts", synthetic_limb(4.0), max(COUNTS))
    found = {}
    for count in COUNTS:
        config = config_of(folder / "cts", names[:count], 4, 64)
        worked, began = time.process_time(), time.monotonic()
        made = generate(config, folder / f"set{count}", workers=1)
        assert made.samples == 4 * count
        found[str(count)] = {
            "processor_ms_per_ct": round(1e3 * (time.process_time() - worked) / count, 2),
            "wall_ms_per_ct": round(1e3 * (time.monotonic() - began) / count, 2),
        }
    costs = [row["processor_ms_per_ct"] for row in found.values()]
    return {"cts": found, "last_over_first": round(costs[-1] / costs[0], 3)}


def measure_kills(folder: Path) -> dict:
    """Kill a run of two workers at random moments, go on, and compare with one left alone."""
    names = write_cts(folder / "cts", synthetic_limb(4.0), 12)
    toml = folder / "set.toml"
    toml.write_text(
        'draws = 80\nshard = 4\n[[ct]]\npath = "*.nrrd"\npatient = "*"\nlicence = "MIT"\n'
        "[pairs]\nsize = 96\n"
    )
    command = [sys.executable, "-m", "BoneXrayTrainingLib", "generate", str(toml), "--data-root"]
    command += [str(folder / "cts"), "-o"]
    alone, killed = folder / "alone", folder / "killed"
    subprocess.run([*command, str(alone), "--workers", "1"], check=True, capture_output=True)
    rng, there = np.random.default_rng(), []
    for _ in range(KILLS):
        process = subprocess.Popen(
            [*command, str(killed), "--workers", "2", "--resume"], start_new_session=True
        )
        wanted = len(_shards(killed)) + int(rng.integers(3, 40))
        while len(_shards(killed)) < wanted and process.poll() is None:
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        there.append(len(_shards(killed)))
    done = subprocess.run(
        [*command, str(killed), "--workers", "2", "--resume", "--json-progress"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        "samples": 80 * len(names),
        "killed_at_shards": there,
        "said": json.loads(done.stdout.splitlines()[-1])["message"],
        "same_bytes": _digests(alone) == _digests(killed),
    }


def _shards(folder: Path) -> list[Path]:
    return list(folder.glob("shards/ct*"))


def _digests(folder: Path) -> dict[str, str]:
    files = [p for p in (folder / "shards").rglob("*") if p.is_file()]
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def missed_by(part: str, found: dict) -> list[str]:
    """The bar of a part, where it is missed."""
    if part == "workers" and found["times_faster"] < SPEED_BAR:
        return [f"2 workers: expected {SPEED_BAR} times the samples of 1"]
    if part == "flat" and found["last_over_first"] > FLAT_BAR:
        return [f"cost of a CT: expected at most {FLAT_BAR} times that of the first ten"]
    if part == "kill" and not found["same_bytes"]:
        return ["kill and resume: expected the bytes of a run left alone"]
    return []


def main() -> int:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder otherwise")
    parser.add_argument("--rounds", type=int, default=3, help="of 1 and 2 workers in turn")
    parser.add_argument("--draws", type=int, default=DRAWS, help="samples of each of their CTs")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    options = parser.parse_args()
    found, missed = {}, []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for part in [options.only] if options.only else PARTS:
            measure = {"workers": measure_workers, "flat": measure_flatness, "kill": measure_kills}
            rounds = (options.rounds, options.draws) if part == "workers" else ()
            found[part] = measure[part](Path(name) / part, *rounds)
            missed += missed_by(part, found[part])
            print(part, json.dumps(found[part]), file=sys.stderr, flush=True)
    print(json.dumps(found | {"missed": missed}, indent=1))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
