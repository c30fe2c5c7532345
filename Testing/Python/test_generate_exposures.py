"""Data sets of exposed radiographs: what was drawn is recorded, and gives the picture again."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from small_data_set import small_data_set, write_limbs

from BoneXrayLib.physics.exposure_config import EXPOSURES
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.generation.config import GenerateConfig
from BoneXrayTrainingLib.generation.plan import estimated_bytes
from BoneXrayTrainingLib.generation.replay import replay
from BoneXrayTrainingLib.generation.run import generate, planned
from BoneXrayTrainingLib.generation.store import PairStore

NAMES = ("extremity", "chest")


@pytest.fixture(scope="module")
def config(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> GenerateConfig:
    base = tmp_path_factory.mktemp("exposed")
    root = write_limbs(base / "cts", limb, "a")
    return small_data_set(root, base / "set", "a", draws=6, views=("AP",), exposures=NAMES)


@pytest.fixture(scope="module")
def store(config: GenerateConfig) -> PairStore:
    """Six samples, each as one of two exposures."""
    made = generate(config, workers=1)
    assert made.samples == 6
    assert made.gb <= estimated_bytes(planned(config, Path(config.output))) / 1e9
    return PairStore(config.output)


def test_a_sample_with_an_exposure_replays_bit_for_bit(
    store: PairStore, config: GenerateConfig
) -> None:
    for number in range(2):
        found = replay(store.record(number), config.data_root)
        assert found.differing == ()
        assert {"full", "bone", "layers", "exposed", "exposed_bone"} == set(found.sample.arrays)
        for name, array in found.sample.arrays.items():
            assert np.array_equal(array, store.array(number, name)), name
    assert main(["generate", "replay", str(store.places[5].record)]) == 0


def test_the_record_says_tube_filters_grid_and_the_open_beam(store: PairStore) -> None:
    records = [store.record(n) for n in range(len(store))]
    drawn = [record["drawn"]["exposure"] for record in records]
    assert {exposure["name"] for exposure in drawn} == set(NAMES)
    assert len({exposure["config"]["seed"] for exposure in drawn}) == 6, "a noise of its own each"
    for record, exposure in zip(records, drawn, strict=True):
        asked = dataclasses.asdict(EXPOSURES[exposure["name"]])
        assert exposure["config"] | {"seed": 0} == asked
        beam = record["open_beam"]
        assert 0 < beam["mean_energy_keV"] < asked["kvp"]
        assert beam["half_value_layer_mm_al"] > 1.5


def test_a_replay_tells_another_tube_voltage_and_another_noise(
    store: PairStore, config: GenerateConfig
) -> None:
    for field, step, changed in (
        ("kvp", 5.0, ("exposed", "exposed_bone", "open_beam")), ("seed", 1, ("exposed",))
    ):  # fmt: skip
        record = copy.deepcopy(store.record(0))
        record["drawn"]["exposure"]["config"][field] += step
        assert replay(record, config.data_root).differing == (*changed, "draw from the seed")


def test_bone_stands_out_more_at_a_lower_tube_voltage(store: PairStore) -> None:
    ratios: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(len(store)):
        bone, seen = (store.array(number, n).astype(np.float64) for n in ("bone", "exposed_bone"))
        there = bone > 0.05
        assert np.corrcoef(bone[there], seen[there])[0, 1] > 0.8
        name = store.record(number)["drawn"]["exposure"]["name"]
        ratios[name].append(seen[there].sum() / bone[there].sum())
    assert min(ratios["extremity"]) > 1.05 * max(ratios["chest"])


def test_an_exposure_changes_neither_the_pose_nor_the_line_integrals(
    store: PairStore, config: GenerateConfig, tmp_path: Path
) -> None:
    generate(dataclasses.replace(config, exposures=(), draws=2), tmp_path / "set", workers=1)
    plain = PairStore(tmp_path / "set")
    for number in range(len(plain)):
        assert plain.record(number)["drawn"]["draw"] == store.record(number)["drawn"]["draw"]
        assert plain.record(number)["open_beam"] is None
        assert np.array_equal(plain.array(number, "layers"), store.array(number, "layers"))
        with pytest.raises(ValueError, match="holds no 'exposed'; it holds"):
            plain.array(number, "exposed")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"exposures": ("hand",)}, "exposures: got 'hand'; expected one of chest, extremity"),
        ({"arrays": ("full",)}, "exposures: expected none without exposed or exposed_bone in arr"),
        ({"exposures": (), "arrays": ("exposed",)}, "expected exposures with them"),
        ({"pairing": "localizer"}, r'exposures: set with pairing "localizer"; expected pairing'),
    ],
)
def test_exposures_that_nothing_would_hold_are_refused(
    fields: dict, said: str, config: GenerateConfig
) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(config, **fields)
