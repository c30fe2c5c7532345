"""What a generator answers to an image with two masks: each bone as if the other were not there."""

from __future__ import annotations

import numpy as np

from BoneXrayLib.framing import to_working_size
from BoneXrayLib.inference import run_network
from BoneXrayLib.models import Model
from BoneXrayLib.resizing import resize

from .brightness import brightness_of_density, density_of_brightness, density_scale

RECIPE = "bls-gan"
"""In a card's `input`, of a model that `alone_images` takes."""


def is_bls_gan(model: Model) -> bool:
    """Whether a separator is of this recipe: two bones alone, and both masks have to be given."""
    return model.card.input.get("recipe") == RECIPE


def alone_images(
    model: Model, image: np.ndarray, masks: np.ndarray, runtime: str = "auto"
) -> np.ndarray:
    """Each of two bones with all soft tissue but without the other bone.

    What the other bone adds is then image - alone; soft tissue where both are, the sum of the two
    less the image.

    Args:
        model: of this recipe.
        image: (rows, columns) optical density.
        masks: (2, rows, columns) bool, upper and lower bone.
        runtime: as `run_network` takes it.

    Returns:
        (2, rows, columns) float32 optical density: the generator's answer within a bone's mask,
        the image elsewhere.

    Raises:
        ValueError: a model of another recipe, masks that are not two of the image's shape.
    """
    if not is_bls_gan(model):
        raise ValueError(f"model: {model.card.name!r} is of another recipe; expected {RECIPE!r}")
    image, masks = np.asarray(image, dtype=np.float32), np.asarray(masks) > 0
    if masks.shape != (2, *image.shape):
        raise ValueError(f"masks: shape {masks.shape}; expected {(2, *image.shape)}")
    scale = density_scale(image)
    small = to_working_size(image, model.card.input["working_size"])[0]
    channels = np.stack([brightness_of_density(small * scale), *(
        resize(mask, small.shape) > 0.5 for mask in masks
    )]).astype(np.float32)  # fmt: skip
    answer = run_network(model, channels, runtime=runtime)
    density = density_of_brightness(answer) / np.float32(scale)
    return np.stack([
        np.where(mask, resize(each, image.shape), image)
        for each, mask in zip(density, masks, strict=True)
    ]).astype(np.float32)  # fmt: skip
