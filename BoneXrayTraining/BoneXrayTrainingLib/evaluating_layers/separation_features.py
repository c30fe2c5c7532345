"""How far the features of separated bones are, as a whole, from those of true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..sampling.overlap_bins import bin_name

if TYPE_CHECKING:
    from ..learning.losses import SqueezeFeatures

EXTRACTOR = "SqueezeNet 1.0 up to fire5, ImageNet weights, means over the image of 256 channels"
TRUTH = "truth"
FEWEST = 20
"""Fewer images say nothing of a distribution."""


class FeatureExtractor:
    """One row of numbers for an image of 0..1."""

    def __init__(self, weights: str | Path) -> None:
        path = Path(weights)
        if not path.is_file():
            raise FileNotFoundError(f"features: {path} does not exist; expected an .npz file")
        from ..learning.losses import SqueezeFeatures

        self._network: SqueezeFeatures = SqueezeFeatures(path)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (N, channels) float32 of images (N, rows, columns)."""
        import torch

        grey = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))[:, None]
        with torch.no_grad():
            found = self._network.features(grey.clamp(0.0, 1.0))[-1]
        return found.mean(dim=(2, 3)).numpy()


def distances(
    features: Sequence[Mapping[str, np.ndarray]], bins: Mapping[int, int]
) -> dict[str, dict[str, float]]:
    """Distance from the truth's features by method and by bin, or all; empty without features.

    Args:
        features: of each image, (2, channels) by method, and by `TRUTH`.
        bins: of each image.
    """
    found: dict[str, dict[str, float]] = {}
    for number in (*sorted(set(bins.values())), None):
        there = [f for n, f in enumerate(features) if number in (None, bins[n])]
        for method in dict.fromkeys(m for f in there for m in f if m != TRUTH):
            asked = [f for f in there if method in f]
            if 2 * len(asked) >= FEWEST:
                one, other = (np.concatenate([f[m] for f in asked]) for m in (method, TRUTH))
                name = "all" if number is None else bin_name(number)
                found.setdefault(method, {})[name] = frechet_distance(one, other)
    return found


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of the normal distributions that fit two sets of features (N, channels).

    |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½), M. Heusel et al., arXiv 1706.08500. Below 0 only by
    rounding, which is cut. Sets of few images are further apart than large ones: only distances of
    as many images may be compared.
    """
    first, second = (np.asarray(a, dtype=np.float64) for a in (first, second))
    means = first.mean(axis=0) - second.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(a, rowvar=False)) for a in (first, second))
    # tr (C1 C2)^½ is the sum of the roots of the eigenvalues of C1^½ C2 C1^½, which is symmetric.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ two @ root).clip(0)).sum()
    return max(float(means @ means + np.trace(one) + np.trace(two) - 2 * shared), 0.0)
