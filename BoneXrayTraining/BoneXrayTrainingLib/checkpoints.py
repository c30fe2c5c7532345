"""Checkpoints without pickle: tensors as safetensors, the rest as JSON, swapped in whole."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from .trainer import Learner


@dataclass
class RunState:
    """How far a run is."""

    step: int = 0
    samples: int = 0
    """Samples projected so far."""


def write_checkpoint(run: Path, learner: Learner, state: RunState) -> Path:
    """Write run/checkpoint-<step>, then drop those before it; a kill leaves a whole one."""
    final = run / f"checkpoint-{state.step:08d}"
    stage = run / f".{final.name}"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    save_file(_plain(learner.network.state_dict()), stage / "network.safetensors")
    save_file(_plain(learner.average.state_dict()), stage / "average.safetensors")
    moments = {
        f"{number}.{name}": value
        for number, entry in learner.optimiser.state_dict()["state"].items()
        for name, value in entry.items()
    }
    save_file(_plain(moments), stage / "optimiser.safetensors")
    (stage / "state.json").write_text(json.dumps(asdict(state)) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    stage.replace(final)
    for older in checkpoints(run)[:-1]:
        shutil.rmtree(older, ignore_errors=True)
    return final


def checkpoints(run: Path) -> list[Path]:
    """All whole checkpoints of a run, the newest last."""
    return sorted(p for p in Path(run).glob("checkpoint-*") if (p / "state.json").is_file())


def latest_checkpoint(run: Path) -> Path:
    """The newest checkpoint, or a ValueError that says there is none."""
    found = checkpoints(run)
    if not found:
        raise ValueError(f"run: {run} holds no checkpoint; expected the folder of a training run")
    return found[-1]


def read_checkpoint(folder: Path, learner: Learner) -> RunState:
    """Fill a fresh learner from a checkpoint of the same configuration."""
    # Without gradients it changes nothing, but a schedule that goes on before any step warns.
    learner.optimiser.step()
    learner.network.load_state_dict(load_file(folder / "network.safetensors"))
    learner.average.load_state_dict(load_file(folder / "average.safetensors"))
    state = RunState(**json.loads((folder / "state.json").read_text()))
    packed = learner.optimiser.state_dict()
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(folder / "optimiser.safetensors").items():
        number, name = key.split(".", 1)
        entries.setdefault(int(number), {})[name] = value
    packed["state"] = entries
    learner.optimiser.load_state_dict(packed)
    for _ in range(state.step):
        learner.schedule.step()
    return state


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().contiguous().clone() for name, value in tensors.items()}
