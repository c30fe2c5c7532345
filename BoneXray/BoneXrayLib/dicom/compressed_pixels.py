"""Frames of compressed DICOM files (JPEG, JPEG-LS, JPEG 2000) decoded to their stored values.

The decoders are those of imagecodecs: libjpeg-turbo, CharLS and OpenJPEG. GDCM is left alone: a
second GDCM in one process with Slicer's own makes Slicer crash when it closes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .jpeg_check import JpegStream, checked_stream

if TYPE_CHECKING:
    from pydicom import Dataset

#: JPEG baseline, extended, lossless (twice), JPEG-LS (lossless, near lossless), JPEG 2000
#: (lossless, lossy) and high-throughput JPEG 2000 (lossless, lossless with levels, lossy).
SYNTAXES = tuple(
    f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)
)


@dataclass(frozen=True)
class PixelLayout:
    """What a DICOM header says of its stored values.

    Attributes:
        bits_allocated: bits of one value in an uncompressed file.
        bits_stored: how many of these count, from the lowest.
        signed: two's complement of `bits_stored` bits.
    """

    frames: int
    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(row, column) or (row, column, sample)."""
        return (self.rows, self.columns) + ((self.samples,) if self.samples > 1 else ())

    @property
    def shape(self) -> tuple[int, ...]:
        """(frame, row, column) or (frame, row, column, sample)."""
        return (self.frames, *self.frame_shape)


def decoded_frames(dataset: Dataset, layout: PixelLayout) -> np.ndarray:
    """Stored values of all frames, `layout.shape`; YBR colours stay as they are.

    Raises:
        ValueError: damaged streams, or not as many frames as the header says.
        RuntimeError: whatever else the decoders find (their own kinds of it).
    """
    pixels, count = np.empty(0), 0
    for data in _frames(dataset, layout.frames):
        if count == layout.frames:
            raise ValueError(f"more than the {count} frames that its header says")
        stream = checked_stream(data, layout.rows, layout.columns, layout.samples)
        values = _stored_values(_decode(stream), stream, layout)
        if count == 0:
            pixels = np.empty(layout.shape, values.dtype)
        pixels[count] = values.reshape(layout.frame_shape)
        count += 1
    if count != layout.frames:
        raise ValueError(f"{count} frames; its header says {layout.frames}")
    return pixels


def _frames(dataset: Dataset, count: int) -> Iterator[bytes]:
    """The compressed streams, each put together from its fragments."""
    try:
        from pydicom.encaps import generate_frames
    except ImportError:  # pydicom 2 (Slicer 5.10)
        from pydicom import encaps

        yield from encaps.generate_pixel_data_frame(dataset.PixelData, count)
        return
    offsets = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    yield from generate_frames(
        dataset.PixelData,
        number_of_frames=count,
        extended_offsets=offsets if all(offsets) else None,
    )


def _decode(stream: JpegStream) -> np.ndarray:
    """(row, column) or (row, column, sample) as the stream has them."""
    import imagecodecs

    if stream.kind == "jpeg-ls":
        return imagecodecs.jpegls_decode(stream.data)
    if stream.kind == "jpeg-2000":  # OpenJPEG reads HTJ2K, too
        return imagecodecs.jpeg2k_decode(stream.data)
    if stream.samples == 3:  # the same twice: no conversion, the DICOM header knows the colours
        return imagecodecs.jpeg8_decode(stream.data, colorspace="RGB", outcolorspace="RGB")
    return imagecodecs.jpeg8_decode(stream.data)


def _stored_values(values: np.ndarray, stream: JpegStream, layout: PixelLayout) -> np.ndarray:
    """The same values in the header's type, with the sign that the header says.

    A JPEG or JPEG-LS stream knows no sign: negative values come as large positive ones. JPEG 2000
    knows, but writers do not always tell it.
    """
    wanted = 1 if layout.bits_allocated <= 8 else 2 if layout.bits_allocated <= 16 else 4
    size = max(wanted, values.dtype.itemsize)
    bits = _sign_position(values, stream, layout)
    already_signed = values.dtype.kind == "i"
    values = values.astype(f"{'i' if layout.signed else 'u'}{size}")
    spare = size * 8 - bits
    if spare <= 0 or already_signed == layout.signed:
        return values
    return (values << spare) >> spare


def _sign_position(values: np.ndarray, stream: JpegStream, layout: PixelLayout) -> int:
    """Of how many bits a value is: the stream's word counts where the header's cannot be true."""
    if stream.kind == "jpeg":
        return layout.bits_stored
    fits = stream.bits > layout.bits_stored and not (values >> layout.bits_stored).any()
    return layout.bits_stored if fits else stream.bits
