"""How long naming ten bones of a 2048² radiograph takes, and in what memory.

    python Testing/benchmarks/segmentation.py [--model NAME|FOLDER] [--side N] [--threads N]

Without a model, one is made: a network like that of the shipped one for extraction (U-Net with
channels 32, 64, 128, 192, 256, 32, squares of 2 × 2 pixels folded, 384 pixels at work) with ten
outputs and random weights, set so that about half of all pixels pass. Its masks are far from
bones: ragged, with holes and pieces all over the image, more work than any real ones.

Each figure is of a fresh process. *segment*: from pixels to masks, the first call, which loads the
network, and the next. *command*: `bone-xray run segment` on a 16-bit DICOM file, with reading,
writing PNG, overlay, .seg.nrrd and tables. Memory is the largest resident size. On a computer that
has other things to do, the processor time of all cores together (`--judge cpu`) tells more than the
clock, which on a free one is less. Exits with 1 when a bar is missed. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

TIME_BAR_S, MEMORY_BAR_MB = 3.0, 1536
DESCRIPTION = {
    "name": "unet",
    "in_channels": 3,
    "out_channels": 10,
    "channels": [32, 64, 128, 192, 256, 32],
    "fold": 2,
}
WORKING_SIZE = 384


def picture(side: int) -> np.ndarray:
    """A smooth picture with grain, (side, side) float32 of about 0 to 1."""
    from BoneXrayLib.resizing import resize

    rng = np.random.default_rng(1)
    smooth = resize(rng.random((24, 24), dtype=np.float32), (side, side))
    smooth += 0.02 * rng.standard_normal((side, side), dtype=np.float32)
    return smooth


def write_model(folder: Path) -> None:
    """A model folder of the wrist's ten bones, its network untrained (needs torch and MONAI)."""
    import torch

    from BoneXrayLib.models import ModelCard, write_card
    from BoneXrayLib.networks import FIRST_LOGIT, build_network, size_multiple
    from BoneXrayLib.structures import WRIST, structure
    from BoneXrayTrainingLib.export_onnx import write_onnx

    torch.manual_seed(1)
    network = build_network(DESCRIPTION)
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight *= 4
        last.bias.fill_(-FIRST_LOGIT)
    folder.mkdir()
    write_onnx(network.eval(), DESCRIPTION, folder / "model.onnx")
    shown = {
        "domain": ["optical density", "display"],
        "pixel_mm": [0.05, 3.0],
        "size_multiple": size_multiple(DESCRIPTION),
        "channels": ["image / span", "span / 5 or 0", "pixel_mm / 2 or 0"],
        "polarity": "bone bright",
        "working_size": WORKING_SIZE,
    }
    outputs = [structure(name).to_output() for name in WRIST]
    used = {"sources": [], "cts": 0}
    words = ("Random weights, to measure time.", shown, outputs, used, [], "Benchmarks.", "All.")
    write_card(folder, ModelCard(1, "random-ten", "segment", "0", *words, DESCRIPTION))


def child(what: str, side: int, folder: str, model: str) -> dict[str, float]:
    """One piece of work in this fresh process: times [s] and its largest memory [MB]."""
    figures: dict[str, float] = {}
    if what == "command":
        from BoneXrayTrainingLib.__main__ import main as bone_xray

        output = f"{folder}/named-{side}"
        words = ["run", "segment", f"{folder}/{side}.dcm", "-o", output, "--model", model]
        with contextlib.redirect_stdout(io.StringIO()), timed(figures, "command"):
            if bone_xray(words):
                raise SystemExit("the command failed")
    else:
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import Radiograph
        from BoneXrayLib.segmentation import segment

        radiograph, found = Radiograph(picture(side)), find_model(model, "segment")
        for turn in ("first", "next"):
            with timed(figures, turn):
                masks = segment(radiograph, model=found).masks
        figures["share_of_pixels"] = round(float(masks.mean()), 3)
    # Not by getrusage: what that says of a child begins with the size of its parent.
    status = Path("/proc/self/status").read_text()
    return figures | {"peak_mb": int(status.split("VmHWM:")[1].split()[0]) // 1024}


@contextlib.contextmanager
def timed(figures: dict[str, float], name: str) -> Generator[None]:
    """Put the clock's and the processor's seconds of the `with` block into `figures`."""
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    figures[f"{name}_clock_s"] = round(time.perf_counter() - clock, 2)
    figures[f"{name}_cpu_s"] = round(time.process_time() - cpu, 2)


def in_fresh_process(*words: object) -> dict[str, float]:
    """`child` in a process of its own."""
    call = [sys.executable, __file__, "--child", *map(str, words)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(folder: str, model: str, side: int) -> dict[str, dict[str, float]]:
    """Figures of the function and of the command."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))
    from dicom_writing import CR_CLASS, image_dataset, save

    pixels = np.clip(40000 * picture(side) + 8000, 0, 65535).astype(np.uint16)
    spacing = {"ImagerPixelSpacing": [430 / side, 430 / side]}
    save(image_dataset(pixels, CR_CLASS, "CR", **spacing), Path(folder) / f"{side}.dcm")
    return {what: in_fresh_process(what, side, folder, model) for what in ("segment", "command")}


def missed_bars(found: dict[str, dict[str, float]], judge: str) -> list[str]:
    """What is beyond its bar, in words."""
    seconds = [found["segment"][f"{turn}_{judge}_s"] for turn in ("first", "next")]
    missed = [f"segment: {s:.2f} s" for s in seconds if s > TIME_BAR_S]
    missed += [
        f"{what}: {row['peak_mb']} MB"
        for what, row in found.items()
        if row["peak_mb"] > MEMORY_BAR_MB
    ]
    return missed


def main() -> int:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or folder of a model (one with random weights)")
    parser.add_argument("--side", type=int, default=2048, help="of the radiograph (2048)")
    parser.add_argument("--threads", type=int, default=2, help="cores to use (2)")
    parser.add_argument("--judge", choices=("clock", "cpu"), default="clock")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        what, side, *rest = asked.child
        print(json.dumps(child(what, int(side), *rest)))
        return 0
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    cores = sorted(os.sched_getaffinity(0))[: asked.threads]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model or f"{folder}/random-ten"
        if asked.model is None:
            write_model(Path(model))
        found = measure(folder, model, asked.side)
    for what, row in found.items():
        print(f"{what:8} {asked.side}²", row, flush=True)
    missed = missed_bars(found, asked.judge)
    print(f"bars: {TIME_BAR_S} s on {len(cores)} cores ({asked.judge}), {MEMORY_BAR_MB} MB",
          "- missed:", "; ".join(missed) or "none")  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps({"figures": found, "missed": missed}, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
