"""How well bones are extracted from CTs never trained on, beside what needs no learning."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.comparison import ms_ssim, psnr, rmse, ssim, to_8bit
from BoneXrayLib.drr import Drr, DrrConfig, simulate
from BoneXrayLib.extraction import extract
from BoneXrayLib.models import find_model
from BoneXrayLib.progress import IsCancelled, Progress, raise_if_cancelled
from BoneXrayLib.volume import Volume, read_volume

METRICS = {"rmse": rmse, "psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}
FLOORS = ("input", "scaled input", "linear regression")
SOURCE_A = (
    "Source A (Xiang, Yu, Cheng) reported PSNR 21.17, SSIM 0.49, MS-SSIM 0.77 with 5000 CTs on a "
    "harder pairing of its own (localizer to bone DRR): not comparable with these figures."
)


@dataclass(frozen=True)
class Row:
    """One method on one view of one CT; metrics on 8-bit images."""

    data: str
    view: str
    method: str
    rmse: float
    psnr: float
    ssim: float
    ms_ssim: float


@dataclass(frozen=True)
class ExtractionReport:
    """All rows, and what the bars look at."""

    model: str
    rows: tuple[Row, ...]

    def mean(self, method: str, metric: str) -> float:
        """Mean of a metric over CTs and views."""
        return float(np.mean([getattr(r, metric) for r in self.rows if r.method == method]))

    @property
    def best_floor(self) -> str:
        """The trivial baseline with the highest mean PSNR."""
        return max(FLOORS, key=lambda m: self.mean(m, "psnr"))

    def to_dict(self) -> dict:
        """Plain numbers for a JSON file."""
        methods = ("model", *FLOORS)
        means = {m: {k: self.mean(m, k) for k in METRICS} for m in methods}
        gain = means["model"]["psnr"] - means[self.best_floor]["psnr"]
        return {
            "task": "extract",
            "model": self.model,
            "images": "simulated; 8 bit, scaled by the target's 99.5th percentile",
            "mean": means,
            "best_floor": self.best_floor,
            "psnr_above_best_floor": gain,
            "rows": [vars(r) for r in self.rows],
            "note": SOURCE_A,
        }

    def __str__(self) -> str:
        lines = [f"{self.model}, simulated radiographs, 8 bit (target's 99.5th percentile = 255)"]
        lines.append(
            f"{'data':24} {'view':6} {'method':18} {'RMSE':>6} {'PSNR':>6} {'SSIM':>6} MS-SSIM"
        )
        for r in self.rows:
            lines.append(
                f"{r.data[:24]:24} {r.view:6} {r.method:18} {r.rmse:6.2f} {r.psnr:6.2f} "
                f"{r.ssim:6.3f} {r.ms_ssim:7.3f}"
            )
        for m in ("model", *FLOORS):
            values = [self.mean(m, k) for k in METRICS]
            lines.append(
                f"{'mean':24} {'':6} {m:18} {values[0]:6.2f} {values[1]:6.2f} "
                f"{values[2]:6.3f} {values[3]:7.3f}"
            )
        gain = self.mean("model", "psnr") - self.mean(self.best_floor, "psnr")
        lines.append(f"PSNR above the best floor ({self.best_floor}): {gain:+.2f} dB")
        return "\n".join([*lines, SOURCE_A])


def evaluate_extract(
    model: str,
    data: Sequence[str | Path],
    views: Sequence[str] = ("AP", "LAT-L"),
    config: DrrConfig | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> ExtractionReport:
    """Extract bones from DRRs of each CT and view, and compare with the bone-only DRR.

    The linear regression is fitted on the image it is judged on, which favours it.

    Args:
        model: name or folder.
        data: CT files or folders.
        views: named views.
        config: geometry and bone window of the DRRs; defaults of `drr` when None.
        progress: told fraction and message.
        is_cancelled: asked before each view.
    """
    if not data:
        raise ValueError("data: got none; expected at least one CT file or folder")
    found = find_model(model, "extract")
    rows: list[Row] = []
    for n, path in enumerate(data):
        volume = read_volume(path)
        for m, view in enumerate(views):
            raise_if_cancelled(is_cancelled)
            if progress is not None:
                done = (n + m / len(views)) / len(data)
                progress(done, f"{Path(path).name} {view}")
            rows.extend(_rows(volume, Path(path).name, view, config, found))
    return ExtractionReport(f"{found.card.name} {found.card.version}", tuple(rows))


def _rows(volume: Volume, name: str, view: str, config: DrrConfig | None, model) -> list[Row]:
    drr = simulate(volume, dataclasses.replace(config or DrrConfig(), view=view))
    answer = extract(drr.radiograph(drr.full, "full"), model=model).bone
    images = {"model": answer, **floors(drr)}
    target = drr.bone
    return [
        Row(
            name,
            view,
            method,
            **{
                k: float(f(to_8bit(image, target), to_8bit(target, target)))
                for k, f in METRICS.items()
            },
        )
        for method, image in images.items()
    ]


def floors(drr: Drr) -> dict[str, np.ndarray]:
    """Three answers without learning: the input, the best scaled input, the best straight line."""
    full, bone = drr.full.astype(np.float64), drr.bone.astype(np.float64)
    scale = (full * bone).sum() / max((full * full).sum(), 1e-12)
    slope, offset = np.polyfit(full.ravel(), bone.ravel(), 1)
    return {
        "input": full,
        "scaled input": scale * full,
        "linear regression": np.maximum(slope * full + offset, 0.0),
    }


def write_report(report: ExtractionReport, path: str | Path) -> Path:
    """Write the report as JSON, whole or not at all."""
    path = Path(path)
    stage = path.with_name(f".{path.name}.part")
    stage.write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    stage.replace(path)
    return path
