"""From layers of named bones to what a segmentation network trains on.

Masks come from the layers as projected, before anything is varied: however dense a bone is made
and however the image responds, its outline stays where it was.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.segments.structures import mirrored_order, structure

from ..labelled import MASK_OD
from ..pairs import TISSUES, Pair
from .appearance import add_noise, collimate, expose, respond
from .augmentation import BONE, AugmentationConfig, add_lumps, draw_frame, sampled, vary_densities
from .ct_ends import cut_off
from .dataset import Batch
from .other_flesh import in_flesh_of

BONES_APART = 0.12
"""Standard deviation of the log density of each named bone beside that of all bone."""

LEAST_SEEN, MOST_FRAMES = 0.05, 8
"""Which share of an image shows the patient at least, or another frame is drawn: of air there is
nothing to learn. How many are drawn of a sample that shows less wherever one looks."""


@dataclass(frozen=True, eq=False)
class SegmentImage:
    """One image (rows, columns) and its masks (structures, rows, columns), float32 tensors."""

    image: torch.Tensor
    masks: torch.Tensor
    domain: str
    pixel_mm: float | None
    is_reversed: bool | None = None
    """Whether it is shown the wrong way round; None where nobody asks."""


def augment_segments(
    pair: Pair, config: AugmentationConfig, rng: np.random.Generator, other: Pair | None = None
) -> SegmentImage:
    """One training image from a sample with structures, in part in the flesh of the `other`."""
    every = torch.from_numpy(np.asarray(pair.layers, dtype=np.float32))
    if rng.random() < config.mirrored_share:
        every = mirrored(every, pair.structures)
    is_reversed = None
    if config.reversed_share > 0:
        is_reversed = bool(rng.random() < config.reversed_share)
        every = every.flip(-1) if is_reversed else every
    if config.ends_share and rng.random() < config.ends_share:
        every, other = cut_off(every, rng), None
    once = dataclasses.replace(config, mirrored_share=0.0)
    for _ in range(MOST_FRAMES):
        matrix, shift, scale = draw_frame(every.shape[-1], once, rng)
        framed = sampled(every, matrix, shift, config, rng)
        if (framed.sum(0) > MASK_OD).float().mean() > LEAST_SEEN:
            break
    every, pixel_mm = framed, pair.draw.pixel * scale
    masks = (every[len(TISSUES) :] > MASK_OD).float()
    if other is not None:
        theirs = torch.from_numpy(np.asarray(other.layers, dtype=np.float32))
        theirs = theirs.flip(-1) if rng.random() < 0.5 else theirs
        every = in_flesh_of(every, sampled(theirs, matrix, shift, config, rng), rng)
    image, masks, domain = taken(every, masks, BONES_APART, pixel_mm, config, rng)
    known = rng.random() < 0.6
    return SegmentImage(image, masks, domain, pixel_mm if known else None, is_reversed)


def taken(
    every: torch.Tensor,
    masks: torch.Tensor,
    apart: float,
    pixel_mm: float,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """An image of layers with densities and an exposure of their own; masks end at the shutters.

    Args:
        every: (tissues + named bones, rows, columns) optical density.
        masks: (any, rows, columns).
        apart: standard deviation of a named bone's log density beside that of all bone.
        pixel_mm: of the layers.
        config: shares of what happens.
        rng: draws it.

    Returns:
        The image (rows, columns), the masks, and the image's domain.
    """
    named, tissues = every[len(TISSUES) :], every[: len(TISSUES)].clone()
    own = torch.from_numpy(np.exp(rng.normal(0.0, apart, len(named))).astype(np.float32))
    tissues[BONE] += (named * own[:, None, None]).sum(0)
    tissues = vary_densities(tissues, config, rng)
    if rng.random() < config.lump_share:
        tissues = add_lumps(tissues, pixel_mm, rng)
    image, display = tissues.sum(0), rng.random() < config.display_share
    if display:
        image = respond(expose(image, image, rng, config.blur), rng)[0]
    image = add_noise(image, rng, 0.8 if display else 0.3, config.grain)
    if display and rng.random() < 0.3:
        image, masks = collimate(image, masks, rng)
    return image, masks, "display" if display else "optical density"


def mirrored(layers: torch.Tensor, structures: tuple[str, ...]) -> torch.Tensor:
    """The patient's mirror image, (tissues + structures, rows, columns): left bones are right ones.

    So "left" stays on the same side of a frontal image, however the heart lies.
    """
    order = mirrored_order(tuple(structure(name) for name in structures))
    tissues = len(TISSUES)
    return layers[[*range(tissues), *(tissues + place for place in order)]].flip(-1)


def collate_segments(images: list[SegmentImage]) -> Batch:
    """Bring images to the network's scale, exactly as `segment` does, and stack them.

    The network's answer is the mask itself: level and weight are 1. Where images may be shown the
    wrong way round a further target says where they are not, and there bones weigh nothing.
    """
    channels = []
    for image in images:
        pixels = image.image.numpy()
        scale = image_scale(pixels, image.domain)
        seen = input_channels(pixels, scale, image.domain, image.pixel_mm)
        channels.append(torch.from_numpy(seen))
    ones, masks = torch.ones((len(images), 1, 1, 1)), torch.stack([i.masks for i in images])
    if images[0].is_reversed is None:
        return Batch(torch.stack(channels), ones, masks, ones)
    right = torch.tensor([[[[float(not i.is_reversed)]]] for i in images])
    target = torch.cat([masks, right.expand(-1, 1, *masks.shape[2:])], 1)
    weight = torch.cat([right.expand(-1, masks.shape[1], 1, 1), ones], 1)
    return Batch(torch.stack(channels), ones, target, weight)
