"""What the benchmarks of models share: a picture, a model of random weights, fresh processes."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_BAR_MB = 1536
UNET = {"name": "unet", "channels": [32, 64, 128, 192, 256, 32], "fold": 2}
"""As the network of the shipped model for extraction."""
CHANNELS = ("image / span", "span / 5 or 0", "pixel_mm / 2 or 0")

Figures = dict[str, float]


def picture(side: int) -> np.ndarray:
    """A smooth picture with grain, (side, side) float32 of about 0 to 1."""
    from BoneXrayLib.resizing import resize

    rng = np.random.default_rng(1)
    smooth = resize(rng.random((24, 24), dtype=np.float32), (side, side))
    smooth += 0.02 * rng.standard_normal((side, side), dtype=np.float32)
    return smooth


def write_dicom(side: int, path: Path) -> None:
    """`picture` as a 16-bit DICOM file of 430 mm."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))
    from dicom_writing import CR_CLASS, image_dataset, save

    pixels = np.clip(40000 * picture(side) + 8000, 0, 65535).astype(np.uint16)
    spacing = {"ImagerPixelSpacing": [430 / side, 430 / side]}
    save(image_dataset(pixels, CR_CLASS, "CR", **spacing), path)


def write_random_model(
    folder: Path, task: str, outputs: Sequence[dict[str, Any]], shown: dict[str, Any],
    gain: float = 1.0,
) -> None:  # fmt: skip
    """A model folder whose network is untrained (needs torch and MONAI).

    Args:
        folder: new; its name is the model's.
        task: of the model.
        outputs: of its card.
        shown: entries of the card's input: working_size, and channels other than the image's three.
        gain: multiplies the last weights: with more, answers are farther from a half.
    """
    import torch

    from BoneXrayLib.models import ModelCard, write_card
    from BoneXrayLib.running.networks import FIRST_LOGIT, build_network, size_multiple
    from BoneXrayTrainingLib.exporting.export_onnx import write_onnx

    channels = shown.get("channels", CHANNELS)
    network_of = {**UNET, "in_channels": len(channels), "out_channels": len(outputs)}
    torch.manual_seed(1)
    network = build_network(network_of)
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight *= gain
        last.bias.fill_(-FIRST_LOGIT)
    folder.mkdir()
    write_onnx(network.eval(), network_of, folder / "model.onnx")
    seen = {
        "domain": ["optical density", "display"],
        "pixel_mm": [0.05, 3.0],
        "size_multiple": size_multiple(network_of),
        "polarity": "bone bright",
        **shown,
        "channels": list(channels),
    }
    used = {"sources": [], "cts": 0}
    words = ("Random weights, to measure time.", seen, outputs, used, [], "Benchmarks.", "All.")
    write_card(folder, ModelCard(1, folder.name, task, "0", *words, network_of))


@contextlib.contextmanager
def timed(figures: Figures, name: str) -> Generator[None]:
    """Put the clock's and the processor's seconds of the `with` block into `figures`."""
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    figures[f"{name}_clock_s"] = round(time.perf_counter() - clock, 2)
    figures[f"{name}_cpu_s"] = round(time.process_time() - cpu, 2)


def time_command(figures: Figures, words: list[str]) -> None:
    """Run `bone-xray` in this process, its seconds into `figures`."""
    from BoneXrayTrainingLib.__main__ import main as bone_xray

    with contextlib.redirect_stdout(io.StringIO()), timed(figures, "command"):
        if bone_xray(words):
            raise SystemExit("the command failed")


def peak_mb() -> int:
    """The largest resident size of this process."""
    # Not by getrusage: what that says of a child begins with the size of its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def in_fresh_process(file: str, *words: object) -> Figures:
    """What a benchmark's `--child` prints last, in a process of its own."""
    call = [sys.executable, file, "--child", *map(str, words)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def benchmark_arguments(doc: str, side: int) -> argparse.ArgumentParser:
    """What all benchmarks of models may be told."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--model", help="name or folder of a model (one with random weights)")
    parser.add_argument("--side", type=int, default=side, help=f"of the radiograph ({side})")
    parser.add_argument("--threads", type=int, default=2, help="cores to use (2)")
    parser.add_argument("--judge", choices=("clock", "cpu"), default="clock")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser


def use_cores(count: int) -> int:
    """Let this process and its children use so many cores, and no GPU; how many there are."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    cores = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, cores)
    return len(cores)


def chosen_model(given: str | None, folder: str, write: Callable[[Path], None]) -> str:
    """The model that was asked for, or one made in a folder."""
    if given is not None:
        return given
    made = Path(folder) / "random"
    write(made)
    return str(made)
