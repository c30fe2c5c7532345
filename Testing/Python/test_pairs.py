"""One sample: tissues that sum to a projection of the whole, and a record that gives it again."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.projection import project
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.learning.configuration import from_mapping
from BoneXrayTrainingLib.pairs import (
    TISSUES,
    Draw,
    Pair,
    PairConfig,
    draw_pair,
    make_pair,
    place,
    tissue_parts,
)

CONFIG = PairConfig(size=48)


@pytest.fixture(scope="module")
def parts(limb: Volume) -> Parts:
    return tissue_parts(limb, BoneConfig())


@pytest.fixture(scope="module")
def pair(parts: Parts) -> Pair:
    return make_pair(parts, draw_pair(np.random.default_rng(3), "limb", parts, CONFIG))


def test_each_tissue_holds_the_hounsfield_units_that_are_its_own(parts: Parts) -> None:
    assert parts.names == TISSUES
    rest, fat, lean, *_, bone = (parts.hu[parts.part == n] for n in range(len(TISSUES)))
    assert rest.max() < -200
    assert fat.size == 0 or (fat.min() >= -200 and fat.max() < -30)
    assert lean.min() >= -30
    assert bone.size > 100
    assert bone.min() >= 200


def test_the_air_around_the_body_is_dropped_without_moving_it(limb: Volume, parts: Parts) -> None:
    assert parts.hu.size < limb.hu.size
    corner = np.linalg.inv(limb.ijk_to_ras) @ parts.ijk_to_ras @ [0, 0, 0, 1]
    i, j, k = np.rint(corner[:3]).astype(int)
    assert corner[:3] == pytest.approx([i, j, k])
    rows, columns = parts.hu.shape[1:]
    assert np.array_equal(limb.hu[k, j : j + rows, i : i + columns], parts.hu[0])


def test_the_same_seed_draws_the_same_pair_and_another_seed_another(parts: Parts) -> None:
    first, again, other = (
        draw_pair(np.random.default_rng(seed), "limb", parts, CONFIG) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert np.array_equal(make_pair(parts, first).layers, make_pair(parts, again).layers)


def test_the_layers_sum_to_a_projection_of_the_whole(parts: Parts, pair: Pair) -> None:
    deformed, geometry = place(parts, pair.draw)
    undivided = dataclasses.replace(
        deformed, part=np.zeros_like(deformed.part), names=("everything",)
    )
    whole = project(undivided, geometry)[0]
    total = pair.layers.astype(np.float32).sum(0)
    assert pair.layers.shape == (len(TISSUES), 48, 48)
    assert pair.layers.min() >= 0
    assert whole.max() > 0.5
    assert np.abs(total - whole).max() <= 2e-3 * whole.max()  # half precision


def test_a_pairs_record_alone_replays_it(parts: Parts, pair: Pair) -> None:
    written = json.loads(json.dumps(dataclasses.asdict(pair.draw)))
    read = from_mapping(Draw, {**written, "deform": tuple(map(tuple, written["deform"]))}, "draw")
    assert read == pair.draw
    assert np.array_equal(make_pair(parts, read).layers, pair.layers)


def test_draws_stay_within_the_configured_ranges(parts: Parts) -> None:
    rng = np.random.default_rng(0)
    draws = [draw_pair(rng, "limb", parts, CONFIG) for _ in range(200)]
    for draw in draws:
        low, high = CONFIG.source_detector
        assert low <= draw.source_detector <= high
        low, high = CONFIG.magnification
        assert low <= draw.source_detector / draw.source_object <= high + 1e-9
        assert all(0.25 <= share <= 0.75 for share in draw.isocentre)
    assert {draw.beam for draw in draws} == set(CONFIG.beams)
    near = sum(draw.view in ("AP", "PA") for draw in draws) / len(draws)
    assert near > CONFIG.frontal_share * 0.8


def test_a_beam_of_no_share_is_never_drawn(parts: Parts) -> None:
    rng = np.random.default_rng(0)
    config = PairConfig(size=48, beams={"cone": 0.0, "parallel": 1.0})
    assert {draw_pair(rng, "limb", parts, config).beam for _ in range(20)} == {"parallel"}


def test_a_stretched_patient_is_larger_by_the_stretch(parts: Parts, pair: Pair) -> None:
    deform = ((2.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    deformed, _ = place(parts, dataclasses.replace(pair.draw, deform=deform))
    before, after = (np.linalg.norm(p.ijk_to_ras[:3, :3], axis=0) for p in (parts, deformed))
    assert after == pytest.approx(before * [2, 1, 1])
