"""Training data: CTs by patient, samples projected while a network trains, batches."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.volume import read_labels, read_volume

from .augmentation import AugmentationConfig, TrainingImage, augment
from .deformation import deformed
from .label_ct import label_ct
from .pairs import Pair, PairConfig, draw_pair, make_pair, tissue_parts
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
    """Samples projected before training starts."""
    images_per_sample: float = 24.0
    """Training images drawn, on average, for each new sample projected."""


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


class PairPool:
    """Samples made by a thread of its own while a network trains on those already there.

    Sample number n is drawn from a generator seeded with (seed, n) alone, so a run that resumes
    at n goes on with the samples it would have seen.
    """

    def __init__(
        self,
        sources: list[tuple[CtSource, Parts]],
        pairs: PairConfig,
        pool: PoolConfig,
        seed: int,
        start: int = 0,
    ) -> None:
        self.sources, self.pairs, self.pool, self.seed = sources, pairs, pool, seed
        names = [source.patient for source, _ in sources]
        self.variant = [names[:n].count(name) for n, name in enumerate(names)]
        self.made = start
        self.samples: list[Pair] = []
        self.images = 0
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self, progress: Callable[[float, str], None] | None = None) -> None:
        """Start the thread and wait for the first samples."""
        self._thread.start()
        while len(self.samples) < self.pool.first and self.error is None:
            if progress is not None:
                progress(len(self.samples) / self.pool.first, "projecting the first samples")
            self._stop.wait(0.5)
        self._check()

    def fill(self, count: int) -> None:
        """Make exactly `count` samples here and now, without the thread."""
        for number in range(self.made, self.made + count):
            self._keep(self._make(number))
        self.made += count

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def draw(self, rng: np.random.Generator) -> Pair:
        """Any of the samples there are."""
        self._check()
        self.images += 1
        return self.samples[int(rng.integers(len(self.samples)))]

    def _check(self) -> None:
        if self.error is not None:
            raise RuntimeError("projecting samples failed") from self.error

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                wanted = self.pool.first + self.images / self.pool.images_per_sample
                if len(self.samples) >= self.pool.first and self.made_here > wanted:
                    self._stop.wait(0.05)
                    continue
                self._keep(self._make(self.made))
                self.made += 1
        except BaseException as error:
            self.error = error

    @property
    def made_here(self) -> int:
        """Samples made since this pool began to work."""
        return self._count

    _count = 0

    def _keep(self, pair: Pair) -> None:
        self._count += 1
        if len(self.samples) < self.pool.capacity:
            self.samples.append(pair)
        else:
            self.samples[self._count % self.pool.capacity] = pair

    def _make(self, number: int) -> Pair:
        rng = np.random.default_rng([self.seed, number])
        shares = np.array([source.share for source, _ in self.sources])
        chosen = int(rng.choice(len(shares), p=shares / shares.sum()))
        source, parts = self.sources[chosen]
        name = f"{source.patient} {self.variant[chosen]}"
        return make_pair(parts, draw_pair(rng, name, parts, self.pairs))


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


def make_batch(
    pool: PairPool, size: int, config: AugmentationConfig, rng: np.random.Generator
) -> Batch:
    """Draw `size` samples and augment them."""
    images = []
    for _ in range(size):
        pair = pool.draw(rng)
        images.append(augment(pair.layers, pair.draw.pixel, config, rng))
    return collate(images)


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
