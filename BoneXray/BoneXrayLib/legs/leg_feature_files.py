"""Features of a leg as files: what the network found, or what a user placed or corrected.

features-1.json      of one radiograph, in its pixels: (row, column), (0, 0) the middle of the first
features-1-femur.png the outline map of a bone: 0 to 255 for its share of each pixel

    {"side": "right", "view": "AP", "size": [ROWS, COLUMNS], "bones": [{
        "bone": "femur",
        "points": {"head_centre": [212.0, 301.5], ...},
        "ellipses": {"head": {"row": 212.0, "column": 301.5, "a": 61.0, "b": 60.0, "angle": 0.0}},
        "outline": {"file": "femur.png"} or {"line": [[ROW, COLUMN], ...]} }]}

A point may also be {"row", "column", "covariance": [[..], [..]]} with its error in pixels².
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..files import existing_path, one_line
from ..leg_features import EllipseFeature, LegFeatures, PointFeature

PLACED_PX2 = 4.0
"""Variance of a point that says none, along rows and along columns [pixels²]."""
LARGEST_BYTES = 64 * 2**20


def read_features(path: str | os.PathLike, size: tuple[int, int]) -> tuple[LegFeatures, ...]:
    """The features of each bone in a file.

    Args:
        path: JSON as above; the outlines' files lie beside it.
        size: rows and columns of the radiograph.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no such file, of another image's size, or a bone twice.
    """
    file = existing_path(path, "features")
    if not file.is_file() or file.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"features: {file} is no file of features; expected JSON")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not isinstance(record.get("bones"), list):
            raise ValueError("holds no bones; expected a list of them")
        said = tuple(record.get("size") or size)
        if said != tuple(size):
            raise ValueError(f"size: got {list(said)}; expected the radiograph's, {list(size)}")
        found = tuple(_bone(record, bone, file.parent, size) for bone in record["bones"])
    except KeyError as error:
        raise ValueError(f"features: {file.name} misses {error}; expected it") from None
    except (ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise ValueError(f"features: {file.name}: {one_line(error, 300)}") from None
    names = [features.bone for features in found]
    if len(set(names)) < len(names):
        raise ValueError(f"features: {file.name}: got {', '.join(names)}; expected each bone once")
    return found


def _bone(
    record: dict[str, Any], bone: dict[str, Any], folder: Path, size: tuple[int, int]
) -> LegFeatures:
    if not isinstance(bone, dict):
        raise ValueError(f"bones: got {one_line(bone, 40)}; expected an object for each bone")
    for name in ("points", "ellipses", "outline"):
        if not isinstance(bone.get(name) or {}, dict):
            raise ValueError(f"{name}: got {one_line(bone[name], 40)}; expected an object")
    points = {name: _point(point) for name, point in (bone.get("points") or {}).items()}
    ellipses = {
        name: EllipseFeature(*(float(e[k]) for k in ("row", "column", "a", "b")),
                             float(e.get("angle", 0.0)))
        for name, e in (bone.get("ellipses") or {}).items()
    }  # fmt: skip
    side: Any = bone.get("side") or record.get("side")
    view = str(bone.get("view") or record.get("view") or "")
    box = bone.get("box")
    return LegFeatures(
        str(bone["bone"]), side, view, None if box is None else _box(box), points, ellipses,
        **_outline(bone.get("outline"), folder, size),
    )  # fmt: skip


def _box(box: Any) -> tuple[float, float, float, float]:
    row0, column0, row1, column1 = (float(n) for n in box)
    return row0, column0, row1, column1


def _point(point: Any) -> PointFeature:
    if isinstance(point, dict):
        spread = point.get("covariance", PLACED_PX2 * np.eye(2))
        return PointFeature(float(point["row"]), float(point["column"]), np.array(spread, float))
    row, column = (float(n) for n in point)
    return PointFeature(row, column, PLACED_PX2 * np.eye(2))


def _outline(said: Any, folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    if said is None:
        return {}
    if "line" in said:
        return {"outline": np.array(said["line"], float), "outline_kind": "line"}
    # The file's own name only: nothing beside the record is read.
    share = _share(existing_path(folder / Path(said["file"]).name, "outline"), "step" in said)
    if "step" not in said and share.shape != tuple(size):
        raise ValueError(
            f"outline: {said['file']} has {share.shape[0]} x {share.shape[1]} pixels; expected the "
            f"radiograph's {size[0]} x {size[1]}"
        )
    first, step = said.get("first", (0.0, 0.0)), said.get("step", (1.0, 1.0))
    return {
        "outline": share,
        "outline_kind": said.get("kind", "mask"),
        "outline_first": (float(first[0]), float(first[1])),
        "outline_step": (float(step[0]), float(step[1])),
    }


def _share(file: Path, is_found: bool) -> np.ndarray:
    """A map of 0 to 1: one that was found as it was written, a mask up to its brightest."""
    from PIL import Image

    with Image.open(file) as picture:
        grey = np.asarray(picture.convert("L"), dtype=np.float32)
    if not grey.max():
        raise ValueError(f"outline: {file.name} is empty; expected a bone")
    return grey / (255.0 if is_found else float(grey.max()))


def write_features(
    folder: Path, stem: str, features: tuple[LegFeatures, ...], image: str, size: tuple[int, int]
) -> None:
    """Write the features of one radiograph as STEM.json and a PNG for each outline map."""
    bones = [_record(found, folder, stem) for found in features]
    said = {"written_by": f"BoneXray {__version__}", "image": image, "size": list(size)}
    text = json.dumps(said | {"bones": bones}, indent=2, ensure_ascii=False)
    (folder / f"{stem}.json").write_text(text + "\n", encoding="utf-8")


def _record(found: LegFeatures, folder: Path, stem: str) -> dict[str, Any]:
    """The features of a bone as JSON has them; its outline map is written beside."""
    points = {
        name: {
            "row": float(p.row),
            "column": float(p.column),
            "covariance": np.asarray(p.covariance).tolist(),
        }
        for name, p in found.points.items()
    }
    ellipses = {
        name: {k: float(v) for k, v in e._asdict().items()} for name, e in found.ellipses.items()
    }
    return {
        "bone": found.bone,
        "side": found.side,
        "view": found.view,
        "box": None if found.box is None else list(found.box),
        "points": points,
        "ellipses": ellipses,
        "outline": _outline_record(found, folder, stem),
    }


def _outline_record(found: LegFeatures, folder: Path, stem: str) -> dict[str, Any] | None:
    """An outline's line, or the map that is written beside."""
    from PIL import Image

    if found.outline is None:
        return None
    if found.outline_kind == "line":
        return {"line": np.asarray(found.outline).tolist()}
    name = f"{stem}-{found.bone}.png"
    grey = np.rint(255 * np.clip(found.outline, 0, 1)).astype(np.uint8)
    Image.fromarray(grey).save(folder / name, format="PNG")
    return {
        "file": name,
        "kind": found.outline_kind,
        "first": list(found.outline_first),
        "step": list(found.outline_step),
    }
