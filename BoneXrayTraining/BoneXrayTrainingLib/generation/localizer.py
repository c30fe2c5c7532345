"""A real localizer: where its own header puts it, and which CT it belongs to.

A localizer's image plane goes through the scanner's isocentre, and its pixels are as large as
things are there. The tube stays opposite the detector while the table moves: rays spread across
the table and are parallel along it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from BoneXrayLib.dicom.dicom_files import find_dicom_files, number, numbers, read_header, tag
from BoneXrayLib.files import existing_path, naming
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume_files import is_image_file

from .config import LocalizerConfig

if TYPE_CHECKING:
    from pydicom import Dataset

SMALLEST_SIDE = 16


@dataclass(frozen=True, eq=False)
class Localizer:
    """A real localizer, bone bright, in the frame of the CT it was taken for.

    Attributes:
        pixels: (rows, columns) float32; the table moved from row to row.
        geometry: RAS mm.
        frame: its frame of reference UID.
        box: rows and columns of the file that are left: first row, end row, first column, end.
    """

    pixels: np.ndarray
    geometry: Geometry
    frame: str
    box: tuple[int, int, int, int]


def frame_of_localizer(path: Path) -> str:
    """The frame of reference of a localizer.

    Raises:
        FileNotFoundError, ValueError: it is not there, or is no localizer.
    """
    return _header(path)[1]


def frame_of_ct(path: Path, series: str = "") -> str:
    """The frame of reference of a DICOM CT; "" for other files, which have none."""
    if not path.exists() or is_image_file(path):
        return ""
    for file in find_dicom_files(path if path.is_dir() else [path])[0]:
        header = read_header(file)
        chosen = not series or series in (
            str(tag(header, "SeriesInstanceUID", "")),
            str(tag(header, "SeriesNumber", "")),
        )
        if chosen and str(tag(header, "Modality", "")) == "CT" and not _is_localizer(header):
            return str(tag(header, "FrameOfReferenceUID", ""))
    return ""


def match_localizers(
    files: tuple[str, ...], root: Path, cts: dict[int, str]
) -> dict[int, tuple[str, ...]]:
    """The localizers of each CT, by its number.

    Args:
        files: the localizers, from `root`.
        root: the data root.
        cts: frame of reference of each CT, "" where it has none.

    Raises:
        ValueError: a localizer belongs to none of the CTs.
    """
    found: dict[int, tuple[str, ...]] = {}
    for file in files:
        frame = frame_of_localizer(root / file)
        owners = [number for number, of_ct in cts.items() if of_ct and of_ct == frame]
        if not owners:
            raise ValueError(
                f"localizer: {file} belongs to none of the CTs; expected a DICOM CT with its "
                f"frame of reference ({frame or 'it has none'})"
            )
        for owner in owners:
            found[owner] = (*found.get(owner, ()), file)
    return found


def read_localizer(path: Path, config: LocalizerConfig) -> Localizer:
    """Pixels and geometry of a localizer.

    Raises:
        ValueError: no localizer, or its header misses what says where it lies.
    """
    header, frame = _header(path)
    with naming("localizer"):
        pixels = read_radiograph(path).pixels
    geometry, turned = _geometry(header, path.name, config)
    pixels = np.ascontiguousarray(pixels.T) if turned else pixels
    if pixels.shape != geometry.size:
        raise ValueError(f"localizer: {path.name}: pixels {pixels.shape}, header {geometry.size}")
    return Localizer(pixels, geometry, frame, (0, pixels.shape[0], 0, pixels.shape[1]))


def cropped_to(localizer: Localizer, corners: np.ndarray, name: str) -> Localizer:
    """The part of a localizer that shows a box of corners (8, 3) RAS mm.

    Raises:
        ValueError: hardly anything of it.
    """
    at = localizer.geometry.project_points(corners)
    shape = np.asarray(localizer.pixels.shape)
    low = np.clip(np.ceil(at.min(axis=0)), 0, shape).astype(int)
    high = np.clip(np.floor(at.max(axis=0)) + 1, 0, shape).astype(int)
    if (high - low).min() < SMALLEST_SIDE:
        raise ValueError(f"localizer: {name} looks past the CT; expected one that shows it")
    old = localizer.geometry
    down, right = ((low + high) / 2 - shape / 2) * np.asarray(old.pixel_mm)
    geometry = Geometry(
        beam=old.beam,
        source=old.source,
        centre=old.centre + down * old.row_axis + right * old.column_axis,
        column_axis=old.column_axis,
        row_axis=old.row_axis,
        pixel_mm=old.pixel_mm,
        size=(int(high[0] - low[0]), int(high[1] - low[1])),
        isocentre=old.isocentre,
    )
    part = np.ascontiguousarray(localizer.pixels[low[0] : high[0], low[1] : high[1]])
    return Localizer(
        part, geometry, localizer.frame, (int(low[0]), int(high[0]), int(low[1]), int(high[1]))
    )


def _header(path: Path) -> tuple[Dataset, str]:
    with naming("localizer"):
        header = read_header(existing_path(path, "localizer"))
    if not _is_localizer(header):
        raise ValueError(f"localizer: {path.name} is none by its ImageType; expected LOCALIZER")
    return header, str(tag(header, "FrameOfReferenceUID", ""))


def _is_localizer(header: Dataset) -> bool:
    words = tag(header, "ImageType", ())
    return "LOCALIZER" in ([words] if isinstance(words, str) else [str(word) for word in words])


def _plane(header: Dataset, name: str) -> dict[str, tuple[float, ...]]:
    """What a header says of where its image lies."""
    wanted = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    wanted |= {"Rows": 1, "Columns": 1}
    found = {key: numbers(header, key, count) for key, count in wanted.items()}
    missing = [key for key, value in found.items() if value is None]
    if missing:
        raise ValueError(f"localizer: {name} misses {', '.join(missing)}; expected where it lies")
    return {key: value for key, value in found.items() if value is not None}


def _geometry(header: Dataset, name: str, config: LocalizerConfig) -> tuple[Geometry, bool]:
    """The geometry, and whether rows and columns change places: the table moves along rows."""
    found, to_ras = _plane(header, name), np.array([-1.0, -1.0, 1.0])  # DICOM is LPS
    corner = np.array(found["ImagePositionPatient"]) * to_ras
    right, down = np.array(found["ImageOrientationPatient"]).reshape(2, 3) * to_ras
    right = right / np.linalg.norm(right)
    down = down - (down @ right) * right  # headers round
    down = down / np.linalg.norm(down)
    spacing, size = np.array(found["PixelSpacing"]), np.array([found["Rows"], found["Columns"]])
    counts = size.astype(int).ravel()
    middle = corner + ((counts[1] - 1) / 2 * spacing[1]) * right
    middle = middle + ((counts[0] - 1) / 2 * spacing[0]) * down
    # Row direction x column direction points away from who looks at the image.
    away = np.cross(right, down)
    turned = abs(right[2]) > abs(down[2])
    if turned:
        right, down, spacing, counts = down, right, spacing[::-1], counts[::-1]
    if abs(down[2]) < math.cos(math.radians(30)):
        raise ValueError(
            f"localizer: {name} does not run along the patient; expected one that does"
        )
    detector, patient = _distances(header, name, config)
    ray = away if config.tube == "near" else -away
    centre = numbers(header, "DataCollectionCenterPatient", 3)
    isocentre = middle
    if centre is not None:
        isocentre = middle + ((np.array(centre) * to_ras - middle) @ right) * right
    scale = detector / patient
    geometry = Geometry(
        beam="localizer",
        source=isocentre - patient * ray,
        centre=isocentre
        + (detector - patient) * ray
        + scale * ((middle - isocentre) @ right) * right,
        column_axis=right,
        row_axis=down,
        pixel_mm=(float(spacing[0]), float(spacing[1] * scale)),
        size=(int(counts[0]), int(counts[1])),
        isocentre=isocentre,
    )
    return geometry, bool(turned)


def _distances(header: Dataset, name: str, config: LocalizerConfig) -> tuple[float, float]:
    """Source to detector, source to isocentre [mm]: the header's, else the config's."""
    keys = ("DistanceSourceToDetector", "DistanceSourceToPatient")
    found = [number(header, key) for key in keys]
    if None in found and config.distances:
        found = list(config.distances)
    if None in found:
        raise ValueError(
            f"localizer: {name} misses {' or '.join(keys)}; set localizer.distances [mm]"
        )
    detector, patient = (float(v) for v in found if v is not None)
    if not 0 < patient < detector:
        raise ValueError(
            f"localizer: {name}: source to detector {detector:g}, to patient {patient:g} mm; "
            "expected the first larger"
        )
    return detector, patient
