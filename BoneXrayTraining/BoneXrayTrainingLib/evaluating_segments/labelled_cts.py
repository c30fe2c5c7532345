"""A labelled CT as evaluation takes it: its structures numbered, standing as views are named by."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.label_maps import read_labels, resample_labels
from BoneXrayLib.labels.name_tables import with_names_beside
from BoneXrayLib.segments.structures import TRUNK, WRIST
from BoneXrayLib.volume import Volume, read_volume

from ..hand_frame import hand_frame
from ..labelled import SIDES, half, without_side
from ..mesh_ct import mesh_ct, read_others, read_patient
from ..structure_names import is_of_one_side, structure_meant
from ..surroundings import cut_near
from .segmentation_data import LabelledSource

FOREARM = ("radius", "ulna")


class NoStructures(ValueError):
    """A CT's labels are of other bones than those asked for."""


@dataclass(frozen=True, eq=False)
class LabelledCt:
    """One patient to take radiographs of.

    Attributes:
        volume: Hounsfield units; its RAS is that of the patient standing.
        labels: (k, j, i) uint8 on the same grid, 0 = no structure.
        names: {value: structure}; bones of a wrist that are not asked for are among them, for they
            say how it lies and what the picture is framed by.
        structures: those asked for that are there, in the model's order.
        anatomy: wrist or trunk.
        side: of a wrist, "right" or "left"; empty for a trunk.
        patient: whose it is; those drawn of one file are numbered.
        source: whose bones they are made of.
        remove_couch: whether to.
    """

    volume: Volume
    labels: np.ndarray
    names: dict[int, str]
    structures: tuple[str, ...]
    anatomy: str
    side: str
    patient: str
    source: str
    remove_couch: bool = True


def load_labelled(source: LabelledSource, structures: Sequence[str], number: int = 0) -> LabelledCt:
    """Patient `number` of a source, with those of the structures that it has.

    Without structures all that are known: those the entry names, else all of meshes, else those of
    wrist and trunk.

    Raises:
        FileNotFoundError, ValueError: the files, or what the entry says of them, in one line.
    """
    if source.is_of_meshes:
        volume, raw, called = _made(source, number)
    else:
        volume, raw, called = _read(source)
        raw, called = _halved(raw, called, source, volume.ijk_to_ras)
    structures = structures or known_structures(source, called)
    labels, names = numbered(raw, called, source, structures)
    asked = tuple(name for name in structures if name in names.values())
    anatomy = source.anatomy or ("wrist" if set(asked) & set(WRIST) else "trunk")
    matrix, side = _standing(source, anatomy, labels, volume.ijk_to_ras, names)
    volume = dataclasses.replace(volume, ijk_to_ras=matrix @ volume.ijk_to_ras)
    several = f" {number + 1}" if source.draws > 1 else ""
    couch = source.remove_couch and not (source.is_of_meshes or source.near)
    return LabelledCt(volume, labels, names, asked, anatomy, side, source.whose + several,
                      source.whose, couch)  # fmt: skip


def known_structures(source: LabelledSource, called: dict[int, str]) -> tuple[str, ...]:
    """The bones among the labels {value: name} of a source."""
    if source.names:
        return tuple(source.names)
    return tuple(dict.fromkeys(called.values())) if source.is_of_meshes else (*WRIST, *TRUNK)


def numbered(
    raw: np.ndarray, called: dict[int, str], source: LabelledSource, structures: Sequence[str]
) -> tuple[np.ndarray, dict[int, str]]:
    """Labels (k, j, i) uint8 numbered as the structures are, from 1, and the names of those found.

    Bones of a wrist that are not among the structures follow these.

    Raises:
        NoStructures: none of the structures is there.
        ValueError: a label that two of them claim.
    """
    table = np.zeros(max(called, default=0) + 1, np.uint8)
    known = (*structures, *(name for name in WRIST if name not in structures))
    guessed = _guessed(called, source)
    for place, name in enumerate(known, start=1):
        patterns = source.names.get(name) or (name, f"{name} [0-9]")
        for value, label in called.items():
            alike = name not in source.names and guessed.get(value) == name
            if alike or any(_fits(label, value, p) for p in patterns):
                if table[value]:
                    other = known[table[value] - 1]
                    raise ValueError(f"names: label {label!r} is both {other} and {name}")
                table[value] = place
    found = {int(n): known[n - 1] for n in np.unique(table[table > 0])}
    if not set(found.values()) & set(structures):
        few = ", ".join(list(called.values())[:6])
        raise NoStructures(
            f"names: {Path(source.labels or source.path).name} has none of the model's "
            f"structures ({', '.join(structures[:4])} …); it has {few}"
        )
    return table[np.minimum(raw, len(table) - 1)] * (raw < len(table)), found


def _guessed(called: dict[int, str], source: LabelledSource) -> dict[int, str]:
    """{value: structure} that labels mean by their names, of those that the entry does not name."""
    every = frozenset(label.replace("_", " ").lower() for label in called.values())
    alone = is_of_one_side(called.values(), every)
    told = [pattern for patterns in source.names.values() for pattern in patterns]
    return {
        value: structure_meant(label, every, alone)
        for value, label in called.items()
        if not any(_fits(label, value, pattern) for pattern in told)
    }


def _halved(
    raw: np.ndarray, called: dict[int, str], source: LabelledSource, ijk_to_ras: np.ndarray
) -> tuple[np.ndarray, dict[int, str]]:
    """Labels that both sides share as two, called `NAME@left` as the entry asks for them."""
    asked = {without_side(pattern) for patterns in source.names.values() for pattern in patterns}
    asked = {(plain, ending) for plain, ending in asked if ending}
    if not asked:
        return raw, called
    split, called = raw.astype(np.int32), dict(called)
    for value, label in list(called.items()):
        for plain, ending in sorted(asked):
            if _fits(label, value, plain):
                new = max(called) + 1
                split[(raw == value) & half(raw > 0, ijk_to_ras, SIDES[ending])] = new
                called[new] = plain + ending
    return split, called


def _fits(label: str, value: int, pattern: str) -> bool:
    return pattern == str(value) or fnmatch.fnmatchcase(label.lower(), pattern.lower())


def _made(source: LabelledSource, number: int) -> tuple[Volume, np.ndarray, dict[int, str]]:
    meshes = read_patient(Path(source.path), source.mesh, number)
    rng = np.random.default_rng([source.seed, number, *source.whose.encode()])
    keep = source.crop.get("k", (0.0, 1.0))
    others = read_others(Path(), source.mesh)
    made = mesh_ct(meshes, rng, source.mesh, keep, source.whose, others)
    return made.volume, made.labels, made.names


def _read(source: LabelledSource) -> tuple[Volume, np.ndarray, dict[int, str]]:
    volume = read_volume(source.path)
    values, matrix, called = read_labels(source.labels)
    called = with_names_beside(called, Path(source.labels))
    labels = resample_labels(values, matrix, volume)
    if source.near:
        volume, labels = cut_near(volume, labels, source.near)
    spans = []
    for axis, count in zip("kji", volume.hu.shape, strict=True):
        low, high = source.crop.get(axis, (0.0, 1.0))
        spans.append(slice(round(low * count), max(round(high * count), round(low * count) + 2)))
    cut = tuple(spans)
    moved = volume.ijk_to_ras.copy()
    moved[:3, 3] += moved[:3, :3] @ [s.start for s in cut[::-1]]
    hu = np.ascontiguousarray(volume.hu[cut])
    return dataclasses.replace(volume, hu=hu, ijk_to_ras=moved), labels[cut], called


def _standing(
    source: LabelledSource,
    anatomy: str,
    labels: np.ndarray,
    ijk_to_ras: np.ndarray,
    names: dict[int, str],
) -> tuple[np.ndarray, str]:
    """(4, 4) from the CT's RAS to the standing patient's, and the side of a wrist."""
    upright = source.upright
    if not upright and not source.matrix and anatomy == "wrist" and not source.is_of_meshes:
        upright = "wrist"
    if upright == "wrist":
        frame = hand_frame(labels, ijk_to_ras, names, Path(source.labels or source.path).name)
        return frame.to_standing, frame.side
    matrix = _rigid(source.matrix) if source.matrix else np.eye(4)
    return matrix, _side(labels, matrix @ ijk_to_ras, names) if anatomy == "wrist" else ""


def _rigid(rows: tuple[tuple[float, ...], ...]) -> np.ndarray:
    matrix, given = np.eye(4), np.array(rows) if len({len(r) for r in rows}) == 1 else np.empty(0)
    if given.shape not in ((3, 3), (4, 4)) or not np.isfinite(given).all():
        raise ValueError(f"matrix: got {[list(r) for r in rows]}; expected 3 x 3 or 4 x 4 numbers")
    matrix[: len(given), : len(given)] = given
    turn = matrix[:3, :3]
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
        raise ValueError(f"matrix: got {given.tolist()}; expected a turn without scale or mirror")
    return matrix


def _side(labels: np.ndarray, ijk_to_ras: np.ndarray, names: dict[int, str]) -> str:
    """Side of a standing hand: the radius is on the side of the thumb."""
    values = {name: value for value, name in names.items()}
    right = []
    for name in FOREARM:
        place = np.argwhere(labels == values[name]) if name in values else np.empty((0, 3))
        if not len(place):
            return "right"
        right.append(float((ijk_to_ras @ [*place.mean(axis=0)[::-1], 1.0])[0]))
    return "right" if right[0] > right[1] else "left"
