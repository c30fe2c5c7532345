"""Modes of a shape model in a file: smooth over the bone, so kept at some of its vertices only.

Between these a mode is drawn by the smoothest function through them (cubic radial basis functions,
J. Duchon, RAIRO Analyse numérique 10 (1976) 5). At them, modes that move vertices far are in half
precision, the many others in eight bits.
"""

from __future__ import annotations

import numpy as np

MOST = 127
ROUNDED_OFF = 0.02
"""By this [mm], at the most, eight bits move a vertex by one standard deviation of a mode."""
DRAWN_OFF = 0.06
"""By this [mm], at the most, a vertex between those kept is off by one standard deviation."""
FIRST, MORE = 150, 40
"""Vertices that are kept to begin with, spread evenly, and in every further round, where most
is off."""
APART_MM = 8.0
"""Least distance between those of a round."""
WORTH, MOST_KEPT = 3, 1200
"""One of so many vertices is kept at the most, and no more of them in all: each round solves for
these. Where they do not do, every vertex is."""


def packed_modes(
    mean: np.ndarray, modes: np.ndarray, deviations: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of a file for modes (M, V, 3) that belong to a mean (V, 3) and deviations (M,)."""
    kept = kept_vertices(mean, modes, deviations)
    found = {"kept": kept.astype(np.int32)} if len(kept) < len(mean) else {}
    modes = modes[:, kept]
    most = np.maximum(np.abs(modes).max(axis=(1, 2)), 1e-12)
    far = most * deviations > 2 * MOST * ROUNDED_OFF
    near = modes[~far] / (most[~far, None, None] / MOST)
    return found | {
        "modes": modes[far].astype(np.float16),
        "far": far.astype(np.uint8),
        "modes.near": np.rint(near).astype(np.int8),
        "modes.scale": (most[~far] / MOST).astype(np.float32),
    }


def unpacked_modes(tensors: dict[str, np.ndarray]) -> np.ndarray:
    """The modes (M, V, 3) float64 of a file's arrays; of one without `kept` at all vertices."""
    mean, far = tensors["mean"].astype(np.float64), tensors["far"].astype(bool)
    kept = tensors.get("kept", np.arange(len(mean)))
    modes = np.empty((len(far), len(kept), 3))
    modes[far] = tensors["modes"]
    modes[~far] = tensors["modes.near"] * tensors["modes.scale"][:, None, None].astype(np.float64)
    return modes if "kept" not in tensors else _orthogonal(drawn(mean, kept, modes))


def kept_vertices(mean: np.ndarray, modes: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Vertices (K,) through which modes can be drawn; all where that takes too many of them."""
    all_of_them = np.arange(len(mean))
    if len(mean) < WORTH * FIRST:
        return all_of_them
    kept = _spread(mean, FIRST)
    while len(kept) <= min(len(mean) // WORTH, MOST_KEPT):
        off = np.linalg.norm(drawn(mean, kept, modes[:, kept]) - modes, axis=2)
        off *= deviations[:, None]
        if off.max() <= DRAWN_OFF:
            return np.sort(kept)
        kept = np.union1d(kept, _worst(mean, np.linalg.norm(off, axis=0)))
    return all_of_them


def drawn(mean: np.ndarray, kept: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """Modes (M, V, 3) over all vertices of a mean (V, 3), from those at some (M, K, 3)."""
    from scipy.interpolate import RBFInterpolator

    values = modes.transpose(1, 0, 2).reshape(len(kept), -1)
    found = RBFInterpolator(mean[kept], values, kernel="cubic")(mean)
    return found.reshape(len(mean), -1, 3).transpose(1, 0, 2)


def _orthogonal(modes: np.ndarray) -> np.ndarray:
    """Modes made orthogonal again, each of root mean square 1 over the vertices, in their order."""
    from scipy.linalg import cholesky, solve_triangular

    flat = modes.reshape(len(modes), -1)
    lower = cholesky(flat @ flat.T / modes.shape[1], lower=True)
    return solve_triangular(lower, flat, lower=True).reshape(modes.shape)


def _spread(points: np.ndarray, count: int) -> np.ndarray:
    """Numbers of points, each the farthest from those before it."""
    found = [int(np.argmax(points[:, 2]))]
    away = np.linalg.norm(points - points[found[0]], axis=1)
    while len(found) < count:
        found.append(int(np.argmax(away)))
        away = np.minimum(away, np.linalg.norm(points - points[found[-1]], axis=1))
    return np.array(found)


def _worst(points: np.ndarray, off: np.ndarray) -> np.ndarray:
    """Numbers of points that are farthest off, none near another."""
    found: list[int] = []
    for number in np.argsort(-off):
        if not found or np.linalg.norm(points[found] - points[number], axis=1).min() > APART_MM:
            found.append(int(number))
        if len(found) == MORE:
            break
    return np.array(found)
