"""Images of optical density as the brightness that the networks see, and back."""

from __future__ import annotations

import numpy as np

from ..layer_images import brightness_of_density, density_of_brightness

__all__ = ["brightness_of_density", "density_of_brightness", "density_scale"]

DENSEST = 3.0
"""Optical density that the dense parts of an image are brought down to: a brightness of 0.95. In
denser images brightness would tell nothing of one bone over another."""
DENSE_PERCENTILE = 99.0


def density_scale(image: np.ndarray) -> float:
    """What optical density (rows, columns) is multiplied by before it is shown as brightness.

    Densities add up before as after. 1 for radiographs of hands and what pictures hold.
    """
    return min(1.0, DENSEST / max(float(np.percentile(image, DENSE_PERCENTILE)), 1e-6))
