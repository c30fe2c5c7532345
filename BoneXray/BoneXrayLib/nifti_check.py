"""What ITK's NIfTI reader passes over in silence: files cut short, NaN, infinity, zero spacing.

Where a file ends early it hands out zeros, and it turns values that are no number into zeros too:
both would be water in a CT. A spacing of zero it takes for 1 mm.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from .files import one_line

#: NIfTI's codes of the floating point types.
FLOAT_TYPES = {16: "f4", 64: "f8"}
CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class _Header:
    start: int
    bytes: int
    spacing: tuple[float, ...]
    floats: np.dtype | None


def check_nifti(path: Path) -> None:
    """Refuse a .nii or .nii.gz file that is cut short, holds NaN or infinity, or has no spacing.

    Raises:
        ValueError: in one line, with the file's name.
    """
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(348)
            if len(head) < 348:
                raise EOFError("its header is cut short")
            header = _header(head)
            _check_spacing(header.spacing, path.name)
            end = header.start + header.bytes
            if header.floats is not None:
                file.seek(header.start)
                _check_finite(cast(BinaryIO, file), header, path.name)
            elif not packed:
                _check_held(path.stat().st_size, end)
            # The last 4 bytes of a plain gzip file are its length unpacked; else count for real.
            elif _length_said(path) != end % 2**32:
                file.seek(end - 1)
                _check_held(end - 1 + len(file.read(1)), end)
    except (EOFError, OSError, zlib.error, struct.error) as error:
        raise ValueError(
            f"{path.name}: cut short or damaged ({one_line(error, 80)}); expected a whole file"
        ) from error


def _header(head: bytes) -> _Header:
    """Where the voxels start, how many bytes they are, and their type if it is a float."""
    order = "<" if head[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else ">"

    def read(kind: str, at: int) -> tuple:
        return struct.unpack_from(order + kind, head, at)

    if read("i", 0)[0] == 540:  # NIfTI-2
        sizes, (code, bits), start = read("8q", 16), read("2h", 12), read("q", 168)[0]
        steps = read("8d", 104)
    else:
        sizes, (code, bits), start = read("8h", 40), read("2h", 70), read("f", 108)[0]
        steps = read("8f", 76)
    spacing = steps[1 : 1 + min(max(sizes[0], 0), 3)]
    count = math.prod(max(1, n) for n in sizes[1 : 1 + min(max(sizes[0], 0), 7)])
    floats = FLOAT_TYPES.get(code)
    kind = np.dtype(order + floats) if floats else None
    return _Header(int(start), count * bits // 8, spacing, kind)


def _check_spacing(spacing: tuple[float, ...], name: str) -> None:
    if not all(math.isfinite(mm) and mm != 0 for mm in spacing):
        text = ", ".join(f"{mm:g}" for mm in spacing)
        raise ValueError(f"{name}: voxel spacing ({text}) mm; expected all above 0")


def _check_finite(file: BinaryIO, header: _Header, name: str) -> None:
    left, size = header.bytes, header.floats.itemsize if header.floats is not None else 1
    while left > 0:
        chunk = file.read(min(left, CHUNK_BYTES))
        if not chunk:
            _check_held(header.bytes - left, header.bytes)
        left -= len(chunk)
        values = np.frombuffer(chunk[: len(chunk) // size * size], dtype=header.floats)
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: holds NaN or infinity; expected finite values")


def _check_held(held: int, needed: int) -> None:
    if held < needed:
        raise EOFError(f"{held} of {needed} bytes")


def _length_said(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(-4, 2)
        return struct.unpack("<I", file.read(4))[0]
