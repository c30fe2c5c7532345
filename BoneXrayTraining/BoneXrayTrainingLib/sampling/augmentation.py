"""From tissue layers to what a network trains on: densities, exposure, response, framing.

Everything acts on the image with bone and on the image without it alike, so the target - what
bone adds, in the image's own units - stays true under any response curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..limits import check_number, check_span
from ..pairs import TISSUES
from .appearance import BLUR, GRAIN, add_noise, collimate, expose, respond

BONE, LEAN = TISSUES.index("bone"), TISSUES.index("lean")
BLOOD_HU = 40.0
CONTRAST_HU = (120.0, 520.0)
"""From late venous enhancement to CT angiography."""
LUMP_DEPTH = (0.5, 2.5)
"""How deep a lump is along the ray, as a share of its shorter side across."""
MOST_LUMP = 1.2
"""No lump of more optical density: 6 cm."""
SHARES = ("display_share", "contrast_share", "lump_share", "flesh_share", "ends_share",
          "quarter_share", "mirrored_share", "reversed_share")  # fmt: skip
"""What of the settings is a share of the samples."""
LEAN_PER_MM = 0.02
"""Optical density of soft tissue."""


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
    blur: tuple[float, float] = BLUR
    """Between which the blur of display images is drawn, half of which are [pixels]."""
    grain: tuple[float, float] = GRAIN
    """Between which the spread of their noise is drawn, over that of the image."""
    display_share: float = 0.5
    """Share of samples given as display images of unknown response."""
    contrast_share: float = 0.5
    """Share of the other samples that get contrast medium in heart and vessels; never bone.

    Display images, which stand for plain radiographs, never get any.
    """
    lump_share: float = 0.0
    """Share of the samples that get lumps of soft tissue with plain contours, as organs have."""
    flesh_share: float = 0.0
    """Share of the samples with named bones that get flesh of another sample seen nearly alike, in
    place of a part of their own."""
    ends_share: float = 0.0
    """To learn bones by name: share of the samples that are cut off above or below, as where a CT
    ends; these keep their flesh."""
    turned: float = 0.0
    """Turn all images by this first [degrees]: 180 shows a hand that hangs down fingers up."""
    quarter_share: float = 0.15
    """Share of the samples that lie on any side."""
    mirrored_share: float = 0.5
    """Share of the samples that are mirrored."""
    reversed_share: float = 0.0
    """Share of the samples that are shown the wrong way round, for a network that knows right
    hands or legs: one of its outputs tells them, and it learns nothing else from them. Of legs,
    of frontal images only; in lateral ones left and right look alike."""

    def __post_init__(self) -> None:
        if len(self.densities) != len(TISSUES):
            raise ValueError(
                f"augmentation.densities: got {len(self.densities)} values; expected one each for "
                f"{', '.join(TISSUES)}"
            )
        check_number("augmentation.crop", self.crop, 1)
        check_span("augmentation.scale", self.scale, 0.05)
        check_span("augmentation.blur", self.blur, 0.01)
        check_span("augmentation.grain", self.grain, 1e-6)
        for name in ("rotation", "warp", "uneven"):
            check_number(f"augmentation.{name}", getattr(self, name), 0)
        for number, density in enumerate(self.densities):
            check_number(f"augmentation.densities, of {TISSUES[number]}", density, 0)
        for name in SHARES:
            check_number(f"augmentation.{name}", getattr(self, name), 0, 1)


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
    if rng.random() < config.lump_share:
        tissues = add_lumps(tissues, pixel_mm, rng)
    display = rng.random() < config.display_share
    if not display and rng.random() < config.contrast_share:
        tissues = add_contrast(tissues, rng)
    total, without = tissues.sum(0), tissues.sum(0) - tissues[BONE]
    if display:
        total, without = respond(expose(total, without, rng, config.blur), rng)
    target = (total - without).clamp(min=0.0)
    image = add_noise(total, rng, 0.8 if display else 0.3, config.grain)
    if display and rng.random() < 0.3:
        image, target = collimate(image, target, rng)
    domain = "display" if display else "optical density"
    known = rng.random() < 0.6
    return TrainingImage(image, target, domain, pixel_mm if known else None)


def frame(
    tissues: torch.Tensor, pixel_mm: float, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Crop, scale, turn, mirror and gently warp all layers alike; gives the new pixel size too."""
    matrix, shift, scale = draw_frame(tissues.shape[-1], config, rng)
    return sampled(tissues, matrix, shift, config, rng), pixel_mm * scale


def draw_frame(
    side: int, config: AugmentationConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """What `sampled` shows of a sample: matrix and shift, and sample pixels to one of the image."""
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    angle = np.deg2rad(config.turned + rng.normal(0.0, config.rotation))
    if rng.random() < config.quarter_share:
        angle += np.pi / 2 * rng.integers(4)
    matrix = turned_by(angle, scale)
    if rng.random() < config.mirrored_share:
        matrix[:, 0] *= -1
    room = max(0.0, side - config.crop * scale) / 2 + 0.08 * side
    return matrix, rng.uniform(-room, room, 2), scale


def turned_by(angle: float, scale: float) -> np.ndarray:
    """(2, 2): where a step along x or y of a training image leads in the sample."""
    return scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def sampled(
    tissues: torch.Tensor,
    matrix: np.ndarray,
    shift: np.ndarray,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Layers (N, crop, crop) seen through `matrix` and gently warped.

    The middle of the result is `shift` (x, y) [pixels] from the middle of `tissues`.
    """
    side, crop = tissues.shape[-1], config.crop
    axis = np.arange(crop) - (crop - 1) / 2
    x, y = np.meshgrid(axis, axis)
    at = np.stack([x, y], -1) @ matrix.T + shift
    grid = torch.from_numpy((at / (side / 2)).astype(np.float32))[None]
    warp = smooth_field(rng, crop, 5, 2) * (2 * config.warp)
    grid = grid + warp.permute(1, 2, 0)[None]
    out = functional.grid_sample(
        tissues[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return out[0]


def smooth_field(rng: np.random.Generator, side: int, knots: int, count: int) -> torch.Tensor:
    """(count, side, side) smooth normal noise through `knots`² random values each."""
    coarse = torch.from_numpy(rng.standard_normal((1, count, knots, knots)).astype(np.float32))
    return functional.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True)[0]


def vary_densities(
    tissues: torch.Tensor, config: AugmentationConfig, rng: np.random.Generator
) -> torch.Tensor:
    """Make each tissue denser or lighter, as a whole and unevenly, and add soft tissue."""
    out = uneven_densities(tissues, config, rng)
    if rng.random() < 0.4:
        inside = tissues.sum(0) > 0.15
        lump = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 7)), 1)[0]
        extra = lump.clamp(min=0.0) * inside * float(rng.uniform(0.1, 0.6))
        out[LEAN] += extra
    return out


def uneven_densities(
    tissues: torch.Tensor, config: AugmentationConfig, rng: np.random.Generator
) -> torch.Tensor:
    """Make each tissue denser or lighter, as a whole and unevenly."""
    sigma = np.asarray(config.densities)
    log_density = torch.from_numpy(rng.normal(0.0, sigma).clip(-1.0, 1.0).astype(np.float32))
    uneven = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 9)), len(sigma))
    return tissues * torch.exp(log_density[:, None, None] + config.uneven * uneven)


def add_contrast(tissues: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Contrast medium in heart and vessels, each at its own, uneven Hounsfield units."""
    out = tissues.clone()
    hu = float(rng.uniform(*CONTRAST_HU))
    for name in ("heart", "vessels"):
        layer = TISSUES.index(name)
        uneven = smooth_field(rng, tissues.shape[-1], int(rng.integers(3, 7)), 1)[0]
        here = hu * float(rng.uniform(0.7, 1.1)) * (1 + 0.15 * uneven)
        out[layer] = tissues[layer] * (1000.0 + here) / (1000.0 + BLOOD_HU)
    return out


def add_lumps(tissues: torch.Tensor, pixel_mm: float, rng: np.random.Generator) -> torch.Tensor:
    """One to four ellipsoids of lean tissue within the patient, as they project: sqrt(1 - r²).

    They are about as deep as they are broad: a thin dense one would be bone or metal.
    """
    out, side = tissues.clone(), tissues.shape[-1]
    inside = tissues.sum(0) > 0.15
    axis = torch.arange(side, dtype=torch.float32) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    for _ in range(int(rng.integers(1, 5))):
        turn, (row, column) = rng.uniform(0, np.pi), rng.uniform(0, 1, 2)
        long, short = np.exp(rng.uniform(np.log(0.03), np.log(0.4), 2))
        along = (x - column) * np.cos(turn) + (y - row) * np.sin(turn)
        across = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
        bend = float(rng.normal(0.0, 0.5)) * along**2 / max(long, short)
        squared = (along / long) ** 2 + ((across - bend) / short) ** 2
        depth = 2 * min(long, short) * side * pixel_mm * float(rng.uniform(*LUMP_DEPTH))
        middle = min(LEAN_PER_MM * depth, MOST_LUMP)
        out[LEAN] += middle * (1 - squared).clamp(min=0.0).sqrt() * inside
    return out
