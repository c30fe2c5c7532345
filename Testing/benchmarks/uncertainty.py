"""How well the uncertainty map ranks the errors of extraction, on a CT never trained on.

    python Testing/benchmarks/uncertainty.py --ct CT [--view AP --view LAT-L] [--json FILE]

The bones to be found are without contrast medium, as the model was trained to find them, unless
`--keep-contrast` is given.

For each view, over the pixels that the beam reaches through the patient: Spearman's correlation
of the map with |error|, and the error left when the 20 % of pixels it ranks highest are dropped.
Beside it what needs no ensemble (the extracted bone itself as the ranking), what no ranking can
do (dropping at random) and what the best one would (dropping the largest errors).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.extraction import ExtractConfig, extract
from BoneXrayLib.volume import Volume, read_volume

DROPPED = 0.2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct", required=True, help="CT file or DICOM folder")
    parser.add_argument("--model", default="extract-general")
    parser.add_argument("--view", action="append", help="named view; AP and LAT-L without it")
    parser.add_argument("--keep-contrast", action="store_true", help="count it as bone")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    given = parser.parse_args()
    volume = read_volume(given.ct)
    configs = [
        DrrConfig(view=view, remove_contrast=not given.keep_contrast)
        for view in given.view or ("AP", "LAT-L")
    ]
    figures = {config.view: measure(volume, config, given.model) for config in configs}
    for view, rows in figures.items():
        for name, value in rows.items():
            print(f"{view:6s} {name:48s} {value:8.3f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(volume: Volume, config: DrrConfig, model: str) -> dict[str, float]:
    """The figures of one view, errors in optical density."""
    drr = simulate(volume, config)
    radiograph = drr.radiograph(drr.full, "full")
    plain, mapping = ExtractConfig(model=model), ExtractConfig(model=model, uncertainty=True)
    extract(radiograph, plain)  # loads the model
    began = time.process_time()
    extract(radiograph, plain)
    middle = time.process_time()
    found = extract(radiograph, mapping)
    ended = time.process_time()
    inside = radiograph.pixels > 0.05 * radiograph.pixels.max()
    error = np.abs(found.bone - drr.bone)[inside]
    sigma, bone = found.uncertainty[inside], found.bone[inside]
    return {
        "Spearman, uncertainty with |error|": float(spearmanr(sigma, error)[0]),
        "Spearman, bone with |error|": float(spearmanr(bone, error)[0]),
        "RMSE of all pixels = 20 % dropped at random": rms(error),
        "RMSE, most uncertain 20 % dropped": left(error, sigma),
        "RMSE, 20 % with most bone dropped": left(error, bone),
        "RMSE, largest 20 % of errors dropped": left(error, error),
        "RMS error / RMS uncertainty": rms(error) / rms(sigma),
        "processor time with / without the map": (ended - middle) / (middle - began),
    }


def rms(values: np.ndarray) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def left(error: np.ndarray, rank: np.ndarray) -> float:
    """RMS error of the pixels that are not among the highest ranked."""
    return rms(error[np.argsort(rank)[: int((1 - DROPPED) * len(error))]])


if __name__ == "__main__":
    main()
