"""How sure a fit is: the posterior's covariance, and what it means for every vertex.

Near its best state the posterior is a Gaussian whose precision is the Gauss-Newton curvature
(J. Nocedal and S. Wright, Numerical Optimization, chapter 10), the prior included: where the images
say nothing, the model's own spread is left. It holds for bones that the model can show; what no
sum of its modes reaches is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .fit_problem import FitProblem
from .fit_solver import Solved


@dataclass(frozen=True, eq=False)
class LandmarkSpread:
    """Landmarks' movements along independent errors of the fit, one standard deviation each.

    Attributes:
        names: of the landmarks.
        ways: (P, N, 3) mm.
    """

    names: tuple[str, ...]
    ways: np.ndarray

    def moves(self) -> Iterator[dict[str, np.ndarray]]:
        """Movements (3,) by name for each of the errors."""
        for way in self.ways:
            yield dict(zip(self.names, way, strict=True))


@dataclass(frozen=True, eq=False)
class Posterior:
    """Covariances at the end of a fit.

    Attributes:
        coefficients: (M, M) of the shape's.
        pose: (6, 6) of rotation vector [rad] and shift [mm].
        vertices: (V,) mm: standard deviation of a vertex's distance from its place in the bone, the
            bone's own place and turn left out.
        landmarks: how they move, place and turn included.
    """

    coefficients: np.ndarray
    pose: np.ndarray
    vertices: np.ndarray
    landmarks: LandmarkSpread


def posterior(problem: FitProblem, solved: Solved) -> Posterior:
    """Covariances of the state that a fit ended in."""
    size = np.sqrt(np.diag(solved.curvature))
    # Precisions of angles and of what is held fast differ by many orders: scaled before inverting.
    covariance = np.linalg.inv(solved.curvature / np.outer(size, size)) / np.outer(size, size)
    state, first = solved.state, solved.state.first_mode
    shape = problem.shape(state)
    ways = np.concatenate([shape[None], problem.modes[: solved.stage.modes]])
    picked = np.concatenate([[6], np.arange(first, len(covariance))])
    factor = np.linalg.cholesky(covariance[np.ix_(picked, picked)] + 1e-15 * np.eye(len(picked)))
    moves = np.tensordot(factor.T, _without_rigid(ways, shape), axes=1)
    spread = state.scale * np.sqrt((moves**2).sum(axis=(0, 2)))
    return Posterior(
        covariance[first:, first:],
        covariance[:6, :6],
        spread,
        _landmark_spread(problem, solved, covariance),
    )


def _landmark_spread(problem: FitProblem, solved: Solved, covariance: np.ndarray) -> LandmarkSpread:
    """By central differences along the columns of the covariance's root."""
    state, free = solved.state, np.sqrt(np.diag(covariance))
    root = free[:, None] * np.linalg.cholesky(
        covariance / np.outer(free, free) + 1e-12 * np.eye(len(free))
    )
    ends = [
        [problem.model.landmarks(problem.vertices(state.stepped(sign * step, np.full(6, np.inf))))
         for sign in (1.0, -1.0)]
        for step in root.T
    ]  # fmt: skip
    names = tuple(ends[0][0])
    ways = [[(plus[n] - minus[n]) / 2 for n in names] for plus, minus in ends]
    return LandmarkSpread(names, np.array(ways).reshape(len(ends), len(names), 3))


def _without_rigid(ways: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Fields of movement (K, V, 3) less the nearest rigid motion of a shape (V, 3)."""
    around = shape - shape.mean(axis=0)
    shifts = np.broadcast_to(np.eye(3)[:, None], (3, *shape.shape))
    turns = np.stack([np.cross(axis, around) for axis in np.eye(3)])
    basis = np.linalg.qr(np.concatenate([shifts, turns]).reshape(6, -1).T)[0]
    flat = ways.reshape(len(ways), -1)
    return (flat - (flat @ basis) @ basis.T).reshape(ways.shape)
