"""A model folder small enough to make in a test: bone is where the image is bright."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from BoneXrayLib.segments.structures import structure


def write_small_model(
    folder: Path,
    name: str = "small",
    task: str = "extract",
    gains: dict[str, float] | None = None,
) -> Path:
    """A model that answers with the first channel of its input, squared and clipped to 0..1.

    With `gains`, once for each of these structures, multiplied by its gain before it is clipped.
    """
    folder.mkdir(parents=True)
    _network(folder / "model.onnx", [1.0] if gains is None else list(gains.values()))
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    card = {
        "schema": 1,
        "name": name,
        "task": task,
        "version": "0.1",
        "description": "A test model: bright is bone.",
        "input": {
            "domain": ["optical density", "display"],
            "pixel_mm": [0.1, 3.0],
            "size_multiple": 8,
            "channels": ["image / span", "span / 5 or 0", "pixel_mm / 2 or 0"],
            "polarity": "bone bright",
            "working_size": 64,
        },
        "outputs": (
            [{"name": "bone share"}]
            if gains is None
            else [structure(each).to_output() for each in gains]
        ),
        "trained_on": {"sources": [{"name": "nothing", "licence": "MIT"}], "cts": 0},
        "evaluation": [],
        "intended_use": "Tests.",
        "limits": "Knows nothing.",
        "sha256": {"model.onnx": digest},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def write_small_separator(folder: Path, name: str = "small-separate") -> Path:
    """A separator: four fifths of what is bright is bone, more of it of the bone asked about.

    With x the first channel: bones = 0.8 x, this = 0.6 - 0.2 others, mask this = x², mask others =
    4 x², all clipped to 0..1.
    """
    write_small_model(folder, name, "separate")
    _separator(folder / "model.onnx")
    card = json.loads((folder / "card.json").read_text())
    card["input"]["channels"] += ["mask of this", "masks of others"]
    card["input"]["masks"] = 2
    card["outputs"] = [{"name": each} for each in ("bones", "this", "mask this", "mask others")]
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    card["sha256"] = {"model.onnx": digest}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def _separator(path: Path) -> None:
    shape = ["batch", 5, "rows", "columns"]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    share = helper.make_tensor_value_info("share", TensorProto.FLOAT, ["batch", 4, *shape[2:]])
    nodes = [
        helper.make_node("Slice", ["image", "zero", "one", "one"], ["x"]),
        helper.make_node("Slice", ["image", "four", "five", "one"], ["others"]),
        helper.make_node("Mul", ["x", "level"], ["bones"]),
        helper.make_node("Mul", ["others", "less"], ["taken"]),
        helper.make_node("Add", ["taken", "part"], ["this"]),
        helper.make_node("Mul", ["x", "x"], ["narrow"]),
        helper.make_node("Mul", ["narrow", "gain"], ["wide"]),
        helper.make_node("Concat", ["bones", "this", "narrow", "wide"], ["all"], axis=1),
        helper.make_node("Clip", ["all", "low", "high"], ["share"]),
    ]
    ints = {"zero": 0, "one": 1, "four": 4, "five": 5}
    floats = {"level": 0.8, "less": -0.2, "part": 0.6, "gain": 4.0, "low": 0.0, "high": 1.0}
    constants = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in ints.items()]
    constants += [helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in floats.items()]
    graph = helper.make_graph(nodes, "separator", [image], [share], constants)
    _save(path, graph)


def _network(path: Path, gains: list[float]) -> None:
    shape = ["batch", 3, "rows", "columns"]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    answer = ["batch", len(gains), *shape[2:]]
    share = helper.make_tensor_value_info("share", TensorProto.FLOAT, answer)
    ints = {"zero": 0, "one": 1}
    nodes = [
        helper.make_node("Slice", ["image", "zero", "one", "one"], ["first"]),
        helper.make_node("Mul", ["first", "first"], ["square"]),
        helper.make_node("Mul", ["square", "gains"], ["shares"]),
        helper.make_node("Clip", ["shares", "low", "high"], ["share"]),
    ]
    constants = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in ints.items()]
    constants += [
        helper.make_tensor(n, TensorProto.FLOAT, [], [v]) for n, v in (("low", 0.0), ("high", 1.0))
    ]
    constants.append(helper.make_tensor("gains", TensorProto.FLOAT, [1, len(gains), 1, 1], gains))
    graph = helper.make_graph(nodes, "small", [image], [share], constants)
    _save(path, graph)


def _save(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(path))
