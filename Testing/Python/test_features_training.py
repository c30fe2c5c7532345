"""Learning to find features of legs: images and targets, loss, a short run, its model, figures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_leg import CONFIG, leg_source

from BoneXrayLib.leg_features import LegFeatures, PointFeature
from BoneXrayLib.legs.leg_channels import FIRST_MASK, FIRST_TOLD, MASKS, OUTPUTS, POINTS
from BoneXrayLib.legs.leg_detection import detect
from BoneXrayLib.models import find_model, verify_model
from BoneXrayTrainingLib.commands.finding import EvaluateFeatures
from BoneXrayTrainingLib.console import Reporter
from BoneXrayTrainingLib.evaluating_legs.features_evaluation import (
    evaluate_features,
    figures,
    leg_case,
    measured,
    subjects_of,
)
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.features_loss import FeaturesLoss, validate_features
from BoneXrayTrainingLib.learning.learner import make_learner, step
from BoneXrayTrainingLib.learning.losses import LossConfig
from BoneXrayTrainingLib.learning.run_pools import leg_pool
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.pairs import PairConfig
from BoneXrayTrainingLib.preview import write_preview
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.dataset import Batch, PoolConfig
from BoneXrayTrainingLib.sampling.leg_images import augment_leg, collate_legs, heat_map
from BoneXrayTrainingLib.sampling.leg_pool import LegPool
from BoneXrayTrainingLib.sampling.pool import make_batch

PLAIN = AugmentationConfig(
    crop=64, scale=(1.8, 2.3), rotation=4.0, warp=0.0, contrast_share=0.0, quarter_share=0.0,
    mirrored_share=0.0, reversed_share=0.3,
)  # fmt: skip
NETWORK = {"name": "unet", "in_channels": 3, "out_channels": len(OUTPUTS),
           "channels": [8, 8, 16, 16, 16, 8], "fold": 2, "smooth": True, "whole": 2}  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("legs")
    return TrainConfig(
        name="tiny-leg",
        task="features",
        ct=(leg_source(folder),),
        data_root=str(folder),
        run=str(folder / "run"),
        steps=3,
        batch=2,
        log_every=1,
        network=NETWORK,
        legs=CONFIG,
        augmentation=PLAIN,
        pool=PoolConfig(capacity=4, first=4, images_per_sample=1e9),
        pairs=PairConfig(size=160, source_detector=(1000.0, 2000.0), magnification=(1.03, 1.15)),
    )


@pytest.fixture(scope="module")
def pool(config: TrainConfig) -> LegPool:
    return leg_pool(config)


@pytest.fixture(scope="module")
def batch(config: TrainConfig, pool: LegPool) -> Batch:
    return make_batch(pool, 4, PLAIN, np.random.default_rng(1))


@pytest.fixture(scope="module")
def model(config: TrainConfig) -> Path:
    train(config)
    return export(config.run, Path(config.run).parent / "model")


def test_targets_hold_a_peak_where_each_landmark_is_and_none_where_it_is_not(
    pool: LegPool,
) -> None:
    seen = 0
    for number in range(4):
        image = augment_leg(pool.sample(number), PLAIN, np.random.default_rng(number))
        for at, share in zip(image.truth.points, image.target.numpy(), strict=False):
            if not share.any():
                continue
            seen += 1
            row, column = np.unravel_index(int(share.argmax()), share.shape)
            assert np.hypot(row - at[0], column - at[1]) <= np.sqrt(0.5) + 1e-6
        assert image.target[-2].unique().tolist() == [float(image.truth.is_frontal)]
    assert seen > 10


def test_a_network_learns_the_side_of_frontal_images_and_the_rest_of_right_legs(
    pool: LegPool,
) -> None:
    often = dataclasses.replace(PLAIN, reversed_share=0.5)
    images = [augment_leg(pool.sample(n % 4), often, np.random.default_rng(n)) for n in range(16)]
    batch = collate_legs(images)
    frontal = torch.tensor([float(image.truth.is_frontal) for image in images])
    right = torch.tensor([float(image.truth.is_right) for image in images])
    assert torch.equal(batch.weight[:, -1, 0, 0], frontal)
    assert torch.equal(batch.target[:, -1, 0, 0], right)
    assert (batch.weight[:, :FIRST_TOLD, 0, 0] == right[:, None]).all()
    assert (batch.weight[:, FIRST_TOLD] == 1).all()
    # Only frontal ones are shown the wrong way round.
    assert 0 < (right == 0).sum() < len(images)
    assert (frontal[right == 0] == 1).all()


def test_the_same_seed_gives_the_same_batch(pool: LegPool, batch: Batch) -> None:
    again = make_batch(pool, 4, PLAIN, np.random.default_rng(1))
    assert torch.equal(again.target, batch.target)
    assert torch.equal(again.channels, batch.channels)


def test_the_loss_is_least_for_the_target_itself_and_knows_a_peak_in_the_wrong_place() -> None:
    loss = FeaturesLoss(LossConfig())
    target = torch.zeros((1, len(OUTPUTS), 48, 48))
    right, wrong = (torch.from_numpy(heat_map(np.array(at), (48, 48)))
                    for at in ((20.0, 25.0), (20.0, 29.0)))  # fmt: skip
    target[0, 3] = right
    target[0, FIRST_MASK, 10:20] = 1.0
    least, terms = loss(target, target)
    assert terms["place"] < 1e-3
    moved = target.clone()
    moved[0, 3] = wrong
    assert loss(moved, target)[1]["place"] > 0.2
    assert loss(moved, target)[0] > least
    faint = target.clone()
    faint[0, 3] = 0.5 * right
    # Where it is it says rightly; whether it is there at all the cross-entropy tells.
    assert loss(faint, target)[1]["place"] < 1e-2
    assert loss(faint, target)[1]["heat"] > terms["heat"]


def test_the_loss_falls_on_a_few_images(config: TrainConfig, batch: Batch) -> None:
    torch.manual_seed(0)
    fast = dataclasses.replace(config, steps=40, learning_rate=1e-2)
    learner, loss = make_learner(fast), FeaturesLoss(LossConfig())
    values = [step(learner, batch, loss, 0.9)[0] for _ in range(40)]
    assert np.mean(values[-3:]) < 0.8 * values[0]
    found = validate_features(learner, [batch])
    assert 0.0 <= found["validation_near"] <= 1.0
    assert found["validation_px"] < 48.0


def test_a_run_gives_a_model_that_is_run_on_a_radiograph(
    model: Path, config: TrainConfig, pool: LegPool
) -> None:
    verify_model(model)
    found = find_model(str(model), "features")
    assert tuple(output["name"] for output in found.card.outputs) == OUTPUTS
    assert found.card.trained_on["sources"] == [{"name": "made-up", "licence": "MIT"}]
    assert found.card.input["working_size"] % found.card.input["size_multiple"] == 0
    case = leg_case(pool.sample(0), np.random.default_rng(0))
    detection = detect(case.radiograph, model=found)
    assert detection.side in ("right", "left")
    again = dataclasses.replace(config, run=config.run + "2", start_from=config.run, steps=1)
    train(again)
    record = json.loads((Path(again.run) / "started_from.json").read_text())
    assert record["name"] == "tiny-leg"


def test_figures_are_those_of_known_errors(pool: LegPool) -> None:
    """Every landmark 3 pixels to the right of where it is."""
    case = leg_case(pool.sample(1), np.random.default_rng(4))
    found = {}
    for bone, mask in zip(("femur", "tibia"), case.masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = (rows[0] - 0.5, columns[0] - 0.5, rows[-1] + 0.5, columns[-1] + 0.5)
        points = {
            name: PointFeature(at[0], at[1] + 3.0, np.eye(2))
            for (owner, name), at in zip(POINTS, case.truth.points, strict=True)
            if owner == bone and np.isfinite(at).all()
        }
        found[bone] = LegFeatures(bone, "right", "AP", box, points, case.truth.ellipses)
    rows = measured(case, found, "right" if case.truth.is_right else "left", "AP")
    assert np.allclose(rows["landmark"], 3.0 * case.mm)
    assert np.allclose(rows["box"], 1.0)
    assert all(rows["found"])
    assert np.allclose(rows.get("head radius", [0.0]), 0.0)


def test_the_command_measures_and_writes_entries_of_a_card(
    model: Path, config: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(config.run) / "config.json"
    EvaluateFeatures(run, str(model), images=2, json=tmp_path / "f.json").run(
        Reporter("evaluate features", False)
    )
    entries = json.loads((tmp_path / "f.json").read_text())
    assert {"data", "metric", "value", "baseline"} == set(entries[0])
    assert "subjects it was trained on" in entries[0]["data"]
    assert "views told rightly" in capsys.readouterr().out
    assert evaluate_features(config, find_model(str(model), "features"), 2) == entries


def test_the_heads_guess_is_that_of_heads_alone() -> None:
    rows = [{"landmark": [1.0, 2.0], "head centre": [1.0]}]
    told = {
        f["metric"]: f["baseline"]
        for f in figures("", rows, {"head_centre": [3.0], "a": [9.0, 11.0]})
    }
    assert told["femoral head centre error, median [mm]"] == 3.0
    assert told["landmark error, median [mm]"] == 9.0
    without = figures("", rows, {"a": [9.0]})
    assert [f["baseline"] for f in without if "head centre" in f["metric"]] == [None]


def test_subjects_that_a_card_names_are_not_called_held_out(
    model: Path, config: TrainConfig
) -> None:
    card = find_model(str(model), "features").card
    known = str(card.trained_on["sources"][0]["name"])
    watched = dataclasses.replace(config, validation=())
    assert subjects_of(watched, card) == "subjects it was trained on"
    for names, said in (((known,), f"subjects of whom it was trained on {known}"),
                        (("somebody",), "held-out subjects")):  # fmt: skip
        object.__setattr__(watched, "validation", names)
        assert subjects_of(watched, card) == said


def test_the_preview_shows_legs(config: TrainConfig, tmp_path: Path) -> None:
    assert write_preview(config, tmp_path / "seen").is_dir()


def test_the_shipped_configuration_is_right() -> None:
    from BoneXrayTrainingLib.learning.configuration import read_config

    folder = Path(read_config.__code__.co_filename).parents[1] / "configs"
    found = read_config(folder / "features-leg.toml")
    assert found.network["out_channels"] == len(OUTPUTS) == FIRST_TOLD + 2
    assert len(MASKS) == FIRST_TOLD - FIRST_MASK


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"network": {**NETWORK, "out_channels": 3}}, "network.out_channels: got 3; expected 26"),
        ({"augmentation": dataclasses.replace(PLAIN, warp=0.01)}, "augmentation.warp: got 0.01"),
        (
            {"augmentation": dataclasses.replace(PLAIN, reversed_share=0.0)},
            "augmentation.reversed_share: got 0; expected above 0 for task 'features'",
        ),
        ({"structures": ("femur",)}, "structures: got .* for task 'features'"),
    ],
)
def test_a_wrong_entry_is_named(config: TrainConfig, entry: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(config, **entry)
