"""What a fit minimises: how far landmarks, ellipses and boxes of the model lie from those found.

Every term is residuals over their errors, with their slopes by the steps of `FitState`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import Geometry
from ..leg_features import LegFeatures
from ..shape_model import ShapeModel
from .conics import sphere_ellipse
from .fit_state import BEFORE_VIEWS, FitState
from .point_projection import pixels_per_mm, projection_slopes

HUBER = 2.0
"""Residual, in errors, from which a landmark counts less."""
BOX_ERROR_MM = 6.0
BOX_BORDER_PX = 4.0
"""A box's edge this near to the image's says nothing: the bone goes on."""
LEAST_STEP_MM = 0.05


@dataclass(frozen=True, eq=False)
class Term:
    """Residuals over their errors (N,), slopes (N, P), weights (N,)."""

    residuals: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray

    @property
    def cost(self) -> float:
        """Half of the weighted squares."""
        return 0.5 * float(self.weights @ self.residuals**2)


@dataclass(frozen=True, eq=False)
class Placed:
    """Points of the model in a view.

    Attributes:
        turned: (N, 3) turned and scaled, not shifted.
        seen: (N, 3) as the view's geometry is to see them, mm.
        modes: (K, N, 3) mm of the model frame for one standard deviation of the first modes.
    """

    turned: np.ndarray
    seen: np.ndarray
    modes: np.ndarray


@dataclass(frozen=True, eq=False)
class ViewTerms:
    """Landmarks, ellipses and box of one view.

    Attributes:
        number: of the view.
        geometry: as it was said to be.
        features: what was found.
        model: of the bone's side.
    """

    number: int
    geometry: Geometry
    features: LegFeatures
    model: ShapeModel

    def placed(self, state: FitState, points: np.ndarray, modes: np.ndarray) -> Placed:
        """Points (N, 3) of the model frame, with modes (K, N, 3)."""
        turned = state.turned(points)
        return Placed(
            turned, state.in_view(self.number, turned + state.shift, self.geometry), modes
        )

    def slopes(self, state: FitState, at: Placed, by_place: np.ndarray) -> np.ndarray:
        """(N, P) from the residuals' slopes by the seen place (N, 3) each."""
        first, number = state.first_mode, self.number
        found = np.zeros((len(by_place), first + len(at.modes)))
        before = by_place
        if number > 0:
            start = BEFORE_VIEWS + 6 * (number - 1)
            away = at.seen - self.geometry.isocentre - state.corrections[number, 3:]
            found[:, start : start + 3] = np.cross(away, by_place)
            found[:, start + 3 : start + 6] = by_place
            before = by_place @ state.quick_turn(number)
        found[:, :3] = np.cross(at.turned, before)
        found[:, 3:6] = before
        found[:, 6] = (before * at.turned).sum(axis=1)
        by_point = state.scale * before @ state.turn
        found[:, first:] = (at.modes.transpose(1, 0, 2) @ by_point[:, :, None])[..., 0]
        return found

    def landmarks(self, state: FitState, marks: MarkPlaces, error_mm: float) -> Term | None:
        """Two residuals a landmark, whitened by its covariance; those far off count less."""
        names = [n for n in self.features.points if n in marks.names]
        if not names:
            return None
        number = [marks.names.index(n) for n in names]
        at = self.placed(state, marks.points[number], marks.modes[:, number])
        found = [self.features.points[n] for n in names]
        least = (error_mm * pixels_per_mm(self.geometry)) ** 2 * np.eye(2)
        spread = np.linalg.inv(
            np.linalg.cholesky(np.array([p.covariance for p in found], np.float64) + least)
        )
        away = self.geometry.project_points(at.seen) - np.array([p[:2] for p in found])
        residuals = np.einsum("nij,nj->ni", spread, away)
        weights = np.minimum(1.0, HUBER / np.maximum(np.linalg.norm(residuals, axis=1), 1e-9))
        by_place = spread @ projection_slopes(self.geometry, at.seen)
        twice = Placed(*(np.repeat(a, 2, axis=-2) for a in (at.turned, at.seen, at.modes)))
        slopes = self.slopes(state, twice, by_place.reshape(-1, 3))
        return Term(residuals.ravel(), slopes, np.repeat(weights, 2))

    def ellipses(self, state: FitState, rounds: RoundPlaces, error_mm: float) -> Term | None:
        """Three residuals a round part: middle and radius of its sphere's outline."""
        names = [n for n in self.features.ellipses if n in rounds.names]
        terms = [self._ellipse(state, rounds, name, error_mm) for name in names]
        if not terms:
            return None
        joined = [np.concatenate(parts) for parts in zip(*terms, strict=True)]
        size = np.linalg.norm(joined[0].reshape(-1, 3), axis=1)
        weights = np.minimum(1.0, HUBER / np.maximum(size, 1e-9))
        return Term(joined[0], joined[1], np.repeat(weights, 3))

    def _ellipse(
        self, state: FitState, rounds: RoundPlaces, name: str, error_mm: float
    ) -> tuple[np.ndarray, np.ndarray]:
        n = rounds.names.index(name)
        at = self.placed(state, rounds.centres[n : n + 1], rounds.modes[:, n : n + 1])
        centre, radius = at.seen[0], state.scale * rounds.radii[n]
        error = error_mm * pixels_per_mm(self.geometry)

        def outline(move: np.ndarray) -> np.ndarray:
            e = sphere_ellipse(self.geometry, centre + move[:3], radius + move[3])
            return np.array([e.row, e.column, np.sqrt(e.a * e.b)]) / error

        steps = LEAST_STEP_MM * np.eye(4)
        by_sphere = np.stack([outline(s) - outline(-s) for s in steps], axis=1) / (
            2 * LEAST_STEP_MM
        )
        thrice = Placed(*(np.repeat(a, 3, axis=-2) for a in (at.turned, at.seen, at.modes)))
        slopes = self.slopes(state, thrice, by_sphere[:, :3])
        slopes[:, 6] += by_sphere[:, 3] * radius
        slopes[:, state.first_mode :] += np.outer(
            by_sphere[:, 3], state.scale * rounds.growth[:, n]
        )
        e = self.features.ellipses[name]
        wanted = np.array([e.row, e.column, np.sqrt(e.a * e.b)]) / error
        return outline(np.zeros(4)) - wanted, slopes

    def box(self, state: FitState, points: np.ndarray, modes: np.ndarray) -> Term | None:
        """A residual for each edge of the box within the image: the outermost vertex's."""
        if self.features.box is None:
            return None
        pixels = self.geometry.project_points(
            state.in_view(self.number, state.turned(points) + state.shift, self.geometry)
        )
        last = np.asarray(self.geometry.size) - 1
        rows = []
        for n, edge in enumerate(self.features.box):
            axis = n % 2
            if BOX_BORDER_PX < edge < last[axis] - BOX_BORDER_PX:
                outermost = pixels[:, axis].argmin() if n < 2 else pixels[:, axis].argmax()
                rows.append((outermost, axis, pixels[outermost, axis] - edge))
        if not rows:
            return None
        number, axes = [row[0] for row in rows], [row[1] for row in rows]
        error = BOX_ERROR_MM * pixels_per_mm(self.geometry)
        at = self.placed(state, points[number], modes[:, number])
        by_place = projection_slopes(self.geometry, at.seen)[np.arange(len(rows)), axes] / error
        residuals = np.array([row[2] for row in rows]) / error
        weights = np.minimum(1.0, HUBER / np.maximum(np.abs(residuals), 1e-9))
        return Term(residuals, self.slopes(state, at, by_place), weights)


@dataclass(frozen=True, eq=False)
class MarkPlaces:
    """Landmarks of a shape: names, points (N, 3), modes (K, N, 3) mm for a standard deviation."""

    names: list[str]
    points: np.ndarray
    modes: np.ndarray


@dataclass(frozen=True, eq=False)
class RoundPlaces:
    """Spheres of a shape: names, centres (N, 3), radii (N,), and what a deviation adds to them.

    `modes` (K, N, 3) moves the centres, `growth` (K, N) the radii, mm.
    """

    names: list[str]
    centres: np.ndarray
    radii: np.ndarray
    modes: np.ndarray
    growth: np.ndarray
