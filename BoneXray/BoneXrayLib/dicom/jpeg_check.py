"""JPEG streams of DICOM files, their headers compared with the file's before a decoder sees them.

A stream may claim another size than its DICOM header does, and a decoder may end the whole
process, Slicer with it, when markers are damaged. Both are found here from the markers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

JPEG_START, JPEG_END, JPEG_2000_START = b"\xff\xd8", b"\xff\xd9", b"\xff\x4f\xff\x51"
JPEG_2000_FILE = b"\x00\x00\x00\x0cjP  "
#: Start-of-frame markers: baseline … lossless, and JPEG-LS. (C4, C8 and CC are no frames.)
JPEG_LS = 0xF7
FRAMES = {*range(0xC0, 0xD0), JPEG_LS} - {0xC4, 0xC8, 0xCC}
LOSSLESS_FRAMES = {0xC3, 0xC7, 0xCB, 0xCF, JPEG_LS}
HUFFMAN, ARITHMETIC, QUANTIZATION, SOS = 0xC4, 0xCC, 0xDB, 0xDA
#: What may stand before the first scan: frames, tables, restart interval, application, comment.
KNOWN = {
    *FRAMES,
    *(HUFFMAN, ARITHMETIC, QUANTIZATION, SOS, 0xDD, 0xF8, 0xFE),
    *range(0xE0, 0xF0),
}


@dataclass(frozen=True)
class JpegStream:
    """What one frame's compressed stream says of itself.

    Attributes:
        kind: "jpeg" (the DCT ones and lossless), "jpeg-ls" or "jpeg-2000" (with HTJ2K).
        bits: bits a sample of the stream, which may differ from the DICOM header's.
        data: the stream, without what some writers put around it.
    """

    kind: str
    rows: int
    columns: int
    samples: int
    bits: int
    data: bytes


def checked_stream(data: bytes, rows: int, columns: int, samples: int) -> JpegStream:
    """The JPEG, JPEG-LS or JPEG 2000 stream of one frame.

    Raises:
        ValueError: no such stream, cut short, damaged markers, or another size than the header's.
    """
    if data.startswith(JPEG_2000_FILE):  # a whole .jp2 file, which DICOM does not allow
        data = data[max(0, data.find(JPEG_2000_START)) :]
    if data.startswith(JPEG_START):
        stream = _jpeg(data)
    elif data.startswith(JPEG_2000_START):
        stream = _jpeg_2000(data)
    else:
        raise ValueError("damaged JPEG: no stream starts here")
    said, expected = (stream.rows, stream.columns, stream.samples), (rows, columns, samples)
    if said != expected:
        raise ValueError(f"its JPEG says {said} rows, columns, samples; the header {expected}")
    return stream


def _jpeg(data: bytes) -> JpegStream:
    at, header, markers = 2, (0, 0, 0, 0), set()
    while SOS not in markers:
        while at + 1 < len(data) and data[at] == data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError("damaged JPEG markers")
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        markers.add(marker)
        if marker in FRAMES:
            header = _frame_header(marker, data[at + 4 : at + 2 + length])
        if marker not in KNOWN or length < 2:
            raise ValueError("damaged JPEG markers")
        at += 2 + length
    lossy = markers & FRAMES - LOSSLESS_FRAMES
    if (lossy and QUANTIZATION not in markers) or not markers & {HUFFMAN, ARITHMETIC, JPEG_LS}:
        raise ValueError("damaged JPEG: tables are missing")
    # libjpeg makes up grey for what is missing; the others refuse by themselves.
    if not data.rstrip(b"\x00\xff").endswith(JPEG_END):
        raise ValueError("the JPEG has no end, it is cut short")
    bits, rows, columns, samples = header
    kind = "jpeg-ls" if JPEG_LS in markers else "jpeg"
    return JpegStream(kind, rows, columns, samples, bits, data)


def _frame_header(marker: int, body: bytes) -> tuple[int, int, int, int]:
    """Bits a sample, rows, columns and samples of a start-of-frame segment."""
    if len(body) < 6 or len(body) != 6 + 3 * body[5]:
        raise ValueError("damaged JPEG frame header")
    bits, rows, columns, samples = struct.unpack_from(">BHHB", body)
    if bits not in (range(2, 17) if marker in LOSSLESS_FRAMES else (8, 12)):
        raise ValueError(f"damaged JPEG frame header: {bits} bits a sample")
    return bits, rows, columns, samples


def _jpeg_2000(data: bytes) -> JpegStream:
    if len(data) < 45:
        raise ValueError("damaged JPEG 2000 header")
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    samples = struct.unpack_from(">H", data, 40)[0]
    bits = [(b & 0x7F) + 1 for b in data[42:][: 3 * samples : 3]]  # the highest bit: signed
    if not bits or len(bits) != samples or max(bits) > 16:
        raise ValueError("damaged JPEG 2000 header: bits a sample")
    return JpegStream("jpeg-2000", bottom - top, right - left, samples, max(bits), data)
