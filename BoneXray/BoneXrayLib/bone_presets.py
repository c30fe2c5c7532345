"""What counts as bone: the presets and the one dataclass with the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .attenuation import AIR_HU

SPECK_MM3 = 50.0
"""A ball of 4.6 mm across: above noise and most calcifications, below a pea-shaped bone."""


@dataclass(frozen=True)
class BonePreset:
    """A named way to tell bone from the rest.

    Attributes:
        label: for a menu.
        description: one sentence for a tooltip and the help.
        hu: lower and upper bound [HU], both belong to the window; the upper may be inf.
        ramp_hu: the weight rises linearly from 0 at the lower bound to 1 this far above it;
            0 = a hard edge, 1 from the lower bound on.
        speck_mm3: pieces of bone smaller than this [mm³] are dropped; 0 keeps all.
        remove_couch: whether the couch is taken away.
        remove_contrast: whether contrast medium is.
    """

    label: str
    description: str
    hu: tuple[float, float]
    ramp_hu: float = 0.0
    speck_mm3: float = SPECK_MM3
    remove_couch: bool = True
    remove_contrast: bool = False


PRESETS: dict[str, BonePreset] = {
    "bone": BonePreset(
        "Bone (200 HU and above)",
        "All from 200 HU up, metal and contrast medium too; couch and specks removed.",
        (200.0, math.inf),
        remove_contrast=True,
    ),
    "400-800": BonePreset(
        "400 to 800 HU, literally",
        "Only voxels from 400 to 800 HU, nothing cleaned: hollow bones, as the band is published.",
        (400.0, 800.0),
        speck_mm3=0.0,
        remove_couch=False,
    ),
    # Cortex is 500 to 1900 HU and trabecular bone 100 to 400; 600 leaves out dense trabeculae and
    # contrast medium (mostly below 500) and still holds a cortex of about one voxel.
    "cortical": BonePreset(
        "Cortical bone (600 HU and above)",
        "All from 600 HU up: cortex, teeth and metal, hardly any contrast medium; cleaned.",
        (600.0, math.inf),
    ),
    "soft-ramp": BonePreset(
        "Soft ramp (100 to 300 HU)",
        "Weight rising from 0 at 100 HU to 1 at 300 HU: no hard edge, trabeculae fade in; cleaned.",
        (100.0, math.inf),
        ramp_hu=200.0,
        remove_contrast=True,
    ),
}


@dataclass
class BoneConfig:
    """What counts as bone.

    Attributes:
        preset: name of the preset: bone, 400-800, cortical or soft-ramp.
        hu: lower and upper bound [HU], both included, in place of the preset's; upper may be inf.
        labels: names (or numbers) of the segmentation's structures that become parts; none = all.
        labels_within_hu: of a labelled structure, take only what the HU window holds.
        remove_couch: take away couch, board and head rest, from the bones and from the rest.
        remove_contrast: take contrast medium (blood, kidneys, bowel) away from the bones, where
            the preset does; it stays in the rest. Labelled structures are left as they are.

    Raises:
        ValueError: unknown preset; bounds that are NaN, no pair, or the wrong way round.
    """

    preset: str = "bone"
    hu: tuple[float, float] | None = None
    labels: tuple[str, ...] = ()
    labels_within_hu: bool = False
    remove_couch: bool = True
    remove_contrast: bool = False

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise the one-line ValueError of a wrong field (the fields may be set at any time)."""
        if self.preset not in PRESETS:
            raise ValueError(f"preset: {self.preset!r}; expected one of {', '.join(PRESETS)}")
        if self.hu is None:
            return
        try:
            low, high = (float(bound) for bound in self.hu)
        except (TypeError, ValueError):
            raise ValueError(f"hu: {self.hu!r}; expected two numbers, LOW HIGH [HU]") from None
        if not (math.isfinite(low) and high >= low):
            raise ValueError(f"hu: {low:g} {high:g}; expected LOW HIGH [HU] with LOW <= HIGH")

    @property
    def window(self) -> tuple[float, float]:
        """Lower and upper bound in force [HU]."""
        self.check()
        low, high = PRESETS[self.preset].hu if self.hu is None else self.hu
        return float(low), float(high)

    @property
    def is_soft(self) -> bool:
        """Whether voxels may be bone in part."""
        return PRESETS[self.preset].ramp_hu > 0

    @property
    def speck_mm3(self) -> float:
        """Pieces of bone smaller than this [mm³] are dropped."""
        return PRESETS[self.preset].speck_mm3

    @property
    def removes_couch(self) -> bool:
        """Whether the couch goes: where the preset cleans and the user wants it."""
        return self.remove_couch and PRESETS[self.preset].remove_couch

    @property
    def removes_contrast(self) -> bool:
        """Whether contrast medium goes: where the preset cleans and the user wants it."""
        return self.remove_contrast and PRESETS[self.preset].remove_contrast

    def weight_of(self, hu: np.ndarray) -> np.ndarray:
        """Weight by HU alone, uint8, same shape: 0 outside the window, 255 wholly bone.

        HU are rounded to whole numbers first, as the projector keeps them; air (-1000 HU and
        less), which attenuates nothing, is no bone whatever the window.
        """
        if hu.dtype.kind == "f":
            hu = np.floor(hu.astype(np.float64) + 0.5)
        low, high = self.window
        inside = (hu >= max(low, AIR_HU + 1)) & (hu <= high)
        ramp_hu = PRESETS[self.preset].ramp_hu
        if ramp_hu == 0:
            return np.where(inside, np.uint8(255), np.uint8(0))
        rise = (hu.astype(np.float32) - np.float32(low)) * np.float32(255 / ramp_hu)
        return np.where(inside, np.rint(np.clip(rise, 0, 255)), 0).astype(np.uint8)
