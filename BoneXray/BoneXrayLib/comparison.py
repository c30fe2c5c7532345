"""How alike two images are: RMSE, PSNR, SSIM and MS-SSIM, on 8-bit images; and pictures of it.

All four compare grey images on a scale of 0 to 255 as `to_8bit` makes them, an image first and
its reference second.
"""

from __future__ import annotations

import numpy as np

from .picture_report import side_by_side, stacked

__all__ = ["ms_ssim", "psnr", "rmse", "side_by_side", "ssim", "ssim_within", "stacked", "to_8bit"]

PEAK = 255.0
TOP_PERCENTILE = 99.5
K1, K2 = 0.01, 0.03
SIGMA = 1.5
WINDOW = 11
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first (Wang, Simoncelli and Bovik 2003, from a viewing test)."""


def to_8bit(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The image on the 8-bit scale of a reference, (rows, columns) float32, 0 to 255.

    Multiplied so that the reference's 99.5th percentile becomes 255, then clipped; not rounded,
    for the comparison needs no grey steps.

    Raises:
        ValueError: not 2-D, not finite, or a reference whose 99.5th percentile is not above 0.
    """
    image, reference = _checked(image, "image"), _checked(reference, "reference")
    top = float(np.percentile(reference, TOP_PERCENTILE))
    if top <= 0:
        raise ValueError(f"reference: 99.5th percentile {top:g}; expected a value above 0")
    return np.clip(image * (PEAK / top), 0.0, PEAK).astype(np.float32)


def rmse(image: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square error, in grey levels of 0..255."""
    image, reference = _pair(image, reference)
    return float(np.sqrt(np.mean((image - reference) ** 2)))


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio [dB]: 20 log10(255 / RMSE); inf for equal images."""
    error = rmse(image, reference)
    return float("inf") if error == 0 else float(20 * np.log10(PEAK / error))


def ssim(image: np.ndarray, reference: np.ndarray) -> float:
    """Mean structural similarity, at most 1.

    Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13 (2004) 600: Gaussian window
    of 11 x 11 pixels with σ = 1.5, K1 = 0.01, K2 = 0.03, L = 255, averaged where the window lies
    wholly inside the image.

    Raises:
        ValueError: images smaller than the window.
    """
    luminance, contrast_structure = _similarity(*_pair(image, reference))
    return float(np.mean(luminance * contrast_structure))


def ssim_within(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    """Mean structural similarity where the window's middle is in a mask; NaN where it never is."""
    image, reference = _pair(image, reference)
    rim = WINDOW // 2
    inside = np.zeros(image.shape, bool)
    inside[rim:-rim, rim:-rim] = np.asarray(mask, dtype=bool)[rim:-rim, rim:-rim]
    if not inside.any():
        return float("nan")
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0] - rim, rows[-1] + rim + 1), slice(columns[0] - rim, columns[-1] + rim + 1))
    luminance, contrast_structure = _similarity(image[box], reference[box])
    return float(np.mean((luminance * contrast_structure)[inside[box][rim:-rim, rim:-rim]]))


def ms_ssim(image: np.ndarray, reference: np.ndarray) -> float:
    """Multi-scale structural similarity over five scales, 0 to 1.

    Wang, Simoncelli and Bovik, Asilomar Conf. 37 (2003) 1398: the product over the scales of the
    mean contrast-structure term, and of the luminance term at the coarsest one, to the power of
    `SCALE_WEIGHTS`; images are halved by 2 x 2 means. A negative mean counts as 0.

    Raises:
        ValueError: images whose coarsest scale is smaller than the window (below 176 pixels).
    """
    image, reference = _pair(image, reference)
    smallest = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
    if min(image.shape) < smallest:
        raise ValueError(f"image: shape {image.shape}; MS-SSIM needs at least {smallest} pixels")
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, term = _similarity(image, reference)
        if scale == len(SCALE_WEIGHTS) - 1:
            term = luminance * term
        product *= max(float(np.mean(term)), 0.0) ** weight
        image, reference = _halved(image), _halved(reference)
    return product


def _similarity(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps of luminance and of contrast times structure."""
    if min(image.shape) < WINDOW:
        raise ValueError(f"image: shape {image.shape}; SSIM needs at least {WINDOW} pixels a side")
    mean_x, mean_y = _blurred(image), _blurred(reference)
    variance_x = _blurred(image * image) - mean_x * mean_x
    variance_y = _blurred(reference * reference) - mean_y * mean_y
    covariance = _blurred(image * reference) - mean_x * mean_y
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    return luminance, (2 * covariance + c2) / (variance_x + variance_y + c2)


def _blurred(image: np.ndarray) -> np.ndarray:
    """Gaussian means where the window fits, (rows - 10, columns - 10) float64."""
    from scipy.ndimage import correlate1d

    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        image = correlate1d(image, weights, axis=axis)
    rim = WINDOW // 2
    return image[rim:-rim, rim:-rim]


def _halved(image: np.ndarray) -> np.ndarray:
    rows, columns = (n // 2 for n in image.shape)
    return image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))


def _checked(image: np.ndarray, argument: str) -> np.ndarray:
    array = np.asarray(image)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{argument}: shape {array.shape} of {array.dtype}; expected a grey image "
            "(rows, columns)"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{argument}: holds NaN or infinity; expected finite numbers")
    return array


def _pair(image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = _checked(image, "image"), _checked(reference, "reference")
    if first.shape != second.shape:
        raise ValueError(f"image: shape {first.shape}; expected the reference's, {second.shape}")
    return first, second
