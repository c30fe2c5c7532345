"""How long pulling two bones of a 512² radiograph apart takes, and in what memory.

    python Testing/benchmarks/separation.py [--model NAME|FOLDER] [--side N] [--bones N]

Without a model, one is made: a network like that of the shipped one for extraction (U-Net with
channels 32, 64, 128, 192, 256, 32, squares of 2 × 2 pixels folded) that sees 256 pixels, with the
five inputs and four answers of a separator, and random weights.

Each figure is of a fresh process. *given*: from pixels and masks to layers, *found*: without masks,
each the first call, which loads the network, and the next. *command*: `bone-xray run separate` on a
16-bit DICOM file with a PNG for each mask, with reading and writing. Memory is the largest
resident size. `--large` adds the memory of a 4096² image. On a computer that has other things to
do, the processor time of all cores together (`--judge cpu`) tells more than the clock, which on a
free one is less. Prints JSON; exits with 1 when a bar is missed. Linux only.
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
from pathlib import Path

import numpy as np
from segmentation import picture, timed

TIME_BAR_S, MEMORY_BAR_MB, LARGE_SIDE = 2.0, 1536, 4096
WHAT = ("given", "found", "command")
DESCRIPTION = {
    "name": "unet",
    "in_channels": 5,
    "out_channels": 4,
    "channels": [32, 64, 128, 192, 256, 32],
    "fold": 2,
}
WORKING_SIZE = 256


def write_model(folder: Path) -> None:
    """A model folder of a separator, its network untrained (needs torch and MONAI)."""
    import torch

    from BoneXrayLib.model_card import SEPARATE_MASKS, SEPARATE_OUTPUTS
    from BoneXrayLib.models import ModelCard, write_card
    from BoneXrayLib.networks import FIRST_LOGIT, build_network, size_multiple
    from BoneXrayTrainingLib.export_onnx import write_onnx

    torch.manual_seed(1)
    network = build_network(DESCRIPTION)
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.bias.fill_(-FIRST_LOGIT)
    folder.mkdir()
    write_onnx(network.eval(), DESCRIPTION, folder / "model.onnx")
    channels = ["image / span", "span / 5 or 0", "pixel_mm / 2 or 0"]
    shown = {
        "domain": ["optical density", "display"],
        "pixel_mm": [0.05, 3.0],
        "size_multiple": size_multiple(DESCRIPTION),
        "channels": [*channels, "mask of this bone", "mask of the others"],
        "polarity": "bone bright",
        "working_size": WORKING_SIZE,
        "masks": SEPARATE_MASKS,
    }
    outputs = [{"name": name} for name in SEPARATE_OUTPUTS]
    used = {"sources": [], "cts": 0}
    words = ("Random weights, to measure time.", shown, outputs, used, [], "Benchmarks.", "All.")
    write_card(folder, ModelCard(1, "random-layers", "separate", "0", *words, DESCRIPTION))


def bones(side: int, count: int) -> np.ndarray:
    """Masks (count, side, side) of bones in a column, each overlapping the next."""
    rows, columns = np.ogrid[:side, :side]
    step = side / (count + 1)
    return np.stack([
        ((rows - (n + 1) * step) / (0.65 * step)) ** 2 + ((columns / side - 0.5) / 0.3) ** 2 <= 1
        for n in range(count)
    ])  # fmt: skip


def child(what: str, side: int, count: int, folder: str, model: str) -> dict[str, float]:
    """One piece of work in this fresh process: times [s] and its largest memory [MB]."""
    figures: dict[str, float] = {}
    if what == "command":
        from BoneXrayTrainingLib.__main__ import main as bone_xray

        words = ["run", "separate", f"{folder}/{side}.dcm", "-o", f"{folder}/apart-{side}"]
        words += ["--model", model, "--masks", f"{folder}/{side}-masks"]
        with contextlib.redirect_stdout(io.StringIO()), timed(figures, "command"):
            if bone_xray(words):
                raise SystemExit("the command failed")
    else:
        from BoneXrayLib.layers import separate
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import Radiograph

        radiograph, found = Radiograph(picture(side)), find_model(model, "separate")
        masks = bones(side, count) if what == "given" else None
        for turn in ("first", "next"):
            layers = None  # let the first go before the next are made
            with timed(figures, turn):
                layers = separate(radiograph, masks=masks, model=found)
        figures["share_of_pixels"] = round(float(layers.masks.mean()), 3)
    # Not by getrusage: what that says of a child begins with the size of its parent.
    status = Path("/proc/self/status").read_text()
    return figures | {"peak_mb": int(status.split("VmHWM:")[1].split()[0]) // 1024}


def in_fresh_process(*words: object) -> dict[str, float]:
    """`child` in a process of its own."""
    call = [sys.executable, __file__, "--child", *map(str, words)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(folder: str, model: str, side: int, count: int) -> dict[str, dict[str, float]]:
    """Figures of the function with and without masks, and of the command."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))
    from dicom_writing import CR_CLASS, image_dataset, save
    from PIL import Image

    pixels = np.clip(40000 * picture(side) + 8000, 0, 65535).astype(np.uint16)
    spacing = {"ImagerPixelSpacing": [430 / side, 430 / side]}
    save(image_dataset(pixels, CR_CLASS, "CR", **spacing), Path(folder) / f"{side}.dcm")
    place = Path(folder) / f"{side}-masks"
    place.mkdir()
    for number, mask in enumerate(bones(side, count), 1):
        Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(place / f"{number}.png")
    return {what: in_fresh_process(what, side, count, folder, model) for what in WHAT}


def missed_bars(figures: dict[str, dict[str, dict[str, float]]], judge: str) -> list[str]:
    """What is beyond its bar, in words; large images have one for memory only."""
    missed = []
    for size, rows in figures.items():
        for what, row in rows.items():
            times = [row[f"{t}_{judge}_s"] for t in ("first", "next") if f"{t}_{judge}_s" in row]
            if not size.startswith(str(LARGE_SIDE)):
                missed += [f"{what} {size}: {s:.2f} s" for s in times if s > TIME_BAR_S]
            if row["peak_mb"] > MEMORY_BAR_MB:
                missed.append(f"{what} {size}: {row['peak_mb']} MB")
    return missed


def main() -> int:
    """Measure, print, compare with the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or folder of a model (one with random weights)")
    parser.add_argument("--side", type=int, default=512, help="of the radiograph (512)")
    parser.add_argument("--bones", type=int, default=2, help="how many masks are given (2)")
    parser.add_argument("--large", action="store_true", help="measure a 4096² image, too")
    parser.add_argument("--threads", type=int, default=2, help="cores to use (2)")
    parser.add_argument("--judge", choices=("clock", "cpu"), default="clock")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        what, side, count, *rest = asked.child
        print(json.dumps(child(what, int(side), int(count), *rest)))
        return 0
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    cores = sorted(os.sched_getaffinity(0))[: asked.threads]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model or f"{folder}/random-layers"
        if asked.model is None:
            write_model(Path(model))
        sides = [asked.side, *([LARGE_SIDE] if asked.large else [])]
        figures = {f"{s}²": measure(folder, model, s, asked.bones) for s in sides}
    missed = missed_bars(figures, asked.judge)
    bars = {"seconds": TIME_BAR_S, "cores": len(cores), "judge": asked.judge, "mb": MEMORY_BAR_MB}
    said = {"bones": asked.bones, "figures": figures, "bars": bars, "missed": missed}
    print(json.dumps(said, indent=2, ensure_ascii=False))
    if asked.json:
        asked.json.write_text(json.dumps(said, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
