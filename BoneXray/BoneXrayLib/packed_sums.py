"""Checksums of packed image files, which ITK's readers do not look at.

Of a file that was damaged on its way they hand out what they can unpack, and anything or zeros
behind it: a CT whose lower half is noise. The sum over what was read is compared with the one that
the file ends with; where a reader changed the values (another byte order, a slope), the file is
unpacked once more for its sum alone.
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .files import one_line

CHUNK_BYTES = 2**24
MOST_HEADER_BYTES = 2**20
GZIP, ZLIB = "gzip", "zlib"


@dataclass(frozen=True)
class _Packed:
    """Packed bytes: from where in which file to its end, how, and how many come before voxels."""

    file: Path
    start: int
    kind: str
    before: int = 0


def check_sums(path: Path, array: np.ndarray) -> None:
    """Refuse a packed NIfTI, NRRD or MetaImage file whose checksum does not fit.

    Args:
        path: the file.
        array: what was read of it, (k, j, i) or (k, j, i, component).

    Raises:
        ValueError: in one line, with the file's name.
    """
    try:
        packed = _packed(path)
        if packed is not None and not _fits(packed, array):
            _unpack(packed)
    except (EOFError, OSError, zlib.error, struct.error) as error:
        reason = one_line(error, 80)
        raise ValueError(f"{path.name}: damaged ({reason}); expected a whole file") from error


def _packed(path: Path) -> _Packed | None:
    """Where the packed voxels of a file are; None where they are not packed, or in a way of their
    own."""
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        with gzip.open(path) as file:
            return _Packed(path, 0, GZIP, _voxels_from(file.read(540)))
    if name.endswith((".nrrd", ".nhdr")):
        return _of_nrrd(path)
    if name.endswith((".mha", ".mhd")):
        return _of_metaimage(path)
    return None


def _voxels_from(head: bytes) -> int:
    """Where the voxels of a NIfTI file start, by its header."""
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0]
        if size in (348, 540):
            kind, at = ("f", 108) if size == 348 else ("q", 168)
            return int(struct.unpack_from(order + kind, head, at)[0])
    return 0


def _of_nrrd(path: Path) -> _Packed | None:
    head = _head(path)
    end = re.search(rb"\r?\n\r?\n", head)
    text = head[: end.start()] if end else head
    if not re.search(rb"^encoding:\s*(gz|gzip)\s*$", text, re.MULTILINE | re.IGNORECASE):
        return None
    beside = re.search(rb"^data ?file:\s*(.+?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    if re.search(rb"^(line|byte) ?skip:", text, re.MULTILINE | re.IGNORECASE):
        return None
    if beside is None:
        return _Packed(path, end.end(), GZIP) if end else None
    return _beside(path, beside[1], GZIP)


def _of_metaimage(path: Path) -> _Packed | None:
    head = _head(path)
    place = re.search(rb"^ElementDataFile\s*=\s*(.+?)\s*?\n", head, re.MULTILINE)
    if place is None or not re.search(
        rb"^CompressedData\s*=\s*True", head[: place.start()], re.MULTILINE | re.IGNORECASE
    ):
        return None
    if place[1].upper() == b"LOCAL":
        return _Packed(path, place.end(), ZLIB)
    return _beside(path, place[1], ZLIB)


def _beside(path: Path, name: bytes, kind: str) -> _Packed | None:
    """Voxels in a file of their own; None for lists of files."""
    file = path.parent / name.decode("utf-8", errors="replace")
    return _Packed(file, 0, kind) if file.is_file() else None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_HEADER_BYTES)


def _fits(packed: _Packed, array: np.ndarray) -> bool:
    """Whether the sum over the values is the one that the file ends with."""
    values = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    with packed.file.open("rb") as file:
        file.seek(-(8 if packed.kind == GZIP else 4), 2)
        end = file.read()
        if packed.kind == ZLIB:
            return struct.unpack(">I", end)[0] == zlib.adler32(values)
        file.seek(packed.start)
        before = gzip.GzipFile(fileobj=file).read(packed.before) if packed.before else b""
    return struct.unpack("<I", end[:4])[0] == zlib.crc32(values, zlib.crc32(before))


def _unpack(packed: _Packed) -> None:
    """Unpack to the end, which compares the sums, and keep nothing."""
    with packed.file.open("rb") as file:
        file.seek(packed.start)
        if packed.kind == GZIP:
            unpacked = gzip.GzipFile(fileobj=file)
            while unpacked.read(CHUNK_BYTES):
                pass
        else:
            _unpack_zlib(file)


def _unpack_zlib(file: BinaryIO) -> None:
    stream = zlib.decompressobj()
    while not stream.eof:
        chunk = stream.unconsumed_tail or file.read(CHUNK_BYTES)
        if not chunk:
            raise EOFError("it ends before its data do")
        stream.decompress(chunk, CHUNK_BYTES)
