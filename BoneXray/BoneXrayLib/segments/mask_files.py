"""Masks of bones from files: `.seg.nrrd`, DICOM SEG, a folder of PNG masks, an image of labels."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ..dicom.dicom_files import is_dicom
from ..files import existing_path, naming, one_line, plain_stem
from ..label_maps import read_labels
from ..labels.dicom_segments import read_dicom_masks
from ..volume_files import is_image_file
from .segment_nrrd import SUFFIX, read_seg_nrrd
from .structures import Structure, structure, structure_from_output

NO_MASKS = ("overlay.png", "overlap.png", "input.png")
"""Pictures that stand beside masks."""
MOST_BONES = 64
RECORD = "segments.json"

Named = list[tuple[Structure, np.ndarray]]


def read_masks(
    path: str | os.PathLike, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[Structure, ...]]:
    """Masks (bones, rows, columns) bool and what they are of; bones without a pixel are left out.

    Args:
        path: a `.seg.nrrd`; a folder that `run segment` wrote, or of PNG masks called after their
            bones (0 and one other value), or with one `.seg.nrrd`; a DICOM SEG of the radiograph
            (needs highdicom); or an image of whole numbers, 0 where no bone is (PNG, TIFF, NRRD,
            NIfTI, MetaImage).
        shape: (rows, columns) of the radiograph.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no masks, masks of another size, or one name twice.
    """
    found = existing_path(path, "masks")
    if found.is_dir():
        named = _of_folder(found, shape)
    elif found.name.lower().endswith(SUFFIX):
        named = _of_segments(found, shape)
    elif is_image_file(found):
        named = _of_label_map(found, shape)
    elif is_dicom(found):
        named = _of_dicom(found, shape)
    else:
        named = _of_picture(found, shape)
    named = [(bone, mask) for bone, mask in named if mask.any()]
    if not 1 <= len(named) <= MOST_BONES:
        raise ValueError(f"masks: {found} holds {len(named)} bones; expected 1 to {MOST_BONES}")
    names = [bone.name for bone, _ in named]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"masks: {found}: two are named {twice!r}; expected different names")
    return np.stack([mask for _, mask in named]), tuple(bone for bone, _ in named)


def _of_folder(folder: Path, shape: tuple[int, ...]) -> Named:
    segments = sorted(folder.glob(f"*{SUFFIX}"))
    pictures = sorted(p for p in folder.glob("*.png") if p.name not in NO_MASKS)
    if (folder / RECORD).is_file():
        bones = _recorded(folder / RECORD)
        if bones:
            return [(bone, _two_values(folder / file, shape)) for bone, file in bones]
    if len(segments) == 1:
        return _of_segments(segments[0], shape)
    if not pictures:
        raise ValueError(f"masks: {folder} holds {len(segments)} .seg.nrrd and no PNG; expected "
                         "one, or a PNG for each bone")  # fmt: skip
    names = (" ".join(path.stem.replace("_", " ").split()) for path in pictures)
    return [(structure(n), _two_values(p, shape)) for n, p in zip(names, pictures, strict=True)]


def _recorded(record: Path) -> list[tuple[Structure, str]]:
    """The bones that a segments.json has files of."""
    try:
        bones = json.loads(record.read_text(encoding="utf-8"))["bones"]
        return [(structure_from_output(b), Path(b["file"]).name) for b in bones if "file" in b]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"masks: {record}: {one_line(error, 100)}; expected bones and their files "
                         "as `run segment` writes") from None  # fmt: skip


def _of_segments(file: Path, shape: tuple[int, ...]) -> Named:
    found = read_seg_nrrd(file)
    size = found.masks.shape[1:]
    ends = [start + count for start, count in zip(found.offset, size, strict=True)]
    if min(found.offset) >= 0 and all(e <= n for e, n in zip(ends, shape, strict=True)):
        around = [(s, n - e) for s, e, n in zip(found.offset, ends, shape, strict=True)]
        if found.offset != (0, 0) or size == tuple(shape):
            masks = np.pad(found.masks, [(0, 0), *around])
            return list(zip(found.structures, masks, strict=True))
    _check_shape(file, size, shape)
    return list(zip(found.structures, found.masks, strict=True))


def _of_dicom(file: Path, shape: tuple[int, ...]) -> Named:
    with naming("masks"):
        named = read_dicom_masks(file)
    for _, mask in named:
        _check_shape(file, mask.shape, shape)
    return [(structure(name), mask) for name, mask in named]


def _of_label_map(file: Path, shape: tuple[int, ...]) -> Named:
    labels, _, names = read_labels(file)
    if labels.shape[0] != 1:
        raise ValueError(f"masks: {file.name} has {labels.shape[0]} slices; expected one")
    return _of_labels(file, labels[0], names, shape)


def _of_picture(file: Path, shape: tuple[int, ...]) -> Named:
    values = _picture(file)
    numbers = [int(n) for n in np.unique(values) if n]
    names = {n: f"bone {n}" for n in numbers} if len(numbers) > 1 else {}
    return _of_labels(file, values, names or dict.fromkeys(numbers, plain_stem(file)), shape)


def _of_labels(
    file: Path, labels: np.ndarray, names: dict[int, str], shape: tuple[int, ...]
) -> Named:
    _check_shape(file, labels.shape, shape)
    if len(names) > MOST_BONES:
        raise ValueError(f"masks: {file.name} holds {len(names)} values; expected a number for "
                         f"each bone, at most {MOST_BONES}")  # fmt: skip
    return [(structure(name), labels == value) for value, name in names.items()]


def _two_values(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A PNG of 0 and one other value as (rows, columns) bool."""
    values = _picture(file)
    _check_shape(file, values.shape, shape)
    others = np.unique(values[values > 0])
    if len(others) > 1:
        raise ValueError(f"masks: {file.name} holds {len(others) + 1} values; expected a mask, "
                         "0 and one other")  # fmt: skip
    return values > 0


def _picture(file: Path) -> np.ndarray:
    """Whole numbers (rows, columns) of a PNG or TIFF; places in the palette where it has one."""
    from PIL import Image

    existing_path(file, "masks")
    try:
        with Image.open(file, formats=("PNG", "TIFF")) as image:
            values = np.asarray(image)
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error … when damaged
        raise ValueError(f"masks: {file.name}: no mask ({one_line(error, 100)}); expected a "
                         ".seg.nrrd, a folder of PNG masks or a label image") from None  # fmt: skip
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise ValueError(f"masks: {file.name} is in colour or no whole numbers; expected grey "
                         "values, a number for each bone")  # fmt: skip
    return values.astype(np.uint8) if values.dtype == bool else values


def _check_shape(file: Path, found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if tuple(found) != tuple(shape):
        said, wanted = (" x ".join(map(str, size)) for size in (found, shape))
        raise ValueError(f"masks: {file.name} is {said} pixels; expected {wanted} as the image")
