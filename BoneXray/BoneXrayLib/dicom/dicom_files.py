"""DICOM files: found in folders, headers and stored pixels read in every transfer syntax.

Pixels are read with pydicom, the compressed ones decoded by `compressed_pixels`. ITK's readers,
SimpleITK's among them, hand MONOCHROME1 back inverted; here is what is stored.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import existing_path, one_line
from .compressed_pixels import SYNTAXES, PixelLayout, decoded_frames

if TYPE_CHECKING:
    from pydicom import Dataset

logger = logging.getLogger(__name__)

DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
#: Decoded pixels of one file, all its frames; more is taken for a forged or unsuitable file.
LARGEST_DECODED_BYTES = 4 * 2**30


@contextmanager
def quiet_pydicom() -> Generator[None]:
    """Silence pydicom about oddities of a file: what matters is checked and said by us."""
    log = logging.getLogger("pydicom")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            log.setLevel(level)


@contextmanager
def _quiet_value() -> Generator[None]:
    """As `quiet_pydicom`, of one value: a level that is set makes all loggers forget what they
    know, and of a series there are thousands of values."""
    log = logging.getLogger("pydicom")
    was = log.disabled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.disabled = True
        try:
            yield
        finally:
            log.disabled = was


def is_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM does, with its preamble or (old files) without."""
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return False
    # Without preamble the first element is of group 0002 or 0008, in either byte order.
    bare = head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08") and head[3:4] in (b"\x00", b"\x05")
    return head[128:132] == b"DICM" or (bare and len(head) == 132)


def read_header(path: Path) -> Dataset:
    """Everything before the pixels.

    Raises:
        ValueError: not a readable DICOM file.
    """
    return _read(path, stop_before_pixels=True)


def read_dataset(path: Path) -> Dataset:
    """The whole file; the pixels are decoded by `stored_pixels`.

    Raises:
        ValueError: not a readable DICOM file.
    """
    return _read(path, stop_before_pixels=False)


def _read(path: Path, stop_before_pixels: bool) -> Dataset:
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if not is_dicom(path):
        raise ValueError(f"{path.name}: not a DICOM file")
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels, force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:
                implicit = dataset.is_implicit_VR
                dataset.file_meta.TransferSyntaxUID = (
                    ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
                )
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise ValueError(f"{path.name}: not a readable DICOM file ({one_line(error)})") from error
    return dataset


def tag(dataset: Dataset, keyword: str, default: Any = None) -> Any:
    """The element's value; `default` where it is missing, empty or cannot be parsed."""
    try:
        with _quiet_value():
            value = dataset.get(keyword)
    except Exception:  # a value that breaks its own representation, e.g. DS "abc"
        logger.debug("cannot parse %s", keyword)
        return default
    empty = value is None or (hasattr(value, "__len__") and len(value) == 0)
    return default if empty else value


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers of one element, or None."""
    value = tag(dataset, keyword)
    if value is None:
        return None
    try:
        values = tuple(
            float(v) for v in ([value] if isinstance(value, (str, int, float)) else value)
        )
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """One finite number, or None."""
    values = numbers(dataset, keyword, 1)
    return None if values is None else values[0]


def number_or(dataset: Dataset, keyword: str, default: float) -> float:
    """One finite number, or `default` where there is none."""
    value = number(dataset, keyword)
    return default if value is None else value


def falling_voi_lut(dataset: Dataset) -> bool:
    """Whether a VOI LUT shows high values dark; its first and last entries tell."""
    data: Any = next((tag(i, "LUTData", 0) for i in tag(dataset, "VOILUTSequence", ())), 0)
    if isinstance(data, bytes):  # of VR OW, and in every implicit file
        is_big = tag(dataset.file_meta, "TransferSyntaxUID") == BIG_ENDIAN
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2" if is_big else "<u2")
    data = np.atleast_1d(data)
    return bool(data.dtype.kind in "iuf" and len(data) > 2 and data[-1] < data[0])


def stored_pixels(dataset: Dataset, name: str) -> np.ndarray:
    """Stored values, (frame, row, column) or (frame, row, column, sample), decompressed.

    Colours are as stored, too: YBR_FULL stays YBR_FULL.

    Raises:
        ValueError: no pixels, truncated or broken pixels, or a transfer syntax nobody here reads.
    """
    try:
        layout = _layout(dataset)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: its header says no rows, columns or bits ({one_line(error, 80)})"
        ) from None
    if layout.rows < 1 or layout.columns < 1 or "PixelData" not in dataset:
        raise ValueError(f"{name}: holds no pixels (or is cut short); expected a whole DICOM image")
    size = math.prod(layout.shape) * layout.bits_allocated // 8
    if size > LARGEST_DECODED_BYTES:
        limit = LARGEST_DECODED_BYTES / 2**30
        raise ValueError(
            f"{name}: {size / 2**30:.1f} GiB of pixels; expected at most {limit:.0f} GiB"
        )
    syntax = getattr(tag(dataset.file_meta, "TransferSyntaxUID"), "name", "unknown transfer syntax")
    try:
        with quiet_pydicom():
            pixels = _decoded(dataset, layout)
    except Exception as error:  # the decoders raise many kinds
        raise ValueError(
            f"{name}: its pixels cannot be decoded, it may be cut short "
            f"({syntax}: {one_line(error, 120)})"
        ) from error
    if pixels.size != math.prod(layout.shape):
        raise ValueError(f"{name}: {pixels.size} pixel values; its header says {layout.shape}")
    return _without_overlays(pixels.reshape(layout.shape), dataset)


def _layout(dataset: Dataset) -> PixelLayout:
    allocated = int(tag(dataset, "BitsAllocated", 16))
    return PixelLayout(
        frames=frame_count(dataset),
        rows=int(tag(dataset, "Rows", 0)),
        columns=int(tag(dataset, "Columns", 0)),
        samples=int(tag(dataset, "SamplesPerPixel", 1)),
        bits_allocated=allocated,
        bits_stored=int(tag(dataset, "BitsStored", allocated)),
        signed=bool(tag(dataset, "PixelRepresentation", 0)),
    )


def _decoded(dataset: Dataset, layout: PixelLayout) -> np.ndarray:
    if dataset.file_meta.TransferSyntaxUID in SYNTAXES:
        return decoded_frames(dataset, layout)
    try:
        from pydicom.pixels import pixel_array
    except ImportError:  # pydicom 2 (Slicer 5.10), which hands colours out as stored
        return np.asarray(dataset.pixel_array)
    return np.asarray(pixel_array(dataset, raw=True))


def frame_count(dataset: Dataset) -> int:
    """Number of frames, 1 where the header does not say."""
    return max(1, int(number_or(dataset, "NumberOfFrames", 1)))


def _without_overlays(pixels: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Clear the bits above the stored ones where old files keep overlay graphics there."""
    bit_position = dataset.get((0x6000, 0x0102))
    if bit_position is None or not bit_position.value or pixels.dtype.kind not in "iu":
        return pixels
    spare = pixels.dtype.itemsize * 8 - int(tag(dataset, "BitsStored", 16))
    # Shifting up and down again drops the high bits and, for signed values, extends the sign.
    return (pixels << spare) >> spare


def find_dicom_files(source: Path | Iterable[str | os.PathLike]) -> tuple[list[Path], int]:
    """DICOM files of a folder (with its subfolders) or of a list, and how many files were no DICOM.

    Raises:
        FileNotFoundError: a listed file is not there.
    """
    if isinstance(source, Path):
        candidates = sorted(p for p in source.rglob("*") if p.is_file())
    else:
        candidates = [existing_path(p) for p in source]
    files = [path for path in candidates if is_dicom(path)]
    return files, len(candidates) - len(files)
