"""Samples on the fly: what they depend on, how they are split, and how they reach the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from BoneXrayLib.bone import Parts
from BoneXrayLib.extraction import image_scale, input_channels
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.augmentation import AugmentationConfig, TrainingImage
from BoneXrayTrainingLib.dataset import (
    CtSource,
    PairPool,
    PoolConfig,
    collate,
    load_source,
    make_batch,
)
from BoneXrayTrainingLib.pairs import PairConfig

PAIRS = PairConfig(size=48)
FEW = PoolConfig(capacity=3, first=3, images_per_sample=1e9)
LIMB = CtSource(path="limb.nrrd", patient="limb", licence="MIT")


@pytest.fixture(scope="module")
def sources(limb_file: Path) -> list[tuple[CtSource, Parts]]:
    return [(LIMB, load_source(LIMB, limb_file.parent, 1))]


@pytest.fixture(scope="module")
def pool(sources: list) -> PairPool:
    made = PairPool(sources, PAIRS, FEW, seed=1)
    made.start()
    made.stop()
    return made


def test_sample_n_depends_on_the_seed_and_on_n_only(sources: list, pool: PairPool) -> None:
    again, later = (PairPool(sources, PAIRS, FEW, seed=1, start=start) for start in (0, 2))
    for n in (2, 0):
        first, second = again._make(n), later._make(n)
        assert first.draw == second.draw
        assert np.array_equal(first.layers, second.layers)
    assert again._make(0).draw != again._make(1).draw
    assert again._make(0).draw != PairPool(sources, PAIRS, FEW, seed=2)._make(0).draw
    assert again._make(0).draw in [pair.draw for pair in pool.samples]


def test_a_pool_that_resumes_goes_on_with_the_numbers_after(sources: list) -> None:
    pool = PairPool(sources, PAIRS, FEW, seed=1, start=5)
    pool.start()
    pool.stop()
    expected = [pool._make(n).draw for n in range(5, pool.made)]
    assert pool.made_here == pool.made - 5 >= 3
    assert all(pair.draw in expected for pair in pool.samples)


def test_the_pool_never_holds_more_than_its_capacity(sources: list) -> None:
    pool = PairPool(sources, PAIRS, PoolConfig(2, 2, 1.0), seed=1)
    for n in range(5):
        pool._keep(pool._make(n))
    assert len(pool.samples) == 2
    assert {p.draw.isocentre for p in pool.samples} == {
        pool._make(n).draw.isocentre for n in (3, 4)
    }


def test_a_source_is_drawn_as_often_as_its_share_says(sources: list) -> None:
    parts = sources[0][1]
    many = CtSource("a", "often", "MIT", share=1.0), CtSource("b", "never", "MIT", share=0.0)
    pool = PairPool([(one, parts) for one in many], PAIRS, FEW, seed=1)
    assert {pool._make(n).draw.source for n in range(4)} == {"often 0"}


def test_an_error_while_projecting_reaches_the_one_who_draws(
    sources: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no CT")

    monkeypatch.setattr("BoneXrayTrainingLib.dataset.make_pair", broken)
    pool = PairPool(sources, PAIRS, FEW, seed=1)
    with pytest.raises(RuntimeError, match="projecting samples failed"):
        pool.start()


def test_a_crop_keeps_the_voxels_where_they_were(limb_file: Path, sources: list) -> None:
    half = CtSource("limb.nrrd", "limb", "MIT", crop={"k": (0.5, 1.0), "i": (0.0, 0.5)})
    cut, whole = load_source(half, limb_file.parent, 1), sources[0][1]
    k = round(0.5 * whole.hu.shape[0])
    assert np.array_equal(cut.hu, whole.hu[k:, :, : cut.hu.shape[2]])
    assert cut.hu.shape[2] == round(0.5 * whole.hu.shape[2])
    assert cut.ijk_to_ras @ [0, 0, 0, 1] == pytest.approx(whole.ijk_to_ras @ [0, 0, k, 1])


def test_a_label_map_becomes_a_ct_with_its_bones(tmp_path: Path) -> None:
    labels = np.zeros((20, 24, 24), np.uint8)
    labels[4:16, 6:18, 6:18] = 2
    labels[4:16, 10:14, 10:14] = 1
    write_image_file(tmp_path / "labels.nrrd", labels, np.diag([3.0, 3.0, 3.0, 1.0]))
    source = CtSource("labels.nrrd", "made up", "MIT", bones=(1,))
    parts = load_source(source, tmp_path, 1)
    bone = parts.part == parts.names.index("bone")
    assert bone.sum() == pytest.approx((labels == 1).sum(), rel=0.15)
    again = load_source(source, tmp_path, 1)
    assert np.array_equal(parts.hu, again.hu)


def test_a_batch_reaches_the_network_exactly_as_extraction_does(rng: np.random.Generator) -> None:
    pixels = rng.random((32, 32), dtype=np.float32) * 3 + 1
    images = [
        TrainingImage(torch.from_numpy(pixels), torch.from_numpy(pixels / 4), domain, pixel_mm)
        for domain, pixel_mm in (("optical density", 0.7), ("display", None))
    ]
    batch = collate(images)
    for n, image in enumerate(images):
        scale = image_scale(pixels, image.domain)
        wanted = input_channels(pixels, scale, image.domain, image.pixel_mm)
        assert np.array_equal(batch.channels[n].numpy(), wanted)
        bone = batch.target[n, 0].numpy() * scale.span
        assert bone == pytest.approx(pixels / 4, rel=1e-5)
    assert batch.level.min() >= 0


def test_the_weight_brings_the_brightest_bone_to_one_but_does_not_blow_up_none() -> None:
    image = torch.linspace(0, 2, 48 * 48).reshape(48, 48)
    with_bone = TrainingImage(image, image / 2, "optical density", None)
    without = TrainingImage(image, torch.zeros(48, 48), "optical density", None)
    batch = collate([with_bone, without])
    assert torch.quantile(batch.target[0] * batch.weight[0], 0.995) == pytest.approx(1.0, abs=1e-3)
    assert float(batch.weight[1]) == pytest.approx(1 / 0.08)


def test_the_same_draws_from_a_resting_pool_give_the_same_batch(pool: PairPool) -> None:
    config = AugmentationConfig(crop=48, scale=(0.8, 1.0))
    one, two = (make_batch(pool, 3, config, np.random.default_rng(8)) for _ in range(2))
    assert one.channels.shape == (3, 3, 48, 48)
    assert one.target.shape == (3, 1, 48, 48)
    assert torch.equal(one.channels, two.channels)
    assert torch.equal(one.target, two.target)
