"""A run that was killed or stopped and resumed ends as one that was left alone, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fresh_process import ended, start
from safetensors import safe_open
from small_run import small_config

from BoneXrayTrainingLib.learning.checkpoints import checkpoints, latest_checkpoint
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.run_folder import check_run
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.sampling.dataset import CtSource, PoolConfig

CTS = 2
"""Before each of which a run asks whether it is to go on, as after each step."""
MOVING = PoolConfig(capacity=4, first=3, images_per_sample=3.0)
FIGURES = ("step", "loss", "samples", "validation_psnr")


@pytest.fixture(scope="module")
def data(limb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the limb twice, as two patients."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("a.nrrd", "b.nrrd"):
        (folder / name).write_bytes(limb_file.read_bytes())
    return folder


def config_of(data: Path, run: Path, **fields: Any) -> TrainConfig:
    """Twelve steps on a pool that moves on, watched on another patient; a log every three."""
    cts = tuple(CtSource(f"{name}.nrrd", name, "MIT") for name in "ab")
    wanted = {
        "ct": cts, "data_root": str(data), "validation": ("b",), "steps": 12, "log_every": 3,
        "checkpoint_every": 2, "validate_every": 4, "pool": MOVING, "average": 0.9, **fields,
    }  # fmt: skip
    return small_config(data / "a.nrrd", run, **wanted)


def bits(run: Path) -> dict[str, bytes]:
    """Every tensor of a run's last checkpoint and of its best one."""
    folders = {"last": latest_checkpoint(run), "best": checkpoints(run, "best")[-1]}
    found = {"names": f"{folders['last'].name} {folders['best'].name}".encode()}
    for kind, folder in folders.items():
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "np") as tensors:
                found.update({
                    f"{kind} {path.stem} {name}": tensors.get_tensor(name).tobytes()
                    for name in tensors.keys()  # noqa: SIM118
                })  # fmt: skip
    return found


def figures(run: Path) -> list[dict]:
    """What the log says of the steps, without the times."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: r[name] for name in FIGURES if name in r} for r in records if r["step"]]


class Kill:
    """Ends this process as `kill -9` does, at the n-th call of a Python function of the steps."""

    def __init__(self, at: int = sys.maxsize) -> None:
        self.calls, self._at = 0, at

    def told(self, fraction: float, message: str) -> None:
        """The `progress` of a run; counts from its first batch on."""
        if message == "making the first batch":
            sys.setprofile(self._count)

    def _count(self, frame: object, event: str, argument: object) -> None:
        if event == "call":
            self.calls += 1
            if self.calls == self._at:
                import os
                import signal

                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def run_as_asked(data: Path, run: Path, asked: dict[str, Any]) -> None:
    """A run that is stopped or killed as asked; how many calls its steps took goes beside it."""
    kill = Kill(asked["at"]) if "at" in asked else Kill()
    cancelled = after(CTS + asked["stop"]) if "stop" in asked else None
    config = config_of(data, run, **asked.get("fields", {}))
    train(config, resume=asked.get("resume", False), progress=kill.told, is_cancelled=cancelled)
    sys.setprofile(None)
    (run.parent / "calls").write_text(str(kill.calls))


def train_in_a_child(data: Path, run: Path, **asked: Any) -> int:
    """A run of its own process; how that ended.

    All runs that are compared have one: what hundreds of tests left in this process, such as the
    number of threads, may move the last bits of a sum.
    """
    return ended(start(run_as_asked, data, run, asked))


def trained(data: Path, run: Path, **asked: Any) -> str:
    """Such a run that is not killed; the name of its last checkpoint."""
    assert train_in_a_child(data, run, **asked) == 0
    return latest_checkpoint(run).name


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A run left alone, and how many calls its steps took."""
    run = tmp_path_factory.mktemp("whole") / "run"
    trained(data, run)
    return run, int((run.parent / "calls").read_text())


def test_a_run_killed_at_any_moment_and_resumed_is_the_same_bit_for_bit(
    data: Path, whole: tuple[Path, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # not at the very end: how often a thread waits differs a little from run to run
    at = random.randrange(1, 9 * whole[1] // 10)
    assert train_in_a_child(data, run, at=at) not in (0, 1), f"killed at call {at}"
    trained(data, run, resume=True)
    assert bits(run) == bits(whole[0]), f"killed at call {at} of {whole[1]}"
    assert figures(run) == figures(whole[0])


def after(calls: int) -> Callable[[], bool]:
    """`is_cancelled` that becomes true at that call."""
    count = iter(range(calls - 1, -1, -1))
    return lambda: next(count) == 0


def test_a_run_stopped_twice_and_resumed_is_the_same_bit_for_bit(
    data: Path, whole: tuple[Path, int], tmp_path: Path
) -> None:
    run, fields = tmp_path / "run", {"makers": 3}
    assert trained(data, run, fields=fields, stop=5) == "checkpoint-00000005"
    assert trained(data, run, fields=fields, stop=2, resume=True) == "checkpoint-00000007"
    trained(data, run, fields=fields, resume=True)
    assert bits(tmp_path / "run") == bits(whole[0])
    assert figures(tmp_path / "run") == figures(whole[0])


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(config_of(data, tmp_path / "run"), steps=1, validation=())

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("BoneXrayTrainingLib.learning.trainer.write_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    with pytest.raises(ValueError, match="exists already; resume it"):
        train(config)
    assert train(config, resume=True).name == "checkpoint-00000001"
    assert [record["step"] for record in figures(tmp_path / "run")] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"validation": ()},
            r"validation: got \[\]; expected that of the run to be resumed, \['b'\]",
        ),
        ({"ct": "other"}, "ct: got .*; expected that of the run to be resumed"),
        ({"steps": 4}, "steps: got 4; expected at least the 12 of the run"),
        ({"optimiser": "muon"}, "optimiser: got muon; expected that of the run .* adamw"),
        ({"seed": 3}, None),
    ],
)
def test_a_run_goes_on_with_its_own_patients_only(
    data: Path, whole: tuple[Path, int], tmp_path: Path, change: dict, message: str | None
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    config = config_of(data, run)
    if "ct" in change:
        change = {"ct": (config.ct[0], dataclasses.replace(config.ct[1], remove_contrast=True))}
    changed = dataclasses.replace(config, **change)
    if message is None:
        assert check_run(changed, resume=True) == run
        return
    with pytest.raises(ValueError, match=message):
        train(changed, resume=True)
    assert json.loads((run / "config.json").read_text())["validation"] == ["b"]


def test_a_run_of_an_earlier_version_that_knew_fewer_entries_is_resumed(
    data: Path, whole: tuple[Path, int], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    before = json.loads((run / "config.json").read_text())
    for source in before["ct"]:
        del source["near"], source["mesh"]["own_turn"]
    del before["legs"], before["optimiser"]
    (run / "config.json").write_text(json.dumps(before))
    assert check_run(config_of(data, run), resume=True) == run
