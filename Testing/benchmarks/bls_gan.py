"""Our separator beside BLS-GAN's recipe at the same training budget, on joints neither has seen.

    python Testing/benchmarks/bls_gan.py --data-root DIR -o FOLDER [--seconds N]

Both begin with random weights, see squares of 160 pixels of the same simulated joints (hand and
ankles of `separate-layers.toml`) on one thread, and stop after so many seconds of processor time
from their first step on, each at the rates of its own configuration. Then both are asked about four
ankles that are not in that list, masks given, and both tables are printed. Exits with 1 where ours
errs more in a bin. BLS-GAN's own schedule (17000 steps of 12 images at 1e-5) is a far longer one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from BoneXrayTrainingLib.bls_gan.config import BlsGanConfig
from BoneXrayTrainingLib.bls_gan.export import export_bls_gan
from BoneXrayTrainingLib.evaluating_layers.separation_evaluation import evaluate_separate
from BoneXrayTrainingLib.evaluating_layers.separation_questions import SeparationConfig
from BoneXrayTrainingLib.evaluating_layers.separation_report import SeparationReport
from BoneXrayTrainingLib.evaluating_layers.separation_rows import GIVEN
from BoneXrayTrainingLib.evaluating_layers.separation_tables import as_text
from BoneXrayTrainingLib.evaluating_segments.segmentation_views import SegmentViews
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.learning.configuration import TrainConfig, read_config
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.mappings import from_mapping, read_toml
from BoneXrayTrainingLib.separation import train_bls_gan

CONFIGS = Path(__file__).parents[2] / "BoneXrayTraining/BoneXrayTrainingLib/configs"
SIDE, WORKING_SIZE = 160, 192
SOURCES = ("meshes/hand_right_myosim.npz", "meshes/ankle_left_lenz_27.npz")
BINS = range(4)
KEPT_OUT = """[[ct]]
path = "{path}"
patient = "ankles_kept_out"
draws = 4
mesh = {{ axes = "LPS", side = "left", each = "KSBL_?_??", voxel = 0.45, variation = 0.0, \
only = ["KSBL_L_1[01]*", "KSBL_R_0[78]*"] }}
[ct.names]
tibia = ["*tibia"]
fibula = ["*fibula"]
talus = ["*talus"]
"""


def both_configs(options: argparse.Namespace) -> tuple[TrainConfig, BlsGanConfig]:
    """What both are trained by: the same bones, rays and number of samples kept."""
    ours = read_config(CONFIGS / "separate-layers.toml", data_root=options.data_root)
    used = tuple(source for source in ours.ct if source.path in SOURCES)
    # Told of each step, so that the budget begins with the first one.
    ours = replace(ours, ct=used, steps=options.steps, threads=1, run=str(options.output / "ours"),
                   precision=options.precision, log_every=1)  # fmt: skip
    plain = read_toml(CONFIGS / "bls-gan.toml")
    plain["joints"] = [{"path": ".", "licence": "none"}]
    gan = from_mapping(BlsGanConfig, plain, "config")
    main = replace(gan.main, steps=options.gan_steps // 6)
    first = replace(gan.pretrain, steps=options.gan_steps - main.steps)
    gan = replace(gan, joints=(), ct=used, structures=ours.structures, pairs=ours.pairs,
                  pool=ours.pool, side=SIDE, threads=1, pretrain=first, main=main, log_every=1,
                  data_root=options.data_root, run=str(options.output / "bls-gan"))  # fmt: skip
    return ours, gan


class Budget:
    """Ends a run when the processor has worked on its steps for so long."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.begun = seconds, float("nan")

    def tell(self, fraction: float, message: str) -> None:
        if self.begun != self.begun and message.startswith("step"):
            self.begun = time.process_time()
        print(f"{fraction:6.1%} {message}", flush=True)

    def is_spent(self) -> bool:
        return time.process_time() - self.begun > self.seconds


def spend(what: Callable, config: TrainConfig | BlsGanConfig, seconds: float) -> None:
    """Train until steps or seconds are used up."""
    budget = Budget(seconds)
    what(config, progress=budget.tell, is_cancelled=budget.is_spent)
    print(f"{config.name}: {time.process_time() - budget.begun:.0f} s of processor time")


def errors(report: SeparationReport) -> list[float]:
    """Mean square error in the overlap of each bin, masks given."""
    return [report.of("mse", GIVEN, n) for n in BINS]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data-root", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=1600.0)
    parser.add_argument("--steps", type=int, default=2400, help="of ours")
    parser.add_argument(
        "--gan-steps", type=int, default=740, help="of BLS-GAN, a sixth of them mixed"
    )
    parser.add_argument("--precision", default="auto", help="of ours, as `precision`")
    options = parser.parse_args()
    ours, gan = both_configs(options)
    spend(train, ours, options.seconds)
    spend(train_bls_gan, gan, options.seconds)
    folders = options.output / "model-ours", options.output / "model-bls-gan"
    export(ours.run, folders[0], working_size=WORKING_SIZE)
    export_bls_gan(gan.run, folders[1])
    asked = options.output / "kept-out.toml"
    asked.write_text(KEPT_OUT.format(path=Path(options.data_root).resolve() / SOURCES[1]))
    config = SeparationConfig(masks="given", views=SegmentViews(jitter=10.0))
    reports = [evaluate_separate(str(folder), [asked], config) for folder in folders]
    for report in reports:
        print(as_text(report))
    better = [a <= b for a, b in zip(*map(errors, reports), strict=True)]
    print(f"ours errs no more than BLS-GAN's recipe in {sum(better)} of {len(better)} bins")
    return 0 if all(better) else 1


if __name__ == "__main__":
    sys.exit(main())
