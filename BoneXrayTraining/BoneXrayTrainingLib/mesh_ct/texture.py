"""Uneven tissue: noise whose coarse grains are stronger than its fine ones."""

from __future__ import annotations

import numpy as np

SIDE = 96
"""The noise repeats after so many grains."""


class Texture:
    """Noise of mean 0 and variance 1, drawn once and read at any scale.

    Its amplitude falls with frequency f as 1 / f, and its grains are twice as long along S.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        k = np.fft.fftfreq(SIDE)[:, None, None] * 2.0
        j = np.fft.fftfreq(SIDE)[None, :, None]
        i = np.fft.rfftfreq(SIDE)[None, None, :]
        frequency = np.sqrt(k**2 + j**2 + i**2)
        frequency[0, 0, 0] = np.inf
        spectrum = np.fft.rfftn(rng.standard_normal((SIDE, SIDE, SIDE)))
        # Grains larger than an eighth of the block would show that it repeats.
        spectrum /= np.maximum(frequency, 8 / SIDE)
        noise = np.fft.irfftn(spectrum, s=(SIDE, SIDE, SIDE))
        self.block = (noise / noise.std()).astype(np.float32)
        self._rng = rng

    def at(self, places: tuple[np.ndarray, ...], grain: float) -> np.ndarray:
        """Noise at voxels `(k, j, i)` (as `np.nonzero` gives them), `grain` voxels a grain."""
        start = self._rng.integers(0, SIDE, 3)
        index = tuple(
            ((p / grain).astype(np.int32) + s) % SIDE for p, s in zip(places, start, strict=True)
        )
        return self.block[index]

    def over(self, shape: tuple[int, ...], grain: float) -> np.ndarray:
        """Noise over a whole grid (k, j, i), `grain` voxels a grain."""
        start = self._rng.integers(0, SIDE, 3)
        lines = [((np.arange(n) / grain).astype(int) + s) % SIDE for n, s in zip(shape, start)]  # noqa: B905
        return self.block[np.ix_(*lines)]
