"""Where a bone is and what shape it has, as numbers that a fit changes a little at a time.

Model place x of shape b goes to the patient as X = scale · turn · x + shift; a view after the first
sees it moved by what the patient moved or its angles are off: X' = Q (X - i) + i + u, about the
isocentre i of that view.

A step is (turn 3, shift 3, log scale, [turn 3, shift 3 of each further view], coefficients): turns
are rotation vectors [rad] applied from the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry import Geometry
from .point_projection import moved_back

BEFORE_VIEWS = 7


@dataclass(frozen=True, eq=False)
class Pose:
    """Model frame to patient RAS mm: scale · rotation · x + translation.

    Attributes:
        rotation: (3,) rotation vector [rad].
        translation: (3,) mm.
        scale: 1 where sizes are known.
    """

    rotation: np.ndarray
    translation: np.ndarray
    scale: float = 1.0

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the model frame in the patient's."""
        turn = Rotation.from_rotvec(self.rotation).as_matrix()
        return self.scale * points @ turn.T + self.translation


@dataclass(frozen=True, eq=False)
class FitState:
    """Pose, shape and the views' corrections.

    Attributes:
        turn: (3, 3) rotation.
        shift: (3,) mm.
        log_scale: natural logarithm of the scale.
        coefficients: (M,) of the shape, in standard deviations.
        corrections: (views, 6), rotation vector [rad] and shift [mm]; zeros for the first.
    """

    turn: np.ndarray
    shift: np.ndarray
    log_scale: float
    coefficients: np.ndarray
    corrections: np.ndarray

    @classmethod
    def at(cls, turn: np.ndarray, shift: np.ndarray, modes: int, views: int) -> FitState:
        """The mean shape somewhere, the views as they were said to be."""
        return cls(turn, np.asarray(shift, np.float64), 0.0, np.zeros(modes), np.zeros((views, 6)))

    @property
    def scale(self) -> float:
        """Size in the patient over size in the model."""
        return float(np.exp(self.log_scale))

    @property
    def pose(self) -> Pose:
        """The pose as vectors."""
        return Pose(Rotation.from_matrix(self.turn).as_rotvec(), self.shift, self.scale)

    @property
    def first_mode(self) -> int:
        """Number of a step's first coefficient."""
        return BEFORE_VIEWS + 6 * (len(self.corrections) - 1)

    def turned(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the model frame turned and scaled, not yet shifted."""
        return self.scale * points @ self.turn.T

    def quick_turn(self, view: int) -> np.ndarray:
        """(3, 3) of a view's correction."""
        return Rotation.from_rotvec(self.corrections[view, :3]).as_matrix()

    def in_view(self, view: int, points: np.ndarray, geometry: Geometry) -> np.ndarray:
        """Patient points (N, 3) as a view's uncorrected geometry is to see them."""
        if not self.corrections[view].any():
            return points
        pivot = geometry.isocentre
        return (points - pivot) @ self.quick_turn(view).T + pivot + self.corrections[view, 3:]

    def corrected(self, view: int, geometry: Geometry) -> Geometry:
        """A view's geometry, moved instead of the patient."""
        if not self.corrections[view].any():
            return geometry
        return moved_back(geometry, self.quick_turn(view), self.corrections[view, 3:])

    def stepped(self, step: np.ndarray, limits: np.ndarray) -> FitState:
        """After a step (P,), corrections kept within limits (6,); missing modes stay."""
        coefficients = self.coefficients.copy()
        first = self.first_mode
        coefficients[: len(step) - first] += step[first:]
        corrections = self.corrections.copy()
        corrections[1:] += step[BEFORE_VIEWS:first].reshape(-1, 6)
        return replace(
            self,
            turn=Rotation.from_rotvec(step[:3]).as_matrix() @ self.turn,
            shift=self.shift + step[3:6],
            log_scale=self.log_scale + float(step[6]),
            coefficients=coefficients,
            corrections=np.clip(corrections, -limits, limits),
        )
