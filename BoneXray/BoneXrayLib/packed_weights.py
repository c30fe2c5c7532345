"""Weights in eight bits: a quarter of a file's size, a scale for each output channel beside them.

    weight = scale[channel] · number,   number from -127 to 127

Networks compute with the weights so rounded in single precision, whatever runs them. They lie once
in a model's folder: its ONNX file says where in the safetensors file each is (ONNX's external
data), and keeps only biases and norms, which are few.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .model_files import WEIGHTS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import torch

SCALE = ".scale"
MOST = 127
LEAST_AXES = 2
"""Weights of fewer axes, as biases and norms have, are few and stay in half precision."""
LEAST_SHARED = 64
"""Of fewer numbers ONNX keeps its own."""


def is_shared(shape: Sequence[int]) -> bool:
    """Whether weights of such a shape lie in the safetensors file alone."""
    return len(shape) >= LEAST_AXES and math.prod(shape) >= LEAST_SHARED


def lies_beside(onnx: bytes) -> bool:
    """Whether an ONNX file leaves weights to the safetensors file."""
    return WEIGHTS_FILE.encode() in onnx


def name_in_onnx(name: str, dtype: np.dtype) -> str:
    """What stored weights of a network are called in its ONNX file, before they are float32."""
    return name + {"int8": ".eight", "float16": ".half"}.get(str(dtype), "")


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
