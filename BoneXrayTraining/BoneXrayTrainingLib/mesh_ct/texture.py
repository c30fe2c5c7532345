"""Uneven tissue: noise whose coarse grains are stronger than its fine ones."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SIDE = 96
"""The noise repeats after so many grains."""


class Texture:
    """Noise of mean 0 and variance 1, drawn once and read at any scale.

    Its amplitude falls with frequency f as 1 / f, and its grains are twice as long along S.
    A `smooth` one has no steps between its grains.
    """

    def __init__(self, rng: np.random.Generator, smooth: bool = False) -> None:
        k = np.fft.fftfreq(SIDE)[:, None, None] * 2.0
        j = np.fft.fftfreq(SIDE)[None, :, None]
        i = np.fft.rfftfreq(SIDE)[None, None, :]
        frequency = np.sqrt(k**2 + j**2 + i**2)
        frequency[0, 0, 0] = np.inf
        spectrum = np.fft.rfftn(rng.standard_normal((SIDE, SIDE, SIDE)))
        # Grains larger than an eighth of the block would show that it repeats.
        spectrum /= np.maximum(frequency, 8 / SIDE)
        noise = np.fft.irfftn(spectrum, s=(SIDE, SIDE, SIDE), axes=(0, 1, 2))
        self.block = (noise / noise.std()).astype(np.float32)
        self._rng = rng
        self._smooth = smooth

    def at(self, places: tuple[np.ndarray, ...], grain: float) -> np.ndarray:
        """Noise at voxels `(k, j, i)` (as `np.nonzero` gives them), `grain` voxels a grain."""
        start = self._rng.integers(0, SIDE, 3)
        if self._smooth:
            where = np.stack(
                [p / np.float32(grain) + s for p, s in zip(places, start, strict=True)]
            )
            return ndimage.map_coordinates(self.block, where, order=1, mode="grid-wrap")
        index = tuple(
            ((p / grain).astype(np.int32) + s) % SIDE for p, s in zip(places, start, strict=True)
        )
        return self.block[index]

    def over(self, shape: tuple[int, ...], grain: float) -> np.ndarray:
        """Noise over a whole grid (k, j, i), `grain` voxels a grain, smooth between grains."""
        start = self._rng.integers(0, SIDE, 3)
        lines = [
            (s + np.arange(int(n / grain) + 2)) % SIDE for n, s in zip(shape, start, strict=True)
        ]
        return between(self.block[np.ix_(*lines)], [np.arange(n) / grain for n in shape])


def between(field: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """A field (k, j, i) at other places along each axis [voxels], linear between; float32."""
    out = np.ascontiguousarray(field, dtype=np.float32)
    for axis, at in enumerate(places):
        last = field.shape[axis] - 1
        low = np.clip(at.astype(int), 0, max(last - 1, 0))
        share = np.clip(at - low, 0.0, 1.0).astype(np.float32)
        lower, upper = out.take(low, axis), out.take(np.minimum(low + 1, last), axis)
        upper -= lower
        upper *= share.reshape([-1 if a == axis else 1 for a in range(3)])
        upper += lower
        out = upper
    return out
