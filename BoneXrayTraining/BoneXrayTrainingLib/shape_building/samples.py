"""Shapes of a model as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from BoneXrayLib.files import staged_folder
from BoneXrayLib.shape_model import ShapeModel

RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
HEADER = b"SPACE=LPS"
"""What a surface's file says of its frame, for those who read it."""


def write_samples(
    folder: Path, model: ShapeModel, coefficients: np.ndarray, with_mean: bool = False
) -> dict[str, Path]:
    """Write the shapes of coefficients (N, M) as STL, and the coefficients as JSON.

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


def write_stl(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write a surface, RAS mm, as binary STL in LPS mm, the frame that its readers expect."""
    corners = (vertices * RAS_TO_LPS)[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    rows = zip(normals, corners, np.zeros(len(faces), int), strict=True)
    records = np.fromiter(rows, kind, len(faces))
    count = np.array(len(faces), "<u4").tobytes()
    path.write_bytes(HEADER.ljust(80, b" ") + count + records.tobytes())
