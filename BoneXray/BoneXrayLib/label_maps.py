"""Label maps: one number per voxel for one structure each, with names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dicom.dicom_files import is_dicom
from .files import existing_path, naming, one_line
from .labels.dicom_segments import read_dicom_segments, segments_in
from .labels.mask_folder import mask_files, read_mask_folder
from .labels.name_tables import names_like, read_names
from .labels.nifti_table import names_in_header
from .progress import Progress
from .volume_files import is_image_file, read_image_file

if TYPE_CHECKING:
    from .volume import Volume

Names = Mapping[int, str]


def read_labels(
    path: str | os.PathLike,
    names: Names | str | os.PathLike | None = None,
    progress: Progress | None = None,
    structures: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Labels (k, j, i) uint8 or uint16 (0 = nothing), ijk_to_ras (4, 4) mm, and names by value.

    Slicer's `.seg.nrrd` brings its segments' names; a file that keeps segments in several layers
    is renumbered to one. So do DICOM SEG, TotalSegmentator's multilabel NIfTI, and a folder of
    masks, which are called as their files. Other label maps get "label 3" unless `names` says more.

    Args:
        path: NIfTI, NRRD or MetaImage file of whole numbers, a DICOM SEG file (needs highdicom), or
            a folder with a mask for each structure or with one DICOM SEG file.
        names: names by value, or a file that has them (see `read_names`).
        progress: told of each mask of a folder.
        structures: patterns of the names to keep, with * and ?; all when empty. Of a folder whose
            masks are called as their files no others are read.

    Raises:
        ValueError: no label map, segments that overlap, or a pattern that fits no name.
    """
    found = existing_path(path, "labels")
    with naming("labels"):
        labels, ijk_to_ras, by_value = _held(found, progress, () if names else structures)
    if not labels.any():
        what = f" in {', '.join(structures)}" if structures else ""
        raise ValueError(
            f"labels: {found.name} is empty (all 0){what}; expected at least one structure"
        )
    given = names if names is None or isinstance(names, Mapping) else read_names(names)
    present = [int(value) for value in np.flatnonzero(np.bincount(labels.ravel())) if value]
    by_value |= {int(value): str(name) for value, name in (given or {}).items()}
    called = {v: by_value.get(v, f"label {v}") for v in present}
    labels, called = with_structures_only(labels, called, structures)
    return labels, ijk_to_ras, called


def _held(
    found: Path, progress: Progress | None, structures: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """What a file or folder holds: labels (k, j, i), ijk_to_ras, names by value as far as told."""
    if found.is_dir():
        segments = [] if mask_files(found) else segments_in(found)
        if len(segments) == 1:
            return read_dicom_segments(segments[0])
        return read_mask_folder(found, progress, structures)
    if is_image_file(found):
        return _of_image(found)
    if is_dicom(found):
        return read_dicom_segments(found)
    raise ValueError(
        f"labels: {found.name}; expected a .nii.gz, .nrrd, .seg.nrrd or .mha label map, a DICOM "
        "SEG, or a folder of masks"
    )


def _of_image(file: Path) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    image = read_image_file(file, components=True)
    segments = _segments(image.keys)
    layers = image.array if image.array.ndim == 4 else image.array[..., np.newaxis]
    if layers.shape[-1] > 1 and not segments:
        raise ValueError(
            f"labels: {file.name} has {layers.shape[-1]} values per voxel; expected one"
        )
    layers = _whole_numbers(layers, file.name)
    if segments and layers.shape[-1] > 1:
        labels, by_value = _merge_layers(layers, segments, file.name)
    else:
        by_value = {value: name for _, value, name in segments} or names_in_header(file)
        labels = layers[..., 0]
    return labels, image.ijk_to_ras, by_value


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


def with_structures_only(
    labels: np.ndarray, names: Names, patterns: Sequence[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """Labels (k, j, i) of which others than some structures are 0, and the names by value of these.

    Args:
        labels: integers, 0 = none.
        names: by value.
        patterns: of their names, with * and ?; all count when empty.

    Raises:
        ValueError: a pattern that fits no name.
    """
    wanted = set(names_like(dict.fromkeys(names.values()), patterns))
    kept = {value: name for value, name in names.items() if name in wanted}
    if len(kept) == len(names):
        return labels, kept
    table = np.zeros(int(labels.max()) + 1, labels.dtype)
    table[list(kept)] = list(kept)
    return table[labels], kept


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
