"""Models of another make: they answer with each of two bones alone, and both masks must be given.

So does BLS-GAN, whose networks see brightness b = 1 - exp(-optical density) from 0 to
1, of a joint that fills the image. What a bone adds is what is missing where the other is alone:

    layer of the upper bone = image - lower bone alone

Nothing makes both layers and soft tissue add up to the image, as shares do.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..cards.model_card import BLS_GAN
from ..framing import to_working_size
from ..inference import run_network
from ..models import Model
from ..progress import IsCancelled, Progress
from ..radiograph import Radiograph
from ..resizing import resize

DENSEST = 3.0
"""Optical density that the dense parts of an image are brought down to: a brightness of 0.95. In
denser images brightness would tell nothing of one bone over another."""
DENSE_PERCENTILE = 99.0
LEAST_TRANSMISSION = 1e-3
GREY_MOST = 255.0
NEAR, FAR = 2, 10
"""From and to how far from the bones soft tissue is looked at [pixels]."""


def answers_alone(model: Model) -> bool:
    """Whether a separator answers with two bones alone, both masks given."""
    return model.card.input.get("recipe") == BLS_GAN


def density_scale(density: np.ndarray) -> float:
    """What optical density (rows, columns) is multiplied by before it is shown as brightness.

    Densities add up before as after. 1 for radiographs of hands, and for most pictures.
    """
    return min(1.0, DENSEST / max(float(np.percentile(density, DENSE_PERCENTILE)), 1e-6))


def alone_images(
    model: Model,
    radiograph: Radiograph,
    masks: np.ndarray,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> np.ndarray:
    """Each of two bones with all soft tissue but without the other bone.

    Args:
        model: one that answers so.
        radiograph: a joint that fills the image.
        masks: (2, rows, columns) bool, in any order.
        progress, is_cancelled, runtime: as `run_network` takes them.

    Returns:
        (2, rows, columns) float32 in the radiograph's units: the network's answer within a bone's
        mask, the image elsewhere.

    Raises:
        ValueError: masks that are not of two bones.
    """
    if len(masks) != 2 or not masks.any(axis=(1, 2)).all():
        raise ValueError(
            f"masks: of {int(masks.any(axis=(1, 2)).sum())} bones; {model.card.name} expects two"
        )
    grey = _Grey(radiograph)
    density = grey.density()
    scale = np.float32(density_scale(density))
    small = to_working_size(density, model.card.input["working_size"])[0]
    order = [0, 1] if _row(masks[0]) <= _row(masks[1]) else [1, 0]
    shown = [resize(mask, small.shape) > 0.5 for mask in masks[order]]
    channels = np.stack([1 - np.exp(-scale * small), *shown]).astype(np.float32)
    answer = run_network(model, channels, progress, is_cancelled, runtime)[order]
    alone = np.broadcast_to(radiograph.pixels, masks.shape).copy()
    for place, mask in enumerate(masks):
        found = -np.log((1 - answer[place]).clip(LEAST_TRANSMISSION, 1)) / scale
        alone[place][mask] = grey.pixels(resize(found, mask.shape))[mask]
    return alone


def layers_of_alone(pixels: np.ndarray, masks: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """What each of two bones adds to `pixels`, (2, rows, columns) float32, never below zero.

    Where only one bone is such a model does not say what is soft tissue: it is taken to be as
    around the bones.
    """
    bones = masks.any(axis=0)
    around = ndimage.binary_dilation(bones, iterations=FAR)
    around &= ~ndimage.binary_dilation(bones, iterations=NEAR)
    soft = float(np.median(pixels[around])) if around.any() else float(pixels.min())
    layers = np.where(masks.all(axis=0), pixels - alone[::-1], pixels - np.float32(soft))
    return np.where(masks, np.maximum(layers, 0), 0).astype(np.float32)


class _Grey:
    """A radiograph as optical density and back: a picture's grey is the share that was absorbed."""

    def __init__(self, radiograph: Radiograph) -> None:
        self._pixels, self._is_density = radiograph.pixels, radiograph.domain == "optical density"
        low, high = float(self._pixels.min()), float(self._pixels.max())
        is_picture = low >= 0 and 1 < high <= GREY_MOST
        self._low, self._high = (0.0, GREY_MOST) if is_picture else (low, max(high, low + 1e-6))

    def density(self) -> np.ndarray:
        """(rows, columns) float32."""
        if self._is_density:
            return self._pixels
        brightness = (self._pixels - self._low) / (self._high - self._low)
        return -np.log((1 - brightness).clip(LEAST_TRANSMISSION, 1)).astype(np.float32)

    def pixels(self, density: np.ndarray) -> np.ndarray:
        """Optical density (rows, columns) in the radiograph's units."""
        if self._is_density:
            return density
        return self._low + (1 - np.exp(-density)) * (self._high - self._low)


def _row(mask: np.ndarray) -> float:
    return float(np.nonzero(mask)[0].mean())
