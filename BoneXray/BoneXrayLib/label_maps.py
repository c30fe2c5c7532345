"""Label maps: one number per voxel for one structure each, with names."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .files import existing_path, naming, one_line, plain_stem
from .volume_files import is_image_file, read_image_file

NAME_FILES = (".json", ".csv", ".ctbl", ".txt")
COLOUR_NUMBERS = 4
"""Red, green, blue and opacity behind a name in a colour table."""

if TYPE_CHECKING:
    from .volume import Volume

Names = Mapping[int, str]


def read_labels(
    path: str | os.PathLike, names: Names | str | os.PathLike | None = None
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Labels (k, j, i) uint8 or uint16 (0 = nothing), ijk_to_ras (4, 4) mm, and names by value.

    Slicer's `.seg.nrrd` brings its segments' names; a file that keeps segments in several layers
    is renumbered to one. Other label maps get "label 3" unless `names` says more.

    Args:
        path: NIfTI, NRRD or MetaImage file of whole numbers.
        names: names by value, or a file that has them (see `read_names`).

    Raises:
        ValueError: no label map, or segments that overlap.
    """
    found = existing_path(path, "labels")
    if found.is_dir() or not is_image_file(found):
        raise ValueError(
            f"labels: {found.name}; expected a .nii.gz, .nrrd, .seg.nrrd or .mha label map"
        )
    with naming("labels"):
        image = read_image_file(found, components=True)
    segments = _segments(image.keys)
    layers = image.array if image.array.ndim == 4 else image.array[..., np.newaxis]
    if layers.shape[-1] > 1 and not segments:
        raise ValueError(
            f"labels: {found.name} has {layers.shape[-1]} values per voxel; expected one"
        )
    layers = _whole_numbers(layers, found.name)
    if segments and layers.shape[-1] > 1:
        labels, by_value = _merge_layers(layers, segments, found.name)
    else:
        labels, by_value = layers[..., 0], {value: name for _, value, name in segments}
    if not labels.any():
        raise ValueError(f"labels: {found.name} is empty (all 0); expected at least one structure")
    given = names if names is None or isinstance(names, Mapping) else read_names(names)
    present = [int(value) for value in np.flatnonzero(np.bincount(labels.ravel())) if value]
    by_value |= {int(value): str(name) for value, name in (given or {}).items()}
    return labels, image.ijk_to_ras, {v: by_value.get(v, f"label {v}") for v in present}


def _whole_numbers(layers: np.ndarray, name: str) -> np.ndarray:
    low, high = layers.min(), layers.max()
    # NaN fails both comparisons.
    if not (low >= 0 and high <= 65535) or (
        layers.dtype.kind == "f" and not np.array_equal(layers, np.rint(layers))
    ):
        raise ValueError(
            f"labels: {name} holds values {low} to {high}; expected whole numbers 0 to 65535"
        )
    return layers.astype(np.uint8 if high <= 255 else np.uint16)


def _segments(keys: dict[str, str]) -> list[tuple[int, int, str]]:
    """(layer, value, name) of each segment in Slicer's header fields `Segment<n>_…`."""
    found = []
    for number in sorted({int(n) for key in keys for n in re.findall(r"^Segment(\d+)_", key)}):
        name = keys.get(f"Segment{number}_Name", f"segment {number + 1}")
        try:
            # Files of Slicer before 4.11 have one segment a layer and no such fields.
            layer = int(keys.get(f"Segment{number}_Layer", number))
            value = int(keys.get(f"Segment{number}_LabelValue", 1))
        except ValueError:
            raise ValueError(
                f"labels: unreadable layer or value of segment {one_line(name)!r}"
            ) from None
        found.append((layer, value, one_line(name, 80)))
    return found


def _merge_layers(
    layers: np.ndarray, segments: list[tuple[int, int, str]], file: str
) -> tuple[np.ndarray, dict[int, str]]:
    """One label map (k, j, i) of all layers (k, j, i, layer), numbered 1, 2, … in segment order."""
    labels = np.zeros(layers.shape[:3], dtype=np.uint8 if len(segments) < 256 else np.uint16)
    by_value: dict[int, str] = {}
    for number, (layer, value, name) in enumerate(segments, start=1):
        if layer >= layers.shape[-1]:
            raise ValueError(f"labels: {file} lacks layer {layer} of segment {name!r}")
        mask = layers[..., layer] == value
        taken = labels[mask]
        if taken.any():
            other = by_value[int(np.bincount(taken[taken > 0]).argmax())]
            raise ValueError(
                f"labels: segments {other!r} and {name!r} of {file} overlap in "
                f"{np.count_nonzero(taken)} voxels; expected segments apart from each other"
            )
        labels[mask] = number
        by_value[number] = name
    return labels, by_value


def read_names(path: str | os.PathLike) -> dict[int, str]:
    """Names by label value from a file.

    JSON {"value": "name"} or {"name": value}; CSV with a value column (value, label, index or id)
    and a name column (name or structure); or a colour table with "value name …" lines.

    Raises:
        ValueError: none of these.
    """
    file = existing_path(path, "names")
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".json":
            pairs = list(json.loads(text).items())
        elif file.suffix.lower() == ".csv":
            pairs = _csv_pairs(text)
        else:
            pairs = _table_pairs(text)
        swap = any(not str(first).lstrip("-").isdigit() for first, _ in pairs)
        found = [(b, a) for a, b in pairs] if swap else pairs
        if any(not isinstance(name, str) for _, name in found):
            raise ValueError("a name is no text")
        return {int(value): name for value, name in found}
    except (ValueError, TypeError, KeyError, AttributeError, OSError, StopIteration) as error:
        raise ValueError(
            f"names: {file.name} ({one_line(error, 80)}); expected JSON, CSV or a colour table "
            "with a value and a name each"
        ) from error


def with_names_beside(names: dict[int, str], labels: Path) -> dict[int, str]:
    """What a label map holds, by value; what it has no name of its own for as a file beside says.

    The file is called as the map is, or labels, and is as `read_names` takes it (.json, .csv,
    .ctbl, .txt).
    """
    files = (labels.with_name(s + e) for s in (plain_stem(labels), "labels") for e in NAME_FILES)
    given = next((read_names(file) for file in files if file.is_file()), {})
    unnamed = {value: f"label {value}" for value in names}
    names = {v: given.get(v, name) if name == unnamed[v] else name for v, name in names.items()}
    return {value: name.strip() or unnamed[value] for value, name in names.items()}


def _table_pairs(text: str) -> list[tuple[str, str]]:
    """Values and names of a colour table: names may have spaces, colours follow them as numbers."""
    pairs = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or line.startswith("#"):
            continue
        quoted = re.search(r'"([^"]+)"\s*$', line)
        if quoted:  # as ITK-SNAP writes it, colours before the name
            pairs.append((words[0], quoted[1]))
            continue
        end = len(words) - COLOUR_NUMBERS
        is_colour = end > 1 and all(word.isdigit() for word in words[end:])
        pairs.append((words[0], " ".join(words[1 : end if is_colour else None])))
    return pairs


def _csv_pairs(text: str) -> list[tuple[str, str]]:
    rows = list(csv.DictReader(text.splitlines()))
    columns = {column.strip().lower(): column for column in (rows[0] if rows else {})}
    value = next((columns[c] for c in ("value", "label", "index", "id") if c in columns), None)
    name = next((columns[c] for c in ("name", "structure") if c in columns), None)
    if value is None or name is None:
        raise ValueError("its first line heads no columns value and name")
    return [(row[value].strip(), row[name].strip()) for row in rows]


def resample_labels(
    labels: np.ndarray, labels_ijk_to_ras: np.ndarray, volume: Volume
) -> np.ndarray:
    """The labels on the CT's grid, (k, j, i) of the volume, nearest neighbour; 0 outside.

    Raises:
        ValueError: the labels lie wholly outside the CT.
    """
    to_labels = np.linalg.inv(labels_ijk_to_ras) @ volume.ijk_to_ras
    shape = volume.hu.shape
    if labels.shape == shape and np.allclose(to_labels, np.eye(4), atol=1e-3):
        return labels
    straight = np.abs(to_labels[:3, :3] - np.diag(np.diag(to_labels[:3, :3]))) * max(shape) < 0.05
    gather = _gather_straight if straight.all() else _gather
    result = gather(labels, to_labels, shape)
    if labels.any() and not result.any():
        raise ValueError(
            "labels: none of them lies inside the CT; expected labels of the same patient"
        )
    return result


def _gather_straight(
    labels: np.ndarray, to_labels: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Parallel axes: each axis is looked up by itself."""
    result = np.zeros(shape, dtype=labels.dtype)
    picks, places = [], []
    for axis, size in enumerate(labels.shape):
        i = 2 - axis  # arrays run k, j, i
        index = np.rint(np.arange(shape[axis]) * to_labels[i, i] + to_labels[i, 3]).astype(int)
        inside = np.flatnonzero((index >= 0) & (index < size))
        places.append(inside)
        picks.append(index[inside])
    result[np.ix_(*places)] = labels[np.ix_(*picks)]
    return result


def _gather(labels: np.ndarray, to_labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Any affine, plane by plane."""
    result = np.zeros(shape, dtype=labels.dtype)
    j, i = np.mgrid[: shape[1], : shape[2]].reshape(2, -1)
    plane = to_labels[:3, 0, None] * i + to_labels[:3, 1, None] * j + to_labels[:3, 3, None]
    limits = np.array(labels.shape[::-1])[:, None]
    for k in range(shape[0]):
        index = np.rint(plane + to_labels[:3, 2, None] * k).astype(np.intp)
        inside = ((index >= 0) & (index < limits)).all(axis=0)
        a, b, c = index[:, inside]
        result[k].reshape(-1)[inside] = labels[c, b, a]
    return result
