"""Train an extraction network: one run, top to bottom, that can be stopped and resumed."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from BoneXrayLib.networks import build_network
from BoneXrayLib.progress import IsCancelled, Progress

from .checkpoints import RunState, latest_checkpoint, read_checkpoint, write_checkpoint
from .configuration import TrainConfig
from .dataset import Batch, PairPool, PoolConfig, load_source, load_variants, make_batch
from .losses import ExtractionLoss

log = logging.getLogger(__name__)
STOP_FILE = "stop"
"""A file of this name in the run's folder ends the run after the step at hand."""


@dataclass(eq=False)
class Learner:
    """The network, its running average and its optimiser."""

    network: torch.nn.Module
    average: torch.nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler


def train(
    config: TrainConfig,
    resume: bool = False,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Path:
    """Train and return the folder of the last checkpoint.

    A file named `stop` in the run's folder, or `is_cancelled()`, ends the run after the step at
    hand, with a checkpoint. `resume` goes on from the last one.

    Raises:
        ValueError: the run exists already and `resume` is not asked for, or the other way round.
    """
    run = _prepare_run(config, resume)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    learner = make_learner(config)
    state = RunState()
    if resume:
        state = read_checkpoint(latest_checkpoint(run), learner)
    pool, watched = _make_pools(config, state, progress)
    loss = ExtractionLoss(config.loss, Path(config.data_root))
    try:
        pool.start(progress)
        return _loop(config, run, learner, state, pool, watched, loss, progress, is_cancelled)
    finally:
        pool.stop()


def _loop(config, run, learner, state, pool, watched, loss, progress, is_cancelled) -> Path:
    began, first = time.monotonic(), state.step
    recent: list[float] = []
    for batch in batches_ahead(config, pool, state.step):
        value, terms = step(learner, batch, loss, config.average)
        recent.append(value)
        state.step += 1
        state.samples = pool.made
        if state.step % config.log_every == 0:
            left = (time.monotonic() - began) / (state.step - first) * (config.steps - state.step)
            record = {
                "step": state.step,
                "of": config.steps,
                "loss": float(np.mean(recent)),
                "eta_s": round(left),
                "samples": pool.made,
                **terms,
            }
            _record(run, record, progress)
            recent.clear()
        if watched is not None and state.step % config.validate_every == 0:
            _record(
                run,
                {"step": state.step, "of": config.steps, **validate(learner, watched)},
                progress,
            )
        stop = (run / STOP_FILE).exists() or (is_cancelled is not None and is_cancelled())
        if stop or state.step % config.checkpoint_every == 0 or state.step == config.steps:
            write_checkpoint(run, learner, state)
        if stop:
            (run / STOP_FILE).unlink(missing_ok=True)
            log.info("stopped at step %d", state.step)
            break
    return latest_checkpoint(run)


def batches_ahead(config: TrainConfig, pool: PairPool, first: int) -> Iterator[Batch]:
    """The batches of steps `first` to the last; while one is trained on, the next is made."""

    def make(number: int) -> Batch:
        torch.set_num_threads(1)  # of this thread alone; the network keeps its own
        rng = np.random.default_rng([config.seed, 7, number])
        return make_batch(pool, config.batch, config.augmentation, rng)

    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(make, first)
        for number in range(first, config.steps):
            batch = coming.result()
            if number + 1 < config.steps:
                coming = maker.submit(make, number + 1)
            yield batch


def make_learner(config: TrainConfig) -> Learner:
    """Network with its answer biased to little bone, average, AdamW, one-cycle schedule."""
    network: Any = build_network(config.network)
    average: Any = build_network(config.network)
    # with the channels of a pixel side by side in memory a CPU trains faster
    network, average = (n.to(memory_format=torch.channels_last) for n in (network, average))
    average.load_state_dict(network.state_dict())
    average.eval()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps + 1, pct_start=0.05
    )
    return Learner(network, average, optimiser, schedule)


def predict(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """What bone adds, (batch, 1, rows, columns): the network's share of the image's level."""
    return network(batch.channels.contiguous(memory_format=torch.channels_last)) * batch.level


def step(
    learner: Learner, batch: Batch, loss: ExtractionLoss, decay: float
) -> tuple[float, dict[str, float]]:
    """One gradient step; returns the loss and its terms."""
    learner.network.train()
    predicted = predict(learner.network, batch)
    value, terms = loss(predicted * batch.weight, batch.target * batch.weight)
    learner.optimiser.zero_grad()
    value.backward()
    torch.nn.utils.clip_grad_norm_(learner.network.parameters(), 1.0)
    learner.optimiser.step()
    learner.schedule.step()
    with torch.no_grad():
        for kept, new in zip(
            learner.average.state_dict().values(),
            learner.network.state_dict().values(),
            strict=True,
        ):
            kept.lerp_(new, 1.0 - decay) if kept.is_floating_point() else kept.copy_(new)
    return float(value.detach()), terms


@torch.no_grad()
def validate(learner: Learner, watched: list[Batch]) -> dict[str, float]:
    """PSNR [dB] of the averaged network on patients it never saw, beside the best scaled input."""
    errors, floors = [], []
    for batch in watched:
        target = (batch.target * batch.weight).clamp(max=1.0)
        answer = (predict(learner.average, batch) * batch.weight).clamp(max=1.0)
        errors.append((answer - target).square().mean((1, 2, 3)))
        level = batch.level * batch.weight
        best = (level * target).sum((1, 2, 3), True) / level.square().sum((1, 2, 3), True)
        floors.append((best * level - target).square().mean((1, 2, 3)))
    psnr, floor = (
        float((-10 * torch.log10(torch.cat(e).clamp(min=1e-9))).mean()) for e in (errors, floors)
    )
    return {"validation_psnr": psnr, "validation_floor_psnr": floor}


def _make_pools(
    config: TrainConfig, state: RunState, progress: Progress | None
) -> tuple[PairPool, list[Batch] | None]:
    root = Path(config.data_root)
    used, kept = [], []
    for n, source in enumerate(config.ct):
        if progress is not None:
            progress(n / len(config.ct), f"reading {source.path}")
        if source.patient in config.validation:
            kept.append((source, load_source(source, root, config.seed)))
        else:
            used += load_variants(source, root, config.seed, config.pairs.deformation)
    watched = None
    if kept:
        watched = _watched_batches(config, kept)
    pool = PairPool(used, config.pairs, config.pool, config.seed, state.samples)
    return pool, watched


def _watched_batches(config: TrainConfig, kept: list) -> list[Batch]:
    """The same images at each validation: 32, from patients kept out."""
    pool = PairPool(kept, config.pairs, PoolConfig(capacity=16), config.seed + 1)
    pool.fill(16)
    rng = np.random.default_rng([config.seed, 11])
    return [make_batch(pool, 8, config.augmentation, rng) for _ in range(4)]


def _prepare_run(config: TrainConfig, resume: bool) -> Path:
    run = Path(config.run)
    if resume:
        latest_checkpoint(run)
        _refuse_another_network(run, config)
    elif (run / "config.json").exists():
        raise ValueError(f"run: {run} exists already; resume it or choose another folder")
    for source in config.ct:
        path = Path(config.data_root) / source.path
        if not path.exists():
            raise FileNotFoundError(f"data_root: {path} not found; expected a CT there")
    run.mkdir(parents=True, exist_ok=True)
    (run / STOP_FILE).unlink(missing_ok=True)
    (run / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    return run


def _refuse_another_network(run: Path, config: TrainConfig) -> None:
    before = json.loads((run / "config.json").read_text())["network"]
    if before != json.loads(json.dumps(config.network)):
        raise ValueError(
            f"network: got {config.network}; expected that of the run to be resumed, {before}"
        )


def _record(run: Path, record: dict, progress: Progress | None) -> None:
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    if progress is not None:
        figures = ", ".join(
            f"{k} {v:.4g}" for k, v in record.items() if k in ("loss", "eta_s", "validation_psnr")
        )
        progress(record["step"] / record["of"], f"step {record['step']}: {figures}")
