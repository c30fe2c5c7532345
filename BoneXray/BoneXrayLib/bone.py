"""Which voxels are bone: HU windows and presets, clean-up, labels -> named parts.

A part is a share of each voxel's attenuation, decided on voxels before anything is interpolated:
so the line integrals of the parts add up to those of the whole. Metal is bone here (it lies above
any lower bound) unless the window has an upper one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .attenuation import AIR_HU
from .body import CoarseMask, coarse_body
from .bone_presets import PRESETS, BoneConfig, BonePreset
from .contrast import remove_contrast
from .progress import IsCancelled, Progress, raise_if_cancelled
from .volume import Volume

__all__ = [
    "PRESETS",
    "BoneConfig",
    "BonePreset",
    "Parts",
    "bone_weight",
    "make_parts",
    "numbered_parts",
    "part_weights",
    "remove_specks",
]


@dataclass(frozen=True, eq=False)
class Parts:
    """A CT divided into parts that add up to it.

    Attributes:
        hu: (k, j, i) int16 or float32, Hounsfield units, the couch set to air. It is the CT's own
            array where nothing was removed: do not write into it.
        ijk_to_ras: (4, 4) float64, (i, j, k, 1) -> RAS mm.
        part: (k, j, i) uint8, 0 = rest, n = n-th bone.
        fraction: (k, j, i) uint8 or None. How much of the voxel's attenuation is that part
            (255 = all of it); what is missing belongs to part 0. None = all of it, everywhere.
        names: of the parts, first the rest.
    """

    hu: np.ndarray
    ijk_to_ras: np.ndarray
    part: np.ndarray
    fraction: np.ndarray | None
    names: tuple[str, ...]


def bone_weight(volume: Volume, config: BoneConfig) -> np.ndarray:
    """How much of each voxel is bone by its HU, (k, j, i) uint8: 0 none, 255 all.

    With the couch and the specks gone as `config` asks.
    """
    coarse = coarse_body(volume) if config.removes_couch else None
    return _cleaned_weight(volume, config, coarse, None, None)


def make_parts(
    volume: Volume,
    config: BoneConfig | None = None,
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Parts:
    """Divide a CT into the rest and its bones.

    Args:
        volume: the CT.
        config: window or preset, couch, which labels; the default preset when None.
        labels: (k, j, i) integers on the CT's grid, 0 = none. Each labelled structure becomes a
            part of its own; without labels there is one part, "bone", by HU.
        label_names: {value: name}; values of the same name become one part, values without a
            name are called "label <value>".
        progress: told how far it is.
        is_cancelled: asked between the steps.

    Raises:
        ValueError: labels that do not fit the CT or the config, more than 255 of them.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or BoneConfig()
    tell = progress or (lambda fraction, message: None)
    chosen, names = numbered_parts(volume, config, labels, label_names)
    tell(0.0, "finding the patient")
    coarse = coarse_body(volume) if config.removes_couch else None
    raise_if_cancelled(is_cancelled)
    tell(0.5, "finding the bones")
    weight = _cleaned_weight(volume, config, coarse, chosen, is_cancelled)
    hu = volume.hu if coarse is None else _without_couch(volume, coarse, chosen, is_cancelled)
    fraction = weight if config.is_soft else None
    if chosen is None:
        # In place where the weight itself is not kept: a quarter of the CT's memory less.
        part = np.minimum(weight, 1, out=None if config.is_soft else weight)
    elif config.labels_within_hu:
        part = chosen
        part[weight == 0] = 0
    else:
        part, fraction = chosen, None
    tell(1.0, "bones found")
    return Parts(hu, volume.ijk_to_ras, part, fraction, names)


def part_weights(parts: Parts) -> np.ndarray:
    """The share of every part in every voxel, (parts, k, j, i) float32; they add up to 1.

    For tests and small volumes: as many full-size arrays as there are parts.
    """
    inside = 1.0 if parts.fraction is None else parts.fraction.astype(np.float32) / np.float32(255)
    weights = np.zeros((len(parts.names), *parts.hu.shape), dtype=np.float32)
    for number in range(1, len(parts.names)):
        weights[number] = (parts.part == number) * inside
    weights[0] = 1 - weights[1:].sum(axis=0)
    return weights


def _cleaned_weight(
    volume: Volume,
    config: BoneConfig,
    coarse: CoarseMask | None,
    keep: np.ndarray | None,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    """The weight by HU without couch and specks, (k, j, i) uint8; `keep` is never couch."""
    weight = np.empty(volume.hu.shape, dtype=np.uint8)
    # Slice by slice: a mask or a float copy of the whole would outweigh the CT itself.
    for k in range(len(weight)):
        raise_if_cancelled(is_cancelled)
        weight[k] = config.weight_of(volume.hu[k])
        if coarse is not None:
            weight[k] *= ~_couch(volume, coarse, keep, k)
    if config.removes_contrast and keep is None:
        remove_contrast(weight, volume, coarse)
    if config.speck_mm3 > 0:
        remove_specks(weight, volume.spacing_mm[::-1], config.speck_mm3)
    return weight


def _without_couch(
    volume: Volume,
    coarse: CoarseMask,
    keep: np.ndarray | None,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    """The HU with air for couch; the CT's own array where there is none."""
    hu = volume.hu
    for k in range(len(hu)):
        raise_if_cancelled(is_cancelled)
        outside = _couch(volume, coarse, keep, k)
        if hu is volume.hu and (hu[k][outside] > AIR_HU).any():
            hu = hu.copy()
        if hu is not volume.hu:
            np.putmask(hu[k], outside, AIR_HU)
    return hu


def _couch(volume: Volume, coarse: CoarseMask, keep: np.ndarray | None, k: int) -> np.ndarray:
    """What lies outside the patient in slice k, (j, i) bool."""
    outside = ~coarse.slab(k, volume.hu.shape)
    if keep is not None:
        outside &= keep[k] == 0
    return outside


def remove_specks(
    weight: np.ndarray, spacing_mm: tuple[float, ...], smallest_mm3: float
) -> np.ndarray:
    """Set to 0, in place, every piece of a weight that is smaller than a volume.

    Pieces are told apart on blocks of about 1.5 mm (26 neighbours): voxels that close count as
    one. A piece's volume is that of its voxels above 0, and one of exactly
    `smallest_mm3` stays.

    Args:
        weight: (k, j, i) uint8, changed.
        spacing_mm: along (k, j, i).
        smallest_mm3: the volume.
    """
    from .specks import remove_pieces

    remove_pieces(weight, spacing_mm, smallest_mm3)
    return weight


def numbered_parts(
    volume: Volume,
    config: BoneConfig,
    labels: np.ndarray | None,
    label_names: dict[int, str] | None = None,
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The part number of each voxel, (k, j, i) uint8, and the names of the parts.

    None without labels: then there is one bone, by HU.

    Raises:
        ValueError: labels that do not fit the CT or the config, more than 255 of them.
    """
    if labels is None:
        if config.labels:
            raise ValueError(f"labels: {config.labels!r} chosen; expected a segmentation with them")
        return None, ("rest", "bone")
    if labels.shape != volume.hu.shape:
        expected = volume.hu.shape
        raise ValueError(f"labels: shape {labels.shape}; expected that of the CT, {expected}")
    if labels.dtype.kind not in "biu" or labels.min() < 0 or labels.max() > 65535:
        raise ValueError(f"labels: dtype {labels.dtype}; expected integers between 0 and 65535")
    called = _chosen(_values(labels), config.labels, label_names or {})
    names = list(dict.fromkeys(called.values()))
    if len(names) > 255:
        raise ValueError(f"labels: {len(names)} structures; expected at most 255")
    table = np.zeros(65536, dtype=np.uint8)
    for value, name in called.items():
        table[value] = names.index(name) + 1
    part = np.empty(labels.shape, dtype=np.uint8)
    for k in range(len(part)):
        part[k] = table[labels[k].astype(np.intp)]
    return part, ("rest", *names)


def _values(labels: np.ndarray) -> list[int]:
    """The label values that occur, without 0."""
    # Plane by plane, for bincount makes eight bytes of every voxel.
    counts = np.zeros(int(labels.max()) + 1, dtype=np.int64)
    for plane in labels:
        counts += np.bincount(plane.ravel(), minlength=len(counts))
    return [int(value) for value in np.flatnonzero(counts) if value != 0]


def _chosen(
    values: list[int], wanted: tuple[str, ...], label_names: dict[int, str]
) -> dict[int, str]:
    """Value and name of the structures that become parts: those wanted, or all."""
    called = {value: label_names.get(value, f"label {value}") for value in values}
    # "rest" is what is none of them.
    called |= {v: f"{n} (label {v})" for v, n in called.items() if n.casefold() == "rest"}
    known = set(called.values()) | {str(value) for value in values}
    missing = [name for name in wanted if name not in known]
    if missing:
        few = ", ".join(list(dict.fromkeys(called.values()))[:8]) or "none"
        raise ValueError(f"labels: {missing[0]!r} is not there; the segmentation holds {few}")
    if not called:
        raise ValueError("labels: all voxels are 0; expected at least one labelled structure")
    return {v: n for v, n in called.items() if not wanted or n in wanted or str(v) in wanted}
