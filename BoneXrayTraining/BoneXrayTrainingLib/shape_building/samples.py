"""Shapes of a model as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from BoneXrayLib.files import staged_folder
from BoneXrayLib.legs.reconstruction_files import write_stl
from BoneXrayLib.shape_model import ShapeModel


def write_samples(
    folder: Path, model: ShapeModel, coefficients: np.ndarray, with_mean: bool = False
) -> dict[str, Path]:
    """Write the shapes of coefficients (N, M) as STL, RAS mm, and the coefficients as JSON.

    Returns:
        Path of each file by its name.
    """
    shapes = {f"shape-{n + 1:03d}": model.shape(each) for n, each in enumerate(coefficients)}
    if with_mean:
        shapes["mean"] = model.mean
    record = {
        "model": "" if model.card is None else model.card.name,
        "bone": model.bone,
        "side": model.side,
        "coefficients": {name: np.round(each, 4).tolist() for name, each in
                         zip(shapes, coefficients, strict=False)},
    }  # fmt: skip
    with staged_folder(folder) as stage:
        for name, vertices in shapes.items():
            write_stl(stage / f"{name}.stl", vertices, model.faces)
        (stage / "shapes.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return {name: folder / f"{name}.stl" for name in shapes} | {"record": folder / "shapes.json"}
