"""What a fit leaves unexplained in each view, and whether it is to be believed, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from .fit_problem import LEAST_ALIKE, FitProblem, Match
from .fit_solver import Solved
from .point_projection import pixels_per_mm, rays_through

NEAR_MM = 3.0
"""Distance at the bone within which an outline is explained by a contour."""
LEAST_EXPLAINED = 0.75
MOST_OUTLINE_MM = 1.5
"""Root mean square distance of what is explained."""
MOST_LANDMARKS = 4.0
"""Median distance of landmarks, in their errors."""
MOST_DEVIATIONS = 4.7
"""Of a coefficient of the modes that make `LEADING` of the bones' variance, as rare as 3.5 of a
normal distribution: deviations that are estimated of 13 subjects make it Student's. Others may be
`LARGEST`: of a hundred modes one or another is far out."""
LEADING, LARGEST = 0.9, 5.0
LEAST_NUMBERS = 10
"""Coordinates and radii that are needed without an outline."""
AT_LIMIT = 0.98
MOST_TURNED = 75.0
"""Degrees out of the first image's plane: from behind an outline looks the same."""


@dataclass(frozen=True, eq=False)
class ViewResiduals:
    """What is left in one view; lengths in mm are at the bone.

    Attributes:
        outline_px, outline_mm: root mean square distance of contour and outline where explained;
            None without an outline.
        explained: share of the image's outline that a contour of the bone is near to.
        covered: share of the bone's outer contour within the image that an outline is near to.
        points_px: (rows, columns) of landmarks, model less found.
        points_errors: the same as a distance, in errors.
        ellipses_px: (rows, columns, radius) of round parts, model less found.
    """

    outline_px: float | None
    outline_mm: float | None
    explained: float | None
    covered: float | None
    points_px: dict[str, tuple[float, float]]
    points_errors: dict[str, float]
    ellipses_px: dict[str, tuple[float, float, float]]


def view_residuals(problem: FitProblem, solved: Solved, view: int) -> ViewResiduals:
    """What is left in a view at the end of a fit."""
    state, modes = solved.state, solved.stage.modes
    terms, config = problem.views[view], problem.config
    scale = pixels_per_mm(terms.geometry)
    shape = problem.shape(state)
    marks, rounds = problem.marks(shape, modes), problem.rounds(shape, modes)
    names = [n for n in terms.features.points if n in marks.names]
    at = np.array([marks.points[marks.names.index(n)] for n in names]).reshape(-1, 3)
    seen = state.in_view(view, state.turned(at) + state.shift, terms.geometry)
    wanted = np.array([terms.features.points[n][:2] for n in names]).reshape(-1, 2)
    away = terms.geometry.project_points(seen) - wanted if names else wanted
    landmarks = terms.landmarks(state, marks, config.landmark_error)
    errors = [] if landmarks is None else np.linalg.norm(landmarks.residuals.reshape(-1, 2), axis=1)
    ellipses = terms.ellipses(state, rounds, config.ellipse_error)
    found = [n for n in terms.features.ellipses if n in rounds.names]
    left = [] if ellipses is None else ellipses.residuals.reshape(-1, 3)
    outline, explained, covered = _outline(problem, solved, view)
    return ViewResiduals(
        outline,
        None if outline is None else outline / scale,
        explained,
        covered,
        {n: (float(r), float(c)) for n, (r, c) in zip(names, away, strict=True)},
        {n: float(e) for n, e in zip(names, errors, strict=True)},
        {
            n: tuple((e * config.ellipse_error * scale).tolist())
            for n, e in zip(found, left, strict=True)
        },
    )


def _outline(
    problem: FitProblem, solved: Solved, view: int
) -> tuple[float | None, float | None, float | None]:
    """Root mean square [pixels], share explained, share covered."""
    outline = problem.outlines[view]
    if outline is None:
        return None, None, None
    match = problem.matched(solved.state, view, NEAR_MM)
    if match is None or not match.found.any():
        return None, 0.0, 0.0
    lengths, found = match.contour.lengths, match.found
    covered = float(lengths[found].sum() / max(lengths.sum(), 1e-9))
    mean = float(np.average(match.residuals[found] ** 2, weights=lengths[found] + 1e-9))
    near = NEAR_MM * pixels_per_mm(problem.views[view].geometry)
    number = KDTree(match.contour.pixels).query(outline.points)[1]
    return float(np.sqrt(mean)), _explained(outline, match, number, near), covered


def _explained(outline, match: Match, number: np.ndarray, near: float) -> float:
    contour = match.contour.taken(number)
    away = outline.points - contour.pixels
    along = np.abs((away * contour.normals).sum(axis=1))
    alike = (outline.normals * contour.normals).sum(axis=1)
    alike = alike if outline.is_signed else np.abs(alike)
    # Contour points stand a triangle's side apart: beside them there is contour, too.
    beside = np.linalg.norm(away, axis=1) <= near + contour.lengths
    explained = (along <= near) & beside & (alike >= LEAST_ALIKE)
    return float(outline.lengths[explained].sum() / outline.lengths.sum())


def doubts(problem: FitProblem, solved: Solved, left: list[ViewResiduals]) -> list[str]:
    """Why the fit is not to be believed; empty if it is."""
    found = [text for number, view in enumerate(left) for text in _doubts_of(number, view)]
    count = sum(2 * len(v.points_px) + 3 * len(v.ellipses_px) for v in left)
    if all(v.outline_px is None for v in left) and count < LEAST_NUMBERS:
        found.append(f"only {count} coordinates were found and no outline fits")
    most, allowed = _deviations(problem, solved)
    if most > allowed:
        found.append(f"the shape is {most:.1f} standard deviations from the mean")
    away = out_of_plane(problem, solved)
    if away > MOST_TURNED:
        found.append(f"the bone would be turned out of the image by {away:.0f} degrees")
    if len(left) > 1:
        share = np.abs(solved.state.corrections[1:]) / problem.limits
        is_free = problem.limits > 1e-6
        if (share[:, is_free] > AT_LIMIT).any():
            found.append("a view would have to be turned or shifted by more than was allowed")
    if not solved.is_still and not found:
        found.append("the last steps still moved")
    return found


def _deviations(problem: FitProblem, solved: Solved) -> tuple[float, float]:
    """The coefficient that is most out of what is allowed for its mode, and that."""
    share = np.cumsum(problem.model.deviations**2)
    is_leading = np.concatenate([[True], share[:-1] < LEADING * share[-1]])
    allowed = np.where(is_leading, MOST_DEVIATIONS, LARGEST)
    sizes = np.abs(solved.state.coefficients)
    worst = int(np.argmax(sizes / allowed))
    return float(sizes[worst]), float(allowed[worst])


def out_of_plane(problem: FitProblem, solved: Solved) -> float:
    """Degrees by which the bone is turned otherwise than about the first view's central ray."""
    geometry = problem.views[0].geometry
    ray = rays_through(geometry, geometry.isocentre[None])[0]
    cosine = ray @ solved.state.turn @ ray / (ray @ ray)
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def _doubts_of(number: int, left: ViewResiduals) -> list[str]:
    found, name = [], f"view {number + 1}"
    if left.explained is not None and left.explained < LEAST_EXPLAINED:
        share = 100 * left.explained
        found.append(f"{name}: only {share:.0f} % of the outline lies near the bone's contour")
    if left.covered is not None and left.covered < LEAST_EXPLAINED:
        share = 100 * left.covered
        found.append(f"{name}: only {share:.0f} % of the bone's contour has an outline near it")
    if left.outline_mm is not None and left.outline_mm > MOST_OUTLINE_MM:
        found.append(f"{name}: the outline lies {left.outline_mm:.1f} mm from the bone's contour")
    middle = float(np.median(list(left.points_errors.values()))) if left.points_errors else 0.0
    if middle > MOST_LANDMARKS:
        found.append(f"{name}: landmarks lie {middle:.1f} times their error from the bone's")
    return found


def verdict(left: list[ViewResiduals], found: list[str]) -> str:
    """One plain sentence."""
    if found:
        return f"Not converged: {'; '.join(found)}."
    outlines = [v.outline_mm for v in left if v.outline_mm is not None]
    if not outlines:
        return "Converged on landmarks alone, there was no outline."
    explained = min(v.explained for v in left if v.explained is not None)
    return (
        f"Converged: outlines lie {max(outlines):.2f} mm (root mean square) from the contour "
        f"of the bone, which explains {100 * explained:.0f} % of them."
    )
