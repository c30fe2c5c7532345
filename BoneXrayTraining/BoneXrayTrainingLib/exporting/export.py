"""A trained run as a model folder: ONNX, safetensors and a card that says what it is."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from BoneXrayLib.cards.model_card import MOST_FINEST_MM
from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.framing import FRAMINGS
from BoneXrayLib.models import write_card
from BoneXrayLib.running.networks import build_network, size_multiple
from BoneXrayLib.running.packed_weights import packed, unpacked
from BoneXrayLib.segments.structures import structure

from ..learning.beginnings import read_beginning, read_record
from ..learning.checkpoints import best_checkpoint, checkpoints, latest_checkpoint, read_state
from ..learning.configuration import TrainConfig, from_mapping
from ..limits import check_number
from .export_card import make_card, with_another
from .export_onnx import write_network

BITS = (16, 8, 6, 4)
LEG_SIZE = 1.3
"""Working size over that of the training images, of which whole legs fill more or less."""


def export(
    run: str | Path,
    output: str | Path,
    version: str = "1.0.0",
    working_size: int | None = None,
    evaluation: list[dict] | None = None,
    gain: float = 1.0,
    name: str | None = None,
    best: bool = False,
    framing: str = "content",
    bits: int = 16,
    finest_mm: float | None = None,
    mean_with: str | None = None,
    mean_share: float = 0.5,
    closer: Sequence[str] = (),
) -> Path:
    """Write the averaged weights of a run's last checkpoint as a model folder.

    Weights are rounded first, to half precision or to fewer bits, and stored so in both files; ONNX
    Runtime and torch compute with them in single precision and agree.

    Args:
        run: folder of the run.
        output: the model folder.
        version: stated by the card.
        working_size: longer side [pixels] at which images are given to the network; None takes
            what patients measured in the training images.
        evaluation: figures for the card.
        gain: multiplies the network's answers. Absolute and structural losses make a network
            answer too little where it is in doubt; take what fits the training CTs best.
        name: of the model; the configuration's when None.
        best: take the weights that did best on the patients kept out, not the last ones. A run
            that may end by its patience gives these anyway.
        framing: what of an image the network is shown, one of `framing.FRAMINGS`.
        bits: 16, 8 for files of half that size, 6 for the largest layers in four bits and the
            others in eight, or 4 for little more than a quarter.
        finest_mm: smallest pixel [mm] at which a network that names bones is shown an image whose
            pixel size is known; None shows all at the working size.
        mean_with: a run or model of the same network; weights are the mean of both. Runs that began
            from the same weights often do better so than each of them (M. Wortsman et al., Model
            soups, ICML 2022).
        mean_share: what part of the mean that has, 0 to 1.
        closer: bones, by name with * and ?, around which a network that names bones is shown an
            image once more where they are small in it. Leave out those that an image cuts off.

    Raises:
        ValueError: the run holds no checkpoint or its configuration is damaged, a wrong gain,
            another network to take the mean with, bones to look closer at that are not its own.
    """
    run, output = Path(run), checked_output_folder(output)
    check_number("mean_share", mean_share, 0.0, 1.0)
    _check_asked(run, framing, bits, best)
    config = from_mapping(TrainConfig, json.loads((run / "config.json").read_text()), "config")
    checkpoint = best_checkpoint(run) if best or config.patience else latest_checkpoint(run)
    config = dataclasses.replace(config, name=name or config.name)
    if gain != 1.0:
        config = dataclasses.replace(config, network={**config.network, "gain": gain})
    shown = _shown(config, working_size, framing, finest_mm) | _closer(config, closer)
    step = read_state(checkpoint).step
    network = build_network(config.network)
    weights = load_file(checkpoint / "average.safetensors")
    other = None
    if mean_with is not None:
        other = read_beginning(mean_with, config.network, config.task, "mean_with")
        weights = mean_weights(weights, other.weights, mean_share)
    halves = {n: value.half() for n, value in weights.items()}
    stored = halves if bits == 16 else packed(weights, bits)
    network.load_state_dict(unpacked(stored))
    with staged_folder(output) as stage:
        write_network(network, config.network, stored, stage)
        card = make_card(config, version, shown, step, evaluation or [])
        card = with_another(card, read_record(run))
        if other is not None:
            card = with_another(card, {**other.record, "share": mean_share}, "mean_with")
        write_card(stage, card)
    return output


def mean_weights(
    own: dict[str, torch.Tensor], others: dict[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Weights by name: `share` parts of the others' to the rest of the own; integers stay."""
    return {
        name: torch.lerp(value.float(), others[name].float(), share).to(value.dtype)
        if value.is_floating_point() else value
        for name, value in own.items()
    }  # fmt: skip


def _check_asked(run: Path, framing: str, bits: int, best: bool) -> None:
    if framing not in FRAMINGS:
        raise ValueError(f"framing: got {framing!r}; expected one of {', '.join(FRAMINGS)}")
    if bits not in BITS:
        raise ValueError(f"bits: got {bits!r}; expected 16, 8, 6 or 4")
    latest_checkpoint(run)
    if best and not checkpoints(run, "best"):
        raise ValueError(f"best: {run} has none; expected a run with patients in validation")


def _shown(
    config: TrainConfig, working_size: int | None, framing: str, finest_mm: float | None
) -> dict[str, Any]:
    """How the card says that images are shown to the network."""
    working_size = seen_size(config) if working_size is None else working_size
    check_number("working_size", working_size, size_multiple(config.network))
    shown = {"working_size": working_size, "framing": framing, **_mirrors(config)}
    if finest_mm is None:
        return shown
    if config.task != "segment":
        raise ValueError(
            f"finest_mm: got {finest_mm!r} for {config.task!r}; expected none but to segment"
        )
    check_number("finest_mm", finest_mm, 0.01, MOST_FINEST_MM)
    return {**shown, "finest_mm": float(finest_mm)}


def _closer(config: TrainConfig, patterns: Sequence[str]) -> dict[str, list[str]]:
    """What the card says is looked at closer; nothing where no bones are named."""
    if patterns and config.task != "segment":
        raise ValueError(f"closer: got bones for {config.task!r}; expected none but to segment")
    for pattern in patterns:
        if not fnmatch.filter(config.structures, pattern):
            few = ", ".join(config.structures[:4])
            raise ValueError(f"closer: {pattern!r} fits no bone; expected names such as {few}")
    named = [n for n in config.structures if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
    return {"closer": named} if named else {}


def _mirrors(config: TrainConfig) -> dict[str, str]:
    """What of mirror images the network is shown, where it was not trained on them."""
    if config.task == "features":
        return {"mirror": "told"}
    if not config.structures or config.augmentation.mirrored_share > 0:
        return {}
    if config.task == "separate":
        return {"mirror": "none"}
    if config.augmentation.reversed_share > 0:
        return {"mirror": "told"}
    two_sided = any(structure(name).side for name in config.structures)
    return {"mirror": "none" if two_sided else "surer"}


def seen_size(config: TrainConfig) -> int:
    """How large a patient is in the training images, in the middle of their range [pixels].

    To pull bones apart: the training images themselves, which joints fill. To find features: a
    little more, for the sake of whole legs.
    """
    if config.task == "separate":
        return config.augmentation.crop
    if config.task == "features":
        multiple = size_multiple(config.network)
        return multiple * round(LEG_SIZE * config.augmentation.crop / multiple)
    field, scale = config.pairs.field_of_view, config.augmentation.scale
    shown = config.pairs.size / (sum(field) / 2) / math.sqrt(scale[0] * scale[1])
    return max(size_multiple(config.network), 8 * round(shown / 8))
