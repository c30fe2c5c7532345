"""Where a run's samples come from: its CTs, their named bones, or a data set."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from BoneXrayLib.bone import Parts
from BoneXrayLib.progress import IsCancelled, Progress, raise_if_cancelled

from ..generation.pool import StorePool
from ..labelled import named_parts, named_variants
from ..legs.bones import read_bones
from ..legs.patient import leg_patients
from ..sampling.dataset import Batch, CtSource, PoolConfig, load_source, load_variants
from ..sampling.joint_places import JointPool
from ..sampling.leg_pool import LegPool
from ..sampling.pool import PairPool, Pool, Share, make_batch
from ..stacking import stacked_patients
from .configuration import TrainConfig
from .processes import Processes

WATCHED_LEGS = 4


def make_pools(
    config: TrainConfig,
    processes: Processes,
    progress: Progress | None,
    is_cancelled: IsCancelled | None = None,
) -> tuple[Pool, list[Batch]]:
    """The samples to train on; for the first process the images to watch the run with, too.

    Raises:
        Cancelled: `is_cancelled()` became true before a CT or patient, of a process alone.
    """
    tell = _teller(processes, progress, is_cancelled)
    if config.dataset:
        watched = []
        if config.validation and processes.is_first:
            watched = _watched_batches(config, StorePool(config.dataset, "validation"))
        return StorePool(config.dataset, "train"), [b.to(processes.device) for b in watched]
    if config.task == "features":
        return _leg_pools(config, processes, tell)
    used, kept = [], []
    for n, source in enumerate(config.ct):
        tell(0.0, f"reading {source.path} ({n + 1} of {len(config.ct)})")
        if source.patient not in config.validation:
            used += patients_of(config, source)
        elif processes.is_first:
            kept.append((source, patient_of(config, source)))
    used += _stacks(config, used, tell)
    share = Share(processes.rank, processes.count)
    pool = pool_of(config, used, config.pool, config.seed, share)
    few = PoolConfig(capacity=16, first=16)
    watched = []
    if kept:
        watched = _watched_batches(config, pool_of(config, kept, few, config.seed + 1))
    return pool, [batch.to(processes.device) for batch in watched]


def _teller(
    processes: Processes, progress: Progress | None, is_cancelled: IsCancelled | None
) -> Progress:
    """Tells of the work of the first process, and ends that of one alone: others would wait."""

    def tell(fraction: float, message: str) -> None:
        if processes.count == 1:
            raise_if_cancelled(is_cancelled)
        if progress is not None and processes.is_first:
            progress(fraction, message)

    return tell


def _stacks(
    config: TrainConfig, known: list[tuple[CtSource, Parts]], tell: Progress
) -> list[tuple[CtSource, Parts]]:
    """The patients put together from those known."""
    count, made = config.stacks.patients, []
    each = stacked_patients(config.stacks, known, config.seed, config.pairs.deformation)
    for number in range(1, count + 1):
        tell(0.0, f"putting together patient {number} of {count}")
        made.append(next(each))
    return made


def _leg_pools(
    config: TrainConfig, processes: Processes, tell: Progress
) -> tuple[Pool, list[Batch]]:
    """Legs to train on; to watch the run with, legs of the bones of the patients kept out."""
    pool = leg_pool(config, Share(processes.rank, processes.count), progress=tell)
    if not (config.validation and processes.is_first):
        return pool, []
    watched = _watched_batches(config, leg_pool(config, kept_out=True, progress=tell))
    return pool, [batch.to(processes.device) for batch in watched]


def leg_pool(
    config: TrainConfig,
    share: Share | None = None,
    kept_out: bool = False,
    progress: Progress | None = None,
) -> LegPool:
    """Samples of legs that are put together from the bones of the sources.

    With `kept_out`, of the bones of the patients in `validation`; what these lack is of the others.
    """
    root, look, pool = Path(config.data_root), config.legs, config.pool
    used = [c for c in config.ct if c.patient not in config.validation]
    bones, seed = read_bones(used, root, look), config.seed
    if kept_out:
        kept = [c for c in config.ct if c.patient in config.validation]
        look = dataclasses.replace(look, patients=min(look.patients, WATCHED_LEGS), sampled=0.0)
        own = read_bones(kept, root, dataclasses.replace(look, leave_out=()))
        own.refuse_known({b.subject for found in own.whole.values() for b in found}, "validation")
        bones = own.completed(bones)
        pool, seed = PoolConfig(capacity=32, first=32), seed + 1
    bones.check()
    legs = leg_patients(bones, look, seed, progress)
    return LegPool(legs, look, config.pairs, pool, seed, share)


def pool_of(
    config: TrainConfig,
    patients: list[tuple[CtSource, Parts]],
    size: PoolConfig,
    seed: int,
    share: Share | None = None,
) -> PairPool:
    """Samples of patients as the task wants them: of joints, to pull bones apart."""
    if config.asked is not None:
        return JointPool(patients, config.pairs, size, seed, share, layers=config.asked)
    return PairPool(patients, config.pairs, size, seed, share)


def patients_of(config: TrainConfig, source: CtSource) -> list[tuple[CtSource, Parts]]:
    """All patients that are made of one source, as the task wants them."""
    root, spread = Path(config.data_root), config.pairs.deformation
    if config.structures:
        return named_variants(source, root, config.seed, spread, config.structures)
    return load_variants(source, root, config.seed, spread)


def patient_of(config: TrainConfig, source: CtSource) -> Parts:
    """The patient of one source, as the task wants it."""
    root = Path(config.data_root)
    if config.structures:
        return named_parts(source, root, config.seed, config.structures)
    return load_source(source, root, config.seed)


def _watched_batches(config: TrainConfig, pool: Pool) -> list[Batch]:
    """The same images at each validation: 32, from patients kept out."""
    rng = np.random.default_rng([config.seed, 11])
    return [make_batch(pool, 8, config.augmentation, rng, layers=config.asked) for _ in range(4)]
