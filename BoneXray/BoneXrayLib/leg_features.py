"""What is found of a bone in a radiograph: box, points, ellipses of round parts, outline.

Pixels are the image's: (row, column), integers at pixel centres, (0, 0) on top left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

Box = tuple[float, float, float, float]
OUTLINES = ("mask", "edge", "line")
SIDES = ("right", "left")


class PointFeature(NamedTuple):
    """A landmark's place, and its covariance (2, 2) of (row, column) in pixels²."""

    row: float
    column: float
    covariance: np.ndarray


class EllipseFeature(NamedTuple):
    """An ellipse: middle and semi-axes in pixels.

    `angle` [rad] is that of semi-axis `a`, from the column axis (right) to the row axis (down).
    """

    row: float
    column: float
    a: float
    b: float
    angle: float = 0.0


@dataclass(frozen=True, eq=False)
class LegFeatures:
    """One bone in one radiograph; what was not found is left out.

    Attributes:
        bone: "femur" or "tibia".
        side: "right" or "left" leg of the patient.
        view: what the image was taken for, a name such as AP; for reports only.
        box: (row0, column0, row1, column1), what encloses the bone; None where not known. An edge
            that is the image's does not count.
        points: by the names of the shape model's landmarks.
        ellipses: by the names of the shape model's round parts: head, medial_condyle, ...
        outline: of the bone's silhouette: its share of each pixel from 0 to 1 (rows, columns), or
            that of its edge, or places (N, 2) in order along a line; None where not found.
        outline_kind: which of these: "mask", "edge" or "line".
        outline_first: (row, column) in the image of the middle of the outline map's pixel (0, 0).
        outline_step: (rows, columns) of the image that a pixel of the outline map is long.
    """

    bone: str
    side: str
    view: str
    box: Box | None = None
    points: dict[str, PointFeature] = field(default_factory=dict)
    ellipses: dict[str, EllipseFeature] = field(default_factory=dict)
    outline: np.ndarray | None = None
    outline_kind: str = "mask"
    outline_first: tuple[float, float] = (0.0, 0.0)
    outline_step: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"side: got {self.side!r}; expected right or left")
        if self.outline_kind not in OUTLINES:
            raise ValueError(
                f"outline_kind: got {self.outline_kind!r}; expected one of {', '.join(OUTLINES)}"
            )
        points = {name: PointFeature(*point) for name, point in self.points.items()}
        ellipses = {name: EllipseFeature(*ellipse) for name, ellipse in self.ellipses.items()}
        for name, point in points.items():
            _check_point(name, point)
        for name, ellipse in ellipses.items():
            if not (np.isfinite(ellipse).all() and ellipse.a > 0 and ellipse.b > 0):
                raise ValueError(f"ellipse {name}: got {tuple(ellipse)}; expected semi-axes > 0")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "ellipses", ellipses)
        self._check_outline()

    def _check_outline(self) -> None:
        if self.outline is None:
            return
        shape = np.shape(self.outline)
        if len(shape) != 2 or not np.isfinite(self.outline).all():
            raise ValueError(f"outline: got shape {shape}; expected two axes, finite")
        if min(self.outline_step) <= 0:
            raise ValueError(f"outline: got step {self.outline_step}; expected two above 0")
        if self.outline_kind == "line" and shape[1] != 2:
            raise ValueError(f"outline: got shape {shape}; expected (places, 2) of a line")
        if self.outline_kind != "line" and min(shape) < 3:
            raise ValueError(f"outline: got shape {shape}; expected at least 3 rows and columns")


def _check_point(name: str, point: PointFeature) -> None:
    spread = np.asarray(point.covariance, dtype=np.float64)
    if spread.shape != (2, 2) or not np.isfinite(spread).all():
        raise ValueError(f"point {name}: got covariance {spread.tolist()}; expected (2, 2)")
    if np.linalg.eigvalsh(spread)[0] < -1e-9 or not np.isfinite(point[:2]).all():
        raise ValueError(f"point {name}: expected finite pixels and a covariance")
