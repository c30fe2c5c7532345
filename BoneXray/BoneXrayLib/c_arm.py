"""C-arms: the pose that the header of an angiography or fluoroscopy image states.

DICOM's X-Ray Positioner (PS3.3 C.8.7.5) gives the place of the image receptor about the patient:

    Positioner Primary Angle (0018,1510)     in the transaxial plane; 0° in front of the chest,
                                             +90° at the patient's left (LAO), -90° at the right
    Positioner Secondary Angle (0018,1511)   in the sagittal plane; 0° in front of the chest,
                                             +90° at the head (cranial), -90° at the feet (caudal)

With both, the secondary angle lifts the receptor out of the transaxial plane after the primary one
turned it. With α and β the receptor then stands from the isocentre along

    (sin α cos β, -cos α cos β, sin β) in LPS,

and the tube opposite. These are angles about the patient, so table and patient position do not
enter. The header says nothing of where in the CT the isocentre lies.
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass

import numpy as np

from .dicom.dicom_files import numbers, read_header
from .files import existing_path, naming
from .geometry import Geometry, GeometryConfig, check_size, make_geometry

SPACING = "ImagerPixelSpacing"
TAGS = {
    "PositionerPrimaryAngle": "(0018,1510)",
    "PositionerSecondaryAngle": "(0018,1511)",
    "DistanceSourceToDetector": "(0018,1110)",
    "DistanceSourceToPatient": "(0018,1111)",
    SPACING: "(0018,1164)",
    "Rows": "(0028,0010)",
    "Columns": "(0028,0011)",
}


@dataclass(frozen=True)
class CArm:
    """Where a C-arm stands and what it sees with; lengths in mm, angles in degrees."""

    primary: float
    """Detector towards the patient's left (LAO positive)."""
    secondary: float
    """Detector towards the head (cranial positive)."""
    source_detector: float
    """Source to detector."""
    source_object: float
    """Source to isocentre; DICOM calls it Distance Source to Patient."""
    pixel: tuple[float, float]
    """(row, column) pixel at the detector."""
    size: tuple[int, int]
    """Rows, columns."""

    def __post_init__(self) -> None:
        for name, limit in (("primary", 180.0), ("secondary", 90.0)):
            angle = getattr(self, name)
            if not (math.isfinite(angle) and abs(angle) <= limit):
                raise ValueError(f"{name}: got {angle!r}; expected -{limit:g} to {limit:g} degrees")
        if len(self.pixel) != 2 or not all(math.isfinite(p) and p > 0 for p in self.pixel):
            raise ValueError(f"pixel: got {self.pixel!r}; expected two positive lengths in mm")
        check_size(self.size)


def geometry_from_c_arm(arm: CArm, isocentre: np.ndarray | None = None) -> Geometry:
    """Geometry of a C-arm about `isocentre` (3,) RAS mm, the frame's origin when None.

    The image is hung as C-arms show it, seen from the detector: head on top, and with the detector
    in front of the patient the patient's left on the right.

    Raises:
        ValueError: distances that no C-arm has.
    """
    config = GeometryConfig(
        view="PA",  # detector in front; turning it to the left turns the tube to the right ...
        rotate=(arm.primary, -arm.secondary),  # ... and lifting it lowers the tube
        source_detector=arm.source_detector,
        source_object=arm.source_object,
        size=arm.size,
    )
    geometry = make_geometry(config, np.zeros(3) if isocentre is None else isocentre)
    return dataclasses.replace(geometry, pixel_mm=arm.pixel)


def read_c_arm(path: str | os.PathLike) -> CArm:
    """The C-arm of a DICOM XA or RF image; of a run that turned, where it started.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no DICOM, or elements are missing; all of them are named.
    """
    file = existing_path(path, "pose")
    with naming("pose"):
        header = read_header(file)
    values = {name: numbers(header, name, 2 if name == SPACING else 1) for name in TAGS}
    found = {name: value for name, value in values.items() if value is not None}
    missing = [f"{name} {TAGS[name]}" for name in TAGS if name not in found]
    if missing:
        raise ValueError(
            f"pose: {file.name} misses {', '.join(missing)}; expected an XA or RF image of a C-arm"
        )
    try:
        return CArm(
            primary=found["PositionerPrimaryAngle"][0],
            secondary=found["PositionerSecondaryAngle"][0],
            source_detector=found["DistanceSourceToDetector"][0],
            source_object=found["DistanceSourceToPatient"][0],
            pixel=(found[SPACING][0], found[SPACING][1]),
            size=(int(found["Rows"][0]), int(found["Columns"][0])),
        )
    except ValueError as error:
        raise ValueError(f"pose: {file.name}: {error}") from None
