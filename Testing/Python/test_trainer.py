"""A training run: it learns, it stops with a checkpoint, it goes on where it was."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_run import CROP, NETWORK, small_config

from BoneXrayLib.models import verify_model
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.learning.checkpoints import best_checkpoint, read_state
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.learner import make_learner, predict, step, validate
from BoneXrayTrainingLib.learning.losses import ExtractionLoss
from BoneXrayTrainingLib.learning.run_folder import STOP_FILE
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.learning.watch import Watch
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.dataset import CtSource, PoolConfig, load_source
from BoneXrayTrainingLib.sampling.pool import PairPool, make_batch


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


def test_a_run_that_cannot_begin_leaves_no_folder(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    config = small_config(limb_file, run)
    loss = dataclasses.replace(config.loss, perceptual=0.1, perceptual_weights="nofile.npz")
    with pytest.raises(FileNotFoundError, match=r"nofile\.npz"):
        train(dataclasses.replace(config, loss=loss))
    assert not run.exists()

    def broken(*_: object) -> None:
        raise ValueError("no CT")

    monkeypatch.setattr("BoneXrayTrainingLib.sampling.pool.make_pair", broken)
    with pytest.raises(ValueError, match=r"^no CT$"):
        train(config)
    assert not run.exists()


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


def two_patients(limb_file: Path, folder: Path, **fields: object) -> TrainConfig:
    """The limb to train on, and as another patient to watch with at each step."""
    for name in ("a.nrrd", "b.nrrd"):
        shutil.copy(limb_file, folder / name)
    cts = tuple(CtSource(f"{name}.nrrd", name, "MIT") for name in "ab")
    wanted = {"data_root": str(folder), "validation": ("b",), "validate_every": 1, **fields}
    return small_config(limb_file, folder / "run", ct=cts, **wanted)


def test_a_run_ends_when_it_gets_no_better_and_keeps_its_best_weights(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([20.0, 22.0, 21.0, 22.0, 30.0, 31.0])
    monkeypatch.setattr(
        "BoneXrayTrainingLib.learning.trainer.validate",
        lambda *_: {"validation_psnr": next(figures)},
    )
    config = two_patients(limb_file, tmp_path, steps=20, patience=2)
    last = train(config)
    state = read_state(last)
    assert (last.name, state.best, state.best_step) == ("checkpoint-00000004", 22.0, 2)
    run = tmp_path / "run"
    assert [p.name for p in run.glob("best-*")] == ["best-00000002"]
    assert best_checkpoint(run).name == "best-00000002"
    assert train(config, resume=True) == last, "it has ended; the next figure is not asked for"
    model = verify_model(export(run, tmp_path / "model", working_size=64))
    assert model.card.trained_on["steps"] == 2, "the best weights are exported"
    more = dataclasses.replace(config, patience=3, steps=6)
    assert train(more, resume=True).name == "checkpoint-00000006"
    assert best_checkpoint(run).name == "best-00000006"


def test_patience_without_patients_to_watch_is_refused(limb_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patience: needs patients in validation"):
        small_config(limb_file, tmp_path, patience=1)


def test_a_run_starts_from_a_model_or_a_run_and_its_card_says_so(
    limb_file: Path, tmp_path: Path
) -> None:
    first = small_config(limb_file, tmp_path / "first", steps=2, average=0.5)
    old = load_file(train(first) / "average.safetensors")
    export(tmp_path / "first", tmp_path / "model", "0.7", working_size=64)
    shutil.copy(limb_file, tmp_path / "other.nrrd")
    other = CtSource("other.nrrd", "other", "CC0")
    for start, kind in ((tmp_path / "first", "steps"), (tmp_path / "model", "version")):
        run = tmp_path / f"second-{kind}"
        config = small_config(
            limb_file, run, ct=(other,), data_root=str(tmp_path), start_from=str(start),
            steps=1, learning_rate=1e-12, average=0.5,
        )  # fmt: skip
        new = load_file(train(config) / "average.safetensors")
        for name, value in old.items():
            if value.is_floating_point() and "running" not in name:
                assert torch.allclose(value, new[name], atol=2e-3), name  # models hold halves
        trained_on = verify_model(export(run, tmp_path / "m", working_size=64)).card.trained_on
        assert trained_on["started_from"]["name"] == "tiny"
        assert kind in trained_on["started_from"]
        assert {s["name"]: s["licence"] for s in trained_on["sources"]} == {
            "limb": "MIT", "other": "CC0"
        }  # fmt: skip


def test_frozen_weights_stay_bit_for_bit_and_others_learn(limb_file: Path, tmp_path: Path) -> None:
    old = load_file(train(small_config(limb_file, tmp_path / "a", steps=1)) / "average.safetensors")
    frozen, run = ("network.down_*", "*conv_0.conv_1.*"), tmp_path / "b"
    config = small_config(limb_file, run, steps=2, frozen=frozen, start_from=str(tmp_path / "a"))
    new = load_file(train(config) / "average.safetensors")
    same = {name for name, value in old.items() if torch.equal(value, new[name])}
    learned = {name for name in old if "running" not in name and "num_batches" not in name}
    stay = {n for n in learned if any(fnmatch.fnmatch(n, p) for p in frozen)}
    assert stay
    assert stay <= same
    assert {n for n, v in old.items() if v.ndim > 1} - stay, "some are left to learn"
    assert not {n for n, v in old.items() if v.ndim > 1 and n not in stay} & same
    for pattern, message in (("norm_*", "fits no weights; expected names such as"),
                             ("*", "fits all weights")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            train(small_config(limb_file, tmp_path / "c", frozen=(pattern,)))
        assert not (tmp_path / "c").exists()


def test_weights_of_another_network_are_refused_before_anything_is_written(
    limb_file: Path, tmp_path: Path
) -> None:
    train(small_config(limb_file, tmp_path / "first", steps=1))
    wider = {**NETWORK, "channels": [2 * n for n in NETWORK["channels"]]}
    config = small_config(
        limb_file, tmp_path / "second", network=wider, start_from=str(tmp_path / "first")
    )
    with pytest.raises(ValueError, match=r"start_from: .* expected that of the configuration"):
        train(config)
    assert not (tmp_path / "second").exists()


def test_figures_go_to_tensorboard_where_it_is_installed(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scalars: list[tuple] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            self.first = (folder, purge_step)
            scalars.append(self.first)

        def add_scalar(self, *values: object) -> None:
            scalars.append(values)

        def flush(self) -> None:
            pass

        def close(self) -> None:
            scalars.append(("closed",))

    board = types.ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    run = tmp_path / "run"
    train(small_config(limb_file, run, steps=2))
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert scalars[0] == (str(run / "tensorboard"), 1)
    assert [s for s in scalars if s[0] == "loss"] == [
        ("loss", r["loss"], r["step"]) for r in records
    ]
    assert scalars[-1] == ("closed",)
    assert "note" not in records[0]


def test_without_tensorboard_the_log_says_so(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train(small_config(limb_file, tmp_path / "run", steps=1))
    assert '"note": "tensorboard is not installed' in (tmp_path / "run/log.jsonl").read_text()


def test_the_share_of_waiting_and_the_speed_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 13.0, 20.0, 30.0, 30.5, 40.0])
    monkeypatch.setattr("BoneXrayTrainingLib.learning.watch.time.monotonic", lambda: next(clock))
    watch = Watch(10, 50)
    assert watch.waiting_for(iter("a")) == "a"
    assert watch.figures(20) == {"eta_s": 60, "steps_per_s": 0.5, "wait_share": 0.15}
    watch.waiting_for(iter("b"))
    assert watch.figures(30) == {"eta_s": 40, "steps_per_s": 0.5, "wait_share": 0.025}


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
    (tmp_path / "broken.nrrd").write_text("not a volume")
    broken = CtSource("broken.nrrd", "broken", "MIT")
    with pytest.raises(ValueError, match=r"broken\.nrrd"):
        train(small_config(limb_file, run, data_root=str(tmp_path), ct=(broken,)))
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
