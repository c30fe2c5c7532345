"""What an exposure is set to: tube, grid, detector, and named settings with their sources."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from ..geometry_config import GeometryConfig, one_of
from .spectra import angle_range, voltage_range

DETECTORS = ("csi", "selenium")
MARKERS = ("auto", "none", "L", "R")


@dataclass
class ExposureConfig:
    """One exposure. Lengths in mm.

    Typical clinical values stand for `kvp`, `mas` and `grid` in "Exposure & Acquisition Reference
    Tables", appendix A of *Procedures Review* (University of Missouri, open textbook): distal
    extremities 55-65 kVp, 2-6 mAs, 102 cm, no grid; hip, pelvis 75-90 kVp, 20-60 mAs, 102 cm,
    grid; chest 110-125 kVp, 2-6 mAs, 183 cm, grid of 8:1 or more. Others are said at the field.
    """

    kvp: float = 75.0
    """Tube voltage [kV], 40 to 150."""
    mas: float = 30.0
    """Tube current by time [mAs]: the noise follows it, the picture's brightness does not."""
    filtration_al: float = 3.0
    """Total filtration [mm aluminium]. 2.5 is the usual least; European guidelines on quality
    criteria (EUR 16260, 1996) ask for 3.0."""
    filtration_cu: float = 0.0
    """Copper besides [mm]."""
    anode_angle: float = 12.0
    """Angle of the tungsten anode [deg], 6 to 20; 12 is spekpy's and usual for radiography."""
    grid: bool = True
    """Anti-scatter grid (10:1: lets 70.6 % of the primary and 21 % of the scattered through;
    Altunbas et al., Med. Phys. 43(6), WE-AB-207A-10, 2016)."""
    focal_spot: float = 1.2
    """Nominal size of the focal spot [mm]; 0.6 and 1.2 are a usual pair."""
    detector: str = "csi"
    """What catches the rays: csi (0.6 mm of caesium iodide) or selenium (0.5 mm)."""
    scatter: bool = True
    """Add scattered radiation."""
    blur: bool = True
    """Blur by focal spot and detector."""
    noise: bool = True
    """Add quantum and electronic noise."""
    seed: int = 0
    """Which of the possible noises: the same number gives the same picture."""
    collimation: float = 0.0
    """Width of the border that the collimator covers [mm at the detector]."""
    marker: str = "auto"
    """Lead letter for the patient's side: L, R, none, or auto: by the view."""

    def __post_init__(self) -> None:
        for name, ends in (
            ("kvp", voltage_range()),
            ("anode_angle", angle_range()),
            ("mas", (1e-4, 1e5)),
            ("filtration_al", (0.5, 100.0)),
            ("filtration_cu", (0.0, 10.0)),
            ("focal_spot", (0.0, 10.0)),
            ("collimation", (0.0, 1e4)),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and ends[0] <= value <= ends[1]):
                raise ValueError(f"{name}: got {value!r}; expected {ends[0]:g} to {ends[1]:g}")
        one_of("detector", self.detector, DETECTORS)
        one_of("marker", self.marker, MARKERS)
        if self.seed < 0:
            raise ValueError(f"seed: got {self.seed!r}; expected a whole number from 0")

    def check_fits(self, geometry: GeometryConfig) -> None:
        """Refuse a collimator that leaves nothing of a detector."""
        if 2.0 * self.collimation >= min(geometry.size) * geometry.pixel:
            raise ValueError(
                f"collimation: got {self.collimation:g} mm; expected less than half the detector"
            )

    @property
    def filters_mm(self) -> tuple[tuple[str, float], ...]:
        """Filters as `tube_spectrum` takes them."""
        return (("aluminium", self.filtration_al), ("copper", self.filtration_cu))


EXPOSURES: dict[str, ExposureConfig] = {
    "chest": ExposureConfig(kvp=120.0, mas=4.0),
    "extremity": ExposureConfig(kvp=55.0, mas=4.0, grid=False, focal_spot=0.6),
    "pelvis": ExposureConfig(kvp=75.0, mas=30.0),
    "localizer": ExposureConfig(
        kvp=120.0, mas=1.0, filtration_al=3.0, filtration_cu=0.25, grid=False, scatter=False,
        focal_spot=1.0, marker="none",
    ),
    "c-arm": ExposureConfig(
        kvp=75.0, mas=0.3, filtration_al=3.0, filtration_cu=0.1, focal_spot=0.6, marker="none",
    ),
}  # fmt: skip
"""Named exposures; distances, view and pixels are the geometry's, not theirs.

chest, extremity, pelvis: within the ranges at `ExposureConfig`. localizer: 120 kVp as CT scanners
take them (PMC6298908, table 3, lists 80 to 120); filtered like the CT quality RQT 9 of IEC 61267,
0.25 mm copper; a slit beam, so next to no scatter; its mAs is our choice. c-arm: kVp, filtration
and mAs a frame are our choice of what fluoroscopy of a trunk commonly uses.
"""


def named_exposure(name: str, **changes: object) -> ExposureConfig:
    """A named exposure, fields that are not None put in place of its own.

    Raises:
        ValueError: no such name, or a value that no exposure has.
    """
    one_of("exposure", name, tuple(EXPOSURES))
    given = {field: value for field, value in changes.items() if value is not None}
    return dataclasses.replace(EXPOSURES[name], **given)
