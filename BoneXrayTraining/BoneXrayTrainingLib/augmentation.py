"""From tissue layers to what a network trains on: densities, exposure, response, framing.

Everything acts on the image with bone and on the image without it alike, so the target - what
bone adds, in the image's own units - stays true under any response curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from .pairs import TISSUES

BONE = TISSUES.index("bone")
BONE_ABOVE_HU = 200.0
"""Lower bound of the default bone window."""
BLOOD_HU = 40.0
CONTRAST_HU = (120.0, 520.0)
"""From late venous enhancement to CT angiography."""
CONTRAST_SPREAD_HU = 35.0
"""Blood around a mean of h HU lies above 200 HU to a share of sigmoid((h - 200) / spread)."""


@dataclass(frozen=True)
class AugmentationConfig:
    """How far samples are varied."""

    crop: int = 160
    """Side of a training image [pixels]."""
    scale: tuple[float, float] = (1.2, 2.2)
    """Pixels of the sample that become one pixel of the training image."""
    rotation: float = 12.0
    """Standard deviation of the in-plane rotation [degrees]."""
    warp: float = 0.02
    """Standard deviation of a smooth in-plane warp, as a share of the side."""
    densities: tuple[float, ...] = (0.3, 0.4, 0.12, 0.05, 0.05, 0.3)
    """Standard deviation of the log density of each tissue, as `TISSUES`."""
    uneven: float = 0.15
    """Standard deviation of a smooth log density field within lean tissue and bone."""
    display_share: float = 0.5
    """Share of samples given as display images of unknown response."""
    contrast_share: float = 0.5
    """Share of the other samples that get contrast medium in heart and vessels.

    On a simulated radiograph the bone image holds whatever passes the HU window, so strong enough
    contrast medium too. Display images, which stand for plain radiographs, never get any.
    """

    def __post_init__(self) -> None:
        if len(self.densities) != len(TISSUES):
            raise ValueError(
                f"augmentation.densities: got {len(self.densities)} values; expected one each for "
                f"{', '.join(TISSUES)}"
            )


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """One image pair, (rows, columns) float32 torch tensors; `target` is what bone adds."""

    image: torch.Tensor
    target: torch.Tensor
    domain: str
    pixel_mm: float | None


def augment(
    layers: np.ndarray,
    pixel_mm: float,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> TrainingImage:
    """One training image from a sample's layers, (tissues, rows, columns) optical density."""
    tissues = torch.from_numpy(np.asarray(layers, dtype=np.float32))
    tissues, pixel_mm = frame(tissues, pixel_mm, config, rng)
    tissues = vary_densities(tissues, config, rng)
    display = rng.random() < config.display_share
    if not display and rng.random() < config.contrast_share:
        tissues = add_contrast(tissues, rng)
    total, without = tissues.sum(0), tissues.sum(0) - tissues[BONE]
    if display:
        total, without = respond(expose(total, without, rng), rng)
    target = (total - without).clamp(min=0.0)
    image = add_noise(total, rng, 0.8 if display else 0.3)
    if display and rng.random() < 0.3:
        image, target = collimate(image, target, rng)
    domain = "display" if display else "optical density"
    known = rng.random() < 0.6
    return TrainingImage(image, target, domain, pixel_mm if known else None)


def frame(
    tissues: torch.Tensor, pixel_mm: float, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Crop, scale, turn, mirror and gently warp all layers alike; gives the new pixel size too."""
    side, crop = tissues.shape[-1], config.crop
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    angle = np.deg2rad(rng.normal(0.0, config.rotation))
    if rng.random() < 0.15:
        angle += np.pi / 2 * rng.integers(4)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        matrix[:, 0] *= -1
    room = max(0.0, side - crop * scale) / 2 + 0.08 * side
    shift = rng.uniform(-room, room, 2)
    axis = np.arange(crop) - (crop - 1) / 2
    x, y = np.meshgrid(axis, axis)
    at = np.stack([x, y], -1) @ matrix.T + shift
    grid = torch.from_numpy((at / (side / 2)).astype(np.float32))[None]
    warp = smooth_field(rng, crop, 5, 2) * (2 * config.warp)
    grid = grid + warp.permute(1, 2, 0)[None]
    out = functional.grid_sample(
        tissues[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return out[0], pixel_mm * scale


def smooth_field(rng: np.random.Generator, side: int, knots: int, count: int) -> torch.Tensor:
    """(count, side, side) smooth normal noise through `knots`² random values each."""
    coarse = torch.from_numpy(rng.standard_normal((1, count, knots, knots)).astype(np.float32))
    return functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[0]


def vary_densities(
    tissues: torch.Tensor, config: AugmentationConfig, rng: np.random.Generator
) -> torch.Tensor:
    """Make each tissue denser or lighter, as a whole and unevenly, and add soft tissue."""
    sigma = np.asarray(config.densities)
    log_density = torch.from_numpy(rng.normal(0.0, sigma).clip(-1.0, 1.0).astype(np.float32))
    uneven = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 9)), len(sigma))
    out = tissues * torch.exp(log_density[:, None, None] + config.uneven * uneven)
    if rng.random() < 0.4:
        inside = tissues.sum(0) > 0.15
        lump = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 7)), 1)[0]
        extra = lump.clamp(min=0.0) * inside * float(rng.uniform(0.1, 0.6))
        out[TISSUES.index("lean")] += extra
    return out


def add_contrast(tissues: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Contrast medium in heart and vessels, each at its own, uneven Hounsfield units.

    What lies above the default window's lower bound moves to bone, in part where it is near it.
    """
    out = tissues.clone()
    hu = float(rng.uniform(*CONTRAST_HU))
    for name in ("heart", "vessels"):
        layer = TISSUES.index(name)
        uneven = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 7)), 1)[0]
        here = hu * float(rng.uniform(0.7, 1.1)) * (1 + 0.15 * uneven)
        dense = tissues[layer] * (1000.0 + here) / (1000.0 + BLOOD_HU)
        share = torch.sigmoid((here - BONE_ABOVE_HU) / CONTRAST_SPREAD_HU)
        out[layer] = dense * (1 - share)
        out[BONE] += dense * share
    return out


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


def expose(total: torch.Tensor, without: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Blur and scatter of one exposure on both images, (2, rows, columns) optical density.

    Scatter adds a broad, smooth share to the transmitted intensity: OD = -ln(e^-OD + s · blur).
    """
    both = torch.stack([total, without])
    if rng.random() < 0.5:
        both = blur(both, float(rng.uniform(0.3, 1.2)))
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


def add_noise(image: torch.Tensor, rng: np.random.Generator, chance: float) -> torch.Tensor:
    """Grain of random strength and size."""
    if rng.random() >= chance:
        return image
    grain = torch.from_numpy(rng.standard_normal(tuple(image.shape)).astype(np.float32))
    if rng.random() < 0.5:
        grain = blur(grain, float(rng.uniform(0.5, 1.0))) * 2.0
    spread = float(image.std()) * float(np.exp(rng.uniform(np.log(0.005), np.log(0.08))))
    return image + spread * grain


def collimate(
    image: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shutters at a grey value of their own, and a side marker: neither is bone."""
    image, target = image.clone(), target.clone()
    side = image.shape[-1]
    low, high = float(image.min()), float(image.max())
    if rng.random() < 0.7:
        outside = torch.ones_like(image, dtype=torch.bool)
        top, left = (int(n) for n in rng.integers(0, side // 4, 2))
        bottom, right = (side - int(n) for n in rng.integers(0, side // 4, 2))
        outside[top:bottom, left:right] = False
        image[outside] = low if rng.random() < 0.5 else high
        target[outside] = 0.0
    if rng.random() < 0.5:
        r, c = (int(n) for n in rng.integers(side // 20, side - side // 7, 2))
        h, w = (int(n) for n in rng.integers(side // 40 + 1, side // 10 + 2, 2))
        image[r : r + h, c : c + w] = high
        target[r : r + h, c : c + w] = 0.0
    return image, target
