"""Checkpoints: everything a run needs, bit for bit, and never half of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_run import small_config

from BoneXrayTrainingLib.learning.checkpoints import (
    RunState,
    checkpoints,
    latest_checkpoint,
    read_checkpoint,
    read_state,
    write_checkpoint,
)
from BoneXrayTrainingLib.learning.learner import Learner, make_learner, step
from BoneXrayTrainingLib.learning.losses import ExtractionLoss
from BoneXrayTrainingLib.sampling.dataset import Batch


def batch(seed: int) -> Batch:
    image = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    return Batch(image, image[:, :1], image[:, 1:2] * image[:, :1], torch.ones(2, 1, 1, 1))


@pytest.fixture
def config(limb_file: Path, tmp_path: Path):
    return small_config(limb_file, tmp_path / "run", steps=6)


def trained(config, steps: int) -> Learner:
    torch.manual_seed(3)
    learner = make_learner(config)
    for n in range(steps):
        step(learner, batch(n), ExtractionLoss(config.loss, Path()), 0.9)
    return learner


def flat(learner: Learner) -> dict[str, torch.Tensor]:
    moments = {
        f"{number}.{name}": value
        for number, entry in learner.optimiser.state_dict()["state"].items()
        for name, value in entry.items()
    }
    return {
        **{f"network.{n}": v for n, v in learner.network.state_dict().items()},
        **{f"average.{n}": v for n, v in learner.average.state_dict().items()},
        **moments,
    }


def assert_equal(one: Learner, other: Learner) -> None:
    first, second = flat(one), flat(other)
    assert set(first) == set(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        assert value.dtype == second[name].dtype, name
    for name in ("lr", "betas"):
        assert one.optimiser.param_groups[0][name] == other.optimiser.param_groups[0][name]


def test_a_checkpoint_comes_back_bit_for_bit(config, tmp_path: Path) -> None:
    learner = trained(config, 3)
    folder = write_checkpoint(tmp_path, learner, RunState(3, 17))
    torch.manual_seed(99)
    back = make_learner(config)
    assert read_checkpoint(folder, back) == RunState(3, 17)
    assert_equal(learner, back)


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(config, tmp_path: Path) -> None:
    whole = trained(config, 5)
    folder = write_checkpoint(tmp_path, trained(config, 3), RunState(3, 0))
    resumed = make_learner(config)
    read_checkpoint(folder, resumed)
    for n in (3, 4):
        step(resumed, batch(n), ExtractionLoss(config.loss, Path()), 0.9)
    assert_equal(whole, resumed)


def test_only_the_newest_is_kept_and_nothing_in_it_is_a_pickle(config, tmp_path: Path) -> None:
    learner = trained(config, 1)
    for number in (1, 2, 10):
        write_checkpoint(tmp_path, learner, RunState(number, 0))
    assert [p.name for p in tmp_path.glob("*checkpoint*")] == ["checkpoint-00000010"]
    kinds = {path.suffix for path in latest_checkpoint(tmp_path).iterdir()}
    assert kinds == {".safetensors", ".json"}


def test_a_kill_while_writing_leaves_the_checkpoint_before(
    config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trained(config, 1)
    whole = write_checkpoint(tmp_path, learner, RunState(1, 0))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("BoneXrayTrainingLib.learning.checkpoints.json.dumps", killed)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(tmp_path, learner, RunState(2, 0))
    assert checkpoints(tmp_path) == [whole]
    assert read_state(whole) == RunState(1, 0)
    assert write_checkpoint(tmp_path, learner, RunState(2, 0)) == latest_checkpoint(tmp_path)


def test_a_checkpoint_of_an_earlier_version_is_read(config, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, trained(config, 1), RunState(1, 17))
    (folder / "state.json").write_text(json.dumps({"step": 1, "samples": 17, "later": 1}))
    assert read_checkpoint(folder, make_learner(config)) == RunState(1, 17)


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-00000001").mkdir()
    with pytest.raises(ValueError, match=r"run: .* holds no checkpoint"):
        latest_checkpoint(tmp_path)
