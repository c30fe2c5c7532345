"""Training data: CTs by patient, and images stacked as a network takes them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.volume import read_labels, read_volume

from .augmentation import TrainingImage
from .deformation import deformed
from .label_ct import label_ct
from .pairs import tissue_parts
from .regions import check_chains

TARGET_PERCENTILE = 99.5
SMALLEST_TARGET_SHARE = 0.08
"""Images with hardly any bone are weighed as if their brightest bone reached this share."""


@dataclass(frozen=True)
class CtSource:
    """One CT to train on or to validate with."""

    path: str
    """CT or label map, relative to the data root."""
    patient: str
    """Training and validation must not share one."""
    licence: str
    """As its source states it; goes into the model's card."""
    share: float = 1.0
    """How often it is drawn, relative to the others."""
    preset: str = "bone"
    bones: tuple[int, ...] = ()
    """For label maps: the values that are bones; Hounsfield units are then made up."""
    crop: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Parts of the CT to use, as fractions along i, j or k."""
    heart: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """Chains of spheres [R, A, S, radius] in mm around the heart, for simulated contrast medium."""
    vessels: tuple[tuple[tuple[float, ...], ...], ...] = ()
    """The same around vessels and kidneys."""
    variants: int = 1
    """How many patients to make of this one: itself and copies of it, smoothly deformed."""

    def __post_init__(self) -> None:
        check_chains(self.heart, f"{self.path}: heart")
        check_chains(self.vessels, f"{self.path}: vessels")
        if self.variants < 1:
            raise ValueError(f"{self.path}: variants: got {self.variants}; expected at least 1")


@dataclass(frozen=True)
class PoolConfig:
    """How many samples are kept, and how fast they are replaced."""

    capacity: int = 1500
    first: int = 150
    """Samples that the first step draws from."""
    images_per_sample: float = 24.0
    """Training images drawn for each further sample."""


def load_source(source: CtSource, data_root: Path, seed: int) -> Parts:
    """Read one CT and split it into tissues."""
    path = data_root / source.path
    if source.bones:
        labels, ijk_to_ras, _ = read_labels(path)
        rng = np.random.default_rng([seed, *source.patient.encode()])
        volume = label_ct(labels, ijk_to_ras, tuple(source.bones), rng, name=source.patient)
    else:
        volume = read_volume(path)
    bone = BoneConfig(preset=source.preset)
    return _cropped(tissue_parts(volume, bone, source.heart, source.vessels), source.crop)


def load_variants(
    source: CtSource, data_root: Path, seed: int, spread_mm: float
) -> list[tuple[CtSource, Parts]]:
    """One CT as itself and as `source.variants` - 1 deformed copies, its share divided by them."""
    parts = load_source(source, data_root, seed)
    each = dataclasses.replace(source, share=source.share / source.variants)
    loaded = [(each, parts)]
    for number in range(1, source.variants):
        rng = np.random.default_rng([seed, number, *source.patient.encode()])
        loaded.append((each, deformed(parts, rng, spread_mm)))
    return loaded


def _cropped(parts: Parts, crop: dict[str, tuple[float, float]]) -> Parts:
    spans = []
    for axis, count in zip("kji", parts.hu.shape, strict=True):
        low, high = crop.get(axis, (0.0, 1.0))
        spans.append(slice(round(low * count), round(high * count)))
    matrix = parts.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [s.start for s in spans[::-1]]
    cut = tuple(spans)
    hu, part = np.ascontiguousarray(parts.hu[cut]), np.ascontiguousarray(parts.part[cut])
    return Parts(hu, matrix, part, None, parts.names)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a training step takes; torch float32 (batch, ..., rows, columns).

    Attributes:
        channels: the network's input.
        level: the image above its base over its span; the network answers a share of it.
        target: what bone adds, in the same units.
        weight: (batch, 1, 1, 1), brings each target's brightest bone to about one.
    """

    channels: torch.Tensor
    level: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        moved = (getattr(self, f.name).to(device) for f in dataclasses.fields(self))
        return Batch(*moved)


def collate(images: list[TrainingImage]) -> Batch:
    """Bring images to the network's scale, exactly as `extract` does, and stack them."""
    channels, levels, targets, weights = [], [], [], []
    for image in images:
        pixels = image.image.numpy()
        scale = image_scale(pixels, image.domain)
        channels.append(
            torch.from_numpy(input_channels(pixels, scale, image.domain, image.pixel_mm))
        )
        levels.append(channels[-1][:1].clamp(min=0.0))
        target = (image.target / scale.span)[None]
        targets.append(target)
        bright = float(torch.quantile(target, TARGET_PERCENTILE / 100))
        weights.append(1.0 / max(bright, SMALLEST_TARGET_SHARE))
    weight = torch.tensor(weights, dtype=torch.float32)[:, None, None, None]
    return Batch(torch.stack(channels), torch.stack(levels), torch.stack(targets), weight)
