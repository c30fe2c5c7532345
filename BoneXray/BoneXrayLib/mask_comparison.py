"""How well masks fit their truth: Dice, surface Dice, Hausdorff distance; and where bones overlap.

A border is made of the pixels of a mask beside a pixel outside it (four neighbours). The image's
edge is none: there a bone goes on. Distances are between centres of border pixels.

Where one of two masks is empty, Dice and surface Dice are 0 and the Hausdorff distance is the
image's diagonal, as the BraTS challenges count a structure that is missed altogether; where both
are, there is nothing to compare, and all figures are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["MaskFigures", "compare_masks", "dice", "mean_pair_dice", "overlap"]

PERCENTILE = 95.0


@dataclass(frozen=True)
class MaskFigures:
    """How one mask fits its truth; NaN where neither has a pixel."""

    dice: float
    """Twice the common area over the sum of the areas, 0 to 1."""
    hd95_mm: float
    """95th percentile of the distances from border to border, the larger of both ways [mm]."""
    surface_dice: float
    """Share of both borders that is within the tolerance of the other one, 0 to 1."""


def compare_masks(
    answer: np.ndarray,
    truth: np.ndarray,
    pixel_mm: tuple[float, float] = (1.0, 1.0),
    tolerance_mm: float = 1.0,
) -> MaskFigures:
    """Dice, 95th-percentile Hausdorff distance and surface Dice of one mask.

    Surface Dice: Nikolov et al., J. Med. Internet Res. 23 (2021) e26151, by border pixels.

    Args:
        answer: (rows, columns) bool.
        truth: of the same shape.
        pixel_mm: row and column spacing; (1, 1) gives distances in pixels.
        tolerance_mm: distance at which a border still counts as found.

    Raises:
        ValueError: no masks of one shape, or no such spacing or tolerance.
    """
    answer, truth = _mask(answer, "answer"), _mask(truth, "truth")
    if answer.shape != truth.shape:
        raise ValueError(f"answer: shape {answer.shape}; expected the truth's, {truth.shape}")
    if not all(math.isfinite(p) and p > 0 for p in pixel_mm) or tolerance_mm < 0:
        raise ValueError(
            f"pixel_mm, tolerance_mm: got {pixel_mm}, {tolerance_mm}; expected positive lengths"
        )
    if not answer.any() and not truth.any():
        return MaskFigures(math.nan, math.nan, math.nan)
    if not answer.any() or not truth.any():
        rows, columns = answer.shape
        return MaskFigures(0.0, math.hypot(rows * pixel_mm[0], columns * pixel_mm[1]), 0.0)
    there, back = _border_distances(answer, truth, pixel_mm)
    hd95 = max(float(np.percentile(d, PERCENTILE)) for d in (there, back))
    near = np.count_nonzero(there <= tolerance_mm) + np.count_nonzero(back <= tolerance_mm)
    return MaskFigures(dice(answer, truth), hd95, float(near / (len(there) + len(back))))


def dice(answer: np.ndarray, truth: np.ndarray) -> float:
    """Twice the common area over the sum of the areas; NaN where both are empty."""
    areas = int(np.count_nonzero(answer)) + int(np.count_nonzero(truth))
    return 2.0 * int(np.count_nonzero(answer & truth)) / areas if areas else math.nan


def overlap(masks: np.ndarray) -> np.ndarray:
    """Where at least two of masks (N, rows, columns) lie over each other, (rows, columns) bool.

    The overlap-only Dice is the Dice of this region of the answer with that of the truth: which
    bones they are does not count here; `mean_pair_dice` asks for that.
    """
    return np.count_nonzero(masks, axis=0) >= 2


def mean_pair_dice(answer: np.ndarray, truth: np.ndarray, least: int = 1) -> float:
    """Mean over pairs of bones of the Dice of where the two overlap; NaN without such a pair.

    Pairs count that overlap in the truth, as in the benchmark code of RAM-W600 (which has a fixed
    list of pairs; here it is those of the image).

    Args:
        answer: (N, rows, columns) bool.
        truth: the same.
        least: pixels from which on a pair's overlap counts.
    """
    both = truth.reshape(len(truth), -1).astype(np.float32)
    shared = both @ both.T
    pairs = [(a, b) for a in range(len(truth)) for b in range(a) if shared[a, b] >= max(least, 1)]
    found = [dice(answer[a] & answer[b], truth[a] & truth[b]) for a, b in pairs]
    return float(np.mean(found)) if found else math.nan


def _border_distances(
    answer: np.ndarray, truth: np.ndarray, pixel_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """From each border pixel of the answer to the truth's border, and the other way [mm]."""
    from scipy.ndimage import distance_transform_edt

    borders = [_border(mask) for mask in (answer, truth)]
    # Distances between two borders do not depend on what lies outside the box around both.
    either = borders[0] | borders[1]
    box = tuple(
        slice(int(np.flatnonzero(line)[0]), int(np.flatnonzero(line)[-1]) + 1)
        for line in (either.any(axis=1), either.any(axis=0))
    )
    first, second = (border[box] for border in borders)
    to_first, to_second = (
        distance_transform_edt(~border, sampling=pixel_mm) for border in (first, second)
    )
    return to_second[first], to_first[second]


def _border(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    border = mask & ~binary_erosion(mask, border_value=1)
    # A mask that fills the image has no other border than the image's edge.
    return border if border.any() else mask & ~binary_erosion(mask, border_value=0)


def _mask(mask: np.ndarray, argument: str) -> np.ndarray:
    array = np.asarray(mask)
    if array.ndim != 2 or array.size == 0 or array.dtype != bool:
        raise ValueError(
            f"{argument}: shape {array.shape} of {array.dtype}; expected a mask (rows, columns) "
            "of bool"
        )
    return array
