"""Damaged JPEG streams in DICOM found before the decoder sees them.

GDCM ends the whole process, Slicer with it, when markers of a JPEG stream are damaged; and a
stream may claim a size that its DICOM header does not. Both are read here from the markers.
"""

from __future__ import annotations

import struct

#: Start-of-frame markers: baseline … lossless, and JPEG-LS. (C4, C8 and CC are no frames.)
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF, 0xF7}
HUFFMAN, QUANTIZATION, SOS = 0xC4, 0xDB, 0xDA
#: What may stand before the first scan: frames, tables, restart interval, application, comment.
KNOWN = {*FRAMES, HUFFMAN, QUANTIZATION, SOS, 0xCC, 0xDD, 0xF8, 0xFE, *range(0xE0, 0xF0)}


def check_jpeg_items(pixel_data: bytes, rows: int, columns: int, samples: int) -> None:
    """Check the markers of every JPEG, JPEG-LS and JPEG 2000 stream in encapsulated pixel data.

    Raises:
        ValueError: damaged markers, or another size than the header's.
    """
    at = 0
    while at + 8 <= len(pixel_data):
        tag, length = struct.unpack_from("<II", pixel_data, at)
        if tag != 0xE000FFFE:  # no item: the end, or damage that pydicom notices
            return
        start = at + 8
        stream = pixel_data[start : start + length]
        if stream[:2] == b"\xff\xd8":
            _same(_jpeg_size(stream), (rows, columns, samples))
        elif stream[:4] == b"\xff\x4f\xff\x51":
            _same(_jpeg_2000_size(stream), (rows, columns, samples))
        at = start + length


def _same(said: tuple[int, int, int] | None, expected: tuple[int, int, int]) -> None:
    if said != expected:
        raise ValueError(f"its JPEG says {said} rows, columns, samples; the header {expected}")


def _jpeg_size(stream: bytes) -> tuple[int, int, int] | None:
    at, size, markers = 2, None, set()
    while True:
        while at + 1 < len(stream) and stream[at] == stream[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 4 > len(stream) or stream[at] != 0xFF:
            raise ValueError("damaged JPEG markers")
        marker, length = stream[at + 1], struct.unpack_from(">H", stream, at + 2)[0]
        markers.add(marker)
        if marker in FRAMES:
            size = _frame_size(marker, stream[at + 4 : at + 2 + length])
        if marker not in KNOWN or length < 2:
            raise ValueError("damaged JPEG markers")
        at += 2 + length
        if marker == SOS:
            break
    lossy = markers & FRAMES - LOSSLESS_FRAMES
    if (lossy and QUANTIZATION not in markers) or not markers & {HUFFMAN, 0xCC, 0xF7}:
        raise ValueError("damaged JPEG: tables are missing")
    return size


def _frame_size(marker: int, body: bytes) -> tuple[int, int, int]:
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise ValueError("damaged JPEG frame header")
    precisions = range(2, 17) if marker in LOSSLESS_FRAMES else (8, 12, 16)
    if body[0] not in precisions:
        raise ValueError(f"damaged JPEG frame header: {body[0]} bits a sample")
    rows, columns = struct.unpack_from(">HH", body, 1)
    return rows, columns, body[5]


def _jpeg_2000_size(stream: bytes) -> tuple[int, int, int]:
    if len(stream) < 45:
        raise ValueError("damaged JPEG 2000 header")
    right, bottom, left, top = struct.unpack_from(">4I", stream, 8)
    samples = struct.unpack_from(">H", stream, 40)[0]
    bits = stream[42:][: 3 * samples : 3]
    if len(bits) != samples or any((b & 0x7F) + 1 > 16 for b in bits):
        raise ValueError("damaged JPEG 2000 header: bits a sample")
    return bottom - top, right - left, samples
