"""Landmarks that follow the shape of a bone: weighted vertices, and spheres of its round parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Mark:
    """A landmark that follows any shape: a weighted mean of vertices.

    Attributes:
        indices: (K,) int, vertices.
        weights: (K,) float64, of sum 1.
    """

    indices: np.ndarray
    weights: np.ndarray

    def of(self, vertices: np.ndarray) -> np.ndarray:
        """Its place (..., 3) on surfaces (..., V, 3)."""
        return self.weights @ vertices[..., self.indices, :]


@dataclass(frozen=True, eq=False)
class Sphere:
    """Centre (3,) and radius, mm."""

    centre: np.ndarray
    radius: float


def fitted_sphere(points: np.ndarray) -> Sphere:
    """The sphere nearest to points (N, 3) mm: |x|² = 2 c·x + (r² - |c|²), linear in c and the rest.

    A sphere's own points give it exactly; c and r are smooth in the points.
    """
    middle = points.mean(axis=0)
    around = points - middle
    system = np.column_stack([2.0 * around, np.ones(len(points))])
    x, y, z, rest = np.linalg.lstsq(system, (around**2).sum(axis=1))[0]
    centre = np.array([x, y, z])
    return Sphere(centre + middle, float(np.sqrt(max(rest + centre @ centre, 0.0))))
