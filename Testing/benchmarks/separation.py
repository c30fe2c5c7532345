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

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from model_timing import (
    CHANNELS,
    MEMORY_BAR_MB,
    benchmark_arguments,
    chosen_model,
    in_fresh_process,
    peak_mb,
    picture,
    time_command,
    timed,
    use_cores,
    write_dicom,
    write_random_model,
)

TIME_BAR_S, LARGE_SIDE = 2.0, 4096
WHAT = ("given", "found", "command")
WORKING_SIZE = 256


def write_model(folder: Path) -> None:
    """A model folder of a separator."""
    from BoneXrayLib.cards.model_card import SEPARATE_MASKS, SEPARATE_OUTPUTS

    channels = (*CHANNELS, "mask of this bone", "mask of the others")
    shown = {"working_size": WORKING_SIZE, "channels": channels, "masks": SEPARATE_MASKS}
    write_random_model(folder, "separate", [{"name": name} for name in SEPARATE_OUTPUTS], shown)


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
        words = ["run", "separate", f"{folder}/{side}.dcm", "-o", f"{folder}/apart-{side}"]
        words += ["--model", model, "--masks", f"{folder}/{side}-masks"]
        time_command(figures, words)
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
    return figures | {"peak_mb": peak_mb()}


def measure(folder: str, model: str, side: int, count: int) -> dict[str, dict[str, float]]:
    """Figures of the function with and without masks, and of the command."""
    from PIL import Image

    write_dicom(side, Path(folder) / f"{side}.dcm")
    place = Path(folder) / f"{side}-masks"
    place.mkdir()
    for number, mask in enumerate(bones(side, count), 1):
        Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(place / f"{number}.png")
    return {what: in_fresh_process(__file__, what, side, count, folder, model) for what in WHAT}


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
    parser = benchmark_arguments(__doc__, 512)
    parser.add_argument("--bones", type=int, default=2, help="how many masks are given (2)")
    parser.add_argument("--large", action="store_true", help="measure a 4096² image, too")
    asked = parser.parse_args()
    if asked.child:
        what, side, count, *rest = asked.child
        print(json.dumps(child(what, int(side), int(count), *rest)))
        return 0
    cores = use_cores(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = chosen_model(asked.model, folder, write_model)
        sides = [asked.side, *([LARGE_SIDE] if asked.large else [])]
        figures = {f"{s}²": measure(folder, model, s, asked.bones) for s in sides}
    missed = missed_bars(figures, asked.judge)
    bars = {"seconds": TIME_BAR_S, "cores": cores, "judge": asked.judge, "mb": MEMORY_BAR_MB}
    said = {"bones": asked.bones, "figures": figures, "bars": bars, "missed": missed}
    print(json.dumps(said, indent=2, ensure_ascii=False))
    if asked.json:
        asked.json.write_text(json.dumps(said, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
