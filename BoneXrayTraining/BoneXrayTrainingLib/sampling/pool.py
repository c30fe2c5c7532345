"""The samples a step draws from: what they are depends on the step alone, when on the computer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from BoneXrayLib.bone import Parts

from ..pairs import Pair, PairConfig, draw_pair, make_pair
from .augmentation import AugmentationConfig, augment
from .dataset import Batch, CtSource, DrawnFrom, PoolConfig, collate
from .leg_images import augment_leg, collate_legs
from .leg_views import LegPair
from .other_flesh import draw_other
from .overlap_questions import LayerConfig
from .segment_images import augment_segments, collate_segments
from .separation_images import ask_pool, collate_layers

AHEAD = 24
"""Samples made before the schedule asks for them."""
LOOK_S = 0.5
"""How often one who waits for a sample looks whether the thread still lives."""


@dataclass(frozen=True)
class Share:
    """Which of the samples are whose, where several processes train one network."""

    rank: int = 0
    count: int = 1


class Pool(DrawnFrom, Protocol):
    """What a run draws samples from."""

    def held(self, images: int) -> range:
        """Numbers of the samples there are to draw from after `images` were drawn."""
        ...

    def start(self, images: int = 0) -> None:
        """A run that has drawn `images` begins or goes on."""
        ...

    def stop(self) -> None:
        """The run ends."""
        ...

    def advance(self, images: int) -> None:
        """No batch before that of `images` will be drawn any more."""
        ...


class PairPool:
    """Samples by number, each a function of the seed and its number.

    After so many images were drawn the pool holds the samples `held(images)`, so a run that was
    killed goes on with those it would have had. They are made when first drawn, or by a thread
    that works ahead: once started it makes what somebody waits for, then what the schedule brings
    next, then what a resumed run lacks. Of several processes each has samples of its own.
    """

    def __init__(
        self,
        sources: list[tuple[CtSource, Parts]],
        pairs: PairConfig,
        pool: PoolConfig,
        seed: int,
        share: Share | None = None,
    ) -> None:
        self.sources, self.pairs, self.pool, self.seed = sources, pairs, pool, seed
        self.share = share or Share()
        self._first = -(-pool.first // self.share.count)
        names = [source.patient for source, _ in sources]
        self.variant = [names[:n].count(name) for n, name in enumerate(names)]
        shares = np.array([source.share for source, _ in sources])
        self._chances = shares / shares.sum()
        self._there: dict[int, Pair] = {}
        self._waited_for: list[int] = []
        self._window = self.held(0)
        self._error: BaseException | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def held(self, images: int) -> range:
        """Numbers of the samples there are to draw from after `images` were drawn."""
        made = self._first + int(images / self.pool.images_per_sample)
        return range(max(0, made - self.pool.capacity), made)

    def start(self, images: int = 0) -> None:
        """Let a thread work ahead of a run that has drawn `images`."""
        self.advance(images)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def advance(self, images: int) -> None:
        """No batch before that of `images` will be drawn any more: let go of older samples."""
        with self._changed:
            self._window = self.held(images)
            for number in [n for n in self._there if n < self._window.start]:
                del self._there[number]
            self._changed.notify_all()

    def draw(self, rng: np.random.Generator, images: int = 0) -> Pair:
        """Any of the samples held after `images` were drawn."""
        held = self.held(images)
        return self.sample(held[int(rng.integers(len(held)))])

    def sample(self, number: int) -> Pair:
        """Sample `number`, made here and now unless it is there or the thread makes it.

        Raises:
            ValueError, OSError: what is to be projected is wrong or gone.
            RuntimeError: projecting failed otherwise in the thread.
        """
        if self._thread is None:
            if number not in self._there:
                self._there[number] = self.make(number)
            return self._there[number]
        with self._changed:
            while number not in self._there:
                if isinstance(self._error, (ValueError, OSError)):
                    raise self._error
                if self._error is not None:
                    raise RuntimeError("projecting samples failed") from self._error
                if self._ended:
                    raise RuntimeError("the samples were stopped")
                if number not in self._waited_for:
                    self._waited_for.append(number)
                    self._changed.notify_all()
                self._changed.wait(LOOK_S)
            return self._there[number]

    def make(self, number: int) -> Pair:
        """Project sample `number` of this process."""
        rng = np.random.default_rng([self.seed, number * self.share.count + self.share.rank])
        chosen = int(rng.choice(len(self.sources), p=self._chances))
        return self.project(
            rng, chosen, f"{self.sources[chosen][0].patient} {self.variant[chosen]}"
        )

    def project(self, rng: np.random.Generator, chosen: int, name: str) -> Pair:
        """A sample of patient `chosen`, who is called `name`."""
        parts = self.sources[chosen][1]
        return make_pair(parts, draw_pair(rng, name, parts, self.pairs))

    def _work(self) -> None:
        try:
            while (number := self._next()) is not None:
                made = self.make(number)
                with self._changed:
                    self._there[number] = made
                    self._changed.notify_all()
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> int | None:
        """The number to make now, waiting until there is one; None at the end."""
        with self._changed:
            while not self._ended:
                while self._waited_for:
                    number = self._waited_for.pop(0)
                    if number not in self._there:
                        return number
                end = self._window.stop
                ahead = (n for n in range(end, end + AHEAD) if n not in self._there)
                lacking = (n for n in reversed(self._window) if n not in self._there)
                number = next(ahead, None) if len(self._there) >= self._first else None
                number = next(lacking, None) if number is None else number
                if number is None:
                    number = next(ahead, None)
                if number is not None:
                    return number
                self._changed.wait()
            return None


def make_batch(
    pool: DrawnFrom,
    size: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
    number: int = 0,
    layers: LayerConfig | None = None,
) -> Batch:
    """Draw `size` samples as batch `number` of a run finds them, and augment them.

    The targets of samples with structures are masks; with `layers`, what their bones add, too.
    """
    if layers is not None:
        asked = (ask_pool(pool, config, layers, rng, number * size) for _ in range(size))
        return collate_layers(list(asked))
    images, named, legs = [], [], []
    for _ in range(size):
        pair = pool.draw(rng, number * size)
        if isinstance(pair, LegPair):
            legs.append(augment_leg(pair, config, rng))
        elif pair.structures:
            other = draw_other(pool, pair, config.flesh_share, rng, number * size)
            named.append(augment_segments(pair, config, rng, other))
        else:
            images.append(augment(pair.layers, pair.draw.pixel, config, rng))
    if legs:
        return collate_legs(legs)
    return collate_segments(named) if named else collate(images)
