"""A few numbers that tell whether bone is bright or dark, from grey values alone.

Each changes its sign with the image's: so a weighted sum of them does, too, and a model needs no
examples of inverted radiographs. None cares about scale and offset of the grey values.
"""

from __future__ import annotations

import numpy as np

from .image_statistics import correlation, details, local, moment, working_image

POLARITY_NAMES = (
    "border", "corners", "skew", "fine skew", "middle skew", "coarse skew", "ridges",
    "broad ridges", "texture", "ends", "border ends", "border thirds", "frame",
)  # fmt: skip
END = 0.03
"""How near to an end of the range (0 to 1) air and blades are."""


def polarity_numbers(pixels: np.ndarray) -> np.ndarray:
    """Whether it is bone bright (positive) or not, as `POLARITY_NAMES`, float64, odd.

    border, corners: how much darker than the middle they are, in spreads.
    skew, … skew: third moment of the grey values, and of details of about 1, 3 and 9 pixels.
    ridges, broad ridges: whether bright lines are stronger than dark ones.
    texture: correlation between local brightness and local spread.
    ends: share of pixels at the dark end less that at the bright end.
    border ends, border thirds: the same along the border alone, wider ends for the second.
    frame: how dark the even rows and columns next to the patient are; these, and what lies outside
        of them (air, then collimator blades), are left out of all other numbers.
    """
    image, frame = _without_frame(working_image(pixels))
    spread = max(float(image.std()), 1e-9)
    n = max(2, round(0.06 * min(image.shape)))
    edge = np.ones(image.shape, bool)
    edge[n:-n, n:-n] = False
    quarters = [slice(side // 4, side - side // 4) for side in image.shape]
    middle = np.median(image[tuple(quarters)])
    corners = [image[:n, :n], image[:n, -n:], image[-n:, :n], image[-n:, -n:]]
    skews = [float(np.tanh(moment(x, 3) / 2)) for x in (image, *details(image))]
    ridges = [_ridge_sign(image, sigma) for sigma in (1.0, 3.0)]
    low, high = image < END, image > 1 - END
    return np.array(
        [
            (middle - np.median(image[edge])) / spread,
            (middle - np.median([np.median(c) for c in corners])) / spread,
            *skews,
            *ridges,
            correlation(*local(image, 2.0)),
            low.mean() - high.mean(),
            low[edge].mean() - high[edge].mean(),
            (image[edge] < 0.3).mean() - (image[edge] > 0.7).mean(),
            frame,
        ]
    )


def _without_frame(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The image (rows, columns) without even rows and columns at its border, and their darkness.

    Even: little spread, and near one end of the range. Outside in, blades and air may follow each
    other; the innermost counts: 1 where it is dark on all sides, -1 where bright, 0 without any.
    """
    found = []
    for array in (image, image[::-1], image.T, image.T[::-1]):
        level = np.median(array, axis=1)
        even = (array.std(axis=1) < 0.08) & (np.abs(level - 0.5) > 0.3)
        limit = int(0.4 * len(array))
        busy = np.flatnonzero(~even[:limit])
        reach = int(busy[0]) if len(busy) else limit
        found.append((reach, 1.0 - 2.0 * float(level[reach - 1]) if reach else 0.0))
    (top, bottom, left, right), darkness = zip(*found, strict=True)
    inner = image[top : image.shape[0] - bottom, left : image.shape[1] - right]
    return inner, float(np.mean(darkness))


def _ridge_sign(image: np.ndarray, sigma: float) -> float:
    """(bright - dark) / (bright + dark) of squared ridge strengths, -1 to 1."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image, sigma, truncate=3)
    if min(smooth.shape) < 3:
        return 0.0
    middle = smooth[1:-1, 1:-1]
    rr = smooth[2:, 1:-1] + smooth[:-2, 1:-1] - 2 * middle
    cc = smooth[1:-1, 2:] + smooth[1:-1, :-2] - 2 * middle
    rc = (smooth[2:, 2:] + smooth[:-2, :-2] - smooth[2:, :-2] - smooth[:-2, 2:]) / 4
    mean, half = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
    bright = float((np.maximum(half - mean, 0) ** 2).sum())
    dark = float((np.maximum(half + mean, 0) ** 2).sum())
    return (bright - dark) / max(bright + dark, 1e-12)
