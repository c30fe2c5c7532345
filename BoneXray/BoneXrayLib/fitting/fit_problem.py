"""A bone's fit at one state: all terms gathered into normal equations.

Outlines: every point of the model's outer contour takes the nearest place of the image's outline
whose normal is alike, and counts by its distance along that normal, less the farther it is (Tukey),
and by the length of contour it stands for, as errors along an outline go together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree

from ..geometry import Geometry
from ..leg_features import LegFeatures
from ..shape_model import ShapeModel
from .contour import Contour, Surface
from .fit_prior import correction_errors, prior_at
from .fit_state import FitState
from .fit_terms import MarkPlaces, RoundPlaces, Term, ViewTerms
from .image_contour import ImageContour, image_contour
from .point_projection import pixels_per_mm
from .reconstruction_config import ReconstructionConfig

LEAST_ALIKE = 0.5
"""Cosine between the normals of two outlines that may belong together."""
TURN_MM = 12.0
"""Distance that counts as much as normals at an angle of 60 degrees."""
TUKEY = 4.7
"""Residual, in errors, from which an outline does not count at all."""
LIMIT = 2.5
"""How many of their standard deviations the corrections of views may reach."""


@dataclass(frozen=True, eq=False)
class Match:
    """Outer contour points of the model and the image's outline.

    Attributes:
        contour: (N) points where the image could show them.
        found: (N,) bool whether anything was near enough.
        residuals: (N,) pixels along the image's normals; 0 where nothing was found.
        normals: (N, 2) of the image's outline.
        sureness: (N,) of it, as `ImageContour` has it.
    """

    contour: Contour
    found: np.ndarray
    residuals: np.ndarray
    normals: np.ndarray
    sureness: np.ndarray


@dataclass(frozen=True)
class Stage:
    """What of the fit counts.

    Attributes:
        modes: how many of the shape model's.
        search_mm: how far from the contour an outline is looked for; 0 leaves outlines out.
        with_box: whether boxes count.
        error_mm: of outlines, for each view; 0 where it is to be found from how well they fit.
    """

    modes: int
    search_mm: float = 0.0
    with_box: bool = False
    error_mm: float = 0.0


class FitProblem:
    """The terms of one bone in one or several views."""

    def __init__(
        self,
        views: list[tuple[Geometry, LegFeatures]],
        model: ShapeModel,
        config: ReconstructionConfig,
        outlines: list[ImageContour | None] | None = None,
    ) -> None:
        self.model, self.config = model, config
        self.surface = Surface(model.faces, len(model.mean))
        if outlines is None:
            outlines = [image_contour(f, g.size) for g, f in views]
        self.outlines = outlines
        boxes = [
            o.box if f.box is None and o is not None else f.box
            for (_, f), o in zip(views, self.outlines, strict=True)
        ]
        self.views = [
            ViewTerms(n, g, replace(f, box=box), model)
            for n, ((g, f), box) in enumerate(zip(views, boxes, strict=True))
        ]
        self.take(outlines)
        self.modes = model.modes * model.deviations[:, None, None]
        self._kept: tuple[np.ndarray, np.ndarray] | None = None
        self.limits = LIMIT * correction_errors(config)

    def take(self, outlines: list[ImageContour | None]) -> None:
        """Compare with these outlines from now on, one a view."""
        self.outlines = outlines
        self.trees = [self._tree(n) for n in range(len(outlines))]

    def _tree(self, view: int) -> tuple[KDTree, np.ndarray] | None:
        """The outline's places with their normals, as lengths; of lines with both."""
        outline = self.outlines[view]
        if outline is None:
            return None
        normals, number = outline.normals, np.arange(len(outline.points))
        if not outline.is_signed:
            normals, number = np.concatenate([normals, -normals]), np.tile(number, 2)
        turn = TURN_MM * pixels_per_mm(self.views[view].geometry)
        return KDTree(np.hstack([outline.points[number], turn * normals])), number

    def shape(self, state: FitState) -> np.ndarray:
        """(V, 3) mm of the model frame; the last one is kept, as every view asks for it."""
        if self._kept is None or self._kept[0] is not state.coefficients:
            self._kept = state.coefficients, self.model.shape(state.coefficients)
        return self._kept[1]

    def vertices(self, state: FitState) -> np.ndarray:
        """(V, 3) RAS mm."""
        return state.turned(self.shape(state)) + state.shift

    def marks(self, shape: np.ndarray, count: int) -> MarkPlaces:
        """Landmarks that are means of vertices, on a shape (V, 3) of the model frame."""
        marks, modes = self.model.marks, self.modes[:count]
        return MarkPlaces(
            list(marks),
            np.array([mark.of(shape) for mark in marks.values()]).reshape(-1, 3),
            np.stack([mark.of(modes) for mark in marks.values()], axis=1)
            if marks
            else np.zeros((count, 0, 3)),
        )

    def rounds(self, shape: np.ndarray, count: int) -> RoundPlaces:
        """Spheres fitted to a shape, and by central differences what modes do to them."""

        def values(vertices: np.ndarray) -> np.ndarray:
            spheres = self.model.spheres(vertices).values()
            return np.array([[*s.centre, s.radius] for s in spheres]).reshape(-1, 4)

        here, step = values(shape), 0.1
        rates = [(values(shape + step * m) - values(shape - step * m)) / (2 * step)
                 for m in self.modes[:count]]  # fmt: skip
        rate = np.array(rates).reshape(count, -1, 4)
        return RoundPlaces(
            list(self.model.rounds), here[:, :3], here[:, 3], rate[..., :3], rate[..., 3]
        )

    def matched(self, state: FitState, view: int, search_mm: float) -> Match | None:
        """The view's outer contour against its outline; None where there is no outline."""
        outline, tree, geometry = self.outlines[view], self.trees[view], self.views[view].geometry
        if outline is None or tree is None:
            return None
        seen = state.in_view(view, self.vertices(state), geometry)
        contour = self.surface.contour(seen, geometry)
        contour = contour.taken(contour.is_outer & outline.covers(contour.pixels))
        if not len(contour.share):
            return None
        search, turn = search_mm * pixels_per_mm(geometry), TURN_MM * pixels_per_mm(geometry)
        reach = float(np.hypot(search, turn))
        places = np.hstack([contour.pixels, turn * contour.normals])
        distance, nearest = tree[0].query(places, distance_upper_bound=reach)
        found = np.isfinite(distance)
        number = tree[1][np.where(found, nearest, 0)]
        away, normals = contour.pixels - outline.points[number], outline.normals[number]
        alike = (normals * contour.normals).sum(axis=1)
        normals = normals * np.sign(alike)[:, None]
        found &= (np.abs(alike) >= LEAST_ALIKE) & (np.linalg.norm(away, axis=1) <= search)
        residuals = np.where(found, (away * normals).sum(axis=1), 0.0)
        return Match(contour, found, residuals, normals, outline.sureness[number])

    def outline_error(self, match: Match, view: int, stage: Stage) -> float:
        """Standard deviation [pixels] of outlines: of the better half of the matches, robustly."""
        scale = pixels_per_mm(self.views[view].geometry)
        if stage.error_mm > 0:
            return stage.error_mm * scale
        residuals = np.abs(match.residuals[match.found])
        found = 1.4826 * float(np.median(residuals)) if residuals.size else 0.0
        least, most = self.config.outline_error * scale, stage.search_mm * scale / 3
        return float(np.clip(found, least, max(most, least)))

    def outline(self, state: FitState, view: int, stage: Stage) -> Term | None:
        """A residual a contour point."""
        match = self.matched(state, view, stage.search_mm)
        if match is None or not match.found.any():
            return None
        geometry, contour = self.views[view].geometry, match.contour.taken(match.found)
        residuals, normals = match.residuals[match.found], match.normals[match.found]
        error = self.outline_error(match, view, stage)
        modes = contour.between(self.modes[: stage.modes])
        points = contour.between(self.shape(state))
        at = self.views[view].placed(state, points, modes)
        by_place = np.einsum("ni,nic->nc", normals, contour.slopes) / error
        alike = np.clip((normals * contour.normals).sum(axis=1), 0, 1) ** 2
        weights = np.clip(1 - (residuals / (TUKEY * error)) ** 2, 0, None) ** 2
        together = self.config.outline_length * pixels_per_mm(geometry)
        return Term(
            residuals / error,
            self.views[view].slopes(state, at, by_place),
            weights * alike * match.sureness[match.found] * contour.lengths / together,
        )

    def terms(self, state: FitState, stage: Stage) -> list[Term]:
        """All that is compared with the images."""
        shape, config = self.shape(state), self.config
        marks, found = self.marks(shape, stage.modes), []
        needs_rounds = any(view.features.ellipses for view in self.views)
        rounds = self.rounds(shape, stage.modes) if needs_rounds else None
        for number, view in enumerate(self.views):
            found.append(view.landmarks(state, marks, config.landmark_error))
            if rounds is not None:
                found.append(view.ellipses(state, rounds, config.ellipse_error))
            if stage.with_box:
                found.append(view.box(state, shape, self.modes[: stage.modes]))
            if stage.search_mm > 0:
                found.append(self.outline(state, number, stage))
        return [term for term in found if term is not None]

    def normal_equations(
        self, state: FitState, stage: Stage
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Curvature (P, P), slope (P,) and cost of all terms and the prior."""
        prior = prior_at(state, stage.modes, self.views[0].geometry, self.config)
        curvature, slope, cost = prior.precision, prior.slope, prior.cost
        for term in self.terms(state, stage):
            weighted = term.slopes * term.weights[:, None]
            curvature += weighted.T @ term.slopes
            slope += weighted.T @ term.residuals
            cost += term.cost
        return curvature, slope, cost
