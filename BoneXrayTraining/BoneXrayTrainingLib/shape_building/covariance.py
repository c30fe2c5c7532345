"""How bones of a kind differ: the covariance of subjects' surfaces, widened by smooth deformations.

    Σ = a · S + b · K + c · S∘L

S is the subjects' covariance (its eigenvectors are the principal components), K that of a Gaussian
process: stretching and shearing of the whole bone, and smooth deformations of several scales, the
small ones more at the bone's ends. S∘L is S where places are near and fades with their distance:
parts of a bone then vary as they do in the subjects, but apart from each other. a, b and c are
those under which subjects that were left out are likeliest.

A covariance is kept as its root F (3 V, Q), Σ = F Fᵀ. What a rigid move does is taken out of it:
the pose has that.

References: Lüthi et al., IEEE TPAMI 40 (2018). Wilms, Handels, Ehrhardt: Multi-resolution
multi-object statistical shape models based on the locality assumption. Med Image Anal 38 (2017).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from .kernels import kernel_basis


@dataclass(frozen=True)
class SpreadConfig:
    """How far bones may differ beyond what the subjects show."""

    scales: dict[str, float] = field(default_factory=lambda: {"150": 4.0, "60": 2.5, "30": 1.5})
    """Amplitude [mm] of smooth deformations by their scale [mm]."""
    shaft: float = 0.5
    """What is left along the shaft of those of less than 100 mm: it is smoother than the ends."""
    stretch: float = 0.05
    """Standard deviation of stretching and shearing the whole bone, a share of its size."""
    near: float = 70.0
    """Distance [mm] at which places of a bone begin to vary apart."""
    noise: float = 0.5
    """Standard deviation [mm] of what is no shape: where on the surface a vertex came to lie."""
    rank: int = 250
    """Smooth deformations along each axis, at most."""


@dataclass(frozen=True)
class Amplitudes:
    """The weights a, b, c of the parts of a covariance."""

    subjects: float = 0.5
    smooth: float = 0.5
    local: float = 0.5

    def of(self) -> tuple[float, float, float]:
        return self.subjects, self.smooth, self.local


CHOICES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
START = Amplitudes(0.25, 0.5, 0.25)
ROUNDS = 4
SEARCH_RANK = 90
WIDE_MM = 100.0
END_SHARE = 0.16
"""Of a bone's length, along S: so much at either end is no shaft."""


def rigid_basis(vertices: np.ndarray) -> np.ndarray:
    """Moves (3 V, 6) of vertices (V, 3) by a small rigid move of them all, orthonormal."""
    around = vertices - vertices.mean(axis=0)
    moves = [np.broadcast_to(axis, around.shape) for axis in np.eye(3)]
    moves += [np.cross(axis, around) for axis in np.eye(3)]
    q, _ = np.linalg.qr(np.stack([move.reshape(-1) for move in moves], axis=1))
    return q


def without_rigid(columns: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Deformations (3 V, Q) less what a rigid move does."""
    rigid = rigid_basis(vertices)
    return columns - rigid @ (rigid.T @ columns)


def smooth_root(vertices: np.ndarray, config: SpreadConfig) -> np.ndarray:
    """Root (3 V, Q) of the Gaussian process on vertices (V, 3)."""
    scales = {float(scale): a for scale, a in config.scales.items()}
    wide = {scale: a for scale, a in scales.items() if scale >= WIDE_MM}
    fine = {scale: a for scale, a in scales.items() if scale < WIDE_MM}
    columns = [config.stretch * (vertices - vertices.mean(axis=0))]
    if wide:
        columns.append(kernel_basis(vertices, wide, config.rank))
    if fine:
        height = (vertices[:, 2] - vertices[:, 2].min()) / np.ptp(vertices[:, 2])
        near_end = np.exp(-((np.minimum(height, 1.0 - height) / END_SHARE) ** 4))
        left = config.shaft + (1.0 - config.shaft) * near_end
        columns.append(left[:, None] * kernel_basis(vertices, fine, config.rank))
    return _each_axis(np.concatenate(columns, axis=1))


def local_root(shapes: np.ndarray, mean: np.ndarray, config: SpreadConfig) -> np.ndarray:
    """Root (3 V, Q) of the subjects' covariance that fades with distance."""
    basis = kernel_basis(mean, {config.near: 1.0}, 60)
    away = (shapes - mean) / np.sqrt(max(len(shapes) - 1, 1))
    columns = away[:, :, :, None] * basis[None, :, None, :]
    return columns.transpose(1, 2, 0, 3).reshape(mean.size, -1)


def subjects_root(shapes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Root (3 V, N) of the covariance of shapes (N, V, 3)."""
    return (shapes - mean).reshape(len(shapes), -1).T / np.sqrt(max(len(shapes) - 1, 1))


def roots(shapes: np.ndarray, mean: np.ndarray, config: SpreadConfig) -> list[np.ndarray]:
    """The three parts' roots, without rigid moves."""
    parts = (
        subjects_root(shapes, mean), smooth_root(mean, config), local_root(shapes, mean, config),
    )  # fmt: skip
    return [without_rigid(part, mean) for part in parts]


def modes_of(root: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Modes (M, V, 3) of root-mean-square length 1 and deviations (M,) mm, of a root."""
    values, vectors = eigh(root.T @ root)
    kept = np.flatnonzero(values > 1e-9 * values[-1])[::-1][:count]
    directions = root @ (vectors[:, kept] / np.sqrt(values[kept]))
    vertices = len(root) // 3
    modes = directions.T.reshape(len(kept), vertices, 3) * np.sqrt(vertices)
    return modes, np.sqrt(values[kept] / vertices)


def likeliest_amplitudes(
    shapes: np.ndarray, config: SpreadConfig, some: np.ndarray
) -> tuple[Amplitudes, dict[Amplitudes, float]]:
    """The amplitudes under which subjects left out are likeliest, and mean log-likelihoods.

    Args:
        shapes: (N, V, 3) mm, rigidly aligned.
        some: numbers of the vertices that are looked at.
    """
    folds = [_fold(shapes[:, some], n, config) for n in range(len(shapes))]
    best, totals = START, {}
    for _ in range(ROUNDS):
        before = best
        for part in range(3):
            tried = [_changed(best, part, choice) for choice in CHOICES]
            for each in (a for a in tried if any(a.of()) and a not in totals):
                likely = [_scaled(*fold, each, config.noise) for fold in folds]
                totals[each] = float(np.mean(likely))
            best = max(totals, key=lambda each: totals[each])
        if best == before:
            break
    return best, totals


def _changed(amplitudes: Amplitudes, part: int, value: float) -> Amplitudes:
    values = list(amplitudes.of())
    values[part] = value
    return Amplitudes(*values)


def _fold(
    shapes: np.ndarray, left_out: int, config: SpreadConfig
) -> tuple[np.ndarray, np.ndarray, float, int, tuple[int, ...]]:
    """All that the likelihood of one subject needs: products of the others' roots and of it."""
    others = np.delete(shapes, left_out, axis=0)
    mean = others.mean(axis=0)
    parts = roots(others, mean, dataclasses.replace(config, rank=SEARCH_RANK))
    away = without_rigid((shapes[left_out] - mean).reshape(-1, 1), mean)[:, 0]
    root = np.concatenate(parts, axis=1)
    widths = tuple(part.shape[1] for part in parts)
    return root.T @ root, root.T @ away, float(away @ away), len(away), widths


def _scaled(
    product: np.ndarray, along: np.ndarray, squared: float, count: int, widths: tuple[int, ...],
    amplitudes: Amplitudes, noise: float,
) -> float:  # fmt: skip
    """Log of the density of a difference (count,) under N(0, F Fᵀ + noise² 1), by Woodbury."""
    scale = np.repeat(np.sqrt(amplitudes.of()), widths)
    kept = np.flatnonzero(scale)
    scale = scale[kept] / noise
    inner = product[np.ix_(kept, kept)] * np.outer(scale, scale)
    inner[np.diag_indices(len(kept))] += 1.0
    factor = cho_factor(inner, lower=True, overwrite_a=True)
    seen = along[kept] * scale / noise
    logdet = 2.0 * np.log(np.diag(factor[0])).sum() + count * np.log(2 * np.pi * noise**2)
    return -0.5 * float(squared / noise**2 - seen @ cho_solve(factor, seen) + logdet)


def _each_axis(columns: np.ndarray) -> np.ndarray:
    """A root (3 V, 3 R) of the same columns (V, R) along each axis."""
    count, rank = columns.shape
    root = np.zeros((count, 3, 3, rank))
    for axis in range(3):
        root[:, axis, axis] = columns
    return root.reshape(3 * count, 3 * rank)
