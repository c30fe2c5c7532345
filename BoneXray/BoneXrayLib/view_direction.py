"""From where one looks at a patient to the view and the turn that show it so."""

from __future__ import annotations

import math

import numpy as np

from .geometry import VIEWS


def angles_from_direction(direction_ras: np.ndarray) -> tuple[str, float, float]:
    """Named view, orbital and tilt [deg] with the tube where one looks from.

    The inverse of `geometry.make_geometry`: with these angles its source lies in the direction
    given. Only views that are seen from the tube are named (AP and the posterior obliques), so
    that left and right are as they were seen; of them the one that needs the least turn. Roll is
    no part of it: radiographs hang with the patient's long axis upright.

    Args:
        direction_ras: (3,) from the patient towards the viewer, RAS, of any length.

    Raises:
        ValueError: no direction.
    """
    direction = np.asarray(direction_ras, dtype=np.float64)
    length = np.linalg.norm(direction) if direction.shape == (3,) else math.nan
    if not (math.isfinite(length) and length > 0):
        raise ValueError(f"direction_ras: got {direction_ras!r}; expected three numbers, not all 0")
    right, anterior, superior = direction / length
    orbital = math.degrees(math.atan2(-right, anterior)) if right or anterior else 0.0
    turns = {
        name: (orbital - view.orbital + 180.0) % 360.0 - 180.0
        for name, view in VIEWS.items()
        if not view.mirrored
    }
    name = min(turns, key=lambda name: round(abs(turns[name]), 6))
    return name, turns[name], math.degrees(math.asin(min(1.0, max(-1.0, superior))))
