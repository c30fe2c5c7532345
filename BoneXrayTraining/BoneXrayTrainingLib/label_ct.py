"""A CT from a label map: each label gets Hounsfield units, bones a cortex and an uneven inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from BoneXrayLib.volume import Volume


@dataclass(frozen=True)
class LabelCtConfig:
    """Typical Hounsfield units; ranges are drawn from evenly, once a bone."""

    cortex: tuple[float, float] = (500.0, 1000.0)
    """Cortical bone of the pelvis as clinical CT shows it, partial volume included."""
    trabecular: tuple[float, float] = (180.0, 380.0)
    cortex_mm: tuple[float, float] = (1.5, 3.0)
    muscle: tuple[float, float] = (35.0, 65.0)
    fat: float = -100.0
    viscera: tuple[float, float] = (-20.0, 45.0)
    """What no label reaches, deep inside: organs and fat between them."""
    wall_mm: float = 12.0
    """Organs lie deeper than the skin by so much, and where no label is."""
    organs: tuple[int, int] = (25, 60)
    """How many organs and loops of bowel lie there, each with units of its own."""
    organ_hu: tuple[float, float] = (-110.0, 90.0)
    """From fat to contents of bowel and enhanced organs."""
    organ_mm: tuple[float, float] = (8.0, 35.0)
    """Half of their length along each of their axes."""
    gas: float = 0.3
    """Share of them that hold gas."""
    gas_hu: tuple[float, float] = (-950.0, -500.0)
    skin_mm: float = 22.0
    """Fat and skin added around everything labelled."""


def label_ct(
    labels: np.ndarray,
    ijk_to_ras: np.ndarray,
    bones: tuple[int, ...],
    rng: np.random.Generator,
    config: LabelCtConfig | None = None,
    name: str = "label CT",
) -> Volume:
    """Hounsfield units for a label map (k, j, i): `bones` get cortex and marrow, the rest muscle.

    What lies between the labels and a skin around them becomes fat; outside is air; deep inside
    are organs and gas, which lie elsewhere with each `rng`. Smooth noise
    (about 30 HU in soft tissue, a fifth of the value in trabecular bone) keeps the inside uneven.
    """
    config = config or LabelCtConfig()
    spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)[::-1]
    hu = np.full(labels.shape, -1000.0, dtype=np.float32)
    wrapped = _within(labels > 0, config.skin_mm, spacing)
    body = _holes_filled(wrapped)
    hu[body], hu[wrapped] = rng.uniform(*config.viscera), config.fat
    deep = (labels == 0) & _deeper(body, config.skin_mm + config.wall_mm, spacing)
    _add_organs(hu, deep, spacing, rng, config)
    for value in np.unique(labels[labels > 0]):
        if value not in bones:
            hu[labels == value] = rng.uniform(*config.muscle)
    inside = hu > -1000
    noise = _smooth_noise(labels.shape, 2.0 / spacing, rng)
    hu[inside] += 30.0 * noise[inside]
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if value not in bones or box is None:
            continue
        bone, inner = labels[box] == value, noise[box]
        depth = ndimage.distance_transform_edt(np.pad(bone, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
        shell = bone & (depth <= rng.uniform(*config.cortex_mm))
        filled = hu[box]
        filled[bone] = (rng.uniform(*config.trabecular) * (1.0 + 0.25 * inner))[bone]
        filled[shell] = (rng.uniform(*config.cortex) * (1.0 + 0.15 * inner))[shell]
    return Volume(np.rint(hu).astype(np.int16), ijk_to_ras, name)


def _add_organs(
    hu: np.ndarray,
    deep: np.ndarray,
    spacing: np.ndarray,
    rng: np.random.Generator,
    config: LabelCtConfig,
) -> None:
    """Lay ellipsoids with folds over each other where `deep` is; changes `hu`."""
    there = np.flatnonzero(deep)
    if not len(there):
        return
    for _ in range(int(rng.integers(*config.organs))):
        middle = np.array(np.unravel_index(there[rng.integers(len(there))], deep.shape))
        units = config.gas_hu if rng.random() < config.gas else config.organ_hu
        half, turn = rng.uniform(*config.organ_mm, 3), Rotation.random(random_state=rng)
        reach = np.ceil(half.max() / spacing).astype(int)
        low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, deep.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        away = (np.mgrid[box].reshape(3, -1).T - middle) * spacing
        away = away @ turn.as_matrix() / half
        folds = 0.2 * np.sin(rng.uniform(3.0, 9.0) * away[:, 0] + rng.uniform(0.0, 6.0))
        organ = ((away**2).sum(1) < 0.8 + folds).reshape(deep[box].shape) & deep[box]
        hu[box][organ] = rng.uniform(*units)


def _within(mask: np.ndarray, mm: float, spacing: np.ndarray) -> np.ndarray:
    """Everything nearer than `mm` to the mask, gaps up to twice that closed; on a 4 mm grid."""
    every = max(1, round(4.0 / spacing[-1]))
    coarse = mask[:, ::every, ::every]
    step = spacing * (1, every, every)
    near = ndimage.distance_transform_edt(~coarse, sampling=step) <= 2 * mm
    body = ndimage.distance_transform_edt(np.pad(near, 1, mode="edge"), sampling=step)[
        1:-1, 1:-1, 1:-1
    ]
    fine = (body > mm).repeat(every, axis=1).repeat(every, axis=2)
    return fine[:, : mask.shape[1], : mask.shape[2]] | mask


def _deeper(body: np.ndarray, mm: float, spacing: np.ndarray) -> np.ndarray:
    """What of a body lies deeper than `mm` below its surface; on a 4 mm grid."""
    every = max(1, round(4.0 / spacing[-1]))
    step = spacing * (1, every, every)
    coarse = ndimage.distance_transform_edt(body[:, ::every, ::every], sampling=step) > mm
    fine = coarse.repeat(every, axis=1).repeat(every, axis=2)
    return fine[:, : body.shape[1], : body.shape[2]]


def _holes_filled(mask: np.ndarray) -> np.ndarray:
    """The mask with the holes of each axial slice filled."""
    return np.stack([ndimage.binary_fill_holes(one) for one in mask])


def _smooth_noise(
    shape: tuple[int, ...], sigma_voxels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma_voxels)
    return noise / noise.std()
