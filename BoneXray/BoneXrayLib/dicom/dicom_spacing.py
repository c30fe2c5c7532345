"""How large a pixel of a DICOM radiograph is, and in which plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .dicom_files import number, number_or, numbers, tag

if TYPE_CHECKING:
    from pydicom import Dataset

ASK = (
    "pixel spacing is not in the file: give it to measure in mm (--pixel, in the panel Pixel size; "
    "mm at the detector)"
)
SMALLEST_MM, LARGEST_MM = 0.001, 10.0


@dataclass
class PixelSize:
    """Pixel (row, column) mm at the detector, magnification detector / body; None = unknown."""

    pixel_mm: tuple[float, float] | None = None
    magnification: float | None = None
    notes: list[str] = field(default_factory=list)


def pixel_size(dataset: Dataset) -> PixelSize:
    """Pixel size at the detector from whatever the file has.

    ImagerPixelSpacing is the detector's. PixelSpacing beside it, if it differs, is calibrated to a
    plane in the body and tells the magnification. PixelSpacing alone is believed, for a CT
    localizer it holds at the isocentre. NominalScannedPixelSpacing is a film scanner's.
    """
    imager, pixel = _spacing(dataset, "ImagerPixelSpacing"), _spacing(dataset, "PixelSpacing")
    scanned = _spacing(dataset, "NominalScannedPixelSpacing")
    magnification, source = _magnification(dataset)
    if tag(dataset, "Modality") == "CT" and pixel:
        return PixelSize(pixel, 1.0, ["CT localizer: pixel spacing holds at the isocentre"])
    if imager:
        if pixel and abs(pixel[0] / imager[0] - 1) > 0.01:
            kind = tag(dataset, "PixelSpacingCalibrationType", "uncalibrated")
            ratio = (
                f"PixelSpacing {pixel[0]:g} mm ({kind}) against {imager[0]:g} mm at the detector"
            )
            if magnification is None and pixel[0] < imager[0]:
                magnification, source = imager[0] / pixel[0], ratio
        return PixelSize(imager, magnification, _lengths(magnification, source))
    if pixel and tag(dataset, "PixelSpacingCalibrationType") and magnification:
        # Calibrated in the body: the detector's pixels are larger by the magnification.
        pixel = pixel[0] * magnification, pixel[1] * magnification
    found = pixel or scanned
    if found:
        return PixelSize(found, magnification, _lengths(magnification, source))
    notes = [ASK]
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing"):
        said = numbers(dataset, keyword, 2)
        if said is not None:
            notes = [f"its {keyword} says {said[0]:g} mm, which is impossible; {ASK}"]
    return PixelSize(None, magnification, notes)


def _spacing(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    values = numbers(dataset, keyword, 2)
    if values is None or not all(SMALLEST_MM <= value <= LARGEST_MM for value in values):
        return None
    return values[0], values[1]


def _magnification(dataset: Dataset) -> tuple[float | None, str]:
    """Detector size over body size, and where it is from; None where unknown or impossible."""
    factor = number(dataset, "EstimatedRadiographicMagnificationFactor")
    if factor is not None and 1.0 <= factor <= 10:
        return factor, "EstimatedRadiographicMagnificationFactor"
    detector = number_or(dataset, "DistanceSourceToDetector", 0.0)
    patient = number_or(dataset, "DistanceSourceToPatient", 0.0)
    if patient > 0 and 1.0 <= detector / patient <= 10:
        return detector / patient, f"{detector:g} mm to the detector, {patient:g} mm to the patient"
    return None, ""


def _lengths(magnification: float | None, source: str) -> list[str]:
    if magnification is None:
        return ["lengths are at the detector, larger than in the body; magnification unknown"]
    return [f"lengths are at the detector, magnification {magnification:.3f} ({source})"]
