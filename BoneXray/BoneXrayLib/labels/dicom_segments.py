"""Segments of a DICOM SEG object as labels; by highdicom."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..dicom.dicom_files import is_dicom, quiet_pydicom, read_header, tag
from ..files import one_line
from ..volume_files import LPS_TO_RAS

T = TypeVar("T")
SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes: segmentation and label map segmentation storage (DICOM PS3.4 B.5)."""


def segments_in(folder: Path) -> list[Path]:
    """The DICOM SEG files right in a folder."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and is_dicom(p))
    return [path for path in files if is_dicom_seg(path)]


def is_dicom_seg(path: Path) -> bool:
    """Whether a DICOM file holds segments."""
    try:
        return tag(read_header(path), "SOPClassUID") in SEG_CLASSES
    except (ValueError, OSError):
        return False


def read_dicom_segments(path: Path) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Labels (k, j, i) uint8 or uint16, ijk_to_ras (4, 4) mm, and names: the segments' labels.

    The grid is that of the segments, which may be smaller than their CT.

    Raises:
        ValueError: no DICOM SEG of a volume, segments that overlap, or highdicom is not installed.
    """

    def volume_of(found: Any) -> tuple[np.ndarray, np.ndarray]:
        kind = np.uint8 if max(found.segment_numbers, default=0) < 256 else np.uint16
        volume = found.get_volume(combine_segments=True, dtype=kind)
        return np.asarray(volume.array, kind), np.asarray(volume.affine, np.float64)

    expected = "segments of a CT, apart from each other"
    names, (labels, affine) = _read(path, volume_of, expected)
    # highdicom counts slices, rows, columns; the matrix takes i, j, k.
    return labels, LPS_TO_RAS @ affine[:, [2, 1, 0, 3]], names


def read_dicom_masks(path: Path) -> list[tuple[str, np.ndarray]]:
    """Names and masks (rows, columns) bool of a DICOM SEG of one radiograph; they may overlap.

    Raises:
        ValueError: no DICOM SEG of one image, or highdicom is not installed.
    """

    def masks_of(found: Any) -> np.ndarray:
        images = found.get_source_image_uids()
        if len(images) != 1:
            raise ValueError(f"it is of {len(images)} images")
        return found.get_pixels_by_source_instance([images[0][2]])[0] > 0

    names, masks = _read(path, masks_of, "segments of one radiograph")
    return [(name, masks[..., n]) for n, name in enumerate(names.values())]


def _read(path: Path, take: Callable[[Any], T], expected: str) -> tuple[dict[int, str], T]:
    """Names of the segments by number, and what `take` takes of them."""
    if not is_dicom_seg(path):
        raise ValueError(f"{path.name} is no DICOM SEG; expected one, or a label map")
    if importlib.util.find_spec("highdicom") is None:
        raise ValueError(
            f"{path.name}: a DICOM SEG needs the package highdicom, which is not installed; "
            "expected it from pip install 'bone-xray[dicom-seg]', or a .seg.nrrd"
        )
    import highdicom

    with quiet_pydicom():
        try:
            found = highdicom.seg.segread(path)
            return {number: _name(found, number) for number in found.segment_numbers}, take(found)
        except Exception as error:  # highdicom raises whatever a header provokes
            reason = one_line(error, 120).rstrip(".")
            raise ValueError(f"{path.name}: {reason}; expected {expected}") from error


def _name(found: Any, number: int) -> str:
    return one_line(found.get_segment_description(number).segment_label, 80)
