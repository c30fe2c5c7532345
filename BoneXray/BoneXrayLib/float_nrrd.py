"""Float NRRD files of radiographs: what the grey values mean is written beside them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import one_line, written_whole
from .picture_files import check_size
from .volume_files import read_image_file, write_image_file

if TYPE_CHECKING:
    from .geometry import Geometry

DOMAINS = ("optical density", "display")
DOMAIN_KEY = "BoneXray domain"
GEOMETRY_KEY = "BoneXray geometry"
MAGNIFICATION_KEY = "BoneXray magnification"
UNKNOWN_PIXEL_KEY = "BoneXray pixel unknown"


@dataclass(eq=False)
class FloatImage:
    """One grey image of an NRRD (or other ITK) file; `domain` is None without BoneXray's mark."""

    pixels: np.ndarray
    domain: str | None
    pixel_mm: tuple[float, float] | None
    magnification: float | None
    geometry: Geometry | None


def read_float_image(file: Path) -> FloatImage:
    """A single-slice image (row, column) float32 with its marks.

    Raises:
        ValueError: a volume, an impossible size, or marks that cannot be understood.
    """
    image = read_image_file(file)
    if image.array.shape[0] != 1:
        size = " x ".join(str(n) for n in image.array.shape[::-1])
        raise ValueError(f"image: {file.name} is a volume ({size}); expected one radiograph")
    check_size(*image.array.shape[1:], file.name)
    domain = image.keys.get(DOMAIN_KEY)
    if domain not in (None, *DOMAINS):
        raise ValueError(
            f"image: {file.name} says domain {one_line(domain)!r}; expected {' or '.join(DOMAINS)}"
        )
    column_mm, row_mm = (float(mm) for mm in np.linalg.norm(image.ijk_to_ras[:3, :2], axis=0))
    # Without a mark, 1 x 1 mm is what programs write when they do not know.
    known = UNKNOWN_PIXEL_KEY not in image.keys and (domain or (row_mm, column_mm) != (1.0, 1.0))
    return FloatImage(
        image.array[0].astype(np.float32),
        domain,
        (row_mm, column_mm) if known else None,
        _number(image.keys.get(MAGNIFICATION_KEY)),
        _geometry(image.keys.get(GEOMETRY_KEY), file),
    )


def write_float_image(path: str | os.PathLike, image: FloatImage) -> None:
    """Write as float32 NRRD of (1, rows, columns), marked with its domain."""
    keys = {DOMAIN_KEY: image.domain or "display"}
    row_mm, column_mm = image.pixel_mm or (1.0, 1.0)
    # Image right is +i, image down +j: identity in LPS, upright in Slicer's axial view.
    plane = np.diag([-column_mm, -row_mm, 1.0, 1.0])
    if image.pixel_mm is None:
        keys[UNKNOWN_PIXEL_KEY] = "yes"
    if image.magnification is not None:
        keys[MAGNIFICATION_KEY] = repr(float(image.magnification))
    if image.geometry is not None:
        keys[GEOMETRY_KEY] = json.dumps(image.geometry.to_dict())
        plane = image.geometry.image_to_ras()
    with written_whole(path) as beside:
        write_image_file(beside, image.pixels[np.newaxis], plane, keys)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _geometry(text: str | None, file: Path) -> Geometry | None:
    if text is None:
        return None
    from .geometry import Geometry

    try:
        return Geometry.from_dict(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"image: {file.name} has a broken geometry ({one_line(error)})") from error
