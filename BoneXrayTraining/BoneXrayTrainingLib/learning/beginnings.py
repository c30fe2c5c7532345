"""What a run starts from: weights of an earlier model or run, and the record of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, load_file

from BoneXrayLib.models import find_model, read_model_file
from BoneXrayLib.running.packed_weights import unpacked

from .checkpoints import best_checkpoint, checkpoints, read_state
from .features_card import shape_sources
from .learner import Learner

RECORD = "started_from.json"


@dataclass(frozen=True, eq=False)
class Beginning:
    """Weights to start from, by name, and what the model's card will say of them."""

    weights: dict[str, torch.Tensor]
    record: dict


def read_beginning(
    start_from: str, network: dict, task: str = "extract", argument: str = "start_from"
) -> Beginning:
    """Weights of a model (name or folder) or of a run's folder: its best, or its last ones.

    Args:
        start_from: the model or run.
        network: what its network has to be.
        task: what it has to be for.
        argument: what errors call `start_from`.

    Raises:
        ValueError: neither a model nor a run, or one of another task or network.
    """
    folder = Path(start_from)
    if checkpoints(folder):
        checkpoint = best_checkpoint(folder)
        config = json.loads((folder / "config.json").read_text())
        theirs, learned = config["network"], config.get("task", "extract")
        if learned != task:
            raise ValueError(f"{argument}: {start_from} is for {learned!r}; expected {task!r}")
        weights = load_file(checkpoint / "average.safetensors")
        record = {
            "name": config["name"],
            "steps": read_state(checkpoint).step,
            "sources": sources_of(folder, config),
        }
    else:
        model = find_model(start_from, task)
        theirs = model.card.network
        weights = unpacked(load(read_model_file(model, "weights.safetensors"))) if theirs else {}
        record = {
            "name": model.card.name,
            "version": model.card.version,
            "sources": model.card.trained_on["sources"],
        }
    if _plain(theirs) != _plain(network):
        raise ValueError(
            f"{argument}: {start_from} has the network {_plain(theirs)}; expected that of the "
            f"configuration, {_plain(network)}"
        )
    return Beginning({name: value.float() for name, value in weights.items()}, record)


def start_with(learner: Learner, beginning: Beginning) -> None:
    """Give network and average the weights; integers, such as a count of batches, stay."""
    own = learner.network.state_dict()
    weights = {name: value.to(own[name].dtype) for name, value in beginning.weights.items()}
    learner.network.load_state_dict(weights)
    learner.average.load_state_dict(weights)


def read_record(run: Path) -> dict | None:
    """What a run was started from, or None."""
    path = run / RECORD
    return json.loads(path.read_text()) if path.is_file() else None


def sources_of(run: Path, config: dict) -> list[dict]:
    """What a run was trained on, and what that was started from."""
    kept = set(config.get("validation", ()))
    used = [c for c in config["ct"] if c["patient"] not in kept]
    towards = [(c.get("mesh") or {}).get("towards") or {} for c in used]
    own = {(c["patient"], c["licence"]): None for c in used}
    own |= {(t["patient"], t["licence"]): None for t in towards if t.get("path")}
    before = (read_record(run) or {}).get("sources", [])
    shapes = shape_sources(tuple(config.get("legs", {}).get("models", ())))
    own_sources = [{"name": name, "licence": licence} for name, licence in own]
    return own_sources + (shapes if config.get("task") == "features" else []) + before


def _plain(network: dict) -> dict:
    """A description without the gain, which is not trained; lists where JSON has lists."""
    return {k: v for k, v in json.loads(json.dumps(network)).items() if k != "gain"}
