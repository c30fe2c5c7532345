"""Training data: CTs by patient, samples projected while a network trains, batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from BoneXrayLib.bone import Parts
from BoneXrayLib.extraction import image_scale, input_channels

from .augmentation import AugmentationConfig, TrainingImage, augment
from .pairs import Pair, PairConfig, draw_pair, make_pair
from .sources import CtSource, load_source, load_variants

__all__ = [
    "Batch",
    "CtSource",
    "PairPool",
    "PoolConfig",
    "collate",
    "load_source",
    "load_variants",
    "make_batch",
]

TARGET_PERCENTILE = 99.5
SMALLEST_TARGET_SHARE = 0.08
"""Images with hardly any bone are weighed as if their brightest bone reached this share."""


@dataclass(frozen=True)
class PoolConfig:
    """How many samples are kept, and how fast they are replaced."""

    capacity: int = 1500
    first: int = 150
    """Samples projected before training starts."""
    images_per_sample: float = 24.0
    """Training images drawn, on average, for each new sample projected."""


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
