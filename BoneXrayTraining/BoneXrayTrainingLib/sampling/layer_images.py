"""Overlapping bones made from a joint whose bones do not overlap: the layers are known exactly.

The protocol is that of BLS-GAN (Wang et al., AAAI 2025): the upper bone is moved down and the lower
one up until they overlap. With T the transmission of each bone and the soft tissue around it,
T_both = T_upper * T_lower / T_soft, for the soft tissue is in both; in optical density
OD_both = OD_upper + OD_lower - OD_soft. Written as what each bone adds to the soft tissue, image =
soft + upper + lower, everywhere and exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SEAM = 2
"""Pixels around a bone's outline that a bone's edge may have blurred into."""
SEAM_BLUR = 0.8
"""Standard deviation of the blur along seams [pixels]: a 3 x 3 Gaussian."""
TOUCHING = 20
"""Fewer pixels than these in both masks are none, as BLS-GAN counts."""
DARKEST = 1e-3
"""Least transmission that a grey value is taken for."""


@dataclass(frozen=True, eq=False)
class ShiftedJoint:
    """A joint with known layers, (rows, columns) optical density float32; masks bool.

    `image` = `soft` + `upper` + `lower`; a layer is what its bone adds and never below zero.
    """

    image: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    upper_mask: np.ndarray
    lower_mask: np.ndarray
    soft: np.ndarray

    @property
    def overlap(self) -> np.ndarray:
        """Where both bones are, (rows, columns) bool."""
        return self.upper_mask & self.lower_mask


def density_of_brightness(brightness: np.ndarray) -> np.ndarray:
    """Optical density of an image of brightness 0..1, bone bright: -ln(1 - b)."""
    transmission = 1.0 - np.asarray(brightness, dtype=np.float32)
    return -np.log(transmission.clip(DARKEST, 1.0))


def brightness_of_density(density: np.ndarray) -> np.ndarray:
    """Brightness 0..1 of optical density, bone bright: 1 - exp(-OD)."""
    return 1.0 - np.exp(-np.asarray(density, dtype=np.float32))


def shift_together(
    image: np.ndarray,
    upper_mask: np.ndarray,
    lower_mask: np.ndarray,
    soft: np.ndarray | None,
    shift_px: int | tuple[int, int],
    rng: np.random.Generator | int = 0,
) -> ShiftedJoint:
    """Move the upper bone down and the lower one up, onto each other.

    Where a bone moved away there is soft tissue; at the image's edge a bone goes on as its mirror
    image. Beyond `SEAM` pixels of where the bones lie and lay nothing changes.

    Args:
        image: (rows, columns) optical density.
        upper_mask: (rows, columns) bool, the bone nearer the first row.
        lower_mask: (rows, columns) bool.
        soft: the image without both bones, (rows, columns) optical density; filled in from
            around the bones when None.
        shift_px: how far each bone moves [pixels], or the least and the most of it, drawn for
            each bone (BLS-GAN: 2 to 8).
        rng: what draws, or its seed.

    Raises:
        ValueError: shapes differ, a mask is empty, the bones overlap already, a negative shift.
    """
    image = np.asarray(image, dtype=np.float32)
    upper_mask, lower_mask = _checked(image, upper_mask, lower_mask, soft)
    lower_mask = lower_mask & ~upper_mask
    down, up = _shifts(shift_px, np.random.default_rng(rng))
    both = upper_mask | lower_mask
    soft = filled_soft(image, both) if soft is None else np.asarray(soft, dtype=np.float32)
    background = _without(image, soft, both)
    layers, masks = [], []
    for mask, shift in ((upper_mask, down), (lower_mask, -up)):
        layer = np.where(mask, np.maximum(image - soft, 0.0), 0.0)
        moved, there = _moved(layer, shift), _moved(mask, shift)
        layers.append(_blend_seam(moved, there) if shift else moved)
        masks.append(there)
    total = background + layers[0] + layers[1]
    return ShiftedJoint(total, layers[0], layers[1], masks[0], masks[1], background)


def shift_for(upper_mask: np.ndarray, lower_mask: np.ndarray, wanted: float, most: int) -> int:
    """By how much both bones must move, 1 to `most` pixels, for an overlap of `wanted` pixels."""
    best, chosen = np.inf, 1
    for shift in range(1, max(1, most) + 1):
        size = int((_moved(upper_mask, shift) & _moved(lower_mask, -shift)).sum())
        wrong = abs(np.log((size + 1.0) / wanted))
        if wrong < best:
            best, chosen = wrong, shift
    return chosen


def filled_soft(image: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """The image with `bones` (rows, columns) bool filled in from around them, smooth within."""
    known = ~ndimage.binary_dilation(bones, iterations=SEAM)
    if not known.any():
        raise ValueError("masks: the bones cover the whole image; expected soft tissue around them")
    filled = _pyramid_fill(np.where(known, image, 0.0), known.astype(np.float32))
    return np.where(known, image, filled).astype(np.float32)


def _checked(
    image: np.ndarray, upper: np.ndarray, lower: np.ndarray, soft: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    upper, lower = np.asarray(upper) > 0, np.asarray(lower) > 0
    for name, each in (("upper_mask", upper), ("lower_mask", lower), ("soft", soft)):
        if each is not None and np.shape(each) != image.shape:
            raise ValueError(f"{name}: got shape {np.shape(each)}; expected {image.shape}")
    for name, each in (("upper_mask", upper), ("lower_mask", lower)):
        if not each.any():
            raise ValueError(f"{name}: empty; expected the pixels of a bone")
    shared = int((upper & lower).sum())
    if shared >= TOUCHING:
        raise ValueError(
            f"lower_mask: got {shared} pixels that are in upper_mask, too; expected bones that "
            "do not overlap, whose layers are known"
        )
    return upper, lower


def _shifts(shift_px: int | tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    low, high = shift_px if isinstance(shift_px, tuple) else (shift_px, shift_px)
    if not 0 <= low <= high:
        raise ValueError(f"shift_px: got {shift_px!r}; expected pixels, the least first")
    down, up = rng.integers(low, high + 1, 2)
    return int(down), int(up)


def _without(image: np.ndarray, soft: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """The image with soft tissue in place of the bones, the seam between them blended."""
    wide = ndimage.binary_dilation(bones, iterations=1).astype(np.float32)
    share = np.maximum(ndimage.gaussian_filter(wide, SEAM_BLUR, radius=1), bones)
    return (share * soft + (1.0 - share) * image).astype(np.float32)


def _moved(values: np.ndarray, rows: int) -> np.ndarray:
    """Moved down by so many rows; what comes in at the edge mirrors what was there."""
    reach = abs(rows)
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="symmetric")
    return padded[reach - rows : reach - rows + len(values)]


def _blend_seam(layer: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The layer, blurred in a narrow band along its outline."""
    inner = ndimage.binary_erosion(mask, border_value=1)
    band = ndimage.binary_dilation(mask, iterations=1) & ~inner
    blurred = ndimage.gaussian_filter(layer, SEAM_BLUR, radius=1)
    return np.where(band, blurred, layer).astype(np.float32)


def _pyramid_fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill where `known` is 0 from coarser and coarser means of what is known."""
    if known.min() > 0 or min(values.shape) < 2:
        return values / np.maximum(known, 1e-6)
    rows, columns = (-(-n // 2) for n in values.shape)
    edges = ((0, 2 * rows - values.shape[0]), (0, 2 * columns - values.shape[1]))

    def halved(array: np.ndarray) -> np.ndarray:
        return np.pad(array, edges).reshape(rows, 2, columns, 2).sum((1, 3))

    weight = halved(known)
    coarse = halved(values) / np.maximum(weight, 1e-6)
    sure = (weight > 0).astype(np.float32)
    coarse = _pyramid_fill(coarse * sure, sure)
    fine = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)
    fine = fine[: values.shape[0], : values.shape[1]]
    return np.where(known > 0, values, ndimage.gaussian_filter(fine, 1.0))
