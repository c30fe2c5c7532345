"""From samples of legs to what a feature network trains on: images, heat maps, masks, discs.

Nothing is warped here: a landmark stays where the geometry puts it, and the image of a sphere an
ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.leg_features import EllipseFeature
from BoneXrayLib.legs.leg_channels import ELLIPSES, FIRST_MASK, FIRST_TOLD, OUTPUTS, SIGMA

from ..pairs import TISSUES
from .augmentation import AugmentationConfig, draw_frame, sampled
from .dataset import Batch
from .leg_views import LegPair, LegTruth, ellipse_form, turned
from .segment_images import taken

EDGE_OD = 0.13
"""Optical density of a bone at its outline: that of a ray that touches the surface, as voxels of
about a millimetre have it. The areas of masks of a femur and of its silhouette agree to 0.1 mm all
around with it; a lower one makes bones thicker (measured: 0.55 mm at 0.02)."""
BONES_APART = 0.1
"""Standard deviation of the log density of femur and tibia beside that of all bone."""


@dataclass(frozen=True, eq=False)
class LegImage:
    """One training image.

    Attributes:
        image: (rows, columns).
        target: (len(OUTPUTS), rows, columns), what the network is to answer.
        weight: (len(OUTPUTS),), 0 for what is not learned from this image.
        truth: where the features are, in pixels of the image.
        domain: "display" or "optical density".
        pixel_mm: where the network is told.
    """

    image: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor
    truth: LegTruth
    domain: str
    pixel_mm: float | None


def augment_leg(pair: LegPair, config: AugmentationConfig, rng: np.random.Generator) -> LegImage:
    """One training image from a sample of a leg."""
    every = torch.from_numpy(np.asarray(pair.layers, dtype=np.float32))
    side = every.shape[-1]
    matrix, shift, scale = draw_frame(side, config, rng)
    if pair.truth.is_frontal and rng.random() < config.reversed_share:
        matrix[:, 0] *= -1
    # A mask moved to the new pixels, not the mask of moved pixels, keeps its outline.
    masks = (every[len(TISSUES) :] > EDGE_OD).float()
    every = sampled(torch.cat([every, masks]), matrix, shift, config, rng)
    every, masks = every[: -len(masks)], every[-len(masks) :]
    truth = turned(pair.truth, matrix, shift, (side, config.crop))
    pixel_mm = pair.draw.pixel * scale
    both = torch.cat([torch.ones_like(masks[:1]), masks])
    image, both, domain = taken(every, both, BONES_APART, pixel_mm, config, rng)
    target = leg_target(truth, both[1:], both[0] > 0)
    known = pixel_mm if rng.random() < 0.6 else None
    return LegImage(image, target, leg_weight(truth), truth, domain, known)


def leg_target(truth: LegTruth, masks: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """What a network is to answer, (len(OUTPUTS), rows, columns) float32.

    Args:
        truth: features in pixels of the image.
        masks: (2, rows, columns) of femur and tibia.
        shown: (rows, columns) bool, False beyond shutters.
    """
    rows, columns = masks.shape[-2:]
    target = torch.zeros((len(OUTPUTS), rows, columns))
    for number, at in enumerate(truth.points):
        if is_seen(at, shown):
            target[number] = torch.from_numpy(heat_map(at, (rows, columns)))
    target[FIRST_MASK : FIRST_MASK + len(masks)] = masks
    first = FIRST_MASK + len(masks)
    for number, name in enumerate(ELLIPSES, start=first):
        if name in truth.ellipses:
            target[number] = torch.from_numpy(disc(truth.ellipses[name], (rows, columns))) * shown
    target[-2], target[-1] = float(truth.is_frontal), float(truth.is_right)
    return target


def leg_weight(truth: LegTruth) -> torch.Tensor:
    """1 for each output that a network learns of an image.

    It knows right legs: a left one, or one the wrong way round, has it learn view and side alone.
    A lateral image, where left and right look alike, does not tell the side.
    """
    weight = torch.full((len(OUTPUTS),), float(truth.is_right))
    weight[FIRST_TOLD] = 1.0
    weight[-1] = float(truth.is_frontal)
    return weight


def is_seen(at: np.ndarray, shown: torch.Tensor) -> bool:
    """Whether a place (row, column) is in the image, and not behind a shutter."""
    if not np.isfinite(at).all():
        return False
    row, column = (int(n) for n in np.rint(at))
    rows, columns = shown.shape
    return 0 <= row < rows and 0 <= column < columns and bool(shown[row, column])


def heat_map(at: np.ndarray, size: tuple[int, int], sigma: float = SIGMA) -> np.ndarray:
    """A Gaussian of height one about (row, column), float32."""
    down, right = (np.exp(-0.5 * ((np.arange(n) - a) / sigma) ** 2)
                   for n, a in zip(size, at, strict=True))  # fmt: skip
    return np.outer(down, right).astype(np.float32)


def disc(ellipse: EllipseFeature, size: tuple[int, int]) -> np.ndarray:
    """1 within an ellipse, 0 outside, a pixel's width between, float32."""
    form = np.linalg.inv(ellipse_form(ellipse))
    y = np.arange(size[0])[:, None] - ellipse.row
    x = np.arange(size[1])[None, :] - ellipse.column
    away = np.sqrt(form[0, 0] * x**2 + 2 * form[0, 1] * x * y + form[1, 1] * y**2)
    mean = np.sqrt(ellipse.a * ellipse.b)
    return np.clip((1.0 - away) * mean + 0.5, 0.0, 1.0).astype(np.float32)


def collate_legs(images: list[LegImage]) -> Batch:
    """Bring images to the network's scale, exactly as the detection does, and stack them."""
    channels = []
    for image in images:
        pixels = image.image.numpy()
        scale = image_scale(pixels, image.domain)
        seen = input_channels(pixels, scale, image.domain, image.pixel_mm)
        channels.append(torch.from_numpy(seen))
    ones = torch.ones((len(images), 1, 1, 1))
    target = torch.stack([image.target for image in images])
    weight = torch.stack([image.weight for image in images])[:, :, None, None]
    return Batch(torch.stack(channels), ones, target, weight)
