"""Small real DICOM files for the tests: CT series and radiographs, in any transfer syntax."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
CR_CLASS = "1.2.840.10008.5.1.4.1.1.1"
SC_CLASS = "1.2.840.10008.5.1.4.1.1.7"
JPEG_BASELINE, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS_14, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS, HTJ2K = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"
JPEG_2000_LOSSY = (JPEG_2000, HTJ2K)
RLE = "1.2.840.10008.1.2.5"
IMPLICIT, BIG_ENDIAN, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)


def image_dataset(
    pixels: np.ndarray, sop_class: str, modality: str, **elements: object
) -> FileDataset:
    """A grey or colour image (row, column[, 3]) of integers; further elements by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    return dataset


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write as DICOM file, whatever pydicom thinks of its values."""
    dataset.file_meta.TransferSyntaxUID = syntax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if pydicom.__version__ < "3":
            dataset.is_implicit_VR = syntax == IMPLICIT
            dataset.is_little_endian = syntax != BIG_ENDIAN
            dataset.save_as(path, write_like_original=False)
        elif syntax == BIG_ENDIAN:  # save_as refuses to change the byte order
            options = {"implicit_vr": False, "little_endian": False, "force_encoding": True}
            pydicom.dcmwrite(path, dataset, **options)
        else:
            dataset.save_as(path, enforce_file_format=True)
    return path


def transcode(source: Path, target: Path, syntax: str, quality: int | None = None) -> Path:
    """The same image in another transfer syntax; `quality` is the lossy encoders' own measure."""
    if syntax in (IMPLICIT, BIG_ENDIAN, DEFLATED):
        return _rewrite(source, target, syntax)
    dataset = pydicom.dcmread(source)
    if syntax == RLE:
        dataset.compress(RLE, encoding_plugin="pydicom")
        return save(dataset, target, RLE)
    shape = (int(dataset.get("NumberOfFrames", 1)), *pixel_shape(dataset))
    frames = dataset.pixel_array.reshape(shape)
    streams = [encoded(frame, syntax, dataset.BitsStored, quality) for frame in frames]
    return encapsulated(dataset, streams, target, syntax)


def pixel_shape(dataset: Dataset) -> tuple[int, ...]:
    """(row, column) or (row, column, sample) of one frame."""
    samples = () if dataset.SamplesPerPixel == 1 else (dataset.SamplesPerPixel,)
    return (dataset.Rows, dataset.Columns, *samples)


def encapsulated(
    dataset: Dataset, streams: list[bytes], target: Path, syntax: str, **options: object
) -> Path:
    """Write compressed frames; options of pydicom's `encapsulate`."""
    dataset.PixelData = encapsulate(streams, **options)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return save(dataset, target, syntax)


def encoded(pixels: np.ndarray, syntax: str, bits: int, quality: int | None = None) -> bytes:
    """One frame (row, column[, 3]) as a stream; signed values as DICOM wants them for it."""
    import imagecodecs

    if syntax in (*JPEG_2000_LOSSY, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS):
        lossy = syntax in JPEG_2000_LOSSY
        if syntax in (HTJ2K_LOSSLESS, HTJ2K):
            return imagecodecs.htj2k_encode(pixels, quality, reversible=not lossy)
        level = (quality or 80) if lossy else 0  # decibels
        options = {"codecformat": "j2k", "reversible": not lossy, "bitspersample": bits}
        return imagecodecs.jpeg2k_encode(pixels, level, **options)
    if pixels.dtype.kind == "i":  # two's complement of the bits stored
        pixels = pixels.view(pixels.dtype.str.replace("i", "u")) & ((1 << bits) - 1)
    if syntax in (JPEG_LS, JPEG_LS_NEAR):
        room = 2 * pixels.nbytes + 1024  # noise grows
        return imagecodecs.jpegls_encode(pixels, 0 if syntax == JPEG_LS else quality or 2, out=room)
    options = {"bitspersample": bits}
    if syntax in (JPEG_LOSSLESS, JPEG_LOSSLESS_14):
        options |= {"lossless": True, "predictor": 1 if syntax == JPEG_LOSSLESS else 6}
        if pixels.ndim == 3:
            options |= {"colorspace": "RGB", "outcolorspace": "RGB"}
        return imagecodecs.jpeg8_encode(pixels, **options)
    return imagecodecs.jpeg8_encode(pixels, quality or 95, **options)


def _rewrite(source: Path, target: Path, syntax: str) -> Path:
    dataset = pydicom.dcmread(source)
    pixels = dataset.pixel_array
    # A fresh dataset: one that was read remembers the encoding it came in.
    plain = image_dataset(pixels, dataset.SOPClassUID, dataset.Modality)
    for element in dataset:
        plain[element.tag] = element
    plain.PixelData = (pixels.byteswap() if syntax == BIG_ENDIAN else pixels).tobytes()
    return save(plain, target, syntax)


def ct_slice(
    stored: np.ndarray, position: np.ndarray, series: str = "1.2.3", **elements: object
) -> FileDataset:
    """One CT slice, stored (row, column) int16, HU = stored - 1000 unless told."""
    defaults = {
        "SeriesInstanceUID": series,
        "SeriesNumber": int(series.split(".")[-1]),
        "SeriesDescription": f"series {series}",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImagePositionPatient": [f"{v:.6f}" for v in position],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.8, 0.8],
        "RescaleSlope": 1,
        "RescaleIntercept": -1000,
        "InstanceNumber": 1,
    }
    return image_dataset(stored, CT_CLASS, "CT", **(defaults | elements))


def write_ct(
    folder: Path,
    hu_at: object,
    heights: list[float],
    cosines: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    step: tuple[float, float, float] | None = None,
    origin: tuple[float, float, float] = (-12.0, -9.0, 30.0),
    shape: tuple[int, int] = (24, 32),
    series: str = "1.2.3",
    **elements: object,
) -> list[Path]:
    """A CT series of `hu_at(points (row, column, 3) LPS mm) -> HU (row, column)`, 0.8 mm pixels.

    Slice n starts at origin + heights[n] * step (default: the slices' normal). The files' names
    and instance numbers run against the positions, so that sorting by either would be wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    right, down = np.reshape(cosines, (2, 3)).astype(float)
    along = np.cross(right, down) if step is None else np.asarray(step, dtype=float)
    rows, columns = np.mgrid[: shape[0], : shape[1]][..., None] * 0.8
    paths = []
    for n, height in enumerate(heights):
        position = np.asarray(origin) + height * along
        hu = hu_at(position + columns * right + rows * down)
        stored = np.rint(hu + 1000).astype(np.int16)
        fields = {
            "ImageOrientationPatient": [f"{v:.8f}" for v in cosines],
            "InstanceNumber": 900 - n,
        }
        dataset = ct_slice(stored, position, series, **(fields | elements))
        paths.append(save(dataset, folder / f"{series}_{900 - n:04d}.dcm"))
    return paths
