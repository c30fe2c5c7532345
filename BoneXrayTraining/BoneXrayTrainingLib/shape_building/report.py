"""How good a shape model is: compactness, generality, specificity.

Compactness: the share of the variance that the first modes hold. Generality: how near the model of
the other subjects comes to one that was left out. Specificity: how near shapes drawn from the model
are to the nearest subject.

Reference: Davies et al.: A minimum description length approach to statistical shape modeling. IEEE
TMI 21 (2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneXrayLib.shape_model import ShapeModel

from .alignment import fitted
from .building import Built, Progress, joined, short_root
from .config import ShapeModelConfig
from .covariance import Amplitudes
from .partial import posterior
from .surface import cloud_of, surface_distances

PRINCIPAL = Amplitudes(1.0, 0.0, 0.0)
"""The covariance of the subjects alone."""
STEP = 4
"""Of the points of surfaces each so many-th one is measured."""
SAMPLES = 60


@dataclass(frozen=True)
class Generality:
    """How near a model comes to a subject that it doesn't know, mm."""

    subject: str
    mean_mm: float
    p95_mm: float
    principal_mm: float
    """The mean without smooth deformations."""
    nearest_mm: float
    """The mean of the nearest of the other subjects, moved rigidly: a floor."""


def compactness(model: ShapeModel) -> dict[str, int]:
    """How many modes hold 90, 95 and 99 % of the model's variance."""
    shares = np.cumsum(model.deviations**2) / (model.deviations**2).sum()
    return {f"{share:.0%}": int((shares < share).sum()) + 1 for share in (0.9, 0.95, 0.99)}


def generality(config: ShapeModelConfig, built: Built, progress: Progress) -> list[Generality]:
    """Each whole subject in turn left out, its surface met by the model of the others."""
    found = []
    for n, name in enumerate(built.whole.names):
        progress(0.9 + 0.1 * n / len(built.whole.names), f"leaving out {name}")
        others, surface = built.whole.without(name), cloud_of(built.whole.surfaces[n])
        away = []
        for amplitudes in (built.amplitudes, PRINCIPAL):
            root = joined(others.shapes, others.mesh.vertices, config, amplitudes)
            root = short_root(root, config.modes)
            met = posterior(others.mesh, root, surface, config.spread.noise).in_place
            away.append(surface_distances(cloud_of(others.mesh.moved(met)), surface, STEP))
        found.append(Generality(
            name, float(away[0].mean()), float(np.quantile(away[0], 0.95)),
            float(away[1].mean()), _nearest(built, n),
        ))  # fmt: skip
    return found


def specificity(built: Built, rng: np.random.Generator) -> float:
    """Mean distance [mm] of vertices of drawn shapes from those of the nearest whole subject."""
    away = []
    for _ in range(SAMPLES):
        shape = built.model.shape(built.model.sample(rng))
        away.append(min(_apart(shape, each) for each in built.whole.shapes))
    return float(np.mean(away))


def _nearest(built: Built, n: int) -> float:
    """Mean distance [mm] from a subject's vertices to the surface of the nearest other subject."""
    others = [m for m in range(len(built.whole.shapes)) if m != n]
    apart = [_apart(built.whole.shapes[n], built.whole.shapes[m]) for m in others]
    nearest = built.whole.mesh.moved(built.whole.shapes[others[int(np.argmin(apart))]])
    moved = fitted(built.whole.shapes[n], nearest.vertices).of(built.whole.shapes[n])
    return float(cloud_of(nearest).distances(moved).mean())


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    moved = fitted(one, other).of(one)
    return float(np.linalg.norm(moved - other, axis=1).mean())
