"""Rigid moves, with or without size: of corresponding points, and of surfaces that have none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from .kernels import spread
from .surface import Cloud

SOME = 600
"""Points that the search for a start looks at."""
QUICK, LONG = 12, 30
"""Steps from each start, and from the best of them."""
BEST = 3


@dataclass(frozen=True, eq=False)
class Similarity:
    """x -> scale · rotation x + shift, mm."""

    rotation: np.ndarray
    shift: np.ndarray
    scale: float = 1.0

    def of(self, places: np.ndarray) -> np.ndarray:
        """Places (N, 3) moved."""
        return self.scale * places @ self.rotation.T + self.shift

    def back(self, places: np.ndarray) -> np.ndarray:
        """Places (N, 3) moved back."""
        return (places - self.shift) @ self.rotation / self.scale


def fitted(
    start: np.ndarray, end: np.ndarray, weights: np.ndarray | None = None, sized: bool = False
) -> Similarity:
    """The move that brings points (N, 3) nearest to others (N, 3), in the least squares.

    Reference: Umeyama, IEEE TPAMI 13 (1991).
    """
    weights = np.ones(len(start)) if weights is None else weights
    share = (weights / weights.sum())[:, None]
    from_middle, to_middle = (share * start).sum(axis=0), (share * end).sum(axis=0)
    one, other = start - from_middle, end - to_middle
    u, spread_of, vt = np.linalg.svd((share * other).T @ one)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((spread_of * sign).sum() / (share * one**2).sum()) if sized else 1.0
    return Similarity(rotation, to_middle - scale * rotation @ from_middle, scale)


def procrustes(shapes: np.ndarray, rounds: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Shapes (N, V, 3) moved rigidly onto their mean, and that mean (V, 3); sizes stay."""
    mean = shapes[0] - shapes[0].mean(axis=0)
    for _ in range(rounds):
        moved = np.stack([fitted(shape, mean).of(shape) for shape in shapes])
        # Without this the mean would drift: a turn of all shapes is no difference of theirs.
        mean = (middle := moved.mean(axis=0)) - middle.mean(axis=0)
        mean = fitted(mean, moved[0]).of(mean) if len(shapes) == 1 else mean
    return moved, mean


def aligned(
    vertices: np.ndarray, surface: Cloud, turns: bool = True, sized: bool = True
) -> Similarity:
    """The move of a template's vertices (V, 3) onto a surface, found from many starts.

    Args:
        turns: whether the surface may lie any way round; otherwise as the template does.
    """
    some = vertices[spread(vertices, min(SOME, len(vertices)))]
    step = max(1, len(surface.points) // (4 * SOME))
    targets = surface.points[::step]
    coarse = Cloud(targets, surface.normals[::step], surface.border[::step], KDTree(targets))
    frames = _starts(some, targets, sized) if turns else [_middle(some, targets)]
    found = [_icp(some, targets, coarse, start, QUICK, sized) for start in frames]
    found.sort(key=lambda pair: pair[0])
    best = [_icp(some, targets, surface, move, LONG, sized) for _, move in found[:BEST]]
    return min(best, key=lambda pair: pair[0])[1]


def _middle(some: np.ndarray, targets: np.ndarray) -> Similarity:
    return Similarity(np.eye(3), targets.mean(axis=0) - some.mean(axis=0))


def _starts(some: np.ndarray, targets: np.ndarray, sized: bool) -> list[Similarity]:
    """Long axes laid onto each other, either end up, and turned about them in eighths."""
    axes_of, middles, lengths = [], [], []
    for points in (some, targets):
        middle = points.mean(axis=0)
        _, _, vt = np.linalg.svd(points - middle, full_matrices=False)
        vt[2] *= np.linalg.det(vt)
        axes_of.append(vt)
        middles.append(middle)
        lengths.append(np.ptp(points @ vt[0]))
    scale = lengths[1] / lengths[0] if sized else 1.0
    starts = []
    for end, eighth in itertools.product((0.0, np.pi), np.arange(8) * np.pi / 4):
        about = np.array(
            [[1, 0, 0], [0, np.cos(eighth), -np.sin(eighth)], [0, np.sin(eighth), np.cos(eighth)]]
        )
        over = np.diag([np.cos(end), np.cos(end), 1.0])
        rotation = axes_of[1].T @ over @ about @ axes_of[0]
        starts.append(Similarity(rotation, middles[1] - scale * rotation @ middles[0], scale))
    return starts


def _icp(
    some: np.ndarray, targets: np.ndarray, surface: Cloud, move: Similarity, steps: int, sized: bool
) -> tuple[float, Similarity]:
    """Nearest points of both surfaces, in turn with the move that brings them together."""
    tree = KDTree(some)
    away = np.inf
    for _ in range(steps):
        places = move.of(some)
        there, _ = surface.nearest(places)
        _, back = tree.query(move.back(targets))
        start = np.concatenate([some, some[back]])
        end = np.concatenate([there, targets])
        away = np.linalg.norm(move.of(start) - end, axis=1)
        limit = 3.0 * np.median(away) + 1.0
        move = fitted(start, end, 1.0 / (1.0 + (away / limit) ** 2), sized)
    return float(np.mean(away)), move
