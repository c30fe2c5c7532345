"""One bone's layer, and how it moved between two visits.

Positions are (row, column) in mm from the middle of pixel (0, 0); angles turn rows to columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LayerImage:
    """One bone's layer in one visit.

    Attributes:
        pixels: (rows, columns), 0 where the bone adds nothing.
        mask: (rows, columns) bool, where the bone is.
        others: (rows, columns) bool, where it lies over another bone.
        pixel_mm: (row, column) spacing.
    """

    pixels: np.ndarray
    mask: np.ndarray
    others: np.ndarray
    pixel_mm: tuple[float, float]

    def points(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Pixel indices as positions (N, 2) [mm]."""
        return np.stack([rows, columns], axis=-1) * self.pixel_mm


@dataclass(frozen=True, eq=False)
class Motion:
    """A rigid motion of a bone from the first to the second visit.

    Attributes:
        shift_mm: (row, column) of `middle_mm`.
        rotation_deg: about it, from the row axis to the column axis.
        middle_mm: middle of the bone in the first visit.
        covariance: (3, 3) of row and column shift [mm] and rotation [rad].
        gain: of the second visit's exposure over the first's.
        residual: root mean square of what is left over the contrast of the bone.
        pixels: how many were compared.
    """

    shift_mm: np.ndarray
    rotation_deg: float
    middle_mm: np.ndarray
    covariance: np.ndarray
    gain: float = 1.0
    residual: float = 0.0
    pixels: int = 0

    def move(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 2) [mm] of the first visit are in the second."""
        turn = turn_matrix(np.deg2rad(self.rotation_deg))
        return (points - self.middle_mm) @ turn.T + self.middle_mm + self.shift_mm


def turn_matrix(angle: float) -> np.ndarray:
    """(2, 2) rotation of (row, column) by an angle [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])
