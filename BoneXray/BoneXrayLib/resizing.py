"""Images brought to another size, an axis at a time, in little more than their own memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLUR = 0.4
"""Sigma of the blur before shrinking, in pixels of the smaller image."""
BLUR_REACH = 4.0
"""Sigmas to each side after which the blur ends."""


def resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bilinear, pixel edges aligned; blurred first when shrinking, so nothing aliases.

    Both steps work on one axis at a time, so each axis is one thin sparse matrix and neither a
    blurred copy nor a grid of coordinates of the large image is made.

    Args:
        image: (rows, columns).
        shape: (rows, columns) of what comes back, float32, never `image` itself.
    """
    image = image.astype(np.float32, copy=image.shape == tuple(shape))
    if image.shape == tuple(shape):
        return image
    by_row, by_column = (resampling(*sides) for sides in zip(image.shape, shape, strict=True))
    if shape[0] <= image.shape[0]:  # the smaller product in between
        return np.ascontiguousarray((by_column @ (by_row @ image).T).T)
    return by_row @ np.ascontiguousarray((by_column @ image.T).T)


def resampling(old: int, new: int) -> csr_array:
    """What one axis of `old` pixels is multiplied by to have `new`: (new, old), rows add up to 1.

    Beyond an end the pixels are mirrored for the blur; the interpolation stays at the last one.
    """
    from scipy.sparse import csr_array

    ratio = old / new
    at = np.clip((np.arange(new) + 0.5) * ratio - 0.5, 0, old - 1)
    left = np.minimum(at.astype(int), max(old - 2, 0))
    share = at - left
    places = np.stack([left, np.minimum(left + 1, old - 1)], axis=1)
    weights = np.stack([1 - share, share], axis=1)
    if ratio > 1:
        reach = int(BLUR_REACH * BLUR * ratio + 0.5)
        steps = np.arange(-reach, reach + 1)
        kernel = np.exp(-0.5 * (steps / (BLUR * ratio)) ** 2)
        weights = (weights[..., None] * (kernel / kernel.sum())).reshape(new, -1)
        places = (places[..., None] + steps).reshape(new, -1) % (2 * old)
        places = np.minimum(places, 2 * old - 1 - places)
    rows = np.repeat(np.arange(new), weights.shape[1])
    entries = (weights.astype(np.float32).ravel(), (rows, places.ravel()))
    return csr_array(entries, shape=(new, old))
