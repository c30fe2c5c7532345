"""DICOM radiographs: which way up the grey values are, how large a pixel is.

Which way up. What is wanted is bone bright. Two kinds of files exist:

- Pictures for people ("FOR PRESENTATION", CR, localizers, secondary captures): bone is bright as
  a viewer shows them. MONOCHROME2 shows high values bright, MONOCHROME1 shows them dark, so
  MONOCHROME1 is inverted, once, and so is a VOI LUT that falls. PresentationLUTShape only
  repeats PhotometricInterpretation and never inverts again.
- Measurements ("FOR PROCESSING", and fluoroscopy said to be LIN or LOG of the beam): the
  PixelIntensityRelationshipSign tells. +1 (also where it is missing) means high values are more
  beam, bone dark: inverted; -1 is bone bright already. LIN values are proportional to the
  beam's intensity: -ln of them is what other radiographs look like, so that is taken.

Windows and VOI LUTs are how somebody looked at the pixels, not part of them: noted, never applied.
A Modality LUT or rescale is part of them: applied.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..files import one_line
from ..picture_files import check_size, to_one_value
from .dicom_files import (
    falling_voi_lut,
    frame_count,
    number,
    number_or,
    quiet_pydicom,
    read_dataset,
    read_header,
    stored_pixels,
    tag,
)
from .dicom_slices import padding_range
from .dicom_spacing import PixelSize, pixel_size

if TYPE_CHECKING:
    from pydicom import Dataset

MODALITIES = ("CR", "DX", "RG", "RF", "XA", "PX", "IO", "MG", "OT", "SC", "DG")
#: How the note starts that says that a file's header calls it an X-ray image.
XRAY_NOTE = "an X-ray image by its header"
NOT_XRAY = ("OT", "SC", "DG")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass
class DicomRadiograph:
    """Pixels (row, column) float32, bone bright, with their size and what was noticed."""

    pixels: np.ndarray
    size: PixelSize
    notes: list[str] = field(default_factory=list)


def read_dicom_radiograph(path: Path, polarity: str = "auto", frame: int = 0) -> DicomRadiograph:
    """One frame of a DICOM radiograph, localizer or secondary capture.

    Args:
        path: the file.
        polarity: "auto" as above; "bone-bright" or "bone-dark" says how a viewer shows the bones
            (MONOCHROME1 counted in) and overrules it.
        frame: which frame of several, from 0.

    Raises:
        ValueError: no radiograph, unreadable, or an impossible size, in one line.
    """
    header = read_header(path)
    _check_kind(header, path.name)
    check_size(int(number_or(header, "Rows", 0)), int(number_or(header, "Columns", 0)), path.name)
    frames = frame_count(header)
    if not 0 <= frame < frames:
        raise ValueError(f"frame: {frame}; expected 0 to {frames - 1} for {path.name}")
    notes = [f"frame {frame + 1} of {frames}"] if frames > 1 else []
    dataset = read_dataset(path)
    modality = one_line(tag(header, "Modality", "OT"), 20)
    if modality not in NOT_XRAY and not _is_capture(header):
        notes.append(f"{XRAY_NOTE} ({modality})")
    stored = stored_pixels(dataset, path.name)[frame]
    values, ends = _values(stored, dataset, path.name, notes)
    invert, take_log = _polarity(dataset, polarity, notes)
    if invert:
        values = ends[0] + ends[1] - values
    measured = ~_padded(stored, dataset)
    if not measured.all() and measured.any():
        notes.append(f"{np.count_nonzero(~measured)} padding pixels set to the darkest value")
        values[~measured] = values[measured].min()
    if take_log:
        values = _minus_log(ends[0] + ends[1] - values, measured)
    _note_window(dataset, notes)
    size = pixel_size(dataset)
    return DicomRadiograph(values.astype(np.float32), size, notes + size.notes)


def _check_kind(header: Dataset, name: str) -> None:
    modality = one_line(tag(header, "Modality", "OT"), 20)
    image_type = tag(header, "ImageType", ())
    words = [image_type] if isinstance(image_type, str) else [str(word) for word in image_type]
    if tag(header, "Rows") is None:
        raise ValueError(f"{name}: no image ({modality}, or cut short); expected a radiograph")
    if modality == "CT":
        if "LOCALIZER" not in words and not _is_capture(header):
            raise ValueError(
                f"{name}: a CT slice; expected a radiograph (a CT is read as a volume)"
            )
    elif modality not in MODALITIES:
        accepted = ", ".join(MODALITIES[:5])
        raise ValueError(
            f"{name}: modality {modality}; expected a radiograph ({accepted}, CT localizer …)"
        )


def _is_capture(header: Dataset) -> bool:
    return str(tag(header, "SOPClassUID", "")).startswith(SECONDARY_CAPTURE)


def _values(
    stored: np.ndarray, dataset: Dataset, name: str, notes: list[str]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Grey values (row, column) float32 after the modality's rescale, and the ends of their range.

    The range is that of the bits stored, so that the same exposure gives the same inverted
    values whatever its darkest and brightest pixel.
    """
    photometric = str(tag(dataset, "PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        stored = _through_palette(stored, dataset, name)
        notes.append("palette colours looked up")
    if stored.ndim == 3:
        stored = _rgb(stored, photometric, name)
        values = to_one_value(stored, name, notes)
        return values, (0.0, float(np.iinfo(stored.dtype).max))
    if "ModalityLUTSequence" in dataset:
        values = _through_modality_lut(stored, dataset, name)
        notes.append("modality LUT applied")
        return values, (float(values.min()), float(values.max()))
    slope = number_or(dataset, "RescaleSlope", 1.0) or 1.0
    intercept = number_or(dataset, "RescaleIntercept", 0.0)
    bits = int(number_or(dataset, "BitsStored", stored.dtype.itemsize * 8))
    low, high = (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)
    )
    values = stored.astype(np.float32)
    if (slope, intercept) != (1.0, 0.0):
        for row, line in zip(values, stored, strict=True):  # in double, but never all of it
            row[:] = line.astype(np.float64) * slope + intercept
    return values, (low * slope + intercept, high * slope + intercept)


def _through_palette(stored: np.ndarray, dataset: Dataset, name: str) -> np.ndarray:
    try:
        with quiet_pydicom():
            return _pydicom_processing().apply_color_lut(stored, dataset)[..., :3]
    except Exception as error:
        raise ValueError(f"{name}: broken colour palette ({one_line(error, 100)})") from error


def _through_modality_lut(stored: np.ndarray, dataset: Dataset, name: str) -> np.ndarray:
    try:
        with quiet_pydicom():
            return _pydicom_processing().apply_modality_lut(stored, dataset).astype(np.float32)
    except Exception as error:
        raise ValueError(f"{name}: broken modality LUT ({one_line(error, 100)})") from error


def _rgb(stored: np.ndarray, photometric: str, name: str) -> np.ndarray:
    # Some writers leave RGB in the header of a JPEG that is YBR; colours near 128 tell.
    if photometric == "RGB" and np.abs(stored[..., 1:].astype(np.int32) - 128).max() <= 6:
        return np.stack([stored[..., 0]] * 3, axis=-1)
    if not photometric.startswith("YBR_FULL"):
        return stored
    try:
        return _pydicom_processing().convert_color_space(stored, photometric, "RGB")
    except Exception as error:
        raise ValueError(f"{name}: {photometric} colours ({one_line(error, 100)})") from error


def _pydicom_processing() -> ModuleType:
    """Where pydicom 3, or 2 (Slicer 5.10), keeps its look-up tables and colour spaces."""
    try:
        from pydicom.pixels import processing
    except ImportError:
        from pydicom.pixel_data_handlers import util as processing
    return processing


def _polarity(dataset: Dataset, polarity: str, notes: list[str]) -> tuple[bool, bool]:
    """Whether to invert the values, and whether they are beam intensities to take -ln of."""
    inverted_by_viewer = tag(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    if falling_voi_lut(dataset):
        inverted_by_viewer = not inverted_by_viewer
        notes.append("its VOI LUT falls: counted as one inversion")
    if polarity != "auto":
        return inverted_by_viewer != (polarity == "bone-dark"), False
    relation = str(tag(dataset, "PixelIntensityRelationship", "")).upper()
    sign = number(dataset, "PixelIntensityRelationshipSign")
    raw = tag(dataset, "PresentationIntentType") == "FOR PROCESSING"
    fluoroscopy = tag(dataset, "Modality") in ("XA", "RF")
    if (raw and (sign or relation in ("LIN", "LOG"))) or (
        fluoroscopy and relation in ("LIN", "LOG")
    ):
        beam_bright = sign is None or sign > 0
        meaning = "more beam, bone dark: inverted" if beam_bright else "less beam, bone bright"
        notes.append(f"a measurement ({relation or '?'} of the beam), high values are {meaning}")
        return beam_bright, relation == "LIN"
    if inverted_by_viewer:
        notes.append("MONOCHROME1: inverted so that bone is bright")
    elif raw or fluoroscopy:
        notes.append(
            "taken as bone bright; say bone-dark if it is not (--polarity, in the panel Stored)"
        )
    shape = tag(dataset, "PresentationLUTShape")
    if shape == "INVERSE" and tag(dataset, "PhotometricInterpretation") != "MONOCHROME1":
        notes.append("PresentationLUTShape INVERSE contradicts MONOCHROME2: MONOCHROME2 believed")
    return inverted_by_viewer, False


def _padded(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    padding = padding_range(dataset)
    if padding is None or stored.ndim != 2:
        return np.zeros(stored.shape[:2], dtype=bool)
    return (stored >= padding[0]) & (stored <= padding[1])


def _minus_log(beam: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """-ln(I / I0) of values proportional to the beam; I0 is the brightest beam in the picture."""
    inside = measured if measured.any() else np.ones_like(measured)
    full = max(float(np.percentile(beam[inside], 99.9)), 1e-6)
    density = -np.log(np.maximum(beam, full * 1e-4) / full)
    density[~measured] = density[inside].min()
    return density


def _note_window(dataset: Dataset, notes: list[str]) -> None:
    centre, width = tag(dataset, "WindowCenter"), tag(dataset, "WindowWidth")
    if centre is not None and width is not None:
        notes.append(one_line(f"window {centre} / {width} in the file, not applied"))
    if "VOILUTSequence" in dataset:
        notes.append("VOI LUT in the file, not applied")
