"""Pictures for the eye: the window that shows a radiograph well, and 8- or 16-bit PNG."""

from __future__ import annotations

import os

import numpy as np

from .files import written_whole

#: Share of the range around one end, and share of the pixels there, that make a saturated area.
END_WIDTH, END_SHARE = 0.004, 0.01


def display_window(pixels: np.ndarray) -> tuple[float, float]:
    """(low, high) that show the anatomy of a bone-bright image (row, column); low < high.

    Percentiles of what is left without empty surroundings and without the bright areas in the
    picture's corners (collimator blades), which else would take up the range.
    """
    sample = _thinned(np.asarray(pixels, dtype=np.float32))
    finite = np.isfinite(sample)
    if not finite.any():
        return 0.0, 1.0
    low, high = float(sample[finite].min()), float(sample[finite].max())
    at_low = finite & (sample <= low + END_WIDTH * (high - low))
    at_high = finite & (sample >= high - END_WIDTH * (high - low))
    kept = finite
    if END_SHARE < at_high.mean() < 0.9:
        kept = kept & ~_from_the_edge(sample, at_high, low, high)
    if not kept.any():
        kept = finite
    if at_low.mean() > END_SHARE and (kept & ~at_low).mean() > 0.005:
        kept = kept & ~at_low
        bottom = low
    else:
        bottom = float(np.percentile(sample[kept], 1.0))
    top = float(np.percentile(sample[kept], 99.7))
    if top <= bottom:
        bottom, top = low, high
    return bottom, top if top > bottom else bottom + max(1e-6, abs(bottom) * 1e-6)


def _thinned(pixels: np.ndarray) -> np.ndarray:
    """Every n-th pixel: 300 a side tell as much about percentiles as 3000."""
    step = max(1, max(pixels.shape) // 300)
    return pixels[::step, ::step]


def _from_the_edge(
    sample: np.ndarray, saturated: np.ndarray, low: float, high: float
) -> np.ndarray:
    """The bright areas that are saturated in a corner of the picture: a bone seldom lies there."""
    from scipy import ndimage

    regions, _ = ndimage.label(sample > high - 0.4 * (high - low))
    corners = (regions * saturated)[[0, 0, -1, -1], [0, -1, 0, -1]]
    found = np.isin(regions, np.setdiff1d(corners, [0]))
    if found.mean() > 0.7:  # an area that fills the picture is the patient, not a blade
        return np.zeros_like(saturated)
    return ndimage.binary_dilation(found, iterations=2)


def to_grey(array: np.ndarray, low: float, high: float, bits: int = 8) -> np.ndarray:
    """`low` to `high` as 0 to 255 (uint8) or 65535 (uint16), same shape; outside is clipped."""
    if bits not in (8, 16):
        raise ValueError(f"bits: {bits}; expected 8 or 16")
    if not (np.isfinite([low, high]).all() and high > low):
        raise ValueError(f"window: {low} to {high}; expected a low end below the high end")
    top = 2**bits - 1
    array = np.asarray(array)
    grey = np.empty(array.shape, np.uint8 if bits == 8 else np.uint16)
    for place, values in enumerate(array):  # in double, but never all of a large image
        scaled = (np.nan_to_num(values.astype(np.float64)) - low) * (top / (high - low))
        grey[place] = np.rint(np.clip(scaled, 0, top))
    return grey


def write_png(
    path: str | os.PathLike, array: np.ndarray, low: float, high: float, bits: int = 8
) -> None:
    """Write (row, column) as grey PNG, `low` black and `high` white."""
    from PIL import Image

    image = Image.fromarray(to_grey(array, low, high, bits))
    with written_whole(path) as beside:
        image.save(beside, format="PNG")
