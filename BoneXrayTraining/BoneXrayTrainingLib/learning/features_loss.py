"""What a network for the features of a leg minimises, and how good it is by now."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from BoneXrayLib.legs.leg_channels import FIRST_MASK, FIRST_TOLD, SIGMA

from ..sampling.dataset import Batch
from .learner import Learner, predict
from .losses import LossConfig

SURE = 1e-6
"""Shares are kept this far from 0 and 1, where logarithms end."""
MASS = 2 * np.pi * SIGMA**2
"""What a heat map of a landmark that is sure adds up to."""
NEAR_PX = 3.0


class FeaturesLoss(nn.Module):
    """Heat maps by cross-entropy and by where their mass lies, masks by Dice and cross-entropy.

    Cross-entropy makes a heat map the likelihood of its landmark, blurred: it fades where a
    landmark may not be there, and spreads where it may be here or there. The second term, the
    Kullback-Leibler divergence of the map over its sum, sees maps alone that hold a landmark: it
    pulls as strongly however small a landmark is in the image.

    Call with shares and targets, both (batch, outputs, rows, columns) and both zero for what an
    image does not tell; gives the sum and its terms.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        from monai.losses import DiceLoss

        self.config = config
        self.dice = DiceLoss(batch=True, include_background=True)

    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:
        c, sure = self.config, predicted.clamp(SURE, 1.0 - SURE)
        each = functional.binary_cross_entropy(sure, target, reduction="none")
        masks = slice(FIRST_MASK, FIRST_TOLD)
        terms = {
            "heat": c.heat * each[:, :FIRST_MASK].sum((2, 3)).mean() / MASS,
            "place": c.place * divergence(sure[:, :FIRST_MASK], target[:, :FIRST_MASK]),
            "dice": c.dice * self.dice(predicted[:, masks], target[:, masks]),
            "cross_entropy": c.cross_entropy * each[:, masks].mean(),
            "told": c.told * each[:, FIRST_TOLD:].mean(),
        }
        total = torch.stack(list(terms.values())).sum()
        return total, {name: float(value.detach()) for name, value in terms.items()}


def divergence(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of maps over their sums, mean over those with a landmark."""
    mass = target.sum((2, 3), keepdim=True)
    there = mass[..., 0, 0] > 0.25 * MASS
    wanted = target / mass.clamp(min=1e-6)
    found = torch.log(predicted) - torch.log(predicted.sum((2, 3), keepdim=True))
    each = (wanted * (torch.log(wanted.clamp(min=1e-12)) - found)).sum((2, 3))
    return (each * there).sum() / there.sum().clamp(min=1)


@torch.no_grad()
def validate_features(learner: Learner, watched: list[Batch]) -> dict[str, float]:
    """How the averaged network does on patients it never saw.

    `validation_near` is the share of the landmarks that are found within three pixels of the
    network, `validation_px` their median error, `validation_dice` of masks and discs,
    `validation_told` the share of images whose view is told rightly, `validation_side` of frontal
    ones whose side is.
    """
    away, parts, told, sides = [], [], [], []
    for batch in watched:
        found, target = predict(learner.average, batch) * batch.weight, batch.target * batch.weight
        heat, wanted = found[:, :FIRST_MASK], target[:, :FIRST_MASK]
        there = wanted.sum((2, 3)) > 0.5 * MASS
        away.append((_peaks(heat) - _peaks(wanted)).norm(dim=-1)[there])
        answer, truth = ((a[:, FIRST_MASK:FIRST_TOLD] > 0.5) for a in (found, target))
        both, each = (answer & truth).sum((0, 2, 3)), (answer.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
        parts.append(torch.stack([both, each]).double())
        rightly = (found[:, FIRST_TOLD:, 0, 0] > 0.5) == (target[:, FIRST_TOLD:, 0, 0] > 0.5)
        told.append(rightly[:, 0].float())
        sides.append(rightly[:, 1][batch.weight[:, -1, 0, 0] > 0].float())
    errors, (both, each) = torch.cat(away), torch.stack(parts).sum(0)
    return {
        "validation_near": float((errors < NEAR_PX).float().mean()),
        "validation_px": float(errors.median()),
        "validation_dice": float((2 * both / each.clamp(min=1))[each > 0].mean()),
        "validation_told": float(torch.cat(told).mean()),
        "validation_side": float(torch.cat(sides).mean()),
    }


def _peaks(maps: torch.Tensor) -> torch.Tensor:
    """Row and column of each map's maximum, (batch, maps, 2)."""
    at = maps.flatten(2).argmax(-1)
    columns = maps.shape[-1]
    return torch.stack([at // columns, at % columns], -1).float()
