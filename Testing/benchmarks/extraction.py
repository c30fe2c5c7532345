"""How fast bones are extracted beside torch eager, in what memory, and whether tiles show.

    python Testing/benchmarks/extraction.py [--model NAME|FOLDER] [--threads N] [--json FILE]

The same network, by torch eager, ONNX Runtime and (where installed) OpenVINO, on the same cores,
taking turns in one process: at the model's working size, at 512², and as the whole `extract` of a
512² image. A ratio is the median over rounds of a runtime's time over torch's in the same round;
on a computer that has other things to do, processor time (`--judge cpu`) tells more than the clock.
Memory is the largest resident size of a fresh process: of the command `bone-xray run extract` on
16-bit DICOM files of 512² and 4096², and of the network alone on an image of 4096², in tiles.

Two figures judge the tiles, both as a share of the answer's range. *Seam*: the step of the answer
across a tile's border less the median step between the lines nearby, in means of 128 pixels along
the border, so that the picture's own grain averages out; the largest of all borders, and beside it
the same of lines that are no borders. *Off*: the largest difference of any pixel to the answer of
the whole image at once (at 2048² or what `--whole` says; 4096² at once takes 12 GB).
Exits with 1 when a bar is missed. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PEER, DEFAULT = "torch", "onnxruntime"
TIME_BAR, MEMORY_BAR_MB, SEAM_BAR = 0.5, 1024, 0.01
SMALL, LARGE = 512, 4096
NEARBY, RUN = 8, 128
"""Lines to each side that a border is compared with, and pixels along it that are averaged."""


def picture(side: int) -> np.ndarray:
    """A smooth picture with grain, (side, side) float32 of about 0 to 1: no line stands out."""
    from BoneXrayLib.resizing import resize

    rng = np.random.default_rng(1)
    smooth = resize(rng.random((24, 24), dtype=np.float32), (side, side))
    smooth += 0.02 * rng.standard_normal((side, side), dtype=np.float32)
    return smooth


def channels_of(side: int) -> np.ndarray:
    """What a network is shown of `picture`, (3, side, side)."""
    from BoneXrayLib.extraction import Scale, input_channels

    return input_channels(picture(side), Scale(0.0, 1.0), "display", None)


def installed() -> list[str]:
    """Runtimes that are there, the peer first."""
    names = (PEER, DEFAULT, "openvino")
    return [name for name in names if importlib.util.find_spec(name) is not None]


def take_turns(work: Callable[[str], object], rounds: int) -> dict[str, dict]:
    """Times of each runtime [ms] and its ratio to the peer's of its round: clock and processor."""
    names = installed()
    spent = np.empty((rounds, len(names), 2))
    for name in names:
        work(name)
    for turn in range(rounds):
        for n in np.roll(np.arange(len(names)), turn):
            clock, cpu = time.perf_counter(), time.process_time()
            work(names[n])
            spent[turn, n] = time.perf_counter() - clock, time.process_time() - cpu
    ratios = np.median(spent / spent[:, :1], axis=0)
    times = np.median(1e3 * spent, axis=0)
    figures = np.stack([times, ratios], axis=2).reshape(len(names), 4).round(3).tolist()
    keys = ("clock_ms", "clock_ratio", "cpu_ms", "cpu_ratio")
    return {
        name: dict(zip(keys, row, strict=True)) for name, row in zip(names, figures, strict=True)
    }


def measure_times(model_name: str, rounds: int) -> dict[str, dict]:
    """`take_turns` of the network at two sizes and of the whole extraction."""
    from BoneXrayLib.extraction import extract
    from BoneXrayLib.inference import run_network
    from BoneXrayLib.models import find_model
    from BoneXrayLib.radiograph import Radiograph

    model = find_model(model_name, "extract")
    radiograph = Radiograph(picture(SMALL))

    def whole(runtime: str) -> object:
        return extract(radiograph, model=model, runtime=runtime)

    def network(seen: np.ndarray) -> Callable[[str], object]:
        return lambda runtime: run_network(model, seen, runtime=runtime)

    side = int(model.card.input["working_size"])
    few = max(rounds // 3, 3)
    return {
        f"extract, {SMALL}²": take_turns(whole, rounds),
        f"network, {side}² (its working size)": take_turns(network(channels_of(side)), rounds),
        f"network, {SMALL}²": take_turns(network(channels_of(SMALL)), few),
    }


def child(what: str, side: int, folder: str, model: str) -> dict[str, float]:
    """One piece of work in this fresh process: its largest memory [MB] and time [s]."""
    began, worked = time.perf_counter(), time.process_time()
    if what == "command":
        from BoneXrayTrainingLib.__main__ import main as bone_xray

        file, output = f"{folder}/{side}.dcm", f"{folder}/bones-{side}"
        with contextlib.redirect_stdout(io.StringIO()):
            if bone_xray(["run", "extract", file, "-o", output, "--model", model]):
                raise SystemExit("the command failed")
    else:
        from BoneXrayLib import inference
        from BoneXrayLib.models import find_model

        if what == "at once":
            inference.MAX_PIXELS_AT_ONCE = inference.MAX_PIXELS
        answer = inference.run_network(find_model(model, "extract"), channels_of(side))
        np.save(f"{folder}/{what} {side}.npy", answer[0])
    # Not by getrusage: what that says of a child begins with the size of its parent.
    status = Path("/proc/self/status").read_text()
    return {
        "peak_mb": int(status.split("VmHWM:")[1].split()[0]) // 1024,
        "clock_s": round(time.perf_counter() - began, 2),
        "cpu_s": round(time.process_time() - worked, 2),
    }


def in_fresh_process(*words: object) -> dict[str, float]:
    """`child` in a process of its own."""
    call = [sys.executable, __file__, "--child", *map(str, words)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_commands(folder: str, model: str) -> dict[str, dict]:
    """The command on DICOM files of both sizes."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))
    from dicom_writing import CR_CLASS, image_dataset, save

    found = {}
    for side in (SMALL, LARGE):
        pixels = np.clip(40000 * picture(side) + 8000, 0, 65535).astype(np.uint16)
        spacing = {"ImagerPixelSpacing": [430 / side, 430 / side]}
        save(image_dataset(pixels, CR_CLASS, "CR", **spacing), Path(folder) / f"{side}.dcm")
        name = f"bone-xray run extract, {side}² DICOM"
        found[name] = in_fresh_process("command", side, folder, model)
        print(f"{name:42}", found[name], flush=True)
    return found


def measure_tiles(folder: str, model: str, whole_side: int) -> dict[str, dict]:
    """The network in tiles at 4096², and against the whole at once at another size."""
    found = {}
    for side in dict.fromkeys((whole_side, LARGE)):
        name = f"network in tiles, {side}²"
        found[name] = in_fresh_process("tiles", side, folder, model)
        answer = np.load(f"{folder}/tiles {side}.npy")
        found[name] |= seams(answer)
        if side == whole_side:
            once = in_fresh_process("at once", side, folder, model)
            difference = np.abs(answer - np.load(f"{folder}/at once {side}.npy"))
            found[name] |= {
                "off": float(difference.max() / np.ptp(answer)),
                "at_once_peak_mb": once["peak_mb"],
            }
        print(f"{name:42}", found[name], flush=True)
    return found


def seams(answer: np.ndarray) -> dict[str, float]:
    """Largest step across a tile's border and across other lines, shares of the answer's range."""
    from BoneXrayLib.running.tiles import KEPT_SIDE

    side = len(answer)
    borders = range(KEPT_SIDE, side - NEARBY, KEPT_SIDE)
    others = range(KEPT_SIDE // 2, side - NEARBY, KEPT_SIDE)
    spread = float(np.ptp(answer))
    both = (answer, answer.T)
    return {
        "seam": max(_step(image, at) for image in both for at in borders) / spread,
        "elsewhere": max(_step(image, at) for image in both for at in others) / spread,
        "range": spread,
    }


def _step(image: np.ndarray, row: int) -> float:
    """How much more an image changes between rows `row` - 1 and `row` than between those nearby."""
    lines = image[row - NEARBY - 1 : row + NEARBY].reshape(2 * NEARBY + 1, -1, RUN).mean(axis=2)
    steps = np.diff(lines, axis=0)
    usual = np.median(np.delete(steps, NEARBY, axis=0), axis=0)
    return float(np.abs(steps[NEARBY] - usual).max())


def missed_bars(times: dict, memory: dict, judge: str) -> list[str]:
    """What is beyond its bar, in words."""
    missed = [
        f"{name}: {row[DEFAULT][f'{judge}_ratio']} of torch"
        for name, row in times.items()
        if row[DEFAULT][f"{judge}_ratio"] > TIME_BAR
    ]
    for name, row in memory.items():
        if row["peak_mb"] > MEMORY_BAR_MB:
            missed.append(f"{name}: {row['peak_mb']} MB")
        worst = max(row.get("seam", 0.0), row.get("off", 0.0))
        if worst > SEAM_BAR:
            missed.append(f"{name}: seam of {worst:.2g} of the range")
    return missed


def main() -> int:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="extract-general", help="name or folder of the model")
    parser.add_argument("--threads", type=int, help="cores to use (all)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of taking turns (15)")
    parser.add_argument("--judge", choices=("clock", "cpu"), default="clock")
    parser.add_argument("--whole", type=int, default=2048, help="side run at once, too (2048)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        what, side, *rest = asked.child
        print(json.dumps(child(what, int(side), *rest)))
        return 0
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the same processor for all
    if asked.threads:  # what every runtime takes its number of threads from
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.threads])
    times = measure_times(asked.model, asked.rounds)
    for name, row in times.items():
        for runtime, figures in row.items():
            print(f"{name:42} {runtime:12}", figures, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        memory = measure_commands(folder, asked.model)
        memory |= measure_tiles(folder, asked.model, asked.whole)
    missed = missed_bars(times, memory, asked.judge)
    print(f"bars: {TIME_BAR} of torch ({asked.judge}), {MEMORY_BAR_MB} MB, seams {SEAM_BAR}",
          "- missed:", "; ".join(missed) or "none")  # fmt: skip
    if asked.json:
        report = {"times": times, "memory": memory, "missed": missed}
        asked.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
