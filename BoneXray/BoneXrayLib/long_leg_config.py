"""What a user sets about a long-leg view: how many shots, how they are taken, and the tube."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .bone import BoneConfig
from .drr import DrrConfig
from .geometry import GeometryConfig, one_of

METHODS = ("translate", "tilt")
_DRR = DrrConfig()


@dataclass
class LongLegConfig:
    """A long-leg view as a user sets it; lengths in mm, angles in degrees."""

    method: str = "tilt"
    """How the shots are taken: tilt (the tube stays, the detector moves; one perspective) or
    translate (tube and detector move together; a parallax in the overlaps)."""
    shots: int = 3
    """Number of shots."""
    overlap: float | None = None
    """What neighbouring shots share, at the detector [mm]; without, a tenth of a shot, or what a
    moved tube needs to miss no part of the CT."""
    length: float | None = None
    """Length of the stitched picture, at the detector [mm]; without, as the CT needs."""
    width: float | None = None
    """Width of the stitched picture, at the detector [mm]; without, as the CT needs."""
    view: str = _DRR.view
    """Named view in the patient's frame: AP, PA, LAT-L, LAT-R, LAO, RAO, LPO or RPO."""
    rotate: tuple[float, float] = _DRR.rotate
    """Turn from the view: ORBITAL (tube to the patient's left), TILT (tube to the head) [deg]."""
    source_detector: float = _DRR.source_detector
    """Distance from the source to the detector (SDD) [mm]."""
    source_object: float = _DRR.source_object
    """Distance from the source to the centre of the CT (SOD) [mm]."""
    pixel: float = _DRR.pixel
    """Pixel size at the detector [mm]."""
    preset: str = _DRR.preset
    """Bone window: bone (>= 200 HU, cleaned), 400-800, cortical or soft-ramp."""
    hu: tuple[float, float] | None = _DRR.hu
    """Own bone window LOW HIGH [HU], both included; replaces the window of the preset."""
    remove_couch: bool = _DRR.remove_couch
    """Leave couch and boards out of the radiograph."""
    remove_contrast: bool = _DRR.remove_contrast
    """Leave contrast medium (blood, kidneys, bowel) out of the bones, by HU windows that clean."""

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        if int(self.shots) != self.shots or self.shots < 1:
            raise ValueError(f"shots: got {self.shots!r}; expected a whole number, 1 or more")
        for name, least in (("overlap", "0 or more"), ("length", "more"), ("width", "more")):
            value = getattr(self, name)
            positive = value is None or value > 0 or (name == "overlap" and value == 0)
            if not positive or (value is not None and not math.isfinite(value)):
                raise ValueError(f"{name}: got {value!r}; expected {least} mm, or nothing")
        self.geometry_config((1, 1))
        self.bone_config()

    def geometry_config(self, size: tuple[int, int]) -> GeometryConfig:
        """The same tube before a detector of this many rows and columns."""
        return GeometryConfig(
            view=self.view,
            rotate=self.rotate,
            source_detector=self.source_detector,
            source_object=self.source_object,
            pixel=self.pixel,
            size=size,
        )

    def bone_config(self) -> BoneConfig:
        """The fields that choose bone voxels."""
        return BoneConfig(
            preset=self.preset,
            hu=self.hu,
            remove_couch=self.remove_couch,
            remove_contrast=self.remove_contrast,
        )
