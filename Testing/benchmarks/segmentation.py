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

import json
import sys
import tempfile
from pathlib import Path

from model_timing import (
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

TIME_BAR_S = 3.0
WORKING_SIZE = 384


def write_model(folder: Path) -> None:
    """A model folder of the wrist's ten bones."""
    from BoneXrayLib.segments.structures import WRIST, structure

    outputs = [structure(name).to_output() for name in WRIST]
    write_random_model(folder, "segment", outputs, {"working_size": WORKING_SIZE}, gain=4)


def child(what: str, side: int, folder: str, model: str) -> dict[str, float]:
    """One piece of work in this fresh process: times [s] and its largest memory [MB]."""
    figures: dict[str, float] = {}
    if what == "command":
        output = f"{folder}/named-{side}"
        words = ["run", "segment", f"{folder}/{side}.dcm", "-o", output, "--model", model]
        time_command(figures, words)
    else:
        from BoneXrayLib.models import find_model
        from BoneXrayLib.radiograph import Radiograph
        from BoneXrayLib.segmentation import segment

        radiograph, found = Radiograph(picture(side)), find_model(model, "segment")
        for turn in ("first", "next"):
            with timed(figures, turn):
                masks = segment(radiograph, model=found).masks
        figures["share_of_pixels"] = round(float(masks.mean()), 3)
    return figures | {"peak_mb": peak_mb()}


def measure(folder: str, model: str, side: int) -> dict[str, dict[str, float]]:
    """Figures of the function and of the command."""
    write_dicom(side, Path(folder) / f"{side}.dcm")
    return {
        what: in_fresh_process(__file__, what, side, folder, model)
        for what in ("segment", "command")
    }


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
    asked = benchmark_arguments(__doc__, 2048).parse_args()
    if asked.child:
        what, side, *rest = asked.child
        print(json.dumps(child(what, int(side), *rest)))
        return 0
    cores = use_cores(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = chosen_model(asked.model, folder, write_model)
        found = measure(folder, model, asked.side)
    for what, row in found.items():
        print(f"{what:8} {asked.side}²", row, flush=True)
    missed = missed_bars(found, asked.judge)
    print(f"bars: {TIME_BAR_S} s on {cores} cores ({asked.judge}), {MEMORY_BAR_MB} MB",
          "- missed:", "; ".join(missed) or "none")  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps({"figures": found, "missed": missed}, indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
