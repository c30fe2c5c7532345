"""Where the tube and the detector stand: beam shapes and named views in the patient's frame.

Frame: patient RAS [mm]. An image is indexed (row, column); row 0 is on top, column 0 on the left,
and pixel (r, c) is the point at its centre:

    centre + (r - (rows - 1) / 2) · pixel_row · row_axis
           + (c - (columns - 1) / 2) · pixel_column · column_axis
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .geometry_config import (
    BEAMS,
    MAX_PIXELS_A_SIDE,
    VIEWS,
    GeometryConfig,
    View,
    check_config,
    check_size,
    one_of,
)

__all__ = [
    "BEAMS",
    "MAX_PIXELS_A_SIDE",
    "VIEWS",
    "Geometry",
    "GeometryConfig",
    "View",
    "check_config",
    "check_size",
    "coarser",
    "make_geometry",
]


@dataclass(frozen=True, eq=False)
class Geometry:
    """A source, a detector and the rays between them; patient RAS, mm.

    `source` is where the central ray starts. With the localizer beam the source travels along
    `row_axis` with the detector row; with the parallel beam only its direction counts.
    """

    beam: str
    source: np.ndarray
    centre: np.ndarray
    column_axis: np.ndarray
    row_axis: np.ndarray
    pixel_mm: tuple[float, float]
    size: tuple[int, int]
    isocentre: np.ndarray

    def __post_init__(self) -> None:
        one_of("beam", self.beam, BEAMS)
        check_size(self.size)
        for name in ("source", "centre", "column_axis", "row_axis", "isocentre"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != (3,) or not np.isfinite(value).all():
                raise ValueError(f"{name}: got {value!r}; expected three finite numbers")
            object.__setattr__(self, name, value)
        axes = np.stack([self.column_axis, self.row_axis])
        if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-6):
            raise ValueError(
                f"column_axis, row_axis: got {axes.tolist()}; expected orthogonal unit vectors"
            )
        if not all(p > 0 and math.isfinite(p) for p in self.pixel_mm):
            raise ValueError(f"pixel_mm: got {self.pixel_mm!r}; expected positive lengths in mm")
        if abs(self.normal @ (self.centre - self.source)) < 1e-6:
            raise ValueError("source: lies in the plane of the detector; expected a distance to it")

    @cached_property
    def normal(self) -> np.ndarray:
        """Unit normal of the detector, `column_axis` × `row_axis`."""
        return np.cross(self.column_axis, self.row_axis)

    @property
    def source_detector_mm(self) -> float:
        """Perpendicular distance from the source to the detector."""
        return float(abs(self.normal @ (self.centre - self.source)))

    @property
    def magnification(self) -> float:
        """How much larger a length across the image appears at the isocentre; 1 when parallel."""
        if self.beam == "parallel":
            return 1.0
        to_isocentre = abs(self.normal @ (self.isocentre - self.source))
        return self.source_detector_mm / max(float(to_isocentre), 1e-9)

    @property
    def is_from_behind(self) -> bool:
        """Whether the patient's right is on the image's right: not as frontal images are hung.

        The named views are hung; others are from behind within 60° of a frontal one's mirror image.
        """
        return bool(self.column_axis[0] > 0.5)

    def pixel_offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """Distances [mm] of pixel centres from the detector's centre: (rows,), (columns,)."""
        rows, columns = self.size
        down = (np.arange(rows) - (rows - 1) / 2) * self.pixel_mm[0]
        right = (np.arange(columns) - (columns - 1) / 2) * self.pixel_mm[1]
        return down, right

    def detector_points(self) -> np.ndarray:
        """Pixel centres in RAS [mm], (rows, columns, 3)."""
        down, right = self.pixel_offsets()
        return (
            self.centre
            + down[:, None, None] * self.row_axis
            + right[None, :, None] * self.column_axis
        )

    def sources(self) -> np.ndarray:
        """Start of each ray in RAS [mm], broadcastable to (rows, columns, 3)."""
        if self.beam == "cone":
            return self.source[None, None, :]
        if self.beam == "localizer":
            along = (self.centre - self.source) @ self.row_axis + self.pixel_offsets()[0]
            return self.source + along[:, None, None] * self.row_axis
        return self.detector_points() - (self.centre - self.source)

    def project_points(self, ras: np.ndarray) -> np.ndarray:
        """Image (row, column) of RAS points [mm], (N, 3) → (N, 2); exact, may lie outside."""
        points = np.atleast_2d(np.asarray(ras, dtype=np.float64))
        ray = self.centre - self.source
        depth = (points - self.source) @ self.normal
        if self.beam == "parallel":
            steps = 1.0 - depth / (ray @ self.normal)
            hit = points + steps[:, None] * ray
        else:
            scale = (ray @ self.normal) / depth
            hit = self.source + scale[:, None] * (points - self.source)
        column = (hit - self.centre) @ self.column_axis
        towards = points if self.beam == "localizer" else hit
        row = (towards - self.centre) @ self.row_axis
        offset = np.stack([row, column], axis=1) / np.asarray(self.pixel_mm)
        return offset + (np.asarray(self.size) - 1) / 2

    def image_to_ras(self) -> np.ndarray:
        """4×4 from (column, row, k) to RAS of a (1, rows, columns) volume on the detector."""
        matrix = np.eye(4)
        matrix[:3, 0] = self.column_axis * self.pixel_mm[1]
        matrix[:3, 1] = self.row_axis * self.pixel_mm[0]
        matrix[:3, 2] = self.normal
        matrix[:3, 3] = self.detector_points_corner()
        return matrix

    def detector_points_corner(self) -> np.ndarray:
        """Centre of pixel (0, 0) in RAS [mm]."""
        down, right = self.pixel_offsets()
        return self.centre + down[0] * self.row_axis + right[0] * self.column_axis

    def to_dict(self) -> dict:
        """Plain numbers for `drr.json`; RAS, mm."""
        return {
            "frame": "RAS mm",
            "beam": self.beam,
            "source": self.source.tolist(),
            "centre": self.centre.tolist(),
            "column_axis": self.column_axis.tolist(),
            "row_axis": self.row_axis.tolist(),
            "pixel_mm": list(self.pixel_mm),
            "size": list(self.size),
            "isocentre": self.isocentre.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict) -> Geometry:
        """Inverse of `to_dict`; a missing or wrong entry is named."""
        if data.get("frame") != "RAS mm":
            raise ValueError(f"frame: got {data.get('frame')!r}; expected 'RAS mm'")
        names = ("beam", "source", "centre", "column_axis", "row_axis", "isocentre")
        missing = [n for n in (*names, "pixel_mm", "size") if n not in data]
        if missing:
            raise ValueError(f"geometry: misses {', '.join(missing)}")
        return cls(
            **{n: data[n] for n in names},
            pixel_mm=(float(data["pixel_mm"][0]), float(data["pixel_mm"][1])),
            size=(int(data["size"][0]), int(data["size"][1])),
        )


def make_geometry(config: GeometryConfig, isocentre_ras: np.ndarray) -> Geometry:
    """Geometry of a named view, turned by `config.rotate`, around `isocentre_ras` (3,) [mm].

    The orbital angle turns the tube around the patient's long axis (S), from the front towards the
    patient's left; the tilt then lifts the tube towards the head.
    """
    check_config(config)
    view = VIEWS[config.view]
    orbital = math.radians(view.orbital + config.rotate[0])
    tilt = math.radians(config.rotate[1])
    isocentre = np.asarray(isocentre_ras, dtype=np.float64)
    around = np.array([-math.sin(orbital), math.cos(orbital), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    to_tube = math.cos(tilt) * around + math.sin(tilt) * up
    row_axis = math.sin(tilt) * around - math.cos(tilt) * up
    seen_from_tube = np.cross(to_tube, row_axis)
    column_axis = -seen_from_tube if view.mirrored else seen_from_tube
    centre = isocentre - to_tube * (config.source_detector - config.source_object)
    centre = centre + config.shift[0] * row_axis + config.shift[1] * column_axis
    return Geometry(
        beam=config.beam,
        source=isocentre + to_tube * config.source_object,
        centre=centre,
        column_axis=column_axis,
        row_axis=row_axis,
        pixel_mm=(config.pixel, config.pixel),
        size=(int(config.size[0]), int(config.size[1])),
        isocentre=isocentre,
    )


def coarser(geometry: Geometry, longest_side: int) -> Geometry:
    """The same detector in larger pixels, `longest_side` at most a side; for previews."""
    factor = max(geometry.size) / longest_side
    if factor <= 1:
        return geometry
    rows, columns = (max(1, round(n / factor)) for n in geometry.size)
    row_mm, column_mm = geometry.pixel_mm
    pixel_mm = row_mm * geometry.size[0] / rows, column_mm * geometry.size[1] / columns
    return replace(geometry, size=(rows, columns), pixel_mm=pixel_mm)
