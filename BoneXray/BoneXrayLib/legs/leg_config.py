"""What is set about rebuilding the bones of a leg: the fields of command and panel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..fitting.reconstruction_config import ReconstructionConfig
from ..geometry_config import VIEWS, one_of
from ..radiograph import check_reading
from ..shape_model import BONES, SIDES


@dataclass
class LegConfig(ReconstructionConfig):
    """Which bones, of which models, and how the radiographs were taken where nothing says it."""

    bones: tuple[str, ...] = BONES
    """Bones to rebuild: femur, tibia."""
    model: tuple[str, ...] = ("shape-femur", "shape-tibia")
    """Names or folders of shape models, one for each bone."""
    finder: str = "features-leg"
    """Name or folder of the model that finds the features."""
    side: str = "auto"
    """auto, right or left: which leg it is."""
    view: tuple[str, ...] = ()
    """Named view of each image, such as AP LAT-R; without, as DICOM or the features say."""
    pixel: float | None = None
    """Pixel size at the detector [mm], for files that do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the file."""
    source_detector: float | None = None
    """Distance from the source to the detector [mm], for files that do not say it."""
    source_object: float | None = None
    """Distance from the source to the bone [mm], for files that do not say it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_reading(self.pixel, self.polarity)
        if not self.bones or len(set(self.bones)) < len(self.bones):
            raise ValueError(f"bones: got {self.bones!r}; expected some of {', '.join(BONES)}")
        for bone in self.bones:
            one_of("bones", bone, BONES)
        one_of("side", self.side, ("auto", *SIDES))
        for view in self.view:
            one_of("view", view, tuple(VIEWS))
        for name in ("source_detector", "source_object"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: got {value!r}; expected a positive length in mm")
        if self.source_detector and self.source_object:
            check_order(self.source_object, self.source_detector)


def check_order(source_object: float, source_detector: float) -> None:
    """Refuse a bone behind the detector."""
    if source_object >= source_detector:
        raise ValueError(
            f"source_object: got {source_object:g}; expected less than source_detector "
            f"({source_detector:g} mm)"
        )
