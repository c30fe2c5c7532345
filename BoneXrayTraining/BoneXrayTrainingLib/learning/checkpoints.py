"""Checkpoints without pickle: tensors as safetensors, the rest as JSON, swapped in whole."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .learner import Learner


@dataclass
class RunState:
    """How far a run is."""

    step: int = 0
    samples: int = 0
    """Samples projected so far."""
    recent: list[float] = field(default_factory=list)
    """Losses since the last record of the log."""
    best: float | None = None
    """Best validation so far: PSNR [dB] on the patients kept out."""
    best_step: int = 0
    worse: int = 0
    """Validations since the best one."""


def write_checkpoint(run: Path, learner: Learner, state: RunState) -> Path:
    """Write run/checkpoint-<step>, then drop those before it; a kill leaves a whole one."""
    tensors = {
        "network": learner.network.state_dict(),
        "average": learner.average.state_dict(),
        "optimiser": moments(learner.optimiser),
    }
    final = write_folder(run / f"checkpoint-{state.step:08d}", tensors, state)
    for older in checkpoints(run)[:-1]:
        shutil.rmtree(older, ignore_errors=True)
    return final


def write_best(run: Path, learner: Learner, state: RunState) -> Path:
    """Write run/best-<step>, the averaged weights alone, then drop the best one before it."""
    tensors = {"average": learner.average.state_dict()}
    final = write_folder(run / f"best-{state.step:08d}", tensors, state)
    for other in checkpoints(run, "best"):
        if other != final:
            shutil.rmtree(other, ignore_errors=True)
    return final


def write_folder(final: Path, tensors: dict[str, dict[str, torch.Tensor]], state: RunState) -> Path:
    """Write a folder of tensors and how far the run is, swapped in whole; returns it."""
    stage = final.with_name(f".{final.name}")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    for name, values in tensors.items():
        save_file(_plain(values), stage / f"{name}.safetensors")
    (stage / "state.json").write_text(json.dumps(asdict(state)) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    stage.replace(final)
    return final


def checkpoints(run: Path, kind: str = "checkpoint") -> list[Path]:
    """All whole checkpoints of a run, the newest last; kind "best" for the best one."""
    return sorted(p for p in Path(run).glob(f"{kind}-*") if (p / "state.json").is_file())


def latest_checkpoint(run: Path) -> Path:
    """The newest checkpoint, or a ValueError that says there is none."""
    found = checkpoints(run)
    if not found:
        raise ValueError(f"run: {run} holds no checkpoint; expected the folder of a training run")
    return found[-1]


def best_checkpoint(run: Path) -> Path:
    """The weights that did best on the patients kept out; the newest where none were."""
    found = checkpoints(run, "best")
    return found[-1] if found else latest_checkpoint(run)


def read_state(checkpoint: Path) -> RunState:
    """How far the run was; entries that earlier versions did not write are as at the start."""
    known = {f.name for f in dataclasses.fields(RunState)}
    values = json.loads((checkpoint / "state.json").read_text())
    return RunState(**{name: value for name, value in values.items() if name in known})


def read_checkpoint(folder: Path, learner: Learner) -> RunState:
    """Fill a fresh learner from a checkpoint of the same configuration."""
    # Without gradients it changes nothing, but a schedule that goes on before any step warns.
    learner.optimiser.step()
    learner.network.load_state_dict(load_file(folder / "network.safetensors"))
    learner.average.load_state_dict(load_file(folder / "average.safetensors"))
    state = read_state(folder)
    restore(learner.optimiser, load_file(folder / "optimiser.safetensors"))
    for _ in range(state.step):
        learner.schedule.step()
    return state


def moments(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What an optimiser keeps of each parameter, by number and name."""
    return {
        f"{number}.{name}": value
        for number, entry in optimiser.state_dict()["state"].items()
        for name, value in entry.items()
    }


def restore(optimiser: torch.optim.Optimizer, kept: dict[str, torch.Tensor]) -> None:
    """Give an optimiser back its `moments`."""
    parameters = optimiser.param_groups[0]["params"]
    packed = optimiser.state_dict()
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in kept.items():
        number, name = key.split(".", 1)
        if value.shape == parameters[int(number)].shape:
            # in memory as the run had it: other strides, other rounding
            value = torch.empty_like(parameters[int(number)]).copy_(value).detach()
        entries.setdefault(int(number), {})[name] = value
    packed["state"] = entries
    optimiser.load_state_dict(packed)


def _plain(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().contiguous().clone() for name, value in tensors.items()}
