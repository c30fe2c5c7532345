"""What an evaluation of named bones found: rows by bone and by image, means, intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..intervals import mean_interval
from .segmentation_tables import MODEL, PUBLISHED, as_text


@dataclass(frozen=True)
class BoneRow:
    """One method on one bone of one image; figures are NaN where the bone is in neither mask."""

    image: int
    method: str
    structure: str
    dice: float
    hd95_mm: float
    surface_dice: float


@dataclass(frozen=True)
class ImageRow:
    """One method on one image."""

    image: int
    method: str
    data: str
    patient: str
    anatomy: str
    view: str
    side: str
    rotate: tuple[float, float]
    exposure: str
    dice: float
    """Mean over the bones of the image."""
    hd95_mm: float
    overlap_dice: float
    """Of the region where at least two bones lie over each other."""
    pair_dice: float
    """Mean over the pairs of bones that overlap in truth."""


@dataclass(frozen=True)
class SegmentationReport:
    """All rows, and what the bars look at. Means leave out what is NaN."""

    model: str
    bones: tuple[BoneRow, ...]
    images: tuple[ImageRow, ...]
    tolerance_mm: float
    warnings: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()
    """Structures of the model that none of the data has."""
    wider_mm: float = 0.0
    """How much more than the wrist is in simulated pictures of wrists."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The model first, then what it is held against."""
        return tuple(dict.fromkeys(r.method for r in self.images))

    @property
    def structures(self) -> tuple[str, ...]:
        """In the order of the model."""
        return tuple(dict.fromkeys(r.structure for r in self.bones))

    @property
    def views(self) -> tuple[str, ...]:
        """In the order they were taken."""
        return tuple(dict.fromkeys(r.view for r in self.images))

    @property
    def patients(self) -> int:
        """How many, those drawn of one source counted each."""
        return len({(r.data, r.patient) for r in self.images})

    @property
    def sources(self) -> int:
        """Of how many different anatomies, or data sets, they are."""
        return len({r.data for r in self.images})

    @property
    def has_wrists(self) -> bool:
        """Whether any image is of a wrist, as those of the published figures are."""
        return any(r.anatomy == "wrist" for r in self.images)

    @property
    def exposures(self) -> tuple[str, ...]:
        """How the images were exposed; an empty text for real ones."""
        return tuple(dict.fromkeys(r.exposure for r in self.images))

    def of_bone(
        self, figure: str, structure: str = "", view: str = "", method: str = MODEL
    ) -> float:
        """Mean of a figure of `BoneRow` over images: of one bone or all, one view or all."""
        return mean(getattr(r, figure) for r in self._bones(structure, view, method))

    def of_images(self, figure: str, view: str = "", method: str = MODEL) -> float:
        """Mean of a figure of `ImageRow` over images."""
        return mean(getattr(r, figure) for r in self._images(view, method))

    def over_views(self, figure: str, method: str = MODEL) -> float:
        """Mean over the views of the mean over their images, so that each view counts alike."""
        return mean(self.of_images(figure, view, method) for view in self.views)

    def interval(
        self, figure: str, view: str = "", method: str = MODEL
    ) -> tuple[float, float] | None:
        """95 % interval of `of_images` over patients; None with one patient."""
        rows = [r for r in self._images(view, method) if math.isfinite(getattr(r, figure))]
        values = [getattr(r, figure) for r in rows]
        return mean_interval(values, [(r.data, r.patient) for r in rows]) if rows else None

    def worst_bone(self, view: str) -> tuple[str, float]:
        """The bone with the lowest mean Dice of a view."""
        found = {s: self.of_bone("dice", s, view) for s in self.structures}
        known = {s: value for s, value in found.items() if math.isfinite(value)}
        name = min(known, key=lambda s: known[s]) if known else ""
        return name, known.get(name, math.nan)

    def bars(self) -> dict[str, object]:
        """The figures that the bars name."""
        name, lowest = self.worst_bone(self.views[0])
        return {
            "mean_dice_over_views": self.over_views("dice"),
            "lowest_bone": {"view": self.views[0], "structure": name, "dice": lowest},
            "overlap_dice": self.over_views("overlap_dice"),
            "hd95_mm": self.over_views("hd95_mm"),
        }

    def to_dict(self) -> dict:
        """Plain numbers for a JSON file; null where there is none."""
        by_view = {
            view: {
                "dice_interval": self.interval("dice", view),
                **{f: self.of_images(f, view) for f in FIGURES},
            }
            for view in self.views
        }
        table = {
            s: {v: {f: self.of_bone(f, s, v) for f in BONE_FIGURES} for v in self.views}
            for s in self.structures
        }
        methods = {m: {f: self.over_views(f, m) for f in FIGURES} for m in self.methods}
        return {
            "task": "segment",
            "model": self.model,
            "exposures": list(self.exposures),
            "wider_mm": self.wider_mm,
            "patients": self.patients,
            "sources": self.sources,
            "tolerance_mm": self.tolerance_mm,
            "intervals": "95 %, percentile bootstrap over patients; null with one patient",
            "bars": plain(self.bars()),
            "by_method": plain(methods),
            "by_view": plain(by_view),
            "by_structure": plain(table),
            "published": {"dice_by_view": PUBLISHED, "note": "ElTantawy et al., their images"},
            "warnings": list(self.warnings),
            "unscored": list(self.unscored),
            "images": plain([asdict(r) for r in self.images]),
            "rows": plain([asdict(r) for r in self.bones]),
        }

    def _bones(self, structure: str, view: str, method: str) -> list[BoneRow]:
        of_view = {r.image for r in self.images if view in ("", r.view)}
        return [
            r for r in self.bones
            if r.method == method and structure in ("", r.structure) and r.image in of_view
        ]  # fmt: skip

    def _images(self, view: str, method: str) -> list[ImageRow]:
        return [r for r in self.images if r.method == method and view in ("", r.view)]

    def __str__(self) -> str:
        return as_text(self)


FIGURES = ("dice", "hd95_mm", "overlap_dice", "pair_dice")
BONE_FIGURES = ("dice", "hd95_mm", "surface_dice")


def mean(values: Iterable[float]) -> float:
    """Mean of what is no NaN; NaN where nothing is."""
    found = [v for v in values if math.isfinite(v)]
    return float(np.mean(found)) if found else math.nan


def plain(value: object) -> object:
    """NaN, which JSON does not know, as None."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
