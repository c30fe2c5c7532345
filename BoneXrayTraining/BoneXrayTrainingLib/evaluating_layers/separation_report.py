"""What an evaluation of separated bones found: rows by bone and by image, figures by bin."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from ..evaluating_segments.segmentation_report import mean, plain
from ..intervals import mean_interval, resampled_interval
from ..sampling.overlap_bins import bin_name
from .separation_features import EXTRACTOR
from .separation_floors import FLOORS
from .separation_questions import LayerSubject
from .separation_rows import FIGURES, FREE, GIVEN, MODEL_METHODS, UNITS, BoneRow, ImageRow
from .separation_tables import as_text

BAR, GOAL, FREE_BAR = 0.5, 1 / 3, 1.3
"""Error over that of the best floor: at most, and hoped for; without masks over with."""
EXACT_SUM = 1e-5
"""Of the image's span: what the layers' sum may be off the image."""


@dataclass(frozen=True)
class SeparationReport:
    """All rows, and what the bars look at. Means leave out what is NaN."""

    model: str
    protocol: str
    bones: tuple[BoneRow, ...]
    images: tuple[ImageRow, ...]
    feature_distances: dict[str, dict[str, float]]
    """By method and bin, or all; empty without an extractor."""
    warnings: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The model's, then the floors."""
        there = {r.method for r in self.images}
        return tuple(m for m in (*MODEL_METHODS, *FLOORS) if m in there)

    @property
    def main(self) -> str:
        """The method that is held against the floors: with masks where these were given."""
        return self.methods[0]

    @property
    def bins(self) -> tuple[int, ...]:
        """Those that have images."""
        return tuple(sorted({r.subject.bin for r in self.images}))

    @property
    def patients(self) -> int:
        """How many, those drawn of one source counted each."""
        return len({(r.subject.data, r.subject.patient) for r in self.images})

    @property
    def sources(self) -> int:
        """Of how many different anatomies, or data sets, they are."""
        return len({r.subject.data for r in self.images})

    def count(self, number: int | None = None, method: str = "") -> int:
        """Images of a bin, or of all."""
        wanted = method or FLOORS[0]
        return sum(r.method == wanted and number in (None, r.subject.bin) for r in self.images)

    def of(self, figure: str, method: str, number: int | None = None) -> float:
        """Mean of a figure of `BoneRow` over images and bones of a bin, or of all images."""
        return mean(getattr(r, figure) for r in self._rows(method, number))

    def of_images(self, figure: str, method: str, number: int | None = None) -> float:
        """Mean of a figure of `ImageRow`."""
        return mean(
            getattr(r, figure) for r in self.images
            if r.method == method and number in (None, r.subject.bin)
        )  # fmt: skip

    def of_image(self, figure: str, image: int, method: str) -> float:
        """Mean of a figure of `BoneRow` over the bones of one image."""
        return mean(
            getattr(r, figure) for r in self.bones if (r.image, r.method) == (image, method)
        )

    def interval(
        self, figure: str, method: str, number: int | None = None
    ) -> tuple[float, float] | None:
        """95 % interval of `of` over patients; None with one patient."""
        rows = [r for r in self._rows(method, number) if math.isfinite(getattr(r, figure))]
        values = [getattr(r, figure) for r in rows]
        return mean_interval(values, [self._whose(r) for r in rows]) if rows else None

    def best_floor(self, number: int | None = None) -> str:
        """The floor with the least error in the overlap."""
        return min(FLOORS, key=lambda m: self.of("mse", m, number))

    def ratio(self, number: int | None = None, method: str = "") -> float:
        """A model's mean error in the overlap over that of the best floor on the same images."""
        return self._ratio(method or self.main, number)[0]

    def ratio_interval(
        self, number: int | None = None, method: str = ""
    ) -> tuple[float, float] | None:
        """95 % interval of `ratio` over patients, the floor's choice fixed."""
        return self._ratio(method or self.main, number)[1]

    def free_ratio(self, number: int | None = None) -> float:
        """Mean error without masks over that with them, of the images asked both ways."""
        return self._free_ratio(number)[0]

    def bars(self) -> dict[str, object]:
        """The figures that the bars name; ratios by bin."""
        ratios = {bin_name(n): self.ratio(n) for n in self.bins}
        off = [r.off_sum for r in self.images if math.isfinite(r.off_sum)]
        least = [r.least for r in self.images if math.isfinite(r.least)]
        free, interval = self._free_ratio(None)
        return {
            "method": self.main,
            "error_over_best_floor": ratios,
            "at_most": BAR,
            "reached": all(v <= BAR for v in ratios.values()),
            "goal": GOAL,
            "goal_reached": all(v <= GOAL for v in ratios.values()),
            "largest_difference_of_sum": max(off, default=math.nan),
            "sum_at_most": EXACT_SUM,
            "lowest_layer": min(least, default=math.nan),
            "no_masks_over_masks": free,
            "no_masks_over_masks_interval": interval,
            "no_masks_at_most": FREE_BAR,
        }

    def to_dict(self) -> dict:
        """Plain numbers for a JSON file; null where there is none."""
        return {
            "task": "separate",
            "protocol": self.protocol,
            "errors_in": UNITS[self.protocol],
            "model": self.model,
            "patients": self.patients,
            "sources": self.sources,
            "intervals": "95 %, percentile bootstrap over patients; null with one patient",
            "bars": plain(self.bars()),
            "by_bin": plain({bin_name(n): self._table(n) for n in self.bins}),
            "all": plain(self._table(None)),
            "features": EXTRACTOR if self.feature_distances else None,
            "feature_distance": plain(self.feature_distances),
            "warnings": list(self.warnings),
            "images": plain([asdict(r) for r in self.images]),
            "rows": plain([asdict(r) for r in self.bones]),
        }

    def _table(self, number: int | None) -> dict[str, object]:
        methods = {
            m: {
                **{f: self.of(f, m, number) for f in FIGURES},
                "mse_interval": self.interval("mse", m, number),
                "images": self.count(number, m),
            }
            for m in self.methods
        }
        for m in self.methods:
            if m in MODEL_METHODS:
                methods[m]["over_best_floor"] = self.ratio(number, m)
                methods[m]["over_best_floor_interval"] = self.ratio_interval(number, m)
        if FREE in self.methods:
            for figure in ("mask_dice", "overlap_dice"):
                methods[FREE][figure] = self.of_images(figure, FREE, number)
        return {
            "images": self.count(number),
            "best_floor": self.best_floor(number),
            "no_masks_over_masks": self.free_ratio(number),
            "methods": methods,
        }

    def _ratio(self, method: str, number: int | None) -> tuple[float, tuple[float, float] | None]:
        asked = {r.image for r in self._rows(method, number)}
        floor = self.best_floor(number)
        below = [r for r in self._rows(floor, number) if r.image in asked]
        return self._quotient(self._rows(method, number), below)

    def _free_ratio(self, number: int | None) -> tuple[float, tuple[float, float] | None]:
        free, given = self._rows(FREE, number), self._rows(GIVEN, number)
        both = {r.image for r in free} & {r.image for r in given}
        return self._quotient(
            [r for r in free if r.image in both], [r for r in given if r.image in both]
        )

    def _quotient(
        self, above: Sequence[BoneRow], below: Sequence[BoneRow]
    ) -> tuple[float, tuple[float, float] | None]:
        """Mean error over mean error, and its interval over patients."""
        sums: dict[Hashable, list[float]] = {}
        for place, rows in enumerate((above, below)):
            for row in rows:
                sums.setdefault(self._whose(row), [0.0, 0.0])[place] += row.mse
        units = list(sums.values())
        return (_share(units), resampled_interval(units, _share)) if units else (math.nan, None)

    def _rows(self, method: str, number: int | None) -> list[BoneRow]:
        of = self._subjects
        return [r for r in self.bones
                if r.method == method and number in (None, of[r.image].bin)]  # fmt: skip

    @cached_property
    def _subjects(self) -> dict[int, LayerSubject]:
        return {r.image: r.subject for r in self.images}

    def _whose(self, row: BoneRow) -> tuple[str, str]:
        subject = self._subjects[row.image]
        return subject.data, subject.patient

    def __str__(self) -> str:
        return as_text(self)


def _share(units: Sequence[Sequence[float]]) -> float:
    """Sum of what is above over that of what is below."""
    above, below = (sum(each) for each in zip(*units, strict=True))
    return above / below if below > 0 else math.nan
