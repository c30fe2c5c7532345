"""How bones are seen in an evaluation of 3D reconstruction: the fields of its command."""

from __future__ import annotations

from dataclasses import dataclass

SOURCES = ("network", "truth")


@dataclass
class ReconstructionTest:
    """How bones are seen in an evaluation; lengths at the bone."""

    features: str = "network"
    """network, or truth: features projected from the true bone, with errors."""
    landmark_noise: float = 2.0
    """With truth: error of a landmark along rows and columns, one standard deviation [mm]."""
    outline_noise: float = 0.5
    """With truth: error of an outline, one standard deviation [mm]."""
    angle: float = 5.0
    """By how much the second view's angle is off where it is, one way or the other [degrees]."""
    pixel: float = 0.8
    """Pixel size at the detector [mm]."""
    seed: int = 1
    """Of how bones stand, of views and errors."""

    def __post_init__(self) -> None:
        if self.features not in SOURCES:
            raise ValueError(f"features: got {self.features!r}; expected network or truth")
        limits = {"landmark_noise": 20.0, "outline_noise": 5.0, "angle": 30.0}
        for name, most in limits.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected 0 to {most:g}")
        if not 0.05 <= self.pixel <= 5:
            raise ValueError(f"pixel: got {self.pixel!r}; expected 0.05 to 5 mm")
