"""Checkpoints of BLS-GAN's recipe: all three networks and what their optimisers keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..learning.checkpoints import RunState, checkpoints, moments, read_state, restore, write_folder
from .config import BlsGanConfig, stage_of
from .learner import NETWORKS, GanLearner


def write_gan_checkpoint(run: Path, learner: GanLearner, state: RunState) -> Path:
    """Write run/checkpoint-<step>, then drop those before it; a kill leaves a whole one."""
    tensors = {name: learner.network(name).state_dict() for name in NETWORKS}
    tensors |= {f"{name}-optimiser": moments(o) for name, o in learner.optimisers.items()}
    final = write_folder(run / f"checkpoint-{state.step:08d}", tensors, state)
    for older in checkpoints(run)[:-1]:
        shutil.rmtree(older, ignore_errors=True)
    return final


def read_gan_checkpoint(folder: Path, learner: GanLearner, config: BlsGanConfig) -> RunState:
    """Fill a fresh learner from a checkpoint of the same networks, and enter its stage."""
    for name in NETWORKS:
        learner.network(name).load_state_dict(load_file(folder / f"{name}.safetensors"))
    state = read_state(folder)
    stage = stage_of(config, max(state.step - 1, 0))
    learner.enter(stage)
    for name, optimiser in learner.optimisers.items():
        _restore(optimiser, folder / f"{name}-optimiser.safetensors")
    return state


def _restore(optimiser: torch.optim.Optimizer, path: Path) -> None:
    """What an optimiser kept; where the run did not train that network yet, nothing."""
    if path.is_file():
        restore(optimiser, load_file(path))
