"""Round regions of a CT by chains of spheres: where contrast medium would run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

Chain = Sequence[Sequence[float]]
"""Spheres (R, A, S, radius) in mm; between neighbours the region tapers from one to the next."""


def check_chains(chains: Sequence[Chain], where: str) -> None:
    """Refuse chains that are empty, not four numbers each, or of no radius."""
    for chain in chains:
        if not chain:
            raise ValueError(f"{where}: an empty chain; expected spheres [R, A, S, radius]")
        for sphere in chain:
            if len(sphere) != 4 or not np.isfinite(sphere).all() or sphere[3] <= 0:
                raise ValueError(f"{where}: got {list(sphere)}; expected [R, A, S, radius] in mm")


def inside_chains(
    shape: tuple[int, int, int], ijk_to_ras: np.ndarray, chains: Sequence[Chain]
) -> np.ndarray:
    """Voxels inside any of the chains, (k, j, i) bool."""
    inside = np.zeros(shape, dtype=bool)
    for chain in chains:
        spheres = np.asarray(chain, dtype=np.float64)
        _add_capsule(inside, ijk_to_ras, spheres[0], spheres[0])
        for first, second in itertools.pairwise(spheres):
            _add_capsule(inside, ijk_to_ras, first, second)
    return inside


def _add_capsule(
    inside: np.ndarray, ijk_to_ras: np.ndarray, first: np.ndarray, second: np.ndarray
) -> None:
    """Mark the voxels between two spheres, in place."""
    box = _box(inside.shape, ijk_to_ras, np.stack([first, second]))
    k, j, i = np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij")
    at = np.stack([i, j, k], axis=-1) @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]
    axis = second[:3] - first[:3]
    along = ((at - first[:3]) @ axis / max(axis @ axis, 1e-9)).clip(0.0, 1.0)
    distance = np.linalg.norm(at - first[:3] - along[..., None] * axis, axis=-1)
    inside[box] |= distance <= first[3] + along * (second[3] - first[3])


def _box(shape: tuple[int, ...], ijk_to_ras: np.ndarray, spheres: np.ndarray) -> tuple[slice, ...]:
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    points = (spheres[:, None, :3] + corners * spheres[:, None, 3:]).reshape(-1, 3)
    ijk = np.linalg.solve(ijk_to_ras[:3, :3], (points - ijk_to_ras[:3, 3]).T).T
    low, high = np.floor(ijk.min(axis=0))[::-1], np.ceil(ijk.max(axis=0))[::-1]
    return tuple(
        slice(int(np.clip(a, 0, n)), int(np.clip(b + 1, 0, n)))
        for a, b, n in zip(low, high, shape, strict=True)
    )
