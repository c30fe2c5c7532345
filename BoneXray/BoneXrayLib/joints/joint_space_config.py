"""What is measured of a joint space: the fields of command and panel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class JointConfig:
    """The fields of command and panel for joint spaces."""

    share: float = 0.6
    """Middle part of the stretch where the bones face each other that is measured, 0.1 to 1."""
    smooth_along: float = 1.0
    """Length along the joint over which margins are smoothed [mm]; 0 leaves them as found."""
    most_degrees: float = 8.0
    """How far a bone may have turned between two visits [degrees]."""

    def __post_init__(self) -> None:
        if not 0.1 <= self.share <= 1:
            raise ValueError(f"share: got {self.share!r}; expected 0.1 to 1")
        if not 0 <= self.smooth_along <= 20:
            raise ValueError(f"smooth_along: got {self.smooth_along!r}; expected 0 to 20 mm")
        if not 0 <= self.most_degrees <= 45:
            raise ValueError(f"most_degrees: got {self.most_degrees!r}; expected 0 to 45 degrees")
