"""What a separator of overlapping bones is asked, and what is told of each question."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from BoneXrayLib.extraction import image_scale
from BoneXrayLib.radiograph import Radiograph

from ..evaluating_segments.segmentation_views import SegmentViews
from ..sampling.layer_images import brightness_of_density

EXACT, SHIFTED = "exact", "shifted"
PROTOCOLS = (EXACT, SHIFTED)
MASKS = ("given", "none", "both")
PER_BIN = {EXACT: 3, SHIFTED: 60}
JOINT_PIXELS = {"wrist": 0.15, "trunk": 0.5}
"""Of the radiographs that regions are cut from [mm at the detector]."""


@dataclass(frozen=True)
class SeparationConfig:
    """Which overlaps are asked, and how."""

    protocol: str = ""
    """exact: regions of simulated radiographs of labelled CTs or meshes; shifted: joint images
    whose two bones are moved over each other. By the data when empty."""
    masks: str = "both"
    """given, none or both: whether the model is told the bones' masks."""
    per_bin: int | None = None
    """Most images a bin of overlap size: of each radiograph of a CT (3), or of all joint images
    (60)."""
    views: SegmentViews = field(default_factory=SegmentViews)
    """Of labelled CTs; its seed counts for joint images, too."""
    features: str = ""
    """An .npz with SqueezeNet 1.0 weights, for the distance of features."""
    pictures: bool = False
    """Also write each bone alone, true and separated, as pictures for a reader study."""

    def __post_init__(self) -> None:
        for name, known in (("protocol", ("", *PROTOCOLS)), ("masks", MASKS)):
            if getattr(self, name) not in known:
                expected = ", ".join(k for k in known if k)
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected one of {expected}")
        if self.per_bin is not None and self.per_bin < 1:
            raise ValueError(f"per_bin: got {self.per_bin}; expected at least 1")

    def most(self, protocol: str) -> int:
        """Images a bin."""
        return self.per_bin or PER_BIN[protocol]


@dataclass(frozen=True)
class LayerSubject:
    """What a question is of.

    Attributes:
        protocol: one of `PROTOCOLS`.
        data: data set, or whose bones they are made of.
        patient, view: of the image.
        bones: the upper and the lower one.
        pixels: of the overlap, counted at 256 x 256.
        bin: number of its bin.
        is_joint: whether it stands as joints do that are separated without masks: one bone above
            the other, upright, and little else of bone in the picture.
    """

    protocol: str
    data: str
    patient: str
    view: str
    bones: tuple[str, str]
    pixels: float
    bin: int
    is_joint: bool = True


@dataclass(frozen=True, eq=False)
class LayerQuestion:
    """Two overlapping bones, and what each adds to the image.

    Attributes:
        radiograph: optical density.
        layers: (2, rows, columns) float32, never below zero; the upper bone first.
        masks: (2, rows, columns) bool.
        subject: what it is of.
    """

    radiograph: Radiograph
    layers: np.ndarray
    masks: np.ndarray
    subject: LayerSubject

    @property
    def alone(self) -> np.ndarray:
        """The image as if the other bone were not there, (2, rows, columns) optical density."""
        return self.radiograph.pixels - self.layers[::-1]

    @property
    def overlap(self) -> np.ndarray:
        """Where both bones are, (rows, columns) bool."""
        return self.masks[0] & self.masks[1]

    @property
    def soft_density(self) -> float:
        """Mean optical density within the overlap of all that is neither bone."""
        soft = self.radiograph.pixels - self.layers.sum(axis=0)
        return float(soft[self.overlap].mean())

    @property
    def span(self) -> float:
        """Optical density of what a network is shown as 1."""
        return image_scale(self.radiograph.pixels, self.radiograph.domain).span

    def judged(self, density: np.ndarray) -> np.ndarray:
        """Optical density as errors are judged: on the image's span, or as brightness 0..1."""
        if self.subject.protocol == EXACT:
            return density / self.span
        return brightness_of_density(density)
