"""Samples of a data set as the trainer draws them: in place of those projected while it trains."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..mappings import from_mapping
from ..pairs import TISSUES, Pair, PairConfig
from ..sources import CtSource
from .header import read_header
from .store import PairStore


@dataclass(frozen=True)
class TrainingSet:
    """What a data set says to a run that trains on it; its test split is in none of this.

    Attributes:
        sources: the CTs its samples came from.
        validation: patients to watch the run with.
        pairs: what poses and beams were drawn from.
        side: of its smallest sample [pixels].
        sha256: of its samples, whole: another data set, or one with more of them, has another.
    """

    sources: tuple[CtSource, ...]
    validation: tuple[str, ...]
    pairs: PairConfig
    side: int
    sha256: str


def read_training_set(folder: str | Path) -> TrainingSet:
    """Look whether a data set can be trained on, and what it is.

    Raises:
        ValueError: no data set; shards that are missing or cut short; no tissue layers, or nothing
            to train.
    """
    header, store = read_header(folder), PairStore(folder)
    _refuse_unfit(folder, header)
    there = Counter(about["ct"] for about in store.shards.values() for _ in range(about["count"]))
    for number, source in enumerate(header["sources"]):
        if there[number] < source["samples"]:
            raise ValueError(
                f"dataset: {folder} misses {source['samples'] - there[number]} of "
                f"{source['samples']} samples of {source['path']}; make them again with "
                "bone-xray generate --resume"
            )
    store.refuse_cut_short()
    used = {name: s for name, s in store.shards.items() if s["split"] != "test"}
    if not any(about["split"] == "train" for about in used.values()):
        raise ValueError(f"dataset: {folder} holds no samples to train; expected some")
    if any(tuple(s["layers"][: len(TISSUES) - 1]) != TISSUES[:-1] for s in used.values()):
        raise ValueError(f"dataset: {folder} has layers other than {', '.join(TISSUES)}")
    named = {about["ct"] for about in used.values()}
    sources = [source for n, source in enumerate(header["sources"]) if n in named]
    watched = {s["patient"] for s in sources if s["split"] == "validation"}
    digest = "".join(f"{name}:{about['sha256']}\n" for name, about in sorted(used.items()))
    return TrainingSet(
        tuple(_source(source) for source in sources),
        tuple(sorted(watched)),
        from_mapping(PairConfig, header["config"]["pairs"], "pairs"),
        min(side for about in used.values() for side in about["shapes"]["layers"][-2:]),
        hashlib.sha256(digest.encode()).hexdigest(),
    )


def _refuse_unfit(folder: str | Path, header: dict) -> None:
    pairing, arrays = header["config"]["pairing"], header["config"]["arrays"]
    if pairing != "drr":
        raise ValueError(f"dataset: {folder} pairs {pairing}; expected one made with pairing drr")
    if arrays and "layers" not in arrays:
        raise ValueError(
            f"dataset: {folder} holds {', '.join(arrays)}; expected layers, which training varies"
        )


def _source(about: dict) -> CtSource:
    names = [field.name for field in dataclasses.fields(CtSource)]
    return from_mapping(CtSource, {name: about[name] for name in names if name in about}, "source")


class StorePool:
    """Draws from a split of a data set, as `PairPool` does from CTs.

    What is drawn follows from the generator alone, so that a run that was killed and resumed
    ends as one that was not. The SHA-256 of a shard is checked when it is first drawn from.

    Raises:
        ValueError: no data set, or no samples in that split.
    """

    def __init__(self, folder: str | Path, split: str) -> None:
        self.store = PairStore(folder, split)
        self._checked: set[Path] = set()

    def held(self, images: int) -> range:
        """Numbers of the samples there are to draw from: all, at any time."""
        return range(len(self.store))

    def start(self, images: int = 0) -> None:
        """Nothing has to be made."""

    def stop(self) -> None:
        """Nothing is being made."""

    def advance(self, images: int) -> None:
        """No sample is let go of."""

    def draw(self, rng: np.random.Generator, images: int = 0) -> Pair:
        """Any of the samples.

        Raises:
            ValueError: its shard is damaged.
        """
        number = int(rng.integers(len(self.store)))
        shard = self.store.places[number].shard
        if shard not in self._checked:
            self.store.refuse_damaged(shard)
            self._checked.add(shard)
        return self.store.pair(number)
