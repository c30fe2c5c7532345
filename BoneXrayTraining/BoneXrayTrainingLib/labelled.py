"""Patients whose bones have names: tissues, then one part for each named structure.

A label map beside a CT, a label map alone, or surface meshes say which voxel is whose. Named bones
count with all that lies inside them, marrow too: masks are projections of solids.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.label_maps import read_labels, resample_labels
from BoneXrayLib.volume import Volume, read_volume

from .deformation import deformed
from .hand_frame import hand_frame
from .label_ct import label_ct
from .pairs import TISSUES, crop_to_body, tissue_parts
from .sources import CtSource, crop_across, cropped, made_of_meshes
from .surroundings import cut_near

MASK_OD = 0.02
"""A bone's mask is where its layer exceeds this optical density: about 0.5 mm of bone, 1 of water.
"""
SIDES = {"@right": 1.0, "@left": -1.0}
"""Endings of a pattern: the half of a label on that side of the middle of all labels."""


def named_variants(
    source: CtSource, data_root: Path, seed: int, spread_mm: float, structures: Sequence[str]
) -> list[tuple[CtSource, Parts]]:
    """All patients that are made of one source, its share divided by them; bones by name.

    Raises:
        FileNotFoundError, ValueError: the files, or what the entry says of them, in one line.
    """
    each = dataclasses.replace(source, share=source.share / source.variants)
    if source.is_made_up_of_meshes:
        numbers = range(source.variants)
        return [(each, _of_meshes(source, data_root, seed, n, structures)) for n in numbers]
    parts = named_parts(source, data_root, seed, structures)
    made = [parts]
    for number in range(1, source.variants):
        rng = source.rng(seed, number)
        made.append(deformed(parts, rng, spread_mm))
    return [(each, one) for one in made]


def named_parts(source: CtSource, data_root: Path, seed: int, structures: Sequence[str]) -> Parts:
    """One patient as `TISSUES` and `structures`; bones without a name stay `bone`.

    Raises:
        FileNotFoundError, ValueError: as `named_variants`.
    """
    if source.is_made_up_of_meshes:
        return _of_meshes(source, data_root, seed, 0, structures)
    path = data_root / source.path
    if source.bones:
        values, matrix, names = read_labels(path)
        rng = source.rng(seed)
        volume = label_ct(values, matrix, tuple(source.bones), rng, name=source.patient)
    elif source.labels:
        volume = read_volume(path)
        called = data_root / source.label_names if source.label_names else None
        values, matrix, names = read_labels(data_root / source.labels, called)
        values = resample_labels(values, matrix, volume)
        if source.near:
            volume, values = cut_near(volume, values, source.near)
    else:
        raise ValueError(f"{source.path}: labels: got none; expected a label map to learn from")
    numbers = number_structures(values, names, structures, source, volume.ijk_to_ras)
    bone = BoneConfig(source.preset, remove_couch=not source.near)
    if source.upright:
        volume, numbers = _standing(volume, numbers, structures, source.path)
    parts = with_structures(tissue_parts(volume, bone, crop=False), numbers, structures)
    return crop_to_body(cropped(parts, source.crop))


def _standing(
    volume: Volume, numbers: np.ndarray, structures: Sequence[str], path: str
) -> tuple[Volume, np.ndarray]:
    """A hand stood up, a left one made a right one by reversing the voxels along i."""
    frame = hand_frame(numbers, volume.ijk_to_ras, dict(enumerate(structures, start=1)), path)
    matrix = frame.to_standing @ volume.ijk_to_ras
    if frame.side == "right":
        return dataclasses.replace(volume, ijk_to_ras=matrix), numbers
    # R -> -R maps voxel i to count - 1 - i on a grid mirrored alike.
    count = volume.hu.shape[2]
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0]) @ matrix
    mirror[:3, 3] += (count - 1) * mirror[:3, 0]
    mirror[:3, 0] *= -1
    hu, numbers = (np.ascontiguousarray(a[:, :, ::-1]) for a in (volume.hu, numbers))
    return dataclasses.replace(volume, hu=hu, ijk_to_ras=mirror), numbers


def _of_meshes(
    source: CtSource, data_root: Path, seed: int, number: int, structures: Sequence[str]
) -> Parts:
    made = made_of_meshes(source, data_root, seed, number)
    volume = made.volume
    numbers = number_structures(made.labels, made.names, structures, source, volume.ijk_to_ras)
    bone = BoneConfig(preset=source.preset, remove_couch=False)
    parts = with_structures(tissue_parts(volume, bone, crop=False), numbers, structures)
    return crop_to_body(cropped(parts, crop_across(source)))


def number_structures(
    labels: np.ndarray,
    names: Mapping[int, str],
    structures: Sequence[str],
    source: CtSource,
    ijk_to_ras: np.ndarray,
) -> np.ndarray:
    """Which structure each voxel is of, (k, j, i) uint8: 1 the first, 0 none.

    `source.names` says, by structure, which labels are its: patterns of their names or values, as
    `rib_left_*`, `3` or, of a label that both sides share, `2@left`. A structure that it does not
    speak of is the label of its own name.

    Raises:
        ValueError: a structure that is not there is spoken of, or no label is any structure's.
    """
    unknown = sorted(set(source.names) - set(structures))
    if unknown:
        raise ValueError(f"{source.path}: names: {unknown[0]!r}; expected one of the structures")
    out = np.zeros(labels.shape, dtype=np.uint8)
    for number, structure in enumerate(structures, start=1):
        for pattern in source.names.get(structure, (structure,)):
            plain, ending = without_side(pattern)
            values = [v for v, n in names.items() if fnmatch.fnmatchcase(n, plain)
                      or str(v) == plain]  # fmt: skip
            mask = np.isin(labels, values) if values else None
            if mask is not None and ending:
                mask &= half(labels > 0, ijk_to_ras, SIDES[ending])
            if mask is not None:
                out[mask] = number
    if not out.any():
        few = ", ".join(list(dict.fromkeys(names.values()))[:6])
        raise ValueError(f"{source.path}: no label is any of the structures; it holds {few}")
    return out


def without_side(pattern: str) -> tuple[str, str]:
    """A pattern without the ending that asks for one side, and that ending or nothing."""
    ending = next((e for e in SIDES if pattern.endswith(e)), "")
    return pattern.removesuffix(ending), ending


def half(body: np.ndarray, ijk_to_ras: np.ndarray, sign: float) -> np.ndarray:
    """The half of the grid on one side of the middle of `body`, which broadcasts to its shape."""
    right = ijk_to_ras[0, :3]
    k, j, i = (np.arange(n, dtype=np.float32) for n in body.shape)
    places = right[0] * i[None, None] + right[1] * j[None, :, None] + right[2] * k[:, None, None]
    low, high = (float(f(places[body])) for f in (np.min, np.max))
    return sign * (places - (low + high) / 2) > 0


def with_structures(parts: Parts, numbers: np.ndarray, structures: Sequence[str]) -> Parts:
    """The parts with the voxels of each structure taken out of the tissues."""
    part = np.where(numbers > 0, numbers + np.uint8(len(TISSUES) - 1), parts.part)
    names = (*TISSUES, *structures)
    return Parts(parts.hu, parts.ijk_to_ras, part.astype(np.uint8), None, names)
