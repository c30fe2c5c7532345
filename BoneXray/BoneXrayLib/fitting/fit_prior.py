"""What is known of a bone before any image: it stands about straight, near the isocentre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry import Geometry
from .fit_state import BEFORE_VIEWS, FitState
from .point_projection import rays_through
from .reconstruction_config import ReconstructionConfig

CERTAIN = 1e-9
"""Standard deviation of what is not free."""
SCALE_ERROR = 0.5
"""Of the scale's logarithm where sizes are not known."""
SHIFT_ERROR_MM = 300.0
"""Of the bone from the isocentre across the rays."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussian prior of a step: precision (P, P), slope (P,) and cost, half of the squares."""

    precision: np.ndarray
    slope: np.ndarray
    cost: float


def correction_errors(config: ReconstructionConfig) -> np.ndarray:
    """(6,) standard deviations of a further view's turn [rad] and shift [mm]."""
    return np.maximum(np.repeat([np.deg2rad(config.view_angle), config.view_shift], 3), CERTAIN)


def prior_at(
    state: FitState, modes: int, geometry: Geometry, config: ReconstructionConfig
) -> Prior:
    """The prior at a state, for its first modes; `geometry` is the first view's."""
    first = state.first_mode
    errors, values = np.ones(first + modes), np.zeros(first + modes)
    errors[:3] = np.deg2rad(config.turn)
    values[:3] = Rotation.from_matrix(state.turn).as_rotvec()
    errors[3:6] = SHIFT_ERROR_MM
    values[3:6] = state.shift - geometry.isocentre
    errors[6] = CERTAIN if config.knows_size else SCALE_ERROR
    values[6] = state.log_scale
    errors[BEFORE_VIEWS:first] = np.tile(correction_errors(config), len(state.corrections) - 1)
    values[BEFORE_VIEWS:first] = state.corrections[1:].ravel()
    values[first:] = state.coefficients[:modes]
    precision = np.diag(errors**-2.0)
    slope = values * errors**-2.0
    ray = rays_through(geometry, geometry.isocentre[None])[0]
    ray = ray / np.linalg.norm(ray) / config.depth
    depth = float(ray @ values[3:6])
    precision[3:6, 3:6] += np.outer(ray, ray)
    slope[3:6] += depth * ray
    return Prior(precision, slope, 0.5 * float(((values / errors) ** 2).sum() + depth**2))
