"""A network as ONNX, its weights stored small."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from BoneXrayLib.cards.model_files import ONNX_FILE, WEIGHTS_FILE
from BoneXrayLib.running.networks import size_multiple
from BoneXrayLib.running.packed_weights import (
    LEAST_AXES,
    MOST,
    SCALE,
    is_shared,
    name_in_onnx,
)

OPSET = 17
DTYPES = {
    "I8": np.dtype("int8"), "U8": np.dtype("uint8"),
    "F16": np.dtype("float16"), "F32": np.dtype("float32"),
}  # fmt: skip
"""Of safetensors."""


def write_network(
    network: nn.Module, description: dict, stored: dict[str, torch.Tensor], folder: Path
) -> None:
    """Write a network for torch and for ONNX Runtime into a folder, its weights once.

    Args:
        network: with the weights of `stored`, in single precision.
        description: as `networks.build_network` takes it.
        stored: weights in half precision, or packed in eight or four bits.
        folder: of the model.
    """
    # Not by save_file, whose files only their owner may read.
    (folder / WEIGHTS_FILE).write_bytes(save(stored))
    write_onnx(network, description, folder / ONNX_FILE, stored)
    share_weights(folder / ONNX_FILE, folder / WEIGHTS_FILE)


def write_onnx(
    network: nn.Module, description: dict, path: Path, stored: Mapping | None = None
) -> None:
    """Trace a network to ONNX with free batch and image size, weights stored small."""
    side = 4 * size_multiple(description)
    example = torch.zeros(1, description["in_channels"], side, side)
    axes = {0: "batch", 2: "rows", 3: "columns"}
    with warnings.catch_warnings():
        # The new exporter needs the package onnxscript; the old one only warns that it is old.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            _without_padding(network).eval(),
            (example,),
            str(path),
            input_names=["image"],
            output_names=["share"],
            dynamic_axes={"image": axes, "share": axes},
            opset_version=OPSET,
            # Otherwise batch norms are merged into weights that half precision no longer holds.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            dynamo=False,
        )
    store_weights_small(path, stored)
    shorten_names(path)


def _without_padding(network: nn.Module) -> nn.Module:
    """A copy that does not pad odd sides, which images of the right multiple never have."""
    from monai.networks.nets.basic_unet import UpCat

    bare = copy.deepcopy(network)
    for part in bare.modules():
        if isinstance(part, UpCat):
            part.is_pad = False
    return bare


def shorten_names(path: Path) -> None:
    """Number what nodes hand on: torch's names for it are more than half of an ONNX file.

    Names of inputs, outputs and weights stay.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    kept = {part.name for parts in (graph.initializer, graph.input, graph.output) for part in parts}
    short: dict[str, str] = {}

    def named(names: Iterable[str]) -> list[str]:
        return [n if n in kept or not n else short.setdefault(n, str(len(short))) for n in names]

    for node in graph.node:
        node.ClearField("name")
        node.input[:], node.output[:] = named(node.input), named(node.output)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def store_weights_small(path: Path, stored: Mapping[str, torch.Tensor] | None = None) -> None:
    """Turn float32 weights of an ONNX file into fewer bits that become them again.

    Those that are in four bits in `stored` are here, too. Of others only weights are touched that
    float16 or eight bits hold: exactly in half precision, to rounding in eight bits.
    """
    import onnx
    from onnx import helper, numpy_helper

    stored = stored or {}
    model = onnx.load(str(path))
    nodes = []
    for weight in list(model.graph.initializer):
        values = numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < 16:
            continue
        name, half = weight.name, values.astype(np.float16)
        four = stored.get(name)
        if four is not None and four.dtype == torch.uint8:
            scale = stored[name + SCALE]
            made, small = _of_four_bits(name, values.shape, len(scale))
            small |= {f"{name}.four": four.numpy(), f"{name}.scale.half": scale.numpy()}
            nodes += made
        elif np.array_equal(half.astype(np.float32), values):
            small = {f"{name}.half": half}
            nodes.append(helper.make_node("Cast", list(small), [name], to=onnx.TensorProto.FLOAT))
        elif eight := _in_eight_bits(values):
            small = {f"{name}.eight": eight[0], f"{name}.scale": eight[1]}
            nodes.append(helper.make_node("DequantizeLinear", list(small), [name], axis=0))
        else:
            continue
        model.graph.initializer.remove(weight)
        model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in small.items())
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _of_four_bits(
    name: str, shape: tuple[int, ...], scales: int
) -> tuple[list, dict[str, np.ndarray]]:
    """The nodes that make weights of their four bits, as `packed_weights` does; their constants."""
    import onnx

    constants = {
        f"{name}.sixteenth": np.array(1 / 16, np.float32),
        f"{name}.sixteen": np.array(16, np.float32),
        f"{name}.offset": np.array(8, np.float32), f"{name}.blocks": np.array([scales, -1]),
        f"{name}.shape": np.array(shape),
    }  # fmt: skip
    steps = (
        ("Cast", "four", "", "pairs"),
        ("Mul", "pairs", "sixteenth", "quotient"),
        ("Floor", "quotient", "", "above"),
        ("Mul", "above", "sixteen", "moved"),
        ("Sub", "pairs", "moved", "below"),
        ("Concat", "below", "above", "both"),
        ("Sub", "both", "offset", "numbers"),
        ("Reshape", "numbers", "blocks", "rows"),
        ("Cast", "scale.half", "", "scale"),
        ("Mul", "rows", "scale", "scaled"),
        ("Reshape", "scaled", "shape", ""),
    )
    more: dict[str, dict[str, Any]] = {
        "Cast": {"to": onnx.TensorProto.FLOAT},
        "Concat": {"axis": 0},
    }
    nodes = []
    for kind, first, second, result in steps:
        given = [f"{name}.{part}" for part in (first, second) if part]
        called = f"{name}.{result}" if result else name
        nodes.append(onnx.helper.make_node(kind, given, [called], **more.get(kind, {})))
    return nodes, constants


def share_weights(onnx_file: Path, weights_file: Path) -> None:
    """Leave to a safetensors file in the same folder the weights that both would hold.

    Raises:
        ValueError: weights of the one that are not the other's.
    """
    import onnx

    data = weights_file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")  # https://github.com/huggingface/safetensors
    header = json.loads(data[8:start])
    shared = {
        name_in_onnx(name, DTYPES[told["dtype"]]): told["data_offsets"]
        for name, told in header.items()
        if name != "__metadata__" and is_shared(told["shape"])
    }
    model = onnx.load(str(onnx_file))
    for weight in model.graph.initializer:
        if (place := shared.pop(weight.name, None)) is None:
            continue
        offset, length = start + place[0], place[1] - place[0]
        if weight.raw_data != data[offset : offset + length]:
            raise ValueError(f"{weights_file.name}: {weight.name} differs from that in ONNX")
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        where = {"location": weights_file.name, "offset": str(offset), "length": str(length)}
        for key, value in where.items():
            weight.external_data.add(key=key, value=value)
    if shared:
        raise ValueError(f"{onnx_file.name}: has no {', '.join(shared)}")
    onnx_file.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(onnx_file))


def _in_eight_bits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Numbers -127 to 127 and a scale for each of the first axis, where these are the values."""
    if values.ndim < LEAST_AXES:
        return None
    scale = np.abs(values).max(axis=tuple(range(1, values.ndim))) / np.float32(MOST)
    along = np.maximum(scale, 1e-12).reshape(-1, *[1] * (values.ndim - 1))
    numbers = np.rint(values / along)
    if np.abs(numbers * along - values).max() > 1e-5 * np.abs(values).max():
        return None
    return numbers.astype(np.int8), along.ravel().astype(np.float32)
