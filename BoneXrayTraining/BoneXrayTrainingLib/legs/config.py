"""How legs are put together from bones, and how they are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

REGIONS = ("leg", "knee", "hip", "ankle")
"""All from the hip to the ankle, or what lies around one joint in finer voxels."""


@dataclass(frozen=True)
class LegsConfig:
    """To find features of legs: which bones, how they stand, how they are looked at."""

    patients: int = 16
    """How many legs are put together; each is looked at from many sides."""
    models: tuple[str, ...] = ()
    """Shape models (names or folders) whose samples are bones, beside those of the files."""
    sampled: float = 0.75
    """Share of the bones that are samples, where there is a shape model of them."""
    spread: float = 1.0
    """How far samples go from the mean, relative to the shape model: few subjects differ less than
    people do."""
    size: float = 0.04
    """Standard deviation of the log size of a leg, beside that of the bones drawn."""
    leave_out: tuple[str, ...] = ()
    """Subjects of the files, with * and ?, of whom nothing is used: to be evaluated on. Shape
    models must not have been built of them."""
    regions: dict[str, float] = field(
        default_factory=lambda: {"leg": 0.4, "knee": 0.3, "hip": 0.2, "ankle": 0.1}
    )
    """Share of the legs that are whole, or around one joint in finer voxels."""
    voxel: dict[str, float] = field(
        default_factory=lambda: {"leg": 1.2, "knee": 0.8, "hip": 0.9, "ankle": 0.8}
    )
    """Voxel sizes of these [mm]."""
    gap: tuple[float, float] = (4.0, 8.0)
    """Between the bones of a knee where they are nearest [mm]."""
    varus: float = 3.0
    """Standard deviation of a knee's angle in the frontal plane [degrees]."""
    flexion: float = 8.0
    """Mean of a knee's flexion, which is drawn from an exponential distribution [degrees]."""
    shape: float = 1.0
    """Smooth change of shape of all bones but samples, root mean square [mm]."""
    foot: float = 0.0
    """Share of the legs with a foot of simple solids below the talus."""
    rotation: float = 15.0
    """The tube goes this far around the leg from each named view [degrees]."""
    tilt: float = 8.0
    """And this far up and down."""
    lateral_share: float = 0.45
    """Share of lateral images; the others are frontal."""

    def __post_init__(self) -> None:
        if self.patients < 1:
            raise ValueError(f"legs.patients: got {self.patients}; expected at least 1")
        for name in ("sampled", "foot", "lateral_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"legs.{name}: got {getattr(self, name)}; expected 0 to 1")
        for name, given in (("regions", self.regions), ("voxel", self.voxel)):
            unknown = sorted(set(given) - set(REGIONS))
            if unknown or not given or min(given.values()) < 0 or not sum(given.values()):
                raise ValueError(f"legs.{name}: got {given}; expected {', '.join(REGIONS)}")
        for name, most in (("spread", 2.0), ("size", 0.15)):
            if not 0.0 <= getattr(self, name) <= most:
                got = getattr(self, name)
                raise ValueError(f"legs.{name}: got {got}; expected 0 to {most:g}")
        if not 1.0 <= self.gap[0] <= self.gap[1] <= 15.0:
            raise ValueError(f"legs.gap: got {self.gap}; expected two rising lengths, 1 to 15 mm")
        limits = {"varus": 10.0, "flexion": 40.0, "shape": 3.0, "rotation": 45.0, "tilt": 30.0}
        for name, most in limits.items():
            if not 0.0 <= getattr(self, name) <= most:
                raise ValueError(f"legs.{name}: got {getattr(self, name)}; expected 0 to {most:g}")
