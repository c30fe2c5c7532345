"""A training run: it learns, it stops with a checkpoint, it goes on where it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_run import CROP, NETWORK, small_config

from BoneXrayTrainingLib.augmentation import AugmentationConfig
from BoneXrayTrainingLib.dataset import CtSource, PoolConfig, load_source
from BoneXrayTrainingLib.learner import make_learner, predict, step, validate
from BoneXrayTrainingLib.losses import ExtractionLoss
from BoneXrayTrainingLib.pool import PairPool, make_batch
from BoneXrayTrainingLib.run_folder import STOP_FILE
from BoneXrayTrainingLib.trainer import train


def steps_of(run: Path, key: str = "loss") -> list[int]:
    """The step numbers of the log's records that hold a figure."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [record["step"] for record in records if key in record]


def test_training_lowers_the_loss_on_the_synthetic_limb(limb_file: Path, tmp_path: Path) -> None:
    config = small_config(limb_file, tmp_path, steps=30, learning_rate=5e-3)
    torch.manual_seed(1)
    learner = make_learner(config)
    sources = [(config.ct[0], load_source(config.ct[0], limb_file.parent, 1))]
    pool = PairPool(sources, config.pairs, PoolConfig(4, 4, 1e9), seed=1)
    batch = make_batch(pool, 4, config.augmentation, np.random.default_rng(1))
    loss = ExtractionLoss(config.loss, Path())
    values = [step(learner, batch, loss, 0.5)[0] for _ in range(20)]
    assert np.mean(values[-3:]) < 0.7 * np.mean(values[:3])
    figures = validate(learner, [batch])
    assert figures["validation_psnr"] > 0
    answer = predict(learner.average, batch)
    assert (answer >= 0).all()
    assert (answer <= batch.level + 1e-6).all(), "bone is a share of what is there"


def test_the_average_follows_the_weights_at_its_decay(limb_file: Path, tmp_path: Path) -> None:
    config = small_config(limb_file, tmp_path)
    learner = make_learner(config)
    before = {n: v.clone() for n, v in learner.average.state_dict().items()}
    pool = PairPool(
        [(config.ct[0], load_source(config.ct[0], limb_file.parent, 1))],
        config.pairs,
        config.pool,
        seed=1,
    )
    batch = make_batch(pool, 2, config.augmentation, np.random.default_rng(1))
    step(learner, batch, ExtractionLoss(config.loss, Path()), 0.75)
    new = learner.network.state_dict()
    for name, kept in learner.average.state_dict().items():
        if kept.is_floating_point():
            wanted = 0.75 * before[name] + 0.25 * new[name]
            assert torch.allclose(kept, wanted, atol=1e-6), name


def test_a_run_leaves_its_configuration_log_and_one_checkpoint(
    limb_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    told: list[float] = []
    config = small_config(limb_file, run, checkpoint_every=2)
    last = train(config, progress=lambda fraction, _: told.append(fraction))
    assert last == run / "checkpoint-00000004"
    assert sorted(p.name for p in run.iterdir()) == [last.name, "config.json", "log.jsonl"]
    assert json.loads((run / "config.json").read_text())["network"] == NETWORK
    assert steps_of(run) == [1, 2, 3, 4]
    assert told[-1] == 1.0
    with pytest.raises(ValueError, match="exists already; resume it or choose another folder"):
        train(config)
    assert steps_of(run) == [1, 2, 3, 4]


def test_a_stop_file_ends_the_run_after_the_step_with_a_checkpoint(
    limb_file: Path, tmp_path: Path
) -> None:
    def stop(fraction: float, message: str) -> None:
        if message.startswith("step 2"):
            (tmp_path / "run" / STOP_FILE).touch()

    last = train(small_config(limb_file, tmp_path / "run", steps=50), progress=stop)
    assert last.name == "checkpoint-00000002"
    assert not (tmp_path / "run" / STOP_FILE).exists(), "so that it can go on"


def test_a_finished_run_resumed_for_more_steps_goes_on(limb_file: Path, tmp_path: Path) -> None:
    train(small_config(limb_file, tmp_path / "run", steps=2))
    last = train(small_config(limb_file, tmp_path / "run", steps=3), resume=True)
    assert last.name == "checkpoint-00000003"
    assert steps_of(tmp_path / "run") == [1, 2, 3]


def test_a_run_is_not_resumed_with_another_network_and_stays_as_it_was(
    limb_file: Path, tmp_path: Path
) -> None:
    train(small_config(limb_file, tmp_path / "run", steps=2))
    before = (tmp_path / "run" / "config.json").read_text()
    wider = {**NETWORK, "channels": [2 * n for n in NETWORK["channels"]]}
    with pytest.raises(ValueError, match=r"network: .* expected that of the run"):
        train(small_config(limb_file, tmp_path / "run", network=wider), resume=True)
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_one_file_cannot_belong_to_two_patients(limb_file: Path, tmp_path: Path) -> None:
    twice = tuple(CtSource(limb_file.name, name, "MIT") for name in "ab")
    with pytest.raises(ValueError, match="belongs to a and b; expected one patient"):
        small_config(limb_file, tmp_path, ct=twice)


def test_patients_kept_out_are_watched_and_never_trained_on(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: set[str] = set()
    draw = PairPool.draw

    def watched_draw(pool: PairPool, rng: np.random.Generator, images: int = 0):
        names = {source.patient for source, _ in pool.sources}
        if "other" not in names:
            trained.update(names)
        assert len(names) == 1
        return draw(pool, rng, images)

    monkeypatch.setattr(PairPool, "draw", watched_draw)
    shutil.copy(limb_file, tmp_path / "other.nrrd")
    shutil.copy(limb_file, tmp_path / limb_file.name)
    other = CtSource("other.nrrd", "other", "MIT")
    limb = CtSource(limb_file.name, "limb", "MIT")
    run = tmp_path / "run"
    fields = {"steps": 2, "validate_every": 2, "data_root": str(tmp_path)}
    train(small_config(limb_file, run, ct=(limb, other, other), validation=("other",), **fields))
    assert trained == {"limb"}
    assert steps_of(run, "validation_psnr") == [2]
    assert steps_of(run, "validation_floor_psnr") == [2]


def test_training_and_validation_share_no_patient(limb_file: Path, tmp_path: Path) -> None:
    same = CtSource(limb_file.name, "limb", "MIT")
    with pytest.raises(ValueError, match="validation: holds every patient"):
        small_config(limb_file, tmp_path, ct=(same, same), validation=("limb",))


def test_a_run_that_cannot_begin_is_refused_before_anything_is_written(
    limb_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(ValueError, match="holds no checkpoint"):
        train(small_config(limb_file, run), resume=True)
    lost = CtSource("lost.nrrd", "lost", "MIT")
    with pytest.raises(FileNotFoundError, match=r"data_root: .*lost\.nrrd not found"):
        train(small_config(limb_file, run, ct=(lost,)))
    assert not run.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch": 0}, "batch: got 0"),
        ({"ct": ()}, "ct: got none"),
        ({"augmentation": AugmentationConfig(crop=CROP + 1)}, "crop: got 49; .*multiple of 16"),
    ],
)
def test_what_cannot_be_trained_is_named(
    limb_file: Path, tmp_path: Path, fields: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        small_config(limb_file, tmp_path, **fields)
