"""Weights in eight bits: a quarter of a file's size, a scale for each output channel beside them.

    weight = scale[channel] · number,   number from -127 to 127

Networks compute with the weights so rounded in single precision, whatever runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

SCALE = ".scale"
MOST = 127
LEAST_AXES = 2
"""Weights of fewer axes, as biases and norms have, are few and stay in half precision."""


def packed(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by name as int8 with their scales, the few others as float16."""
    found = {}
    for name, value in weights.items():
        if value.ndim < LEAST_AXES:
            found[name] = value.half()
            continue
        most = value.float().abs().amax(dim=tuple(range(1, value.ndim)))
        scale = most.clamp(min=1e-12) / MOST
        found[name] = (value.float() / _along(scale, value)).round().char()
        found[name + SCALE] = scale
    return found


def unpacked(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by name in single precision, of a file in half precision or in eight bits."""
    found = {}
    for name, value in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in tensors:
            continue
        scale = tensors.get(name + SCALE)
        found[name] = value.float() if scale is None else value.float() * _along(scale, value)
    return found


def _along(scale: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The scales so that they multiply the first axis."""
    return scale.reshape(-1, *[1] * (value.ndim - 1))
