"""What a segmentation network minimises, and how good it is by now."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..sampling.dataset import Batch
from .learner import Learner, predict
from .losses import LossConfig

SURE = 1e-5
"""Shares are kept this far from 0 and 1, where logarithms end."""


class SegmentationLoss(nn.Module):
    """Dice over the batch and cross-entropy, where bones overlap counted more; each bone alike.

    Call with shares and masks, both (batch, structures, rows, columns); gives the sum and its
    terms. Masks are independent: a pixel may belong to several structures. Of more outputs than
    `bones` the further ones overlap nothing.
    """

    def __init__(self, config: LossConfig, bones: int | None = None) -> None:
        super().__init__()
        from monai.losses import DiceLoss

        self.config, self.bones = config, bones
        self.dice = DiceLoss(batch=True, include_background=True)

    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:
        shared = (target[:, : self.bones].sum(1, keepdim=True) > 1.5).to(target.dtype)
        weight = 1.0 + self.config.overlap * shared
        sure = predicted.clamp(SURE, 1.0 - SURE)
        each = functional.binary_cross_entropy(sure, target, reduction="none")
        terms = {
            "dice": self.config.dice * self.dice(predicted, target),
            "cross_entropy": self.config.cross_entropy * (each * weight).mean(),
        }
        total = torch.stack(list(terms.values())).sum()
        return total, {name: float(value.detach()) for name, value in terms.items()}


@torch.no_grad()
def validate_segments(
    learner: Learner, watched: list[Batch], bones: int | None = None
) -> dict[str, float]:
    """Mean Dice over the first `bones` outputs of the averaged network on patients it never saw.

    `validation_overlap_dice` counts only pixels that belong to several structures.
    """
    sums = torch.zeros(())
    for batch in watched:
        found = predict(learner.average, batch)
        answer, truth = ((a * batch.weight)[:, :bones] > 0.5 for a in (found, batch.target))
        shared = truth.sum(1, keepdim=True) > 1
        sums = sums + torch.stack([_parts(answer, truth), _parts(answer & shared, truth & shared)])
    whole, overlap = (float(dice.mean()) for dice in map(_dice, sums))
    return {"validation_dice": whole, "validation_overlap_dice": overlap}


def _parts(answer: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Pixels in both, and in either counted twice: (2, structures)."""
    both, each = (answer & truth).sum((0, 2, 3)), (answer.sum((0, 2, 3)) + truth.sum((0, 2, 3)))
    return torch.stack([both, each]).double()


def _dice(parts: torch.Tensor) -> torch.Tensor:
    """Of the structures that are there at all."""
    both, each = parts
    return 2 * both[each > 0] / each[each > 0]
