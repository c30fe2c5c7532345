"""CT slices as DICOM headers describe them: place, direction, rescale, padding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dicom_files import frame_count, number, number_or, numbers, tag

if TYPE_CHECKING:
    from pydicom import Dataset

LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Slice:
    """One CT slice: where it lies (DICOM's LPS, mm) and how its stored values become HU.

    Attributes:
        path: the file; several frames share one.
        frame: frame number within the file, from 0.
        shape: rows, columns.
        position: (3,) centre of the first pixel, LPS mm.
        axes: (2, 3) unit vectors: right along a row, down along a column.
        pixel_mm: spacing (row, column).
        slope, intercept: HU = stored * slope + intercept.
        padding: stored values (low, high) that mean "nothing measured here", or None.
        order: instance number, breaks ties only.
        uid: the instance's UID with the frame number.
    """

    path: Path
    frame: int
    shape: tuple[int, int]
    position: tuple[float, ...]
    axes: tuple[tuple[float, ...], tuple[float, ...]]
    pixel_mm: tuple[float, float]
    slope: float
    intercept: float
    padding: tuple[float, float] | None
    order: int
    uid: str

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit vector across the slice, LPS."""
        return np.cross(*np.asarray(self.axes))


def slices_of(path: Path, header: Dataset) -> list[Slice]:
    """One `Slice` per frame of a CT file.

    Raises:
        ValueError: position, orientation, pixel spacing or rescale are missing or impossible.
    """
    frames = tag(header, "PerFrameFunctionalGroupsSequence")
    if frames is None and frame_count(header) > 1:
        raise ValueError(f"{path.name}: several frames without positions; expected an enhanced CT")
    shared = tag(header, "SharedFunctionalGroupsSequence", [None])[0]
    count = 1 if frames is None else len(frames)
    if frames is not None and count != frame_count(header):
        raise ValueError(
            f"{path.name}: positions of {count} frames for {frame_count(header)} frames"
        )
    return [_slice(path, header, i, [frames[i], shared] if frames else []) for i in range(count)]


def _slice(path: Path, header: Dataset, frame: int, groups: list[Dataset | None]) -> Slice:
    def find(sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
        """From the frame's functional groups (enhanced CT), else from the file itself."""
        for group in groups:
            items = None if group is None else tag(group, sequence)
            if items is not None and keyword in items[0]:
                return numbers(items[0], keyword, count)
        return numbers(header, keyword, count)

    position = find("PlanePositionSequence", "ImagePositionPatient", 3)
    cosines = find("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = find("PixelMeasuresSequence", "PixelSpacing", 2)
    slope = find("PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = find("PixelValueTransformationSequence", "RescaleIntercept", 1)
    if position is None or cosines is None:
        raise ValueError(
            f"{path.name}: ImagePositionPatient or ImageOrientationPatient is missing or "
            "unreadable; expected 3 and 6 numbers"
        )
    if spacing is None or min(spacing) < 1e-4:
        raise ValueError(
            f"{path.name}: PixelSpacing {tag(header, 'PixelSpacing')}; expected above 0 mm"
        )
    if slope == (0.0,):
        raise ValueError(
            f"{path.name}: RescaleSlope 0; expected a slope that keeps the values apart"
        )
    return Slice(
        path=path,
        frame=frame,
        shape=_shape(path, header),
        position=position,
        axes=_orthonormal(cosines, path),
        pixel_mm=(spacing[0], spacing[1]),
        slope=1.0 if slope is None else slope[0],
        intercept=0.0 if intercept is None else intercept[0],
        padding=padding_range(header),
        order=int(number_or(header, "InstanceNumber", 0)),
        uid=f"{tag(header, 'SOPInstanceUID', path)}:{frame}",
    )


def _shape(path: Path, header: Dataset) -> tuple[int, int]:
    shape = int(number_or(header, "Rows", 0)), int(number_or(header, "Columns", 0))
    if min(shape) < 2 or max(shape) > LARGEST_SIDE:
        raise ValueError(
            f"{path.name}: {shape[0]} x {shape[1]} pixels; expected 2 to {LARGEST_SIDE} a side"
        )
    return shape


def padding_range(header: Dataset) -> tuple[float, float] | None:
    """Stored values (low, high) that pad the image, or None."""
    value = number(header, "PixelPaddingValue")
    if value is None:
        return None
    limit = number_or(header, "PixelPaddingRangeLimit", value)
    return min(value, limit), max(value, limit)


def _orthonormal(
    cosines: tuple[float, ...], path: Path
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    row, column = np.reshape(cosines, (2, 3))
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1, atol=0.01) or abs(row @ column) > 0.01:
        raise ValueError(
            f"{path.name}: ImageOrientationPatient {list(cosines)}; "
            "expected two unit vectors at right angles"
        )
    # Files round their cosines; an exact frame keeps the grid rectangular.
    row = row / lengths[0]
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return tuple(row.tolist()), tuple(column.tolist())
