"""The choices for naming the bones of a radiograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry_config import one_of
from ..radiograph import check_reading
from .mirror_images import MIRRORS
from .turned_images import TURNS


@dataclass
class SegmentConfig:
    """The fields of command and panel for naming bones."""

    model: str = "segment-wrist"
    """Name or folder of the model."""
    pixel: float | None = None
    """Pixel size at the detector [mm], for files that do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the file."""
    threshold: float = 0.5
    """Share from which a pixel belongs to a bone; lower makes bones larger."""
    clean: bool = True
    """Leave out specks and further pieces of a bone, and fill holes."""
    mirror: str = "auto"
    """auto, no or yes: whether the model goes by the mirror image, where it knows one hand only;
    auto asks it both ways."""
    turn: str = "auto"
    """auto, 0, 90, 180 or 270: how far the image is turned clockwise from upright (fingers or head
    up) [deg]; auto shows the model turned ones, too, where it is unsure of the image as it is."""

    def __post_init__(self) -> None:
        check_reading(self.pixel, self.polarity)
        one_of("mirror", self.mirror, MIRRORS)
        one_of("turn", self.turn, TURNS)
        if not (np.isfinite(self.threshold) and 0 < self.threshold < 1):
            raise ValueError(f"threshold: got {self.threshold!r}; expected above 0 and below 1")
