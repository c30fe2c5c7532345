"""What a user sets about tube and detector: named views, beam shapes, distances, pixels.

Views are hung as radiographs are: with the tube in front of the patient the image is seen from the
tube; with the tube at the side or behind, from the detector. So AP and PA both show the patient's
right side on the left, a left lateral has the front of the patient on the left, a right lateral
on the right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BEAMS = ("cone", "parallel", "localizer")


@dataclass(frozen=True)
class View:
    """Direction of the tube: degrees around the patient's long axis, 0 = in front, 90 = left."""

    orbital: float
    mirrored: bool
    label: str


VIEWS: dict[str, View] = {
    "AP": View(0.0, False, "antero-posterior: tube in front"),
    "PA": View(180.0, True, "postero-anterior: tube behind"),
    "LAT-L": View(-90.0, True, "left lateral: left side at the detector"),
    "LAT-R": View(90.0, True, "right lateral: right side at the detector"),
    "LAO": View(-135.0, True, "left anterior oblique: left front at the detector"),
    "RAO": View(135.0, True, "right anterior oblique: right front at the detector"),
    "LPO": View(-45.0, False, "left posterior oblique: left back at the detector"),
    "RPO": View(45.0, False, "right posterior oblique: right back at the detector"),
}

MAX_PIXELS_A_SIDE = 8192
LEAST_PIXEL_MM, MOST_PIXEL_MM = 0.001, 10.0
"""What a radiograph may have."""


@dataclass
class GeometryConfig:
    """View and beam as a user sets them; lengths in mm, angles in degrees."""

    view: str = "AP"
    """Named view in the patient's frame: AP, PA, LAT-L, LAT-R, LAO, RAO, LPO or RPO."""
    rotate: tuple[float, float] = (0.0, 0.0)
    """Turn from the view: ORBITAL (tube to the patient's left), TILT (tube to the head) [deg]."""
    beam: str = "cone"
    """Beam shape: cone, parallel, or localizer (fan across the table, parallel along it)."""
    source_detector: float = 1800.0
    """Distance from the source to the detector (SDD) [mm]."""
    source_object: float = 1500.0
    """Distance from the source to the centre of the CT (SOD) [mm]."""
    pixel: float = 1.0
    """Pixel size at the detector [mm]."""
    size: tuple[int, int] = (512, 512)
    """Detector size in pixels: ROWS COLUMNS."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Shift of the detector within its plane [mm]: DOWN RIGHT in the image."""

    def __post_init__(self) -> None:
        check_config(self)


def check_config(config: GeometryConfig) -> None:
    """Refuse a view, beam, length or size that no radiograph has; names the field and its value."""
    one_of("view", config.view, tuple(VIEWS))
    one_of("beam", config.beam, BEAMS)
    check_pixel(config.pixel)
    for name in ("source_detector", "source_object"):
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: got {value!r}; expected a positive length in mm")
    if config.source_object >= config.source_detector:
        raise ValueError(
            f"source_object: got {config.source_object!r}; expected less than "
            f"source_detector ({config.source_detector!r} mm)"
        )
    for name in ("rotate", "shift"):
        pair = getattr(config, name)
        if len(pair) != 2 or not all(math.isfinite(v) for v in pair):
            raise ValueError(f"{name}: got {pair!r}; expected two finite numbers")
    check_size(config.size)


def check_pixel(pixel: float) -> None:
    """Refuse a pixel size [mm] that no radiograph has."""
    if not (math.isfinite(pixel) and pixel > 0):
        raise ValueError(f"pixel: got {pixel!r}; expected a positive length in mm")
    if not LEAST_PIXEL_MM <= pixel <= MOST_PIXEL_MM:
        raise ValueError(
            f"pixel: got {pixel!r}; expected {LEAST_PIXEL_MM:g} to {MOST_PIXEL_MM:g} mm"
        )


def check_size(size: tuple[int, int]) -> None:
    """Refuse a detector that has no pixels or more than fit into memory."""
    if len(size) != 2 or not all(int(n) == n and 1 <= n <= MAX_PIXELS_A_SIDE for n in size):
        raise ValueError(
            f"size: got {tuple(size)!r}; expected rows and columns between 1 and "
            f"{MAX_PIXELS_A_SIDE}"
        )


def one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    """Refuse a value that is none of the accepted words."""
    if value not in accepted:
        raise ValueError(f"{name}: got {value!r}; expected one of {', '.join(accepted)}")
