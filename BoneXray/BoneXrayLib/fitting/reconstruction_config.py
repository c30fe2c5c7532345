"""What is set about rebuilding a bone from radiographs: the fields of command and panel."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class ReconstructionConfig:
    """The fields of command and panel for bones in 3D; lengths in mm at the bone."""

    knows_size: bool = True
    """Whether pixel sizes and distances are right; if not, a free scale takes up what is wrong."""
    view_angle: float = 0.5
    """How far off a second view's angles are, one standard deviation [degrees]; 0 trusts them. A
    free angle lets the bone turn about its length, which outlines hardly hold."""
    view_shift: float = 0.5
    """How far the patient moved before a second view, one standard deviation [mm]."""
    depth: float = 20.0
    """How far from the isocentre, along the rays, the bone may be: one standard deviation [mm]."""
    turn: float = 35.0
    """How far from standing straight the bone is turned, one standard deviation [degrees]."""
    edge_search: float = 2.0
    """How far from the outline of a mask the image's own edge is looked for, one standard deviation
    [mm]; 0 takes masks as they are, as lines always are."""
    outline_error: float = 0.5
    """Least error of an outline [mm]; more is found from how well it fits."""
    outline_length: float = 20.0
    """Length along an outline over which errors go together [mm]."""
    landmark_error: float = 1.0
    """Error of a landmark besides its own covariance [mm]."""
    ellipse_error: float = 1.0
    """Error of middle and radius of an ellipse [mm]."""

    def __post_init__(self) -> None:
        at_least_0 = ("view_angle", "view_shift", "edge_search")
        above_0 = ("depth", "turn", "outline_error", "outline_length", "landmark_error",
                   "ellipse_error")  # fmt: skip
        for name in (*at_least_0, *above_0):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0 and (value > 0 or name in at_least_0)):
                wanted = "0 or more" if name in at_least_0 else "a positive number"
                raise ValueError(f"{name}: got {value!r}; expected {wanted}")
        if self.view_angle > 30:
            raise ValueError(f"view_angle: got {self.view_angle!r}; expected at most 30 degrees")
