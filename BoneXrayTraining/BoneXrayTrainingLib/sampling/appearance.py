"""How a display image comes to look: scatter, unknown response, console filters, grain, shutters.

Plain draws rather than physics (`BoneXrayLib.exposure` has that): what a network must not mind is
wider than any one set of tubes and detectors, and thousands of images are wanted a minute.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

BLUR, GRAIN = (0.3, 1.2), (0.005, 0.08)
"""Between which blur [pixels] and grain (its spread over the image's) are drawn unless said."""
MOST_BRIGHT = 0.6
"""Unexposed borders of inverted radiographs are brighter than any bone, by up to this share."""


def blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (..., rows, columns), edges replicated."""
    radius = max(1, int(np.ceil(2.5 * sigma)))
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    stack = image.reshape(-1, 1, *image.shape[-2:])
    stack = functional.pad(stack, (radius,) * 4, mode="replicate")
    stack = functional.conv2d(stack, kernel[None, None, None, :])
    stack = functional.conv2d(stack, kernel[None, None, :, None])
    return stack.reshape(image.shape)


def expose(
    total: torch.Tensor,
    without: torch.Tensor,
    rng: np.random.Generator,
    soft: tuple[float, float] = BLUR,
) -> torch.Tensor:
    """Blur and scatter of one exposure on both images, (2, rows, columns) optical density.

    Scatter adds a broad, smooth share to the transmitted intensity: OD = -ln(e^-OD + s · blur).
    """
    both = torch.stack([total, without])
    if rng.random() < 0.5:
        both = blur(both, float(rng.uniform(*soft)))
    return scatter(both, rng)


def scatter(both: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The scatter of `expose`, sometimes, on images (N, rows, columns) that are sharp or not."""
    if rng.random() < 0.5:
        small = functional.avg_pool2d(torch.exp(-both)[:, None], 8)
        wide = blur(small, 3.0)
        halo = functional.interpolate(wide, size=both.shape[-2:], mode="bilinear")[:, 0]
        both = -torch.log(torch.exp(-both) + float(rng.uniform(0.02, 0.6)) * halo + 1e-4)
    return both


def respond(both: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A random monotone response, then, sometimes, the edge and contrast filters of consoles."""
    low = float(both[0].min())
    high = float(torch.quantile(both[0], 0.995))
    level = ((both - low) / max(high - low, 1e-3)).clamp(min=0.0)
    kind = rng.integers(4)
    if kind == 0:
        level = level ** float(np.exp(rng.normal(0.0, 0.4)))
    elif kind == 1:
        steep, middle = float(rng.uniform(2.0, 7.0)), float(rng.uniform(0.2, 0.8))
        level = torch.sigmoid(steep * (level - middle))
    elif kind == 2:
        steep = float(rng.uniform(0.5, 4.0))
        level = (1 - torch.exp(-steep * level)) / (1 - np.exp(-steep))
    if rng.random() < 0.5:
        level = sharpen(level, rng)
    return level[0], level[1]


def sharpen(level: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Edge enhancement, or local contrast by taking away some of the coarse image."""
    if rng.random() < 0.5:
        return level + float(rng.uniform(0.2, 1.5)) * (
            level - blur(level, float(rng.uniform(1, 4)))
        )
    coarse = functional.avg_pool2d(level[:, None], 16)
    coarse = functional.interpolate(coarse, size=level.shape[-2:], mode="bilinear")[:, 0]
    return level - float(rng.uniform(0.2, 0.7)) * coarse


def add_noise(
    image: torch.Tensor,
    rng: np.random.Generator,
    chance: float,
    grain: tuple[float, float] = GRAIN,
) -> torch.Tensor:
    """Grain of random strength and size."""
    if rng.random() >= chance:
        return image
    noise = torch.from_numpy(rng.standard_normal(tuple(image.shape)).astype(np.float32))
    if rng.random() < 0.5:
        noise = blur(noise, float(rng.uniform(0.5, 1.0))) * 2.0
    spread = float(image.std()) * float(np.exp(rng.uniform(*np.log(grain))))
    return image + spread * noise


def collimate(
    image: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shutters at a grey value of their own, and a side marker: neither is bone.

    Some shutters are brighter than all they hide. The target may have leading axes.
    """
    image, target = image.clone(), target.clone()
    side = image.shape[-1]
    low, high = float(image.min()), float(image.max())
    if rng.random() < 0.7:
        outside = torch.ones_like(image, dtype=torch.bool)
        top, left = (int(n) for n in rng.integers(0, side // 4, 2))
        bottom, right = (side - int(n) for n in rng.integers(0, side // 4, 2))
        outside[top:bottom, left:right] = False
        bright = high + rng.choice([0.0, MOST_BRIGHT]) * rng.random() * (high - low)
        image[outside] = low if rng.random() < 0.5 else bright
        target[..., outside] = 0.0
    if rng.random() < 0.5:
        r, c = (int(n) for n in rng.integers(side // 20, side - side // 7, 2))
        h, w = (int(n) for n in rng.integers(side // 40 + 1, side // 10 + 2, 2))
        image[r : r + h, c : c + w] = high
        target[..., r : r + h, c : c + w] = 0.0
    return image, target
