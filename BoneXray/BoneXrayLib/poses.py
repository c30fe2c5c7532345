"""Poses from elsewhere: files that say where source and detector stood.

    drr.json                  of this program: the geometry of an earlier radiograph
    3 lines of 4 numbers      a projection matrix, as text; `pose_matrix.py` says of what
    {"projection": …}         the same as JSON, with "size", "pixel_mm" and "frame"
    DICOM XA, RF              the angles and distances of a C-arm; `c_arm.py`

Records and matrices are in the CT's own frame; a C-arm turns about the middle of the CT.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from .c_arm import CArm, geometry_from_c_arm, read_c_arm
from .dicom.dicom_files import is_dicom
from .files import existing_path, one_line
from .geometry import Geometry, GeometryConfig
from .pose_matrix import FRAMES, TOLERANCE, geometry_from_matrix, projection_matrix

__all__ = [
    "FRAMES",
    "TOLERANCE",
    "CArm",
    "geometry_from_c_arm",
    "geometry_from_matrix",
    "projection_matrix",
    "read_c_arm",
    "read_pose",
]

LARGEST_TEXT_BYTES = 2**20
_DEFAULTS = GeometryConfig()


def read_pose(
    path: str | os.PathLike,
    size: tuple[int, int] = _DEFAULTS.size,
    pixel: float = _DEFAULTS.pixel,
    isocentre: np.ndarray | None = None,
) -> Geometry:
    """The geometry that a file states.

    Args:
        path: a drr.json, a projection matrix as text or JSON, or a DICOM XA or RF image.
        size: rows and columns, where the file has none.
        pixel: pixel [mm] at the detector, where the file has none.
        isocentre: the middle of the CT, (3,) RAS mm: a C-arm turns about it, and a matrix of
            either sign looks at it; the frame's origin when None.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no pose, in one line that says why.
    """
    file = existing_path(path, "pose")
    if file.is_dir():
        raise ValueError(f"pose: {file} is a folder; expected one file")
    if is_dicom(file):
        return geometry_from_c_arm(read_c_arm(file), isocentre)
    try:
        record = _parsed(_text(file))
        if "geometry" in record:
            return _from_record(record["geometry"])
        return geometry_from_matrix(
            record["projection"],
            _size(record.get("size", size)),
            record.get("pixel_mm", pixel),
            record.get("frame", "RAS"),
            isocentre,
        )
    except ValueError as error:
        raise ValueError(f"pose: {file.name}: {one_line(error, 400)}") from None


def _text(file: Path) -> str:
    if file.stat().st_size > LARGEST_TEXT_BYTES:
        raise ValueError("too large for a pose; expected a drr.json, a 3 x 4 matrix or DICOM")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("no text; expected a drr.json, a 3 x 4 matrix or DICOM") from None


def _parsed(text: str) -> dict[str, Any]:
    """The file's record: what JSON says, or {"projection": rows} of lines of numbers."""
    if not text.lstrip().startswith("{"):
        return {"projection": _rows(text)}
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON ({error})") from None
    if "geometry" not in record and "projection" not in record:
        raise ValueError("holds neither geometry nor projection; expected one of them")
    return record


def _rows(text: str) -> list[list[float]]:
    """Three rows of four numbers, parted by spaces or commas; # starts a remark."""
    lines = [line.split("#")[0].replace(",", " ").split() for line in text.splitlines()]
    lines = [words for words in lines if words]
    try:
        rows = [[float(word) for word in words] for words in lines]
    except ValueError as error:
        raise ValueError(f"{error}; expected a drr.json, a 3 x 4 matrix or DICOM") from None
    if len(rows) != 3:
        raise ValueError(f"lines of numbers: {len(rows)}; expected 3 lines of 4")
    for number, row in enumerate(rows, 1):
        if len(row) != 4:
            raise ValueError(f"line {number} holds {len(row)} numbers; expected 4")
    return rows


def _from_record(geometry: Any) -> Geometry:
    if geometry is None:
        raise ValueError("has no single geometry (shots of a moving tube); expected one")
    try:
        return Geometry.from_dict(geometry)
    except (TypeError, AttributeError, IndexError, KeyError) as error:
        raise ValueError(
            f"geometry: cannot be read ({error}); expected that of a drr.json"
        ) from None


def _size(size: Any) -> tuple[int, int]:
    try:
        rows, columns = (int(n) for n in size)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"size: got {size!r}; expected rows and columns") from None
    return rows, columns
