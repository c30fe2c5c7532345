"""From a separator's answers to layers (bones, rows, columns) that add up to what bones make."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..framing import content
from ..models import Model
from ..progress import Progress, part_of
from ..radiograph import Radiograph
from ..segments.segment_config import SegmentConfig
from ..segments.share_masks import masks_of_looks, whole_look
from ..segments.structures import Structure
from .layer_alone import alone_images, answers_alone, layers_of_alone
from .layer_questions import (
    MASK_THIS,
    THIS,
    ask,
    at_full_size,
    bone_amount,
    holds,
    mask_regions,
    question_regions,
)

LEAST_SHARE = 1e-6
"""A bone's least part where its mask is: what nobody claims is divided evenly."""


def layers_of_masks(
    radiograph: Radiograph,
    masks: np.ndarray,
    model: Model,
    progress: Progress | None,
    **how: Any,
) -> np.ndarray:
    """Layers (bones, rows, columns) float32 of given masks, a question for each that is not empty.

    At a pixel of several bones, what they make together is the mean of the answers to the questions
    that showed the whole of one of them. Models of another make answer as `layer_alone` says.
    """
    if answers_alone(model):
        alone = alone_images(model, radiograph, masks, progress, **how)
        return layers_of_alone(radiograph.pixels, masks, alone)
    layers = np.zeros(masks.shape, np.float32)
    amount = np.zeros(masks.shape[1:], np.float32)
    counts = np.zeros(masks.shape[1:], np.uint16)
    regions, boxes = question_regions(masks), mask_regions(masks)
    for turn, (place, region) in enumerate(regions.items()):
        this = masks[place][region]
        others, counted = np.zeros_like(this), this.copy()
        for other in (n for n in regions if n != place):
            others |= masks[other][region]
            if holds(region, boxes[other]):
                counted |= masks[other][region]
        tell = part_of(progress, turn, len(regions))
        answer, scale = ask(model, radiograph, region, (this, others), tell, **how)
        found = bone_amount(answer, radiograph.pixels[region], scale)
        found *= counted
        amount[region] += found
        counts[region] += counted
        layers[place][region] = at_full_size(answer[THIS], this.shape)
    amount /= np.maximum(counts, 1)
    _divide(amount, layers, masks)
    return layers


def layers_without_masks(
    radiograph: Radiograph,
    structures: tuple[Structure, ...],
    model: Model,
    progress: Progress | None,
    **how: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Layers and masks (2, rows, columns) of the upper and the lower bone of an upright joint.

    Masks say where a bone is likelier than not. Layers are not cut off there: where it is unsure
    whether one bone or two are, the shares as they are have the least squared error, for so they
    were trained. Only a bone that was not found at all has no layer.
    """
    if answers_alone(model):
        raise ValueError(f"masks: got none; {model.card.name} expects those of both bones")
    shape = radiograph.pixels.shape
    region = content(radiograph.pixels, radiograph.domain, model.card.framing)
    answer, scale = ask(model, radiograph, region, None, progress, **how)
    part = radiograph.pixels[region]
    layers, masks = np.zeros((2, *shape), np.float32), np.zeros((2, *shape), bool)
    amount = np.zeros(shape, np.float32)
    amount[region] = bone_amount(answer, part, scale)
    look = whole_look(answer[MASK_THIS:], part.shape)
    masks[:, *region] = masks_of_looks([look], structures, SegmentConfig())
    layers[0][region] = at_full_size(answer[THIS], part.shape)
    layers[1][region] = 1 - layers[0][region]
    found = masks.any(axis=(1, 2), keepdims=True)
    _divide(amount, layers, np.broadcast_to(found, masks.shape))
    return layers, masks


def _divide(amount: np.ndarray, layers: np.ndarray, masks: np.ndarray) -> None:
    """Turn each bone's share (in `layers`) of what bones make (`amount`) into its layer, in place.

    Shares count within the bone's mask and are made to add up to 1; `amount` is used up.
    """
    total = np.zeros_like(amount)
    for layer, mask in zip(layers, masks, strict=True):
        np.maximum(layer, LEAST_SHARE, out=layer)
        layer *= mask
        total += layer
    amount /= np.maximum(total, LEAST_SHARE, out=total)
    layers *= amount
