"""What the networks minimise: the supervisor its targets, the generator three terms.

    generator   a · adversarial + r · RMSE(recombined, image) + l · RMSE(layers, true layers)
    adversarial ½ (BCE + BCE in the overlap) + ½ (soft Dice + soft Dice in the overlap)

of the supervisor's four maps against "each bone is where its mask is, and looks real all over".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from .physics import bones_of, overlap_of, recombined

SMOOTH = 1.0
"""Pixels added to both sides of Dice, so that empty maps of empty targets are right."""
LEAST = 1e-12


@dataclass(frozen=True)
class Weights:
    """Weights of the generator's terms; 0 leaves a term out."""

    adversarial: float = 0.3
    recombined: float = 0.3
    layers: float = 0.4

    def __post_init__(self) -> None:
        if min(self.adversarial, self.recombined, self.layers) < 0:
            raise ValueError("weights: got one below 0; expected 0 or more")


def real_target(masks: torch.Tensor) -> torch.Tensor:
    """What the supervisor should say of true layers, (batch, 4, ...): there, and real there.

    Of layers of an image whose overlap was cut out, with the masks cut alike.
    """
    return torch.cat([masks, masks], 1)


def generated_target(masks: torch.Tensor) -> torch.Tensor:
    """What the supervisor should say of generated layers, (batch, 4, ...): there, nowhere real."""
    return torch.cat([masks, torch.zeros_like(masks)], 1)


def supervisor_loss(
    on_real: torch.Tensor, known: torch.Tensor, on_generated: torch.Tensor, masks: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of the supervisor's maps, mean of true and generated layers.

    Args:
        on_real: its maps of layers that are true, (batch, 4, rows, columns).
        known: where these are true: the masks, or those without their overlap.
        on_generated: its maps of the generator's layers.
        masks: of both bones, (batch, 2, rows, columns).
    """
    real = functional.binary_cross_entropy(on_real, real_target(known))
    generated = functional.binary_cross_entropy(on_generated, generated_target(masks))
    return (real + generated) / 2


def adversarial_loss(
    maps: torch.Tensor, masks: torch.Tensor, double_sigmoid: bool = False
) -> torch.Tensor:
    """How far the supervisor is from taking generated layers for true ones, everywhere.

    Args:
        maps: the supervisor's, 0 to 1, (batch, 4, rows, columns).
        masks: of both bones, (batch, 2, rows, columns).
        double_sigmoid: let Dice squeeze the maps, 0 to 1 already, once more. The code that source
            B released does so; it moves them into 0.5 to 0.73 and Dice away from zero.
    """
    target, overlap = real_target(masks), overlap_of(masks).expand_as(maps)
    entropy = functional.binary_cross_entropy(maps, target, reduction="none")
    inside = (entropy * overlap).sum() / overlap.sum().clamp(min=1.0)
    compared = torch.sigmoid(maps) if double_sigmoid else maps
    dice = soft_dice_loss(compared, target)
    dice_inside = soft_dice_loss(compared * overlap, target * overlap)
    return (entropy.mean() + inside) / 2 + (dice + dice_inside) / 2


def soft_dice_loss(maps: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - Dice of each image's maps (batch, channels, rows, columns), their mean."""
    both = (maps * target).sum((2, 3))
    all_of = maps.sum((2, 3)) + target.sum((2, 3))
    return (1.0 - (2.0 * both + SMOOTH) / (all_of + SMOOTH)).mean()


def rmse(found: torch.Tensor, wanted: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Root mean squared difference where `where` is 1; all of one shape."""
    squared = ((found - wanted).square() * where).sum() / where.sum().clamp(min=1.0)
    return (squared + LEAST).sqrt()


@dataclass(frozen=True, eq=False)
class Given:
    """What a step has of its joints; torch float32.

    Attributes:
        image: brightness, (batch, 1, rows, columns).
        masks: 0 or 1, (batch, 2, rows, columns): upper and lower bone.
        layers: true layer images where they are known, 0 elsewhere, same shape as masks.
        known: 0 or 1, where they are: all of a bone in a synthetic overlap, all but the overlap
            in a real one.
    """

    image: torch.Tensor
    masks: torch.Tensor
    layers: torch.Tensor
    known: torch.Tensor

    def to(self, device: torch.device) -> Given:
        """The same on a device."""
        return Given(*(t.to(device) for t in (self.image, self.masks, self.layers, self.known)))


def generator_loss(
    given: Given,
    layers: torch.Tensor,
    soft: torch.Tensor,
    maps: torch.Tensor,
    weights: Weights,
    double_sigmoid: bool = False,
) -> tuple[torch.Tensor, dict[str, float]]:
    """What generator and reconstructor minimise, and its terms.

    Differences count within the bones; a true layer only where it is known.

    Args:
        given: the joints.
        layers: the generator's, (batch, 2, rows, columns).
        soft: the reconstructor's, (batch, 1, 1, 1).
        maps: the supervisor's, of `layers`.
        weights: of the terms.
        double_sigmoid: see `adversarial_loss`.
    """
    image = recombined(layers, given.masks, soft)
    terms = {
        "adversarial": weights.adversarial * adversarial_loss(maps, given.masks, double_sigmoid),
        "recombined": weights.recombined * rmse(image, given.image, bones_of(given.masks)),
        "layers": weights.layers * rmse(layers, given.layers, given.known),
    }
    total = torch.stack(list(terms.values())).sum()
    return total, {name: float(value.detach()) for name, value in terms.items()}
