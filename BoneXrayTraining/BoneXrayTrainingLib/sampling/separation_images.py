"""From layers of named bones to what a separator trains on: image, masks given, layers, masks.

Layers are in the image's own units. In optical density they are exact. A display image's response
to one bone hangs on the other: response(total) - response(total without this bone) of two bones do
not add up to what both add. So there both together have response(total) - response(without both),
what extraction calls bone, and each has of it its share of their optical density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from BoneXrayLib.extraction import image_scale, input_channels

from ..pairs import TISSUES, Pair
from .appearance import add_noise, blur, collimate, respond, scatter
from .augmentation import (
    BONE,
    AugmentationConfig,
    add_lumps,
    sampled,
    smooth_field,
    turned_by,
    uneven_densities,
)
from .dataset import Batch, DrawnFrom
from .layer_images import TOUCHING, density_of_brightness, shift_for, shift_together
from .mask_errors import erred
from .overlap_bins import SIDE
from .overlap_questions import (
    EXCESS_OD,
    LayerConfig,
    Question,
    draw_question,
    moved,
)

BONES_APART = 0.12
"""Standard deviation of the log density of each bone beside that of both."""
SOFT_RAYS = 3.5
"""Bone over soft tissue is up to so many times as dense as at 70 keV: hands are taken at 50 kV."""
BLUR = (0.3, 2.5)
"""Least and most standard deviation of half of the images' blur [pixels]: bones of a CT of 1 mm
voxels are as blurred as that, and half the density for each is a good answer there."""
CROWDED = 1.0
"""With more of other bones, as a share of what the two of a question add, masks are given."""
MOST_TRIES, STRICT_TRIES = 60, 8
"""Samples that may allow no question in a row, and none of the size drawn."""
LONGEST_SHIFT = 0.12
"""Bones are shifted together by at most this share of an image's side."""


@dataclass(frozen=True, eq=False)
class SeparationImage:
    """One image (rows, columns) and, (2, rows, columns) each, of this bone and the others: layers,
    true masks, masks given (none: all 0). float32 tensors; `clean` is the image without noise.
    """

    image: torch.Tensor
    clean: torch.Tensor
    layers: torch.Tensor
    masks: torch.Tensor
    given: torch.Tensor
    domain: str
    pixel_mm: float | None


def ask_pool(
    pool: DrawnFrom,
    config: AugmentationConfig,
    layers: LayerConfig,
    rng: np.random.Generator,
    images: int,
) -> SeparationImage:
    """A training image of any sample of a pool that allows a question.

    Raises:
        ValueError: none of many samples did.
    """
    for turn in range(MOST_TRIES):
        pair = pool.draw(rng, images)
        made = augment_layers(pair, config, layers, rng, any_size=turn >= STRICT_TRIES)
        if made is not None:
            return made
    raise ValueError(
        f"structures: {MOST_TRIES} samples show no two of them that meet; expected bones of joints"
    )


def augment_layers(
    pair: Pair,
    config: AugmentationConfig,
    layers: LayerConfig,
    rng: np.random.Generator,
    any_size: bool = True,
) -> SeparationImage | None:
    """One training image from a sample with structures; None where it allows no question."""
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    turn = np.deg2rad(config.rotation)
    question = draw_question(pair, config.crop * scale, layers, turn, rng, any_size)
    if question is None:
        return None
    masked = rng.random() < layers.masks_share or not question.upright
    every = _framed(pair, question, config, masked, rng)
    masked = masked or bool(every[BONE].sum() > CROWDED * every[-2:].sum())
    masks = (every[-2:] > EXCESS_OD).float()
    every = _varied(every, pair.draw.pixel * scale, config, rng)
    clean, found, masks, domain = _shown(every, masks, question, config, layers, rng)
    display = domain == "display"
    image = add_noise(clean, rng, 0.8 if display else 0.5)
    if display and rng.random() < 0.15:
        open_field = torch.ones_like(image)[None]
        image, kept = collimate(image, torch.cat([open_field, found, masks]), rng)
        clean, found, masks = torch.where(kept[0] > 0, clean, image), kept[1:3], kept[3:]
    given = torch.zeros_like(masks)
    if masked:
        given = torch.stack([erred(mask, layers.exact_share, rng) for mask in masks])
    known = pair.draw.pixel * scale if rng.random() < 0.6 else None
    return SeparationImage(image, clean, found, masks, given, domain, known)


def _framed(
    pair: Pair,
    question: Question,
    config: AugmentationConfig,
    masked: bool,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Layers within the square of a question: `TISSUES`, this bone, the others; bones nobody asks
    about are among the tissues.
    """
    every = np.asarray(pair.layers, dtype=np.float32)
    first, size = len(TISSUES), every.shape[-1]
    asked = {question.this, *question.others}
    stack = np.concatenate([every[:first], np.zeros((2, size, size), np.float32)])
    for n, layer in enumerate(every[first:]):
        if n not in asked:
            stack[BONE] += layer
    stack[first] = moved(every[first + question.this], question.push[0])
    for n in question.others:
        stack[first + 1] += moved(every[first + n], question.push[1])
    angle = question.angle
    if masked and not question.shifted and rng.random() < 0.5:
        angle = float(rng.uniform(-np.pi, np.pi))
    matrix = turned_by(angle, question.side / config.crop)
    if rng.random() < config.mirrored_share:
        matrix[:, 0] *= -1
    aside = rng.normal(0.0, 0.06 * question.side, 2).clip(
        -0.15 * question.side, 0.15 * question.side
    )
    shift = np.array(question.centre) - (size - 1) / 2 + aside
    return sampled(torch.from_numpy(stack), matrix, shift, config, rng)


def _varied(
    every: torch.Tensor, pixel_mm: float, config: AugmentationConfig, rng: np.random.Generator
) -> torch.Tensor:
    """Soft tissue, this bone, the others: (3, rows, columns) optical density, all as drawn."""
    tissues, bones = every[: len(TISSUES)], every[len(TISSUES) :]
    tissues = uneven_densities(tissues, config, rng)
    if rng.random() < config.lump_share:
        tissues = add_lumps(tissues, pixel_mm, rng)
    common = np.clip(rng.normal(0.0, config.densities[BONE]), -1.0, 1.0)
    gain = float(np.exp(rng.uniform(0.0, np.log(SOFT_RAYS))))
    tissues[BONE] *= gain
    apart = torch.from_numpy(rng.normal(common, BONES_APART, 2).astype(np.float32))
    uneven = smooth_field(rng, every.shape[-1], int(rng.integers(3, 9)), 2)
    bones = bones * gain * torch.exp(apart[:, None, None] + config.uneven * uneven)
    out = torch.cat([tissues.sum(0, keepdim=True), bones])
    sigma = float(np.exp(rng.uniform(*np.log(BLUR))))
    return blur(out, sigma) if rng.random() < 0.5 else out


def _shown(
    every: torch.Tensor,
    masks: torch.Tensor,
    question: Question,
    config: AugmentationConfig,
    layers: LayerConfig,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, str]:
    """The image, both layers in its units, their masks, and its domain."""
    display = rng.random() < config.display_share
    level, soft, bones = every.sum(0), every[0], every[1:]
    if display or rng.random() < layers.brightness_share:
        level, soft = respond(scatter(torch.stack([level, soft]), rng), rng)
        if question.shifted or not display:
            level, soft = _density(level, level), _density(soft, level)
    if question.shifted and masks.prod(0).sum() < TOUCHING:
        level, soft, bones, masks = _shifted(level, soft, masks, question)
        if display:
            level, soft = 1.0 - torch.exp(-level), 1.0 - torch.exp(-soft)
    base = image_scale(level.numpy(), "display").base if display else 0.0
    both = (level - soft).clamp(min=0.0).minimum((level - base).clamp(min=0.0))
    found = both * bones / bones.sum(0).clamp(min=1e-6)
    return level, found, masks, "display" if display else "optical density"


def _density(level: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """-ln(1 - b) of a displayed level whose grey values are those of an 8-bit image."""
    low, high = float(whole.min()), float(torch.quantile(whole, 0.999))
    brightness = 0.02 + 0.9 * ((level - low) / max(high - low, 1e-3)).clamp(0.0, 1.05)
    grey = np.rint(255.0 * brightness.numpy()) / 255.0
    return torch.from_numpy(density_of_brightness(grey))


def _shifted(
    image: torch.Tensor, soft: torch.Tensor, masks: torch.Tensor, question: Question
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, soft tissue, layers and masks of two bones shifted together until they overlap."""
    side = image.shape[-1]
    wanted = question.target * (side / SIDE) ** 2
    upper, lower = (mask.numpy() > 0 for mask in masks)
    chosen = shift_for(upper, lower, wanted, round(LONGEST_SHIFT * side))
    joint = shift_together(image.numpy(), upper, lower, soft.numpy(), chosen)
    arrays = (joint.image, joint.soft, np.stack([joint.upper, joint.lower]),
              np.stack([joint.upper_mask, joint.lower_mask]))  # fmt: skip
    image, soft, layers, masks = (torch.from_numpy(a.astype(np.float32)) for a in arrays)
    return image, soft, layers, masks


def collate_layers(images: list[SeparationImage]) -> Batch:
    """Bring images to the network's scale, exactly as `separate` does, and stack them.

    The network's answers are shares, put together by the loss: level and weight are 1. Planes of a
    target: the layer of this bone and of the others, their true masks, the level (layers and level
    as shares of the image's span), and 1 where the network had to find the masks itself.
    """
    channels, targets = [], []
    for image in images:
        pixels = image.image.numpy()
        scale = image_scale(pixels, image.domain)
        seen = input_channels(pixels, scale, image.domain, image.pixel_mm)
        channels.append(torch.cat([torch.from_numpy(seen), image.given]))
        level = ((image.clean - scale.base) / scale.span).clamp(min=0.0)
        unmasked = torch.full_like(level, float(not image.given.any()))
        target = [image.layers / scale.span, image.masks, level[None], unmasked[None]]
        targets.append(torch.cat(target))
    ones = torch.ones((len(images), 1, 1, 1))
    return Batch(torch.stack(channels), ones, torch.stack(targets), ones)
