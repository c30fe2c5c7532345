"""Batches of a run: what a step sees follows from the seed and its number alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .config import BlsGanConfig, StageConfig
from .joints import Example, Joints
from .objective import Given

WATCHED = 4
"""Batches that a run is watched with."""


def collate_joints(examples: Sequence[Example]) -> Given:
    """Examples stacked as the networks take them."""
    stacked = (
        torch.from_numpy(np.stack([getattr(e, name) for e in examples]))
        for name in ("image", "masks", "layers", "known")
    )
    return Given(*stacked)


def make_joint_batch(
    joints: Joints, stage: StageConfig, config: BlsGanConfig, number: int
) -> Given:
    """The batch of step `number`: the stage's share of joints that overlap by themselves."""
    rng = np.random.default_rng([config.seed, 7, number])
    unknown = round(stage.unknown_share * config.batch)
    drawn = number * config.batch
    examples = [joints.overlapped(rng, drawn) for _ in range(config.batch - unknown)]
    examples += [joints.overlapping(rng, drawn) for _ in range(unknown)]
    return collate_joints(examples)


def watched_batches(joints: Joints | None, config: BlsGanConfig) -> list[Given]:
    """The same joints with known layers at each validation."""
    if joints is None:
        return []
    rng = np.random.default_rng([config.seed, 11])
    return [
        collate_joints([joints.overlapped(rng, 0) for _ in range(config.batch)])
        for _ in range(WATCHED)
    ]
