"""Muon: steps along the orthogonal part of the momentum, where weights are matrices.

K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024), with the size of
a step as AdamW's (J. Liu et al., Muon is scalable for LLM training, arXiv 2502.16982, 2025). A
convolution's weights are a matrix of one row an output. torch's own takes matrices alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

POLYNOMIAL = (3.4445, -4.7750, 2.0315)
"""Jordan's: brings singular values near 1 in a few turns."""
TURNS = 5
ADAMW_RMS = 0.2
"""Root mean square of an AdamW step over its rate, as Liu et al. measured it."""
FEWEST_ROWS = 16
"""Weights with fewer outputs, such as the last layer's, are left to AdamW, as are all vectors."""


class Muon(torch.optim.Optimizer):
    """Muon for the weights of hidden layers, AdamW for everything else, at one rate.

    Args:
        parameters: of a network.
        lr: rate, of AdamW's size.
        weight_decay: decoupled, of all.
        momentum: Nesterov's, of Muon.
        betas: AdamW's.
    """

    def __init__(
        self,
        parameters: Iterable[torch.Tensor],
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        usual = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        super().__init__(parameters, usual)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # ty: ignore[incompatible-method-override]
        """One step along the gradients there are."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    weights.mul_(1.0 - group["lr"] * group["weight_decay"])
                    _advance(weights, self.state[weights], group)
        return value


def _advance(weights: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """One step of one tensor; its state is made where there is none."""
    gradient = weights.grad
    assert gradient is not None
    if not state:
        state["momentum"] = torch.zeros_like(weights)
    momentum = state["momentum"]
    if is_hidden(weights):
        momentum.lerp_(gradient, 1.0 - group["momentum"])
        along = gradient.lerp(momentum, group["momentum"]).flatten(1)
        size = ADAMW_RMS * math.sqrt(max(along.shape))
        weights.add_(orthogonal(along).view_as(weights), alpha=-group["lr"] * size)
        return
    first, second = group["betas"]
    if "square" not in state:
        state |= {"square": torch.zeros_like(weights), "step": torch.zeros(())}
    state["step"] += 1
    steps = float(state["step"])
    momentum.lerp_(gradient, 1.0 - first)
    state["square"].lerp_(gradient.square(), 1.0 - second)
    spread = (state["square"] / (1.0 - second**steps)).sqrt_().add_(1e-8)
    weights.addcdiv_(momentum, spread, value=-group["lr"] / (1.0 - first**steps))


def is_hidden(weights: torch.Tensor) -> bool:
    """Whether Muon moves a tensor: weights of a layer with more than a few outputs."""
    return weights.ndim > 1 and weights.shape[0] >= FEWEST_ROWS


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with orthonormal rows or columns, roughly: singular values 0.7 to 1.2."""
    a, b, c = POLYNOMIAL
    is_tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.T if is_tall else matrix
    found = found / (found.norm() + 1e-7)
    for _ in range(TURNS):
        square = found @ found.T
        found = a * found + (b * square + c * (square @ square)) @ found
    return (found.T if is_tall else found).contiguous()
