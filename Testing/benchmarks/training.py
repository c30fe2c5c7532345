"""Does a training run starve for samples? Steps a second, and the share of the time spent waiting.

    python Testing/benchmarks/training.py [--config TOML --data-root DIR] [--steps N] [--batch N]

Without a configuration the synthetic limb is trained on. The network, the images and the schedule
of samples are those of the shipped configuration: what is measured is whether a sample is there
when the network wants it, by `wait_share` of the run's own log, after the steps in which the
first samples are made. Prints JSON; exit code 1 when the bar is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.learning.configuration import TrainConfig, read_config
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.sampling.dataset import CtSource

SHIPPED = Path(__file__).parents[2] / (
    "BoneXrayTraining/BoneXrayTrainingLib/configs/extract-general.toml"
)
WAIT_BAR = 0.1
"""Most of the time that a settled run may wait for samples."""


def measure(config: TrainConfig, settle: int) -> dict:
    """Train; the figures of the steps after the first `settle`."""
    began, worked = time.perf_counter(), time.process_time()
    train(config)
    spent, cpu = time.perf_counter() - began, time.process_time() - worked
    lines = (Path(config.run) / "log.jsonl").read_text().splitlines()
    records = [r for r in map(json.loads, lines) if r["step"] > settle and "wait_share" in r]
    early = [r for r in map(json.loads, lines) if r["step"] <= settle and "wait_share" in r]

    def mean(name: str, of: list[dict]) -> float:
        """Over time: each record stands for the seconds its steps took."""
        weights = [1 / r["steps_per_s"] for r in of]
        return sum(r[name] * w for r, w in zip(of, weights, strict=True)) / sum(weights)

    return {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "batch": config.batch,
        "steps": config.steps,
        "steps_per_s": round(mean("steps_per_s", records), 3),
        "wait_share": round(mean("wait_share", records), 3),
        "wait_share_first_steps": round(mean("wait_share", early), 3),
        "samples": records[-1]["samples"],
        "wall_s": round(spent, 1),
        "cpu_s": round(cpu, 1),
    }


def main() -> int:
    """Measure, print, compare with the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=SHIPPED)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--threads", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fields = {
            "run": str(Path(folder) / "run"), "steps": asked.steps, "log_every": 5,
            "validation": (), "patience": 0, "threads": asked.threads,
        }  # fmt: skip
        root = asked.data_root
        config = read_config(asked.config, data_root=str(root or folder))
        if root is None:
            limb = synthetic_limb(1.0)
            write_image_file(Path(folder) / "limb.nrrd", limb.hu, limb.ijk_to_ras)
            fields["ct"] = (CtSource("limb.nrrd", "limb", "MIT"),)
            fields["loss"] = dataclasses.replace(config.loss, perceptual_weights="")
        if asked.batch:
            fields["batch"] = asked.batch
        found = measure(dataclasses.replace(config, **fields), settle=asked.steps // 2)
    found["bar"] = {"wait_share": WAIT_BAR}
    print(json.dumps(found, indent=2))
    return int(found["wait_share"] > WAIT_BAR)


if __name__ == "__main__":
    sys.exit(main())
