"""Bones laid over their edges in a CT: neighbours together, then each by itself, then its shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from .placing import stretched
from .surface import Sampler, Surface, edges, room

Progress = Callable[[float, str], None]
STIFF = 0.02
SHAPE_STIFF = 0.25
"""Weight of a vertex without an edge: it holds its place, and a bone its shape."""
PLIANT = 0.5
"""How much bones resist being stretched in one direction."""
SIZES = (0.88, 1.13)
"""How much more a bone may shrink and grow than half of the bones do."""
AROUND = 40
"""Vertices around one that have a say in its way."""


@dataclass(frozen=True)
class Stage:
    """Some rounds: how far edges are looked for, and how far bones take others with them [mm]."""

    rounds: int
    reach: float
    together: float
    apart: bool = True
    """Whether bones that run into each other push each other back."""


RIGID = (
    Stage(6, 6.0, 40.0, apart=False),
    Stage(9, 5.0, 16.0),
    Stage(8, 4.0, 8.0),
    Stage(10, 3.0, 3.0),
)
SHAPE = (Stage(5, 3.0, 8.0), Stage(6, 2.0, 5.0), Stage(6, 1.5, 3.0))


@dataclass(frozen=True, eq=False)
class Ways:
    """Where some vertices want to go.

    Attributes:
        chosen: (N,) numbers of the vertices.
        points: (N, 3) where they are, RAS mm.
        way: (N, 3) mm.
        weights: (N,) how much, 0 to 1.
    """

    chosen: np.ndarray
    points: np.ndarray
    way: np.ndarray
    weights: np.ndarray


def fitted(surface: Surface, sampler: Sampler, progress: Progress | None = None) -> Surface:
    """The surface of all bones where the CT shows their edges."""
    chosen = surface.some()
    sizes = np.ones(len(surface.names))
    for number, stage in enumerate(RIGID):
        _tell(progress, number, stage)
        for _ in range(stage.rounds):
            ways = _ways(surface, chosen, sampler, stage)
            surface = surface.moved(_moved(surface, ways, stage.together, sizes))
    around = _around(surface, chosen)
    for number, stage in enumerate(SHAPE, start=len(RIGID)):
        _tell(progress, number, stage)
        for _ in range(stage.rounds):
            ways = _ways(surface, chosen, sampler, stage)
            surface = surface.moved(_shaped(surface, ways, stage.together, around))
    return surface


def _tell(progress: Progress | None, number: int, stage: Stage) -> None:
    if progress is not None:
        share = number / len(RIGID + SHAPE)
        progress(share, f"fitting, bones within {stage.together:g} mm together")


def _ways(surface: Surface, chosen: np.ndarray, sampler: Sampler, stage: Stage) -> Ways:
    normals = surface.normals()
    points = surface.vertices[chosen]
    way, weights = edges(points, normals[chosen], sampler, stage.reach)
    if stage.apart:
        # Each may come half way, and bones that run into each other part by as much.
        half = room(surface, normals, chosen) / 2
        weights[half < 0] = np.maximum(weights[half < 0], 0.5)
        way = np.minimum(way, half)
    return Ways(chosen, points, way[:, None] * normals[chosen], weights)


def _moved(surface: Surface, ways: Ways, together: float, sizes: np.ndarray) -> np.ndarray:
    """Vertices after one affine move a bone, in which the bones around have a say.

    `sizes` (bones,) is kept up to date in place.
    """
    goals, owners = ways.points + ways.way, surface.owner[ways.chosen]
    out = surface.vertices.copy()
    for n in range(len(surface.names)):
        own = surface.owner == n
        near = np.full(len(owners), 1.0)
        others = np.flatnonzero(owners != n)
        tree = KDTree(ways.points[owners == n])
        away, _ = tree.query(ways.points[others], distance_upper_bound=2.5 * together)
        near[others] = 0.5 * np.exp(-((away / together) ** 2))
        limits = np.clip(np.median(sizes) / sizes[n] * np.array(SIZES), 0.97, 1.03)
        weights = (ways.weights + STIFF) * near
        matrix, shift = stretched(ways.points, goals, weights, PLIANT, (limits[0], limits[1]))
        sizes[n] *= float(np.cbrt(np.linalg.det(matrix)))
        out[own] = surface.vertices[own] @ matrix.T + shift
    return out


@dataclass(frozen=True, eq=False)
class Around:
    """Which vertices looked at lie around others, found once: bones change little afterwards.

    Attributes:
        near: (N, AROUND) for each vertex looked at, which of them lie around it.
        away: (N, AROUND) mm.
        between: (V, 6) for each vertex of the surface, which of them it follows.
        shares: (V, 6) how much.
    """

    near: np.ndarray
    away: np.ndarray
    between: np.ndarray
    shares: np.ndarray


def _around(surface: Surface, chosen: np.ndarray) -> Around:
    near, away = (np.zeros((len(chosen), AROUND), dtype=kind) for kind in (np.intp, float))
    between = np.zeros((len(surface.vertices), 6), dtype=np.intp)
    shares = np.zeros(between.shape)
    for n in range(len(surface.names)):
        own = surface.owner == n
        some = np.flatnonzero(own[chosen])
        tree = KDTree(surface.vertices[chosen[some]])
        # Places beyond the number of points come back as that number; their share is 0.
        far, at = tree.query(surface.vertices[chosen[some]], AROUND)
        away[some], near[some] = far, some[np.minimum(at, len(some) - 1)]
        far, at = tree.query(surface.vertices[own], 6)
        between[own] = some[np.minimum(at, len(some) - 1)]
        weights = np.exp(-((far / (far[:, 1:2] + 0.5)) ** 2))
        shares[own] = weights / weights.sum(axis=1, keepdims=True)
    return Around(near, away, between, shares)


def _shaped(surface: Surface, ways: Ways, together: float, around: Around) -> np.ndarray:
    """Vertices after a smooth change of each bone's shape."""
    shares = np.exp(-((around.away / together) ** 2))
    pulls = shares * ways.weights[around.near]
    total = (pulls + SHAPE_STIFF * shares).sum(axis=1)
    smooth = np.einsum("nc,ncx->nx", pulls, ways.way[around.near]) / total[:, None]
    return surface.vertices + np.einsum("nc,ncx->nx", around.shares, smooth[around.between])
