"""Surfaces in VTK's XML files (.vtp), without VTK."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

KINDS = {
    "Float32": "f4", "Float64": "f8", "Int32": "i4", "Int64": "i8", "UInt32": "u4", "UInt64": "u8",
    "UInt8": "u1", "Int8": "i1", "UInt16": "u2", "Int16": "i2",
}  # fmt: skip
BROKEN = (
    ElementTree.ParseError, StopIteration, AttributeError, KeyError, IndexError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip
APPENDED = re.compile(rb"<AppendedData[^>]*>\s*_")


def read_vtp(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) and triangles (M, 3) of a VTP file; larger polygons are cut into triangles.

    Raises:
        ValueError: it is no such file, is packed in another way than zlib's, or has no polygons.
    """
    try:
        return _polygons(_File(path.read_bytes()))
    except BROKEN as error:
        raise ValueError(
            f"surface: {path.name} cannot be read ({error}); expected VTK XML polygons, zlib or "
            "not packed"
        ) from None


class _File:
    """A file's XML, and what of its numbers comes after it."""

    def __init__(self, data: bytes) -> None:
        start = APPENDED.search(data)
        self.appended = b""
        if start:
            # Raw bytes are no XML: the element ends before them.
            self.appended = data[start.end() :]
            data = data[: start.start()] + b"</VTKFile>"
        self.root = ElementTree.fromstring(data)
        self.is_text = start is not None and b'"base64"' in start.group()
        if self.root.get("compressor", "vtkZLibDataCompressor") != "vtkZLibDataCompressor":
            raise ValueError(f"packed by {self.root.get('compressor')}")
        order = "<" if self.root.get("byte_order", "LittleEndian") == "LittleEndian" else ">"
        self.header = np.dtype(order + KINDS[self.root.get("header_type", "UInt32")])
        self.order = order

    def array(self, element: ElementTree.Element) -> np.ndarray:
        """The numbers of a DataArray."""
        kind = np.dtype(self.order + KINDS[element.attrib["type"]])
        how = element.get("format", "ascii")
        if how == "ascii":
            return np.array((element.text or "").split(), dtype=np.float64).astype(kind)
        if how == "appended":
            data = self.appended[int(element.attrib["offset"]) :]
            data = data.split(b"<")[0] if self.is_text else data
            return np.frombuffer(self._block(data, self.is_text), kind)
        return np.frombuffer(self._block((element.text or "").strip().encode(), True), kind)

    def _block(self, data: bytes, is_text: bool) -> bytes:
        """The bytes of a block that says how long it is before it."""
        size = self.header.itemsize
        packed = self.root.get("compressor") is not None

        def numbers(count: int) -> np.ndarray:
            text = data[: 4 * ((count * size + 2) // 3)]
            return np.frombuffer(
                (base64.b64decode(text) if is_text else data)[: count * size], self.header
            )

        if not packed:
            length = int(numbers(1)[0])
            whole = base64.b64decode(data[: 4 * ((length + size + 2) // 3)]) if is_text else data
            return whole[size : size + length]
        count = 3 + int(numbers(1)[0])
        lengths = numbers(count)[3:].astype(int)
        start = 4 * ((count * size + 2) // 3) if is_text else count * size
        total = int(lengths.sum())
        rest = data[start:]
        rest = base64.b64decode(rest[: 4 * ((total + 2) // 3)]) if is_text else rest
        ends = np.concatenate([[0], np.cumsum(lengths)])
        return b"".join(zlib.decompress(rest[a:b]) for a, b in pairwise(ends))


def _polygons(file: _File) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces, before = [], [], 0
    for piece in file.root.iterfind(".//Piece"):
        points = file.array(next(piece.iterfind("Points/DataArray"))).reshape(-1, 3)
        vertices.append(points.astype(np.float64))
        named = {each.get("Name"): each for each in piece.iterfind("Polys/DataArray")}
        at = file.array(named["connectivity"]).astype(np.int64)
        ends = file.array(named["offsets"]).astype(np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        for corner in range(2, int((ends - starts).max(initial=0))):
            enough = ends - starts > corner
            first = starts[enough]
            faces.append(
                before + np.stack([at[first], at[first + corner - 1], at[first + corner]], 1)
            )
        before += len(points)
    return np.concatenate(vertices), np.concatenate(faces)
