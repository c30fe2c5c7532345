"""Weights in eight bits, or mostly in four: a quarter or a seventh of single precision.

    weight = scale[channel] · number,   number from -127 to 127
    weight = scale[block] · number,     number from -8 to 7, blocks of 64 or 32 in a row

In four bits, two numbers share a byte: that of the first half of the output channels is below, that
of the second half above, eight added to both. Networks compute with the weights so rounded in
single precision, whatever runs them. They lie once in a model's folder: its ONNX file says where in
the safetensors file each is (ONNX's external data), and keeps only biases and norms, which are few.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..cards.model_files import WEIGHTS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import torch

SCALE = ".scale"
MOST = 127
TINY = 1e-6
"""Largest weight of a block of zeros, so that half precision holds its scale."""
BLOCKS = {4: 64, 6: 32}
"""How many weights share a scale in four bits, by the bits asked for. Files of either are read."""
LEAST_IN_FOUR = {4: 2**14, 6: 2**16}
"""By the bits asked for: a layer of fewer weights, as the first and the last are, has eight bits.
The small layers of large images err most when they are rounded, the large ones of small images
weigh most: in `extract-general`, 6 in place of 4 bits make a quarter of the error.
"""
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""How much of a block's largest weight its numbers reach: what errs least is taken."""
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
    return name + {"int8": ".eight", "uint8": ".four", "float16": ".half"}.get(str(dtype), "")


def packed(weights: Mapping[str, torch.Tensor], bits: int = 8) -> dict[str, torch.Tensor]:
    """Weights by name with their scales: int8, with `bits` of 4 or 6 mostly uint8, few as float16.

    With 6 only the largest layers have four bits: on the mean a weight has about six.
    """
    found = {}
    for name, value in weights.items():
        if value.ndim < LEAST_AXES:
            found[name] = value.half()
        elif bits in BLOCKS and _fits_four_bits(value.shape, bits):
            found[name], found[name + SCALE] = _in_four_bits(value.float(), BLOCKS[bits])
        else:
            most = value.float().abs().amax(dim=tuple(range(1, value.ndim)))
            scale = most.clamp(min=1e-12) / MOST
            found[name] = (value.float() / _along(scale, value)).round().char()
            found[name + SCALE] = scale
    return found


def unpacked(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by name in single precision, of a file in half precision, eight or four bits."""
    found = {}
    for name, value in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in tensors:
            continue
        scale = tensors.get(name + SCALE)
        if scale is None:
            found[name] = value.float()
        elif str(value.dtype) == "torch.uint8":
            found[name] = _of_four_bits(value, scale)
        else:
            found[name] = value.float() * _along(scale, value)
    return found


def _fits_four_bits(shape: Sequence[int], bits: int) -> bool:
    count = math.prod(shape)
    return shape[0] % 2 == 0 and count % BLOCKS[bits] == 0 and count >= LEAST_IN_FOUR[bits]


def _in_four_bits(value: torch.Tensor, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of numbers (channels / 2, ...) uint8, and the scales of blocks (blocks, 1) float16.

    A scale has the sign with which a block's largest weight is -8 of it.
    """
    import torch

    blocks = value.reshape(-1, block)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    largest = torch.where(largest.abs() < TINY, torch.full_like(largest, TINY), largest)
    scales = torch.stack([-largest * clip / 8 for clip in CLIPS]).half()
    numbers = (blocks / scales.float()).round().clamp(-8, 7)
    errors = (numbers * scales.float() - blocks).square().sum(2)
    best = errors.argmin(0)
    rows = torch.arange(len(blocks))
    numbers = (numbers[best, rows] + 8).to(torch.uint8).reshape(2, -1)
    shape = (value.shape[0] // 2, *value.shape[1:])
    return (numbers[0] + 16 * numbers[1]).reshape(shape), scales[best, rows]


def _of_four_bits(pairs: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    import torch

    numbers = torch.cat([pairs % 16, pairs // 16]).float() - 8
    return (numbers.reshape(len(scales), -1) * scales.float()).reshape(numbers.shape)


def _along(scale: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The scales so that they multiply the first axis."""
    return scale.reshape(-1, *[1] * (value.ndim - 1))
