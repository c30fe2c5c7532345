"""Radiographs in and out, always bone bright inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .geometry import Geometry

DOMAINS = ("optical density", "display")
SMALLEST_SIDE = 16
LARGEST_SIDE = 16384


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph, bone bright.

    Attributes:
        pixels: (row, column) float32, row 0 on top, finite, not constant, bone brighter than soft
            tissue. Optical density (line integral of attenuation, no unit) or display values of an
            unknown response, as `domain` says.
        domain: one of `DOMAINS`.
        pixel_mm: (row, column) spacing at the detector, or None where nobody knows.
        magnification: size on the detector over size in the patient, or None where not known.
        geometry: source and detector in patient RAS for a simulated radiograph, else None.
        name: what nodes and files made from it are called after.
        notes: what the reader noticed and did, one sentence each.

    Raises:
        ValueError: what is not such a radiograph, in one line.
    """

    pixels: np.ndarray
    domain: str = "display"
    pixel_mm: tuple[float, float] | None = None
    magnification: float | None = None
    geometry: Geometry | None = None
    name: str = "Radiograph"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = np.shape(self.pixels)
        if not isinstance(self.pixels, np.ndarray) or len(shape) != 2:
            raise ValueError(f"pixels: shape {shape}; expected a 2-D array (row, column)")
        if self.pixels.dtype != np.float32:
            raise ValueError(f"pixels: dtype {self.pixels.dtype}; expected float32")
        check_size(shape[0], shape[1], "pixels")
        if not np.isfinite(self.pixels).all():
            raise ValueError("pixels: holds NaN or infinity; expected finite values")
        if self.pixels.min() == self.pixels.max():
            raise ValueError(
                f"pixels: all are {self.pixels.flat[0]:g}; expected an image with contrast"
            )
        if self.domain not in DOMAINS:
            raise ValueError(f"domain: {self.domain!r}; expected one of {', '.join(DOMAINS)}")
        if self.pixel_mm is not None:
            object.__setattr__(self, "pixel_mm", checked_pixel_mm(self.pixel_mm))
        object.__setattr__(self, "notes", tuple(self.notes))


def check_size(rows: int, columns: int, argument: str) -> None:
    """Refuse images too small to show a bone or too large to be a radiograph."""
    if min(rows, columns) < SMALLEST_SIDE or max(rows, columns) > LARGEST_SIDE:
        raise ValueError(
            f"{argument}: {rows} x {columns} pixels (rows x columns); "
            f"expected {SMALLEST_SIDE} to {LARGEST_SIDE} a side"
        )


def checked_pixel_mm(pixel_mm: float | tuple[float, float]) -> tuple[float, float]:
    """(row, column) spacing in mm from one number or two, or a ValueError."""
    row, column = np.broadcast_to(np.asarray(pixel_mm, dtype=np.float64), 2)
    if not (0.001 <= row <= 10 and 0.001 <= column <= 10):
        raise ValueError(f"pixel_mm: {pixel_mm}; expected 0.001 to 10 mm")
    return float(row), float(column)


def radiograph_from_array(
    pixels: np.ndarray,
    domain: str = "display",
    pixel_mm: float | tuple[float, float] | None = None,
    name: str = "Radiograph",
    geometry: Geometry | None = None,
) -> Radiograph:
    """A `Radiograph` from any real 2-D array (row, column) that is bone bright already."""
    array = np.asarray(pixels)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"pixels: dtype {array.dtype}; expected real numbers, one per pixel")
    spacing = None if pixel_mm is None else checked_pixel_mm(pixel_mm)
    return Radiograph(array.astype(np.float32), domain, spacing, None, geometry, name)
