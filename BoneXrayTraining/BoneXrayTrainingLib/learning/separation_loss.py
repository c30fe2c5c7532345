"""What a separator minimises, and how good it is by now."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from BoneXrayLib.separating.layer_questions import BONES, MASK_THIS, THIS

from ..sampling.dataset import Batch
from .learner import Learner, predict
from .losses import LossConfig, gradient_difference
from .segment_loss import SURE

MASKED_SHARE = 0.2
"""How much the answer for masks counts where they were given, beside where they were not."""
FEWEST = 4
"""Smaller overlaps are not counted by themselves."""


class SeparationLoss(nn.Module):
    """Difference of both layers, most where bones overlap, and Dice and cross-entropy of the masks.

    Call with the network's shares (batch, 4, rows, columns) and a target as `collate_layers` makes
    it. Differences are means over the pixels of an overlap, over all bone and over the image, each
    overlap alike however small; `LossConfig.overlap` is the weight of the first.
    """

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        from monai.losses import DiceLoss

        self.config = config
        self.dice = DiceLoss(reduction="none")

    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:
        c, truth, masks, level = self.config, target[:, :2], target[:, 2:4], target[:, 4:5]
        found = layers_of(predicted, level)
        asked = MASKED_SHARE + (1 - MASKED_SHARE) * target[:, 5:6]
        off = found - truth
        both, bone = masks.prod(1, keepdim=True), masks.amax(1, keepdim=True)
        sure = predicted[:, MASK_THIS:].clamp(SURE, 1.0 - SURE)
        each = functional.binary_cross_entropy(sure, masks, reduction="none")
        dice = self.dice(predicted[:, MASK_THIS:], masks)
        terms = {
            "absolute": c.absolute * self._spread(off.abs(), both, bone),
            "squared": c.squared * self._spread(off.square(), both, bone),
            "gradient": c.gradient * gradient_difference(found, truth),
            "dice": c.dice * (dice.mean((1, 2, 3)) * asked[:, 0, 0, 0]).mean(),
            "cross_entropy": c.cross_entropy * (each * asked).mean(),
        }
        total = torch.stack(list(terms.values())).sum()
        return total, {name: float(value.detach()) for name, value in terms.items()}

    def _spread(self, off: torch.Tensor, both: torch.Tensor, bone: torch.Tensor) -> torch.Tensor:
        """Mean over overlaps, bone and all, the first as heavy as the configuration says."""
        mean = off.mean(1, keepdim=True)
        return self.config.overlap * _mean_over(mean, both) + _mean_over(mean, bone) + mean.mean()


def layers_of(predicted: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Both layers (batch, 2, rows, columns) that a network's shares are of a level."""
    bones, this = predicted[:, BONES : BONES + 1], predicted[:, THIS : THIS + 1]
    return level * bones * torch.cat([this, 1.0 - this], 1)


def _mean_over(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Mean over the images of the mean where `where` is 1, of images that have some of it."""
    count = where.sum((1, 2, 3))
    means = (values * where).sum((1, 2, 3)) / count.clamp(min=FEWEST)
    there = (count >= FEWEST).to(means.dtype)
    return (means * there).sum() / there.sum().clamp(min=1.0)


@torch.no_grad()
def validate_separation(learner: Learner, watched: list[Batch]) -> dict[str, float]:
    """Mean squared error of the layers within overlaps, on patients the network never saw.

    `validation_half_mse` is that of half the bones' density each, which knows the soft tissue
    exactly; `validation_gain` how much better the network is [dB]; `validation_dice` that of
    masks where none were given.
    """
    errors, floors, dices = [], [], []
    for batch in watched:
        shares = predict(learner.average, batch)
        truth, masks = batch.target[:, :2], batch.target[:, 2:4]
        both = masks.prod(1)
        for n in torch.nonzero(both.sum((1, 2)) >= FEWEST)[:, 0]:
            where = both[n] > 0.5
            found = layers_of(shares[n : n + 1], batch.target[n : n + 1, 4:5])[0]
            half = truth[n].mean(0, keepdim=True).expand(2, -1, -1)
            errors.append((found - truth[n])[:, where].square().mean())
            floors.append((half - truth[n])[:, where].square().mean())
        free = batch.target[:, 5, 0, 0] > 0.5
        answer = (shares[free, MASK_THIS:] > 0.5).float()
        sums = answer.sum((2, 3)) + masks[free].sum((2, 3))
        dices += [*(2 * (answer * masks[free]).sum((2, 3)) / sums.clamp(min=1.0)).flatten()]
    mse, floor, dice = (float(torch.stack(v).mean()) if v else 0.0 for v in (errors, floors, dices))
    ratio = torch.tensor(max(floor, 1e-9) / max(mse, 1e-9))
    return {
        "validation_gain": float(10 * torch.log10(ratio)),
        "validation_overlap_mse": mse,
        "validation_half_mse": floor,
        "validation_dice": dice,
    }
