"""Training data: CTs by patient, and images stacked as a network takes them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from BoneXrayLib.extraction import image_scale, input_channels

from ..limits import check_above_0, check_number
from ..pairs import Pair
from ..sources import CtSource, load_source, load_variants
from .augmentation import TrainingImage

__all__ = [
    "Batch",
    "CtSource",
    "DrawnFrom",
    "PoolConfig",
    "collate",
    "load_source",
    "load_variants",
]

TARGET_PERCENTILE = 99.5
SMALLEST_TARGET_SHARE = 0.08
"""Images with hardly any bone are weighed as if their brightest bone reached this share."""


@dataclass(frozen=True)
class PoolConfig:
    """How many samples are kept, and how fast they are replaced."""

    capacity: int = 1500
    first: int = 150
    """Samples that the first step draws from."""
    images_per_sample: float = 24.0
    """Training images drawn for each further sample."""

    def __post_init__(self) -> None:
        check_number("pool.capacity", self.capacity, 1)
        check_number("pool.first", self.first, 1)
        check_above_0("pool.images_per_sample", self.images_per_sample)


class DrawnFrom(Protocol):
    """What samples are drawn from."""

    def draw(self, rng: np.random.Generator, images: int = 0) -> Pair:
        """Any of the samples held after `images` were drawn."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """What a training step takes; torch float32 (batch, ..., rows, columns).

    Attributes:
        channels: the network's input.
        level: the image above its base over its span; the network answers a share of it.
        target: what bone adds, in the same units.
        weight: (batch, 1 or outputs, 1, 1), brings each target's brightest bone to about one; 0
            for an output that learns nothing from an image.
    """

    channels: torch.Tensor
    level: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        moved = (getattr(self, f.name).to(device) for f in dataclasses.fields(self))
        return Batch(*moved)


def collate(images: list[TrainingImage]) -> Batch:
    """Bring images to the network's scale, exactly as `extract` does, and stack them."""
    channels, levels, targets, weights = [], [], [], []
    for image in images:
        pixels = image.image.numpy()
        scale = image_scale(pixels, image.domain)
        channels.append(
            torch.from_numpy(input_channels(pixels, scale, image.domain, image.pixel_mm))
        )
        levels.append(channels[-1][:1].clamp(min=0.0))
        target = (image.target / scale.span)[None]
        targets.append(target)
        bright = float(torch.quantile(target, TARGET_PERCENTILE / 100))
        weights.append(1.0 / max(bright, SMALLEST_TARGET_SHARE))
    weight = torch.tensor(weights, dtype=torch.float32)[:, None, None, None]
    return Batch(torch.stack(channels), torch.stack(levels), torch.stack(targets), weight)
