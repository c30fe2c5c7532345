"""The choices for pulling bones apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..radiograph import check_reading


@dataclass
class SeparateConfig:
    """The fields of command and panel for pulling bones apart."""

    model: str = "separate-layers"
    """Name or folder of the model."""
    pixel: float | None = None
    """Pixel size at the detector [mm], for files that do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the file."""
    masks: Path | None = None
    """Masks of the bones: a .seg.nrrd, a folder of PNG masks (as `run segment` writes), a DICOM SEG
    of the radiograph, or a label image of whole numbers (PNG, NRRD, NIfTI). Without, the model
    finds two bones of an upright joint."""
    segment: str = ""
    """Name or folder of a model that names bones: its masks are taken."""

    def __post_init__(self) -> None:
        check_reading(self.pixel, self.polarity)
        if self.masks is not None and self.segment:
            raise ValueError(f"segment: got {self.segment!r} beside masks; expected one of them")
