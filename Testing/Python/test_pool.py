"""Samples on the fly: what a step draws follows from its number, never from the clock."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from BoneXrayLib.bone import Parts
from BoneXrayTrainingLib.pairs import Pair, PairConfig
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.dataset import Batch, CtSource, PoolConfig, load_source
from BoneXrayTrainingLib.sampling.pool import AHEAD, PairPool, Share, make_batch

PAIRS = PairConfig(size=48)
FEW = PoolConfig(capacity=3, first=3, images_per_sample=2.0)
LIMB = CtSource(path="limb.nrrd", patient="limb", licence="MIT")
AUGMENTATION = AugmentationConfig(crop=48, scale=(0.8, 1.0))


@pytest.fixture(scope="module")
def sources(limb_file: Path) -> list[tuple[CtSource, Parts]]:
    return [(LIMB, load_source(LIMB, limb_file.parent, 1))]


def same(one: Batch, other: Batch) -> bool:
    fields = [field.name for field in dataclasses.fields(Batch)]
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in fields)


def batch(pool: PairPool, number: int) -> Batch:
    return make_batch(pool, 2, AUGMENTATION, np.random.default_rng([8, number]), number)


def test_sample_n_depends_on_the_seed_and_on_n_only(sources: list) -> None:
    first, second = (PairPool(sources, PAIRS, FEW, seed=1) for _ in range(2))
    for n in (2, 0):
        one, other = first.make(n), second.make(n)
        assert one.draw == other.draw
        assert np.array_equal(one.layers, other.layers)
    assert first.make(0).draw != first.make(1).draw
    assert first.make(0).draw != PairPool(sources, PAIRS, FEW, seed=2).make(0).draw


def test_the_window_of_samples_moves_on_with_the_images_drawn(sources: list) -> None:
    pool = PairPool(sources, PAIRS, PoolConfig(4, 3, images_per_sample=10.0), seed=1)
    assert [pool.held(images) for images in (0, 9, 10, 20, 65)] == [
        range(0, 3), range(0, 3), range(0, 4), range(1, 5), range(5, 9)
    ]  # fmt: skip


def test_a_pool_draws_the_same_with_a_thread_without_one_and_after_a_resume(sources: list) -> None:
    still = PairPool(sources, PAIRS, FEW, seed=1)
    expected = [batch(still, number) for number in range(6)]
    ahead, resumed = (PairPool(sources, PAIRS, FEW, seed=1) for _ in range(2))
    ahead.start()
    resumed.start(images=8)
    for number in range(6):
        ahead.advance(2 * number)
        time.sleep(0.02 * (number % 2))  # sometimes the thread is far ahead, sometimes not
        assert same(batch(ahead, number), expected[number])
    for number in (5, 4):
        assert same(batch(resumed, number), expected[number])
    for pool in (ahead, resumed):
        pool.stop()


def test_the_thread_makes_what_comes_next_and_lets_go_of_what_was(sources: list) -> None:
    pool = PairPool(sources, PAIRS, PoolConfig(2, 2, 1.0), seed=1)
    pool.start(images=5)
    wanted = set(range(5, 7 + AHEAD))
    stops = time.monotonic() + 20
    while set(pool._there) != wanted and time.monotonic() < stops:
        time.sleep(0.01)
    pool.stop()
    assert set(pool._there) == wanted
    pool.advance(8)
    assert set(pool._there) == {n for n in wanted if n >= 8}


def test_what_somebody_waits_for_is_made_first(
    sources: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    go = threading.Event()

    def slowly(pool: PairPool, number: int) -> Pair:
        go.wait(10)
        made.append(number)
        return Pair(np.zeros((6, 4, 4), np.float16), None, 1.0)

    monkeypatch.setattr(PairPool, "make", slowly)
    pool = PairPool(sources, PAIRS, PoolConfig(100, 50, 1.0), seed=1)
    pool.start()
    waiting = threading.Thread(target=pool.sample, args=(17,))
    waiting.start()
    while not pool._waited_for:
        time.sleep(0.001)
    go.set()
    waiting.join(10)
    pool.stop()
    assert 17 in made[:2], "the one at hand may be finished before"


def test_two_processes_share_the_samples_of_one(sources: list) -> None:
    whole = PairPool(sources, PAIRS, PoolConfig(8, 4), seed=1)
    halves = [PairPool(sources, PAIRS, PoolConfig(8, 4), 1, Share(rank, 2)) for rank in (0, 1)]
    assert [len(half.held(0)) for half in halves] == [2, 2]
    of_halves = [half.make(n).draw for n in half_numbers(halves) for half in halves]
    assert of_halves == [whole.make(n).draw for n in whole.held(0)]


def half_numbers(halves: list[PairPool]) -> range:
    return halves[0].held(0)


def test_a_source_is_drawn_as_often_as_its_share_says(sources: list) -> None:
    parts = sources[0][1]
    many = CtSource("a", "often", "MIT", share=1.0), CtSource("b", "never", "MIT", share=0.0)
    pool = PairPool([(one, parts) for one in many], PAIRS, FEW, seed=1)
    assert {pool.make(n).draw.source for n in range(4)} == {"often 0"}


@pytest.mark.parametrize(
    ("error", "told"),
    [(ValueError("no CT"), "^no CT$"), (KeyError("CT"), "^projecting samples failed$")],
)
def test_an_error_while_projecting_reaches_the_one_who_draws(
    sources: list, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("BoneXrayTrainingLib.sampling.pool.make_pair", broken)
    pool = PairPool(sources, PAIRS, FEW, seed=1)
    pool.start()
    with pytest.raises((ValueError, RuntimeError), match=told):
        batch(pool, 0)
    pool.stop()


def test_one_who_waits_is_released_when_the_pool_stops(
    sources: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = PairPool(sources, PAIRS, FEW, seed=1)
    monkeypatch.setattr(pool, "_next", lambda: None)
    pool.start()
    threading.Timer(0.05, pool.stop).start()
    with pytest.raises(RuntimeError, match="stopped"):
        pool.sample(0)
