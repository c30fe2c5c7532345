"""Two processes train one network: gradients averaged, images of their own, one that writes."""

from __future__ import annotations

import copy
import dataclasses
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from fresh_process import ended, start
from safetensors.torch import load_file, save_file
from small_run import small_config

from BoneXrayTrainingLib.learning import trainer
from BoneXrayTrainingLib.learning.checkpoints import latest_checkpoint
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.learner import (
    Learner,
    computes_in_half,
    make_learner,
    multiplies_bfloat16,
    predict,
    step,
)
from BoneXrayTrainingLib.learning.losses import ExtractionLoss
from BoneXrayTrainingLib.learning.processes import Processes, joined
from BoneXrayTrainingLib.learning.trainer import batches_ahead
from BoneXrayTrainingLib.sampling.dataset import Batch, PoolConfig, load_source
from BoneXrayTrainingLib.sampling.pool import PairPool, Share

STEPS = 3


def config_of(limb: Path, folder: Path) -> TrainConfig:
    """Three steps; several samples a process."""
    pool = PoolConfig(capacity=6, first=6)
    return small_config(limb, folder / "run", steps=STEPS, pool=pool, device="cpu")


def train_as(rank: str, port: int, limb: Path, folder: Path) -> None:
    """One of two processes that train, which keeps what it has after each step."""
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    os.environ.update(meet, RANK=rank, LOCAL_RANK=rank)
    seen: list[Batch] = []

    def kept(learner: Learner, batch: Batch, *rest: Any) -> Any:
        answer = step(learner, batch, *rest)
        seen.append(batch)
        state = {f"network.{n}": v for n, v in learner.network.state_dict().items()}
        state |= {f"average.{n}": v for n, v in learner.average.state_dict().items()}
        state = {n: v.clone() for n, v in state.items()} | {"batch": batch.channels.contiguous()}
        whole = {n: v.contiguous() for n, v in state.items()}
        save_file(whole, folder / f"{rank}-{len(seen)}.st")
        return answer

    trainer.step = kept  # this process ends with the run
    said: list[str] = []
    trainer.train(config_of(limb, folder), progress=lambda _, message: said.append(message))
    (folder / f"said-{rank}").write_text("\n".join(said))


@pytest.fixture(scope="module")
def trained(limb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with what each process had after each step, and what each said."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [start(train_as, rank, port, limb_file, folder) for rank in "01"]
    assert [ended(child) for child in children] == [0, 0]
    return folder, [(folder / f"said-{rank}").read_text() for rank in "01"]


def test_both_processes_hold_the_same_network_after_each_step(trained: tuple) -> None:
    for number in range(1, STEPS + 1):
        one, other = (load_file(trained[0] / f"{rank}-{number}.st") for rank in "01")
        assert not torch.equal(one.pop("batch"), other.pop("batch")), "each has its own images"
        for name, value in one.items():
            assert torch.equal(value, other[name]), f"step {number}: {name}"


def test_the_first_process_alone_writes_and_speaks(trained: tuple) -> None:
    folder, said = trained
    assert sorted(p.name for p in (folder / "run").iterdir()) == [
        f"checkpoint-{STEPS:08d}", "config.json", "log.jsonl"
    ]  # fmt: skip
    assert (folder / "run/log.jsonl").read_text().count('"loss"') == STEPS
    assert "step 3" in said[0]
    assert said[1] == ""
    last = latest_checkpoint(folder / "run")
    kept = load_file(trained[0] / f"1-{STEPS}.st")
    for kind in ("network", "average"):
        for name, value in load_file(last / f"{kind}.safetensors").items():
            assert torch.equal(value, kept[f"{kind}.{name}"]), name


def test_a_step_takes_the_mean_of_both_gradients(trained: tuple, limb_file: Path) -> None:
    config = config_of(limb_file, trained[0])
    torch.manual_seed(config.seed)
    learner = make_learner(config)
    source = config.ct[0], load_source(config.ct[0], limb_file.parent, config.seed)
    loss, gradients = ExtractionLoss(config.loss, Path()), []
    for rank in (0, 1):
        pool = PairPool([source], config.pairs, config.pool, config.seed, Share(rank, 2))
        processes = Processes(rank, 2, torch.device("cpu"))
        batch = next(batches_ahead(config, pool, 0, processes))
        seen = load_file(trained[0] / f"{rank}-1.st")["batch"]
        # A kernel compiled in this process and one read from the cache may round otherwise.
        assert torch.allclose(seen, batch.channels, rtol=1e-4, atol=1e-5)
        network = copy.deepcopy(learner.network).train()
        predicted = predict(network, batch)
        loss(predicted * batch.weight, batch.target * batch.weight)[0].backward()
        gradients.append([p.grad for p in network.parameters()])
    for parameter, *both in zip(learner.network.parameters(), *gradients, strict=True):
        parameter.grad = sum(both) / 2
    torch.nn.utils.clip_grad_norm_(learner.network.parameters(), 1.0)
    before = {n: p.detach().clone() for n, p in learner.network.named_parameters()}
    learner.optimiser.step()
    after = load_file(trained[0] / "0-1.st")
    slopes = [p.grad for p in learner.network.parameters() if p.grad is not None]
    most = max(float(slope.abs().max()) for slope in slopes)
    compared = 0
    for name, parameter in learner.network.named_parameters():
        moved = (after[f"network.{name}"] - before[name]).abs().max()
        # AdamW's first step moves by the sign of a gradient: near zero, as of a bias that a batch
        # norm takes away, that is rounding.
        counts = parameter.grad.abs() > 1e-4 * most
        agrees = (parameter - after[f"network.{name}"]).abs() < 0.02 * moved + 1e-9
        compared += int(counts.sum())
        assert agrees[counts].float().mean() > 0.97 or not counts.any(), name
    assert compared > 1000


def test_without_torchrun_a_process_is_alone() -> None:
    with joined("cpu") as processes:
        assert (processes.rank, processes.count, processes.is_first) == (0, 1, True)
        assert processes.any_of(True)
        assert not processes.any_of(False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_and_so_is_half_precision_without_instructions_for_it(
    limb_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    with (
        pytest.raises(ValueError, match="device: got 'cuda', but torch finds no GPU"),
        joined("cuda"),
    ):
        pass
    config = small_config(limb_file, tmp_path, precision="bfloat16")
    with pytest.raises(ValueError, match="precision: got 'bfloat16' on the cpu"):
        make_learner(config)


def test_a_processor_with_instructions_for_bfloat16_uses_them_where_asked(
    limb_file: Path, tmp_path: Path
) -> None:
    cpu = torch.device("cpu")
    assert not computes_in_half("auto", cpu)
    assert not computes_in_half("float32", cpu)
    if not multiplies_bfloat16():
        pytest.skip("this processor has none")
    assert computes_in_half("bfloat16", cpu)
    ones = torch.ones(2, 1, 32, 32)
    batch = Batch(torch.rand(2, 3, 32, 32), ones, 0.5 * ones, ones)
    losses = {}
    for precision in ("bfloat16", "float32"):
        config = small_config(limb_file, tmp_path, precision=precision, learning_rate=5e-3)
        torch.manual_seed(2)
        learner = make_learner(dataclasses.replace(config, steps=12))
        losses[precision] = [step(learner, batch, HalfOff(), 0.9)[0] for _ in range(12)]
        assert all(p.dtype == torch.float32 for p in learner.network.parameters())
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.03)
    assert losses["float32"][-1] < losses["float32"][0]


class HalfOff(torch.nn.Module):
    """How far answers are from their target."""

    def forward(self, predicted: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, dict]:
        assert predicted.dtype == torch.float32
        return (predicted - target).square().mean(), {}
