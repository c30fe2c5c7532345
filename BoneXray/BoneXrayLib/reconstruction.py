"""A bone in 3D from what was found of it in one or two radiographs, and a model of its shapes.

Landmarks and ellipses of round parts place the model; then the contour of its silhouette is drawn
to the outlines of the images, along their normals, with more and more of the model's modes
(`fit_solver.py`). Views share the shape; the second one's geometry is refined within bounds.
After H. Kim, K. Lee, D. Lee and N. Baek, 3D reconstruction of leg bones from X-ray images using
CNN-based feature analysis, ICTC 2019, with the errors of everything weighed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .fitting.edge_search import at_edges, edges_of_bone
from .fitting.fit_posterior import LandmarkSpread, posterior
from .fitting.fit_problem import FitProblem
from .fitting.fit_solver import Solved, solve, solve_again
from .fitting.fit_state import Pose
from .fitting.fit_verdict import ViewResiduals, doubts, verdict, view_residuals
from .fitting.image_contour import ImageContour, image_contour
from .fitting.point_projection import pixels_per_mm
from .fitting.reconstruction_config import ReconstructionConfig
from .geometry import Geometry
from .leg_features import LegFeatures
from .shape_model import ShapeModel, Sphere

if TYPE_CHECKING:
    from .radiograph import Radiograph

TURNED = 60.0
"""Degrees from standing straight that are worth a note."""

__all__ = ["Pose", "Reconstruction", "ReconstructionConfig", "View", "reconstruct"]


@dataclass(frozen=True, eq=False)
class View:
    """A radiograph, where it was taken from, and what was found of the bone in it.

    Attributes:
        radiograph: the image, to whose edges outlines are drawn; None where only the features are
            known.
        geometry: source and detector in RAS mm; its isocentre is about where the bone is.
        features: of the bone, in the image's pixels.
    """

    radiograph: Radiograph | None
    geometry: Geometry
    features: LegFeatures


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A bone as it stands in the first view's frame, RAS mm.

    Attributes:
        bone, side: which.
        vertices: (V, 3).
        faces: (F, 3), counter-clockwise from outside.
        coefficients: (M,) of the shape model, in standard deviations.
        pose: model frame (of the bone's side) to RAS.
        uncertainty: (V,) mm, standard deviation of a vertex's place in the bone.
        covariance: (M, M) of the coefficients.
        pose_covariance: (6, 6) of turn [rad] and shift [mm].
        landmarks: (3,) by name.
        landmark_spread: how they move with the errors of the fit.
        spheres: of round parts by name.
        residuals: of each view.
        converged: whether the fit is to be believed.
        verdict: why, or why not, in a sentence.
        geometries: of each view, refined.
        notes: what else is to be known, a sentence each.
    """

    bone: str
    side: str
    vertices: np.ndarray
    faces: np.ndarray
    coefficients: np.ndarray
    pose: Pose
    uncertainty: np.ndarray
    covariance: np.ndarray
    pose_covariance: np.ndarray
    landmarks: dict[str, np.ndarray]
    landmark_spread: LandmarkSpread
    spheres: dict[str, Sphere]
    residuals: list[ViewResiduals]
    converged: bool
    verdict: str
    geometries: list[Geometry]
    notes: tuple[str, ...] = field(default=())


def reconstruct(
    views: list[View], model: ShapeModel, config: ReconstructionConfig | None = None
) -> Reconstruction:
    """Fit a shape model to the features of one or more views of the same bone.

    Args:
        views: the first one's geometry is trusted, the others' are refined.
        model: of the bone's shapes, of either side.
        config: errors and bounds; the defaults when None.

    Raises:
        ValueError: no view, features of different bones, or none at all.
    """
    config = config or ReconstructionConfig()
    _check(views, model)
    model = model.of_side(views[0].features.side)
    outlines = [_outline(view, config) for view in views]
    problem = FitProblem([(v.geometry, v.features) for v in views], model, config, outlines)
    solved = solve(problem)
    edges = [_edges(problem, solved, n, view) for n, view in enumerate(views)]
    if any(new is not old for new, old in zip(edges, outlines, strict=True)):
        solved = solve_again(problem, solved, edges)
    state, sure = solved.state, posterior(problem, solved)
    left = [view_residuals(problem, solved, n) for n in range(len(views))]
    found = doubts(problem, solved, left)
    vertices = problem.vertices(state)
    return Reconstruction(
        bone=model.bone,
        side=model.side,
        vertices=vertices,
        faces=model.faces,
        coefficients=state.coefficients,
        pose=state.pose,
        uncertainty=sure.vertices,
        covariance=sure.coefficients,
        pose_covariance=sure.pose,
        landmarks=model.landmarks(vertices),
        landmark_spread=sure.landmarks,
        spheres=model.spheres(vertices),
        residuals=left,
        converged=not found,
        verdict=verdict(left, found),
        geometries=[state.corrected(n, v.geometry) for n, v in enumerate(views)],
        notes=_notes(views, model, config, state.pose),
    )


def _outline(view: View, config: ReconstructionConfig) -> ImageContour | None:
    """A view's outline, at the edges of its image where there is one."""
    found = image_contour(view.features, view.geometry.size)
    if found is None or view.radiograph is None:
        return found
    scale = pixels_per_mm(view.geometry)
    return at_edges(found, view.radiograph.pixels, scale, config.edge_search)


def _edges(problem: FitProblem, solved: Solved, number: int, view: View) -> ImageContour | None:
    """The edges of a view's image along the bone as it was fitted."""
    found = problem.outlines[number]
    match = problem.matched(solved.state, number, solved.stage.search_mm)
    if found is None or match is None or view.radiograph is None:
        return found
    scale, search = pixels_per_mm(view.geometry), problem.config.edge_search
    return edges_of_bone(match.contour, found, view.radiograph.pixels, scale, search)


def _check(views: list[View], model: ShapeModel) -> None:
    if not views:
        raise ValueError("views: got none; expected one or two radiographs")
    first = views[0].features
    for number, view in enumerate(views):
        found = view.features
        if (found.bone, found.side) != (first.bone, first.side):
            raise ValueError(
                f"views: view {number + 1} shows a {found.side} {found.bone}, view 1 a "
                f"{first.side} {first.bone}; expected the same bone"
            )
        if found.bone != model.bone:
            raise ValueError(f"model: of a {model.bone}; expected one of a {found.bone}")
    if not any(
        v.features.points or v.features.ellipses or v.features.outline is not None for v in views
    ):
        raise ValueError("views: no point, ellipse or outline was found; expected some features")


def _notes(
    views: list[View], model: ShapeModel, config: ReconstructionConfig, pose: Pose
) -> tuple[str, ...]:
    notes = []
    if len(views) == 1:
        notes.append("From one view: depth and what is seen edge-on follow the shape model.")
    if not config.knows_size:
        notes.append("Sizes are not known: lengths hold up to a common factor.")
    turn = float(np.rad2deg(np.linalg.norm(pose.rotation)))
    if turn > TURNED:
        notes.append(f"The bone lies turned by {turn:.0f} degrees from standing straight.")
    known = {*model.marks, *model.rounds, *(f"{name}_centre" for name in model.rounds)}
    unknown = sorted({n for v in views for n in (*v.features.points, *v.features.ellipses)} - known)
    if unknown:
        notes.append(f"Not of the shape model, left out: {', '.join(unknown)}.")
    return tuple(notes)
