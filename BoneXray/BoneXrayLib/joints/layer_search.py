"""Roughly how a bone's layer moved: the best masked correlation over shifts and rotations."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .bone_motion import LayerImage, turn_matrix

COARSE_MM = 0.6
"""Pixel of the search, and standard deviation of the smoothing before it."""
DEGREES = 2.0
LEAST_SHARED = 0.5
"""Of the smaller bone, in both images at a shift."""
BORDER_MM = 1.2
"""Beside the bone, what is compared, too: its outline."""


def first_guess(
    first: LayerImage, second: LayerImage, middle: np.ndarray, most_degrees: float
) -> np.ndarray:
    """Row shift, column shift [mm], angle [rad] of the best of all shifts and some rotations.

    Normalised correlation with masks (Padfield, "Masked object registration in the Fourier
    domain", IEEE TIP 2012) as ITK computes it.
    """
    step = max(COARSE_MM, *first.pixel_mm, *second.pixel_mm)
    fixed, fixed_mask = _coarse(second, step, 0.0, np.zeros(2))
    best = (-np.inf, np.zeros(3))
    count = int(np.ceil(most_degrees / DEGREES))
    for angle in np.deg2rad(np.linspace(-most_degrees, most_degrees, 2 * count + 1)):
        moving, moving_mask = _coarse(first, step, angle, middle)
        score, shift = _best_shift(fixed, fixed_mask, moving, moving_mask)
        if score > best[0]:
            best = (score, np.array([*(shift * step), angle]))
    return best[1]


def _coarse(
    image: LayerImage, step: float, angle: float, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Layer and mask, turned about a point, on pixels of `step` mm; pixel (0, 0) stays."""
    back = turn_matrix(-angle)
    pixel = np.array(image.pixel_mm)
    matrix = step * back / pixel[:, None]
    offset = (middle - back @ middle) / pixel
    shape = tuple(int(n) for n in np.ceil(np.array(image.mask.shape) * pixel / step))
    spread = np.sqrt(np.maximum(step**2 - pixel**2 / 4, 0)) / pixel
    smooth = ndimage.gaussian_filter(image.pixels.astype(np.float32), spread)
    near = ndimage.distance_transform_edt(~image.mask, sampling=pixel) <= BORDER_MM
    inside = np.pad(near[1:-1, 1:-1], 1).astype(np.float32)
    place = {"matrix": matrix, "offset": offset, "output_shape": shape, "order": 1}
    layer = ndimage.affine_transform(smooth, **place)
    return layer, ndimage.affine_transform(inside, **place) > 0.5


def _best_shift(fixed, fixed_mask, moving, moving_mask) -> tuple[float, np.ndarray]:
    """Best correlation, and by how many pixels (row, column) the moving image goes for it."""
    import SimpleITK as sitk

    given = (fixed, moving, fixed_mask, moving_mask)
    images = [sitk.GetImageFromArray(array.astype(np.float32)) for array in given]
    found = sitk.GetArrayFromImage(sitk.MaskedFFTNormalizedCorrelation(*images, 0, LEAST_SHARED))
    at = np.array(np.unravel_index(np.argmax(found), found.shape))
    return float(found.max()), at - (np.array(moving.shape) - 1)
