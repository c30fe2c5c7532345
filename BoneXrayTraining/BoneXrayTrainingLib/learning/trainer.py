"""Train an extraction network: one run, top to bottom, that can be stopped, killed and resumed.

What a step does follows from the configuration and its number: which samples there are, which are
drawn, how they are varied. So a run that was killed and resumed ends as one that was not.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from BoneXrayLib.progress import Cancelled, IsCancelled, Progress

from ..sampling.dataset import Batch
from ..sampling.pool import Pool, make_batch
from .beginnings import RECORD, read_beginning, start_with
from .checkpoints import RunState, latest_checkpoint, read_checkpoint, write_best, write_checkpoint
from .configuration import TrainConfig, on_dataset
from .features_loss import FeaturesLoss, validate_features
from .learner import Learner, join_gradients, make_learner, step, validate
from .losses import ExtractionLoss
from .processes import Processes, joined
from .run_folder import (
    STOP_FILE,
    RunLog,
    check_run,
    forget_run,
    is_to_stop,
    last_checkpoint_or_none,
    prepare_run,
    write_whole,
)
from .run_pools import make_pools
from .segment_loss import SegmentationLoss, validate_segments
from .separation_loss import SeparationLoss, validate_separation
from .watch import Watch

log = logging.getLogger(__name__)
MOST_MAKERS = 8
CRITERIA = {
    "extract": "validation_psnr",
    "segment": "validation_dice",
    "separate": "validation_gain",
    "features": "validation_near",
}
"""The figure by which weights are better than others."""


def train(
    config: TrainConfig,
    resume: bool = False,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Path:
    """Train and return the folder of the last checkpoint; under `torchrun`, with the others.

    A file named `stop` in the run's folder, or `is_cancelled()`, ends the run after the step at
    hand, with a checkpoint. `resume` goes on from the last one, or begins a run that was killed
    before its first.

    Raises:
        Cancelled: so while CTs were read, of a process alone: there is nothing to write yet.
        ValueError: the run exists already and `resume` is not asked for, or the other way round;
            a device or precision that is not there; a data set that is damaged or does not fit.
    """
    config = on_dataset(config)
    run = check_run(config, resume)
    with joined(config.device) as processes:
        if config.threads:
            torch.set_num_threads(config.threads)
        loss = make_loss(config).to(processes.device)
        learner, state = _begin(config, run, processes)
        try:
            asked = partial(is_to_stop, run, is_cancelled)
            pool, watched = make_pools(config, processes, progress, asked)
            training = Training(config, run, learner, state, pool, watched, loss)
            pool.start(state.step * config.batch)
            try:
                return training.go(progress if processes.is_first else None, is_cancelled)
            finally:
                pool.stop()
        except (ValueError, OSError, Cancelled):
            if not resume and processes.is_first and last_checkpoint_or_none(run) is None:
                forget_run(run)
            raise


def _begin(config: TrainConfig, run: Path, processes: Processes) -> tuple[Learner, RunState]:
    """The learner as the last checkpoint, an earlier model or chance has it; the run's folder."""
    torch.manual_seed(config.seed)
    learner, state = make_learner(config, processes), RunState()
    last = last_checkpoint_or_none(run)
    if last is not None:
        state = read_checkpoint(last, learner)
    elif config.start_from:
        beginning = read_beginning(config.start_from, config.network, config.task)
        start_with(learner, beginning)
    processes.wait()  # all have looked at the folder as it was
    if processes.is_first:
        prepare_run(run, config)
        if last is None and config.start_from:
            write_whole(run / RECORD, json.dumps(beginning.record, indent=2) + "\n")
    join_gradients(learner)
    return learner, state


@dataclass(eq=False)
class Training:
    """The steps of one run."""

    config: TrainConfig
    run: Path
    learner: Learner
    state: RunState
    pool: Pool
    watched: list[Batch]
    loss: torch.nn.Module

    def go(self, progress: Progress | None, is_cancelled: IsCancelled | None) -> Path:
        """All steps that are left, or until somebody wishes to stop; the last checkpoint."""
        config, state, processes = self.config, self.state, self.learner.processes
        journal = RunLog(self.run, state.step, progress) if processes.is_first else None
        watch = Watch(state.step, config.steps)
        if progress is not None and state.step < config.steps:
            progress(state.step / config.steps, "making the first batch")
        batches = batches_ahead(config, self.pool, state.step, processes)
        try:
            while state.step < config.steps and not self._is_over():
                batch = watch.waiting_for(batches)
                torch.manual_seed(_number(config.seed, 13, state.step, processes.rank))
                value, terms = step(
                    self.learner, batch.to(processes.device), self.loss, config.average
                )
                state.recent.append(value)
                state.step += 1
                state.samples = self.pool.held(state.step * config.batch).stop
                self._tell(journal, watch, terms)
                if self._ends_or_goes_on(is_cancelled):
                    break
        finally:
            batches.close()
            if journal is not None:
                journal.close()
        processes.wait()  # the first may still be writing
        return latest_checkpoint(self.run)

    def _tell(self, journal: RunLog | None, watch: Watch, terms: dict[str, float]) -> None:
        """What is due at this step: a record of the log, a look at the patients kept out."""
        config, state = self.config, self.state
        place = {"step": state.step, "of": config.steps}
        if state.step % config.log_every == 0:
            figures = {"loss": float(np.mean(state.recent)), "samples": state.samples}
            if journal is not None:
                journal.write({**place, **figures, **watch.figures(state.step), **terms})
            state.recent.clear()
        if config.validation and state.step % config.validate_every == 0:
            segments = partial(validate_segments, bones=len(config.structures))
            measures = {
                "segment": segments,
                "separate": validate_separation,
                "features": validate_features,
            }
            measure = measures.get(config.task, validate)
            found = measure(self.learner, self.watched) if self.watched else {}
            found = self.learner.processes.of_first(found)
            if journal is not None:
                journal.write({**place, **found})
            self._compare(found[CRITERIA[config.task]])

    def _compare(self, figure: float) -> None:
        """Keep the weights that do best on the patients kept out."""
        state = self.state
        if state.best is not None and not figure > state.best:
            state.worse += 1
            return
        state.best, state.best_step, state.worse = figure, state.step, 0
        if self.learner.processes.is_first:
            write_best(self.run, self.learner, state)

    def _is_over(self) -> bool:
        return 0 < self.config.patience <= self.state.worse

    def _ends_or_goes_on(self, is_cancelled: IsCancelled | None) -> bool:
        """Whether somebody wishes to stop; a checkpoint where one is due."""
        config, state, processes = self.config, self.state, self.learner.processes
        stop = processes.any_of(is_to_stop(self.run, is_cancelled))
        due = state.step % config.checkpoint_every == 0 or state.step == config.steps
        if processes.is_first and (stop or due or self._is_over()):
            write_checkpoint(self.run, self.learner, state)
        if stop and processes.is_first:
            (self.run / STOP_FILE).unlink(missing_ok=True)
            log.info("stopped at step %d", state.step)
        return stop


def batches_ahead(
    config: TrainConfig, pool: Pool, first: int, processes: Processes
) -> Generator[Batch]:
    """The batches of steps `first` to the last; while one is trained on, the next are made."""
    makers = config.makers or _makers(processes.device)
    own = [processes.rank] if processes.rank else []

    def make(number: int) -> Batch:
        torch.set_num_threads(1)  # of this thread alone; the network keeps its own
        rng = np.random.default_rng([config.seed, 7, number, *own])
        return make_batch(pool, config.batch, config.augmentation, rng, number, config.asked)

    coming: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(makers) as executor:
        try:
            for number in range(first, config.steps):
                pool.advance(number * config.batch)
                while len(coming) <= makers and number + len(coming) < config.steps:
                    coming.append(executor.submit(make, number + len(coming)))
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _makers(device: torch.device) -> int:
    """Threads that make batches: a network on the CPU leaves room for one, on a GPU for more."""
    return 1 if device.type == "cpu" else max(1, min(MOST_MAKERS, (os.cpu_count() or 1) - 2))


def make_loss(config: TrainConfig) -> torch.nn.Module:
    """What the task minimises."""
    if config.task == "separate":
        return SeparationLoss(config.loss)
    if config.task == "features":
        return FeaturesLoss(config.loss)
    if config.task == "segment":
        return SegmentationLoss(config.loss, len(config.structures))
    return ExtractionLoss(config.loss, Path(config.data_root))


def _number(*words: int) -> int:
    """A seed of words, as NumPy mixes them."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
