"""What an evaluation of rebuilt bones found: a row a fit, means and intervals, and the bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..evaluating_segments.segmentation_report import mean, plain
from ..intervals import mean_interval
from .reconstruction_cases import OFF, ONE, SETUPS, TWO, ReconstructionTest
from .reconstruction_scores import Nearness, Scores
from .reconstruction_tables import FIGURES, MEDIANS, as_text


@dataclass(frozen=True)
class Row:
    """One fit of one subject's bone."""

    bone: str
    subject: str
    setup: str
    converged: bool
    verdict: str
    scores: Scores | None
    """None where nothing was found that could be fitted."""
    seconds: float
    """Finding and fitting, by the clock."""
    cpu_seconds: float
    """Fitting alone, by what all processors did."""

    @property
    def judged(self) -> Nearness | None:
        """As bones are compared: one view's after a rigid move, for it cannot tell the depth."""
        if self.scores is None:
            return None
        return self.scores.shape if self.setup == ONE else self.scores.placed

    def figure(self, name: str) -> float:
        """A figure of `Scores` or `Nearness`, NaN where there is none."""
        if name in ("seconds", "cpu_seconds", "converged"):
            return float(getattr(self, name))
        where, _, own = name.partition("_")
        if where in ("placed", "shape"):
            return math.nan if self.scores is None else getattr(getattr(self.scores, where), own)
        held = self.scores if name in OF_SCORES else self.judged
        return math.nan if held is None else float(getattr(held, name))


OF_SCORES = ("radius_mm", "length_mm", "angle_deg")


@dataclass(frozen=True)
class Bar:
    """What is aimed at: a figure of a bone in a setup, and the most or least it may be."""

    bone: str
    setup: str
    figure: str
    limit: float
    at_least: bool = False


BARS = (
    Bar("femur", TWO, "mean_mm", 1.5),
    Bar("femur", ONE, "mean_mm", 2.3),
    Bar("tibia", TWO, "mean_mm", 2.0),
    Bar("tibia", ONE, "mean_mm", 3.0),
    *(Bar(bone, TWO, "p95_mm", 4.0) for bone in ("femur", "tibia")),
    *(Bar(bone, TWO, "dice", 0.92, at_least=True) for bone in ("femur", "tibia")),
    *(Bar(bone, setup, "converged", 0.95, at_least=True)
      for bone in ("femur", "tibia") for setup in (TWO, ONE)),
    *(Bar(bone, TWO, "landmark_mm", 2.0) for bone in ("femur", "tibia")),
    Bar("femur", TWO, "head_mm", 1.5),
    Bar("femur", TWO, "radius_mm", 1.0),
    *(Bar(bone, TWO, "length_mm", 2.0) for bone in ("femur", "tibia")),
    Bar("femur", TWO, "angle_deg", 2.0),
)  # fmt: skip
ANGLE_COST_MM = 0.3
"""Most that a wrong angle may add to the surface distance."""
LEG_SECONDS = 30.0


@dataclass(frozen=True)
class ReconstructionReport:
    """All rows, and what was asked."""

    test: ReconstructionTest
    finder: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    """Titles of the shape models that all were rebuilt by; none where each left its subject out."""

    @property
    def protocol(self) -> str:
        """What subjects were rebuilt by."""
        return f"by {' and '.join(self.shapes)}" if self.shapes else "leave one subject out"

    @property
    def bones(self) -> tuple[str, ...]:
        """In the order they were rebuilt."""
        return tuple(dict.fromkeys(row.bone for row in self.rows))

    def of(self, bone: str, setup: str) -> list[Row]:
        """Rows of one bone in one setup."""
        return [row for row in self.rows if (row.bone, row.setup) == (bone, setup)]

    def value(self, bone: str, setup: str, figure: str) -> float:
        """Over the subjects: mean, or median where that is what is judged; NaN without any."""
        values = [row.figure(figure) for row in self.of(bone, setup)]
        known = [value for value in values if math.isfinite(value)]
        return float(np.median(known)) if figure in MEDIANS and known else mean(values)

    def interval(self, bone: str, setup: str, figure: str) -> tuple[float, float] | None:
        """95 % interval of the mean over subjects; None with one."""
        rows = [row for row in self.of(bone, setup) if math.isfinite(row.figure(figure))]
        return mean_interval([r.figure(figure) for r in rows], [r.subject for r in rows])

    def bars(self) -> list[dict[str, Any]]:
        """Each bar that there are rows for, with what was found and whether it holds."""
        found: list[dict[str, Any]] = []
        for bar in BARS:
            if self.of(bar.bone, bar.setup):
                value = self.value(bar.bone, bar.setup, bar.figure)
                holds = value >= bar.limit if bar.at_least else value <= bar.limit
                found.append({**asdict(bar), "value": value, "holds": bool(holds)})
        for bone in self.bones:
            cost = self.value(bone, OFF, "mean_mm") - self.value(bone, TWO, "mean_mm")
            found.append({"bone": bone, "setup": OFF, "figure": "cost_mm", "limit": ANGLE_COST_MM,
                          "at_least": False, "value": cost,
                          "holds": bool(cost <= ANGLE_COST_MM)})  # fmt: skip
        seconds = sum(self.value(bone, TWO, "seconds") for bone in self.bones)
        if len(self.bones) > 1:
            found.append({"bone": "leg", "setup": TWO, "figure": "seconds", "limit": LEG_SECONDS,
                          "at_least": False, "value": seconds,
                          "holds": bool(seconds <= LEG_SECONDS)})  # fmt: skip
        return found

    def to_dict(self) -> dict:
        """Plain numbers for a JSON file; null where there is none."""

        def table(of: Callable[[str, str, str], object]) -> dict:
            return {
                bone: {s: {f: of(bone, s, f) for f in FIGURES} for s in SETUPS if self.of(bone, s)}
                for bone in self.bones
            }

        return {
            "task": "reconstruct",
            "protocol": self.protocol,
            "test": asdict(self.test),
            "finder": self.finder,
            "judged": "one view after a rigid move onto the true bone, two views in place",
            "bars": plain(self.bars()),
            "by_bone": plain(table(self.value)),
            "intervals": plain(table(self.interval)),
            "warnings": list(self.warnings),
            "rows": plain([asdict(row) for row in self.rows]),
        }

    def __str__(self) -> str:
        return as_text(self)
