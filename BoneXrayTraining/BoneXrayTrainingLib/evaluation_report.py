"""What an evaluation found: rows, means with intervals over patients, as text, JSON, Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from BoneXrayLib.comparison import ms_ssim, psnr, rmse, ssim
from BoneXrayLib.files import written_whole

from .evaluation_cts import UNKNOWN
from .evaluation_tables import ALL, NOTES, as_text
from .intervals import mean_interval
from .pairings import Pairing

METRICS = {"rmse": rmse, "psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim}
FLOORS = ("input", "scaled input", "linear regression")


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
    anatomy: str = UNKNOWN
    patient: str = ""
    moved_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def whose(self) -> str:
        """The patient; the CT where nobody said."""
        return self.patient or self.data


@dataclass(frozen=True)
class Group:
    """Means of one method over one anatomy and view, with their intervals over patients."""

    anatomy: str
    view: str
    method: str
    patients: int
    shots: int
    mean: dict[str, float]
    interval: dict[str, tuple[float, float] | None]


@dataclass(frozen=True)
class ExtractionReport:
    """All rows, and what the bars look at."""

    model: str
    rows: tuple[Row, ...]
    pairing: Pairing = field(default_factory=Pairing)

    @property
    def methods(self) -> tuple[str, ...]:
        """The model first, then what it is held against."""
        return tuple(dict.fromkeys(r.method for r in self.rows))

    @property
    def patients(self) -> int:
        """How many different patients."""
        return len({r.whose for r in self.rows})

    def mean(self, method: str, metric: str) -> float:
        """Mean of a metric over CTs and views."""
        return float(np.mean([getattr(r, metric) for r in self.rows if r.method == method]))

    @property
    def best_floor(self) -> str:
        """The trivial baseline with the highest mean PSNR."""
        return max(FLOORS, key=lambda m: self.mean(m, "psnr"))

    @property
    def gain(self) -> float:
        """How far the model's mean PSNR lies above the best floor's [dB]."""
        return self.mean("model", "psnr") - self.mean(self.best_floor, "psnr")

    def gain_interval(self) -> tuple[float, float] | None:
        """Interval of `gain` over patients, its differences taken shot by shot."""
        pairs = zip(self._of("model"), self._of(self.best_floor), strict=True)
        differences = [(model.psnr - floor.psnr, model.whose) for model, floor in pairs]
        gains, patients = zip(*differences, strict=True)
        return mean_interval(gains, patients)

    def groups(self) -> Iterator[Group]:
        """All together; each view; each anatomy, and each view of it, where there are several."""
        views = list(dict.fromkeys(r.view for r in self.rows))
        anatomies = list(dict.fromkeys(r.anatomy for r in self.rows))
        wanted = [(ALL, ALL)]
        wanted += [(ALL, view) for view in views if len(views) > 1]
        if len(anatomies) > 1:
            by_view = [ALL, *views] if len(views) > 1 else [ALL]
            wanted += [(anatomy, view) for anatomy in anatomies for view in by_view]
        for anatomy, view in wanted:
            for method in self.methods:
                rows = [
                    r
                    for r in self._of(method)
                    if anatomy in (ALL, r.anatomy) and view in (ALL, r.view)
                ]
                if rows:
                    yield _group(anatomy, view, method, rows)

    def _of(self, method: str) -> list[Row]:
        return [r for r in self.rows if r.method == method]

    def to_dict(self) -> dict:
        """Plain numbers for a JSON file."""
        interval = self.gain_interval()
        return {
            "task": "extract",
            "model": self.model,
            "images": "simulated; 8 bit, scaled by the target's 99.5th percentile",
            "pairing": vars(self.pairing),
            "patients": self.patients,
            "intervals": "95 %, percentile bootstrap over patients; null with one patient",
            "mean": {m: {k: self.mean(m, k) for k in METRICS} for m in self.methods},
            "groups": [vars(group) for group in self.groups()],
            "best_floor": self.best_floor,
            "psnr_above_best_floor": self.gain,
            "psnr_above_best_floor_interval": interval,
            "rows": [vars(r) for r in self.rows],
            "note": NOTES[self.pairing.name],
        }

    def __str__(self) -> str:
        return as_text(self)


def _group(anatomy: str, view: str, method: str, rows: list[Row]) -> Group:
    patients = [r.whose for r in rows]
    values = {k: [getattr(r, k) for r in rows] for k in METRICS}
    return Group(
        anatomy,
        view,
        method,
        len(set(patients)),
        len(rows),
        {k: float(np.mean(v)) for k, v in values.items()},
        {k: mean_interval(v, patients) for k, v in values.items()},
    )


def write_report(report: ExtractionReport, path: str | Path) -> Path:
    """Write the report as JSON, whole or not at all."""
    path = Path(path)
    with written_whole(path) as beside:
        beside.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
    return path
