"""Train BLS-GAN's recipe for layer separation: one run, top to bottom, to be stopped and resumed.

First on synthetic overlaps, whose layers are known; then on these mixed with joints that overlap by
themselves. A step follows from the configuration and its number, as in `trainer`: a run that was
killed and resumed ends as one that was not. `bls_gan` has the parts.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from BoneXrayLib.progress import IsCancelled, Progress

from .bls_gan.batches import make_joint_batch, watched_batches
from .bls_gan.checkpoints import read_gan_checkpoint, write_gan_checkpoint
from .bls_gan.config import BlsGanConfig, stage_of
from .bls_gan.joints import Joints, make_joints
from .bls_gan.learner import GanLearner, gan_step, make_gan_learner, validate_gan
from .bls_gan.objective import Given
from .learning.checkpoints import RunState, latest_checkpoint
from .learning.processes import joined
from .learning.run_folder import (
    STOP_FILE,
    RunLog,
    begun,
    is_to_stop,
    last_checkpoint_or_none,
    prepare_run,
)
from .learning.watch import Watch

log = logging.getLogger(__name__)
KEPT_ON_RESUME = ("recipe", "generator", "supervisor", "reconstructor", "side")


def train_bls_gan(
    config: BlsGanConfig,
    resume: bool = False,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Path:
    """Train and return the folder of the last checkpoint.

    A file named `stop` in the run's folder, or `is_cancelled()`, ends the run after the step at
    hand, with a checkpoint. `resume` goes on from the last one.

    Raises:
        ValueError: the run exists already and `resume` is not asked for, or the other way round;
            joints that cannot be trained on; a device that is not there.
    """
    run = _checked_run(config, resume)
    joints, watched = make_joints(config, False, progress), make_joints(config, True, progress)
    assert joints is not None  # the configuration has some to train on
    with joined(config.device) as processes:
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        learner, state = make_gan_learner(config, processes.device), RunState()
        last = last_checkpoint_or_none(run)
        if last is not None:
            state = read_gan_checkpoint(last, learner, config)
        last_stage = stage_of(config, config.steps - 1)
        make_joint_batch(joints, last_stage, config, 0)  # raises where a kind of joint is missing
        prepare_run(run, config)
        training = Separation(config, run, learner, state, joints, watched_batches(watched, config))
        return training.go(progress, is_cancelled)


def _checked_run(config: BlsGanConfig, resume: bool) -> Path:
    """The run's folder, nothing in it touched yet."""
    run = Path(config.run)
    before = begun(run, resume)
    if before is None:
        return run
    now = json.loads(json.dumps(dataclasses.asdict(config)))
    for name in KEPT_ON_RESUME:
        if before.get(name) != now[name]:
            raise ValueError(
                f"{name}: got {now[name]}; expected that of the run to be resumed, "
                f"{before.get(name)}"
            )
    return run


@dataclass(eq=False)
class Separation:
    """The steps of one run."""

    config: BlsGanConfig
    run: Path
    learner: GanLearner
    state: RunState
    joints: Joints
    watched: list[Given]

    def go(self, progress: Progress | None, is_cancelled: IsCancelled | None) -> Path:
        """All steps that are left, or until somebody wishes to stop; the last checkpoint."""
        config, state = self.config, self.state
        journal = RunLog(self.run, state.step, progress)
        watch = Watch(state.step, config.steps)
        batches = self._batches_ahead()
        try:
            while state.step < config.steps:
                given = watch.waiting_for(batches).to(self.learner.device)
                self._enter(state.step)
                figures = gan_step(self.learner, given, config.double_sigmoid)
                state.recent.append(figures["loss"])
                state.step += 1
                self._tell(journal, watch, figures)
                if self._ends(is_cancelled):
                    break
        finally:
            batches.close()
            journal.close()
        return latest_checkpoint(self.run)

    def _batches_ahead(self) -> Generator[Given]:
        """The batches of all steps that are left; while one is trained on, the next is made."""
        config, first = self.config, self.state.step

        def make(number: int) -> Given:
            torch.set_num_threads(1)  # of this thread alone; the networks keep their own
            return make_joint_batch(self.joints, stage_of(config, number), config, number)

        with ThreadPoolExecutor(1) as maker:
            coming = maker.submit(make, first)
            for number in range(first + 1, config.steps + 1):
                given = coming.result()
                if number < config.steps:
                    coming = maker.submit(make, number)
                yield given

    def _enter(self, step: int) -> None:
        """The stage of a step, fresh optimisers where it begins, and the reconstructor's rate."""
        config, learner = self.config, self.learner
        stage = stage_of(config, step)
        if learner.stage != stage or step == config.pretrain.steps:
            learner.enter(stage)
        if config.halve_every and "reconstructor" in learner.optimisers:
            begun = 0 if step < config.pretrain.steps else config.pretrain.steps
            rate = stage.reconstructor * 0.5 ** ((step - begun) // config.halve_every)
            for group in learner.optimisers["reconstructor"].param_groups:
                group["lr"] = rate

    def _tell(self, journal: RunLog, watch: Watch, figures: dict[str, float]) -> None:
        """What is due at this step: a record of the log, a look at the joints kept out."""
        config, state = self.config, self.state
        place = {"step": state.step, "of": config.steps}
        if state.step % config.log_every == 0:
            stage = "pretrain" if state.step <= config.pretrain.steps else "main"
            mean = {"loss": float(np.mean(state.recent))}
            journal.write({
                **place, "stage": stage, **figures, **mean, **watch.figures(state.step)
            })  # fmt: skip
            state.recent.clear()
        if self.watched and state.step % config.validate_every == 0:
            journal.write({**place, **validate_gan(self.learner, self.watched)})

    def _ends(self, is_cancelled: IsCancelled | None) -> bool:
        """Whether somebody wishes to stop; a checkpoint where one is due."""
        config, state = self.config, self.state
        stop = is_to_stop(self.run, is_cancelled)
        if stop or state.step % config.checkpoint_every == 0 or state.step == config.steps:
            write_gan_checkpoint(self.run, self.learner, state)
        if stop:
            (self.run / STOP_FILE).unlink(missing_ok=True)
            log.info("stopped at step %d", state.step)
        return stop
