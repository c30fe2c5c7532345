"""A few numbers that tell radiographs from other pictures, from grey values alone.

They do not care about scale and offset of the grey values, nor which way up they are.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

WORKING_SIDE = 256
"""Longer side [pixels] at which textures are looked at, so that a file's size matters less."""
STEP_LENGTH = 3
"""An edge between two even areas: so many pixels even, so many for the step, and so many even."""

KIND_NAMES = (
    "steps", "even", "fine", "middle", "coarse", "fine tails", "middle tails", "coarse tails",
    "along axes", "grain", "sideways", "black", "white", "busy",
)  # fmt: skip


def kind_numbers(pixels: np.ndarray) -> np.ndarray:
    """What kind of picture it is, as `KIND_NAMES`, float64.

    steps: log share of sharp steps between two exactly even areas (windows, buttons, text).
    even: share of pixels in exactly even 5 x 5 neighbourhoods, but for the darkest and brightest.
    fine, middle, coarse: log energy of details of about 1, 3 and 9 pixels against the whole.
    … tails: log kurtosis of those details.
    along axes: share of the edges' energy within 5° of rows or columns.
    grain: correlation between local brightness and local spread (speckle multiplies).
    sideways: log ratio of fine details along rows to those along columns.
    black, white: share of pixels at the ends of the range.
    busy: share of pixels with more local spread than a tenth of the whole.
    """
    image = working_image(pixels)
    spread = max(float(image.std()), 1e-9)
    layers = details(image)
    energies = [np.log((d.std() / spread) + 1e-4) for d in layers]
    tails = [np.log(moment(d, 4)) for d in layers]
    mean, scatter = local(image, 2.0)
    rows, columns = np.diff(image, axis=0), np.diff(image, axis=1)
    sideways = np.log((columns.std() + 1e-4) / (rows.std() + 1e-4))
    black, white = ((image < 0.02).mean(), (image > 0.98).mean())
    inner = (image > 0.02) & (image < 0.98)
    grain = correlation(mean[inner], scatter[inner]) if inner.mean() > 0.02 else 0.0
    busy = (scatter > 0.1 * spread).mean()
    return np.array(
        [*_flatness(pixels), *energies, *tails, _along_axes(image), abs(grain), abs(sideways),
         min(black, white), max(black, white), busy]
    )  # fmt: skip


def working_image(pixels: np.ndarray) -> np.ndarray:
    """0 to 1 between the 0.5th and 99.5th percentile, longer side at most `WORKING_SIDE`."""
    image = np.asarray(pixels, dtype=np.float32)
    step = -(-max(image.shape) // WORKING_SIDE)
    if step > 1:
        rows, columns = (max(1, n // step) * step for n in image.shape)
        image = image[:rows, :columns] if min(image.shape) >= step else image
        image = _means(image, step)
    low, high = np.percentile(image, [0.5, 99.5])
    if high <= low:
        low, high = float(image.min()), float(image.max())
    return np.clip((image - low) / max(high - low, 1e-9), 0.0, 1.0)


def _means(image: np.ndarray, step: int) -> np.ndarray:
    starts = [np.arange(0, n, step) for n in image.shape]
    sums = np.add.reduceat(np.add.reduceat(image, starts[0], axis=0), starts[1], axis=1)
    counts = [np.diff([*s, n]) for s, n in zip(starts, image.shape, strict=True)]
    return (sums / np.outer(*counts)).astype(np.float32)


def details(image: np.ndarray) -> list[np.ndarray]:
    """Differences of Gaussians: details of about 1, 3 and 9 pixels, each (rows, columns)."""
    from scipy.ndimage import gaussian_filter

    levels = [image, *(gaussian_filter(image, sigma, truncate=3) for sigma in (1.0, 3.0, 9.0))]
    return [fine - coarse for fine, coarse in pairwise(levels)]


def moment(values: np.ndarray, order: int) -> float:
    """Standardised central moment; that of even values is 0, or 1 for the fourth."""
    centred = values - values.mean()
    spread = float(centred.std())
    return float((centred**order).mean() / spread**order) if spread > 1e-6 else float(order == 4)


def local(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Local mean, and local standard deviation of what is finer than it."""
    from scipy.ndimage import gaussian_filter

    mean = gaussian_filter(image, sigma, truncate=3)
    return mean, np.sqrt(gaussian_filter((image - mean) ** 2, sigma, truncate=3))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation, 0 where one of them is even."""
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size > 1e-9 else 0.0


def _along_axes(image: np.ndarray) -> float:
    """Share of the squared gradient within 5° of rows or columns, 0 to 1; 0.22 by chance."""
    down, right = np.gradient(image)
    energy = down**2 + right**2
    angle = np.abs(np.mod(np.arctan2(down, right) + np.pi / 4, np.pi / 2) - np.pi / 4)
    return float(energy[angle < np.deg2rad(5)].sum() / max(float(energy.sum()), 1e-9))


def _flatness(pixels: np.ndarray) -> tuple[float, float]:
    """log share of sharp steps between even areas, and share of even areas but for the ends."""
    low, high = float(pixels.min()), float(pixels.max())
    reach = max(high - low, 1e-9)
    steps = 0
    for array in (pixels, pixels.T):
        same = array[:, 1:] == array[:, :-1]
        run = same[:, 1:] & same[:, :-1]  # three alike, from here on
        far = 2 * STEP_LENGTH
        jump = np.abs(array[:, far:] - array[:, STEP_LENGTH - 1 : -STEP_LENGTH - 1]) > 0.15 * reach
        both = run[:, :-far] & run[:, far:]
        steps += np.count_nonzero(both & jump[:, : both.shape[1]])
    across = pixels[:, 4:] == pixels[:, :-4]
    for n in (1, 2, 3):
        across = across & (pixels[:, 4:] == pixels[:, n : n - 4])
    even = across[4:] & (pixels[4:, 4:] == pixels[:-4, 4:])
    for n in (0, 1, 2, 3):
        even = even & across[n : n - 4] & (pixels[4:, 4:] == pixels[n : n - 4, 4:])
    level = (pixels[4:, 4:] - low) / reach
    even = even & (level > 0.02) & (level < 0.98)
    return float(np.log10(steps / pixels.size + 1e-6)), float(even.mean()) if even.size else 0.0
