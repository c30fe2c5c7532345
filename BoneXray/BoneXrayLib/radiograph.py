"""Radiographs in and out, always bone bright inside.

`read_radiograph` takes DICOM (`dicom_radiograph.py` has the rules), PNG, JPEG, TIFF
(`picture_files.py`) and the float NRRD that `write_float_nrrd` writes (`float_nrrd.py`).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dicom.dicom_files import is_dicom
from .dicom.dicom_radiograph import read_dicom_radiograph
from .dicom.dicom_spacing import ASK
from .display import display_window, to_grey, write_png
from .files import existing_path, naming, plain_stem
from .float_nrrd import DOMAINS, FloatImage, read_float_image, write_float_image
from .geometry_config import LEAST_PIXEL_MM, MOST_PIXEL_MM, check_pixel
from .picture_files import is_picture, read_picture
from .volume_files import is_image_file

if TYPE_CHECKING:
    from .geometry import Geometry

__all__ = [
    "DOMAINS",
    "POLARITIES",
    "Radiograph",
    "display_window",
    "radiograph_from_array",
    "read_radiograph",
    "to_grey",
    "write_float_nrrd",
    "write_png",
]

logger = logging.getLogger(__name__)

POLARITIES = ("auto", "bone-bright", "bone-dark")


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One radiograph, bone bright.

    Attributes:
        pixels: (row, column) float32, row 0 on top, finite, bone brighter than soft tissue.
            Optical density (line integral of attenuation, no unit) or display values of an unknown
            response, as `domain` says.
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
        if min(shape) < 1:
            raise ValueError(f"pixels: shape {shape}; expected at least one pixel")
        if not np.isfinite(self.pixels).all():
            raise ValueError("pixels: holds NaN or infinity; expected finite values")
        if self.domain not in DOMAINS:
            raise ValueError(f"domain: {self.domain!r}; expected one of {', '.join(DOMAINS)}")
        if self.pixel_mm is not None:
            object.__setattr__(self, "pixel_mm", checked_pixel_mm(self.pixel_mm))
        object.__setattr__(self, "notes", tuple(self.notes))


def check_reading(pixel: float | None, polarity: str) -> None:
    """Refuse a pixel size [mm] or a polarity that a user cannot mean."""
    if pixel is not None:
        check_pixel(pixel)
    if polarity not in POLARITIES:
        raise ValueError(f"polarity: got {polarity!r}; expected one of {', '.join(POLARITIES)}")


def checked_pixel_mm(pixel_mm: float | tuple[float, float]) -> tuple[float, float]:
    """(row, column) spacing in mm from one number or two, or a ValueError."""
    row, column = np.broadcast_to(np.asarray(pixel_mm, dtype=np.float64), 2)
    if not all(LEAST_PIXEL_MM <= mm <= MOST_PIXEL_MM for mm in (row, column)):
        accepted = f"{LEAST_PIXEL_MM:g} to {MOST_PIXEL_MM:g} mm"
        raise ValueError(f"pixel_mm: {pixel_mm}; expected {accepted}")
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


def read_radiograph(
    path: str | os.PathLike,
    pixel_mm: float | tuple[float, float] | None = None,
    polarity: str = "auto",
    frame: int = 0,
) -> Radiograph:
    """Read a radiograph; bone is bright in what comes back.

    Args:
        path: DICOM (CR, DX, fluoroscopy, localizer, secondary capture), PNG, JPEG, TIFF or NRRD.
        pixel_mm: pixel size at the detector in mm where the file has none or a wrong one.
        polarity: how bones look in the file as a viewer shows it; "auto" follows the file
            (a picture without such data counts as bone bright).
        frame: which frame of a multi-frame DICOM file, from 0.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no radiograph, in one line that says why.
    """
    check_reading(None, polarity)
    given = None if pixel_mm is None else checked_pixel_mm(pixel_mm)
    file = existing_path(path, "image")
    if file.is_dir():
        raise ValueError(f"image: {file} is a folder; expected one radiograph file")
    with naming("image"):
        radiograph = _read(file, polarity, frame)
    if radiograph.pixels.min() == radiograph.pixels.max():
        value = float(radiograph.pixels.flat[0])
        raise ValueError(
            f"image: {file.name}: every pixel is {value:g}; expected an image with contrast"
        )
    if given is not None:
        radiograph = _with_pixel(radiograph, given)
    for note in radiograph.notes:
        logger.info("%s: %s", file.name, note)
    return radiograph


def _read(file: Path, polarity: str, frame: int) -> Radiograph:
    if is_dicom(file):
        return _from_dicom(file, polarity, frame)
    if is_image_file(file):
        return _from_image_file(file, polarity)
    if is_picture(file):
        return _from_picture(file, polarity)
    raise ValueError(
        f"image: {file.name} ({file.stat().st_size} bytes) is no DICOM, PNG, JPEG, "
        "TIFF or NRRD file; expected a radiograph"
    )


def _from_dicom(file: Path, polarity: str, frame: int) -> Radiograph:
    found = read_dicom_radiograph(file, polarity, frame)
    size, notes = found.size, tuple(found.notes)
    return Radiograph(
        _finite(found.pixels, file),
        "display",
        size.pixel_mm,
        size.magnification,
        None,
        file.stem,
        notes,
    )


def _from_picture(file: Path, polarity: str) -> Radiograph:
    pixels, notes = read_picture(file)
    pixels = _finite(pixels, file)
    if polarity == "bone-dark":
        pixels = pixels.max() + pixels.min() - pixels
    notes += ["a picture: " + _taken_as(polarity), ASK]
    return Radiograph(pixels, name=file.stem, notes=tuple(notes))


def _from_image_file(file: Path, polarity: str) -> Radiograph:
    image = read_float_image(file)
    pixels = _finite(image.pixels, file)
    if polarity == "bone-dark":
        pixels = pixels.max() + pixels.min() - pixels
    notes = () if image.domain else (_taken_as(polarity), *(() if image.pixel_mm else (ASK,)))
    return Radiograph(
        pixels,
        image.domain or "display",
        image.pixel_mm,
        image.magnification,
        image.geometry,
        plain_stem(file),
        notes,
    )


def _taken_as(polarity: str) -> str:
    if polarity == "bone-dark":
        return "inverted, as it was said to be bone dark"
    return "taken as bone bright; say bone-dark if it is not (--polarity, in the panel Stored)"


def _finite(pixels: np.ndarray, file: Path) -> np.ndarray:
    if not np.isfinite(pixels).all():
        raise ValueError(f"image: {file.name} holds NaN or infinity; expected finite values")
    return pixels


def _with_pixel(radiograph: Radiograph, pixel_mm: tuple[float, float]) -> Radiograph:
    before = radiograph.pixel_mm
    said = "the file says none" if before is None else f"the file says {before[0]:.4g} mm"
    notes = [note for note in radiograph.notes if ASK not in note]
    notes.append(f"pixel {pixel_mm[0]:.4g} mm as given; {said}")
    return replace(radiograph, pixel_mm=pixel_mm, notes=tuple(notes))


def write_float_nrrd(path: str | os.PathLike, radiograph: Radiograph) -> None:
    """Write a radiograph as float32 NRRD of (1, rows, columns), marked with its domain.

    A simulated one lies on its detector's plane in the patient's frame and brings its geometry.
    """
    image = FloatImage(
        radiograph.pixels,
        radiograph.domain,
        radiograph.pixel_mm,
        radiograph.magnification,
        radiograph.geometry,
    )
    write_float_image(path, image)
