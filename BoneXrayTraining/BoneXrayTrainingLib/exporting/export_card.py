"""What the card of a trained model says: from its run's configuration, nothing made up."""

from __future__ import annotations

import dataclasses
from typing import Any

from BoneXrayLib.bone_presets import PRESETS
from BoneXrayLib.cards.model_card import SEPARATE_MASKS
from BoneXrayLib.extraction import ENHANCE_RANGE
from BoneXrayLib.models import SCHEMA_VERSION, ModelCard
from BoneXrayLib.running.networks import size_multiple
from BoneXrayLib.segments.mirror_images import WAY_ROUND
from BoneXrayLib.segments.structures import structure

from ..learning.configuration import TrainConfig
from ..learning.features_card import finds_features, shape_sources
from ..sources import CtSource
from .separation_card import separates

CHANNELS = ("image / span", "span / 5 or 0", "pixel_mm / 2 or 0")
MASK_CHANNELS = ("mask of the bone asked for, or 0", "mask of the other bones, or 0")
REAL = "On real radiographs it was looked at, not measured."
UNMEASURED = "On real radiographs it was not measured."


def make_card(
    config: TrainConfig, version: str, shown: dict, step: int, evaluation: list[dict]
) -> ModelCard:
    """The card of a model, from the run's configuration; `shown`: working size and framing."""
    used = [c for c in config.ct if c.patient not in config.validation]
    sources = {(c.patient, c.licence): None for c in used}
    towards = [c.mesh.towards for c in used if c.mesh.towards.path]
    sources |= {(t.patient, t.licence): None for t in towards}
    counts = _counts(used)
    texts = _texts(config, counts)
    to_separate = config.task == "separate"
    return ModelCard(
        schema=SCHEMA_VERSION,
        name=config.name,
        task=config.task,
        version=version,
        input={
            "domain": ["optical density", "display"],
            "pixel_mm": [0.1, 3.0],
            "size_multiple": size_multiple(config.network),
            "channels": [*CHANNELS, *(MASK_CHANNELS if to_separate else ())],
            "polarity": "bone bright",
            **({"masks": SEPARATE_MASKS} if to_separate else {}),
            **shown,
        },
        network=config.network,
        trained_on={
            "sources": [
                *({"name": name, "licence": licence} for name, licence in sources),
                *(shape_sources(config.legs.models) if config.task == "features" else ()),
            ],
            **counts,
            "steps": step,
            "bone": texts.pop("bone"),
        },
        evaluation=evaluation,
        **texts,
    )


def _texts(config: TrainConfig, counts: dict[str, int]) -> dict[str, Any]:
    """What only a task's card says."""
    if config.task == "features":
        return finds_features(_trained(counts), config.legs)
    if config.task == "separate":
        return separates(config, _trained(counts), UNMEASURED)
    return _segments(config, counts) if config.task == "segment" else _extracts(config, counts)


def _bone_of(config: TrainConfig) -> str:
    """What counted as bone in the CTs trained on."""
    presets = dict.fromkeys(c.preset for c in config.ct if c.patient not in config.validation)
    return " ".join(f"Preset {name}: {PRESETS[name].description}" for name in presets)


def _extracts(config: TrainConfig, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "description": (
            "Finds how much of each pixel of a radiograph is bone. "
            f"λ from {ENHANCE_RANGE[0]:g} to {ENHANCE_RANGE[1]:g} then removes or enhances bone."
        ),
        "outputs": [{"name": "bone share", "colour": [241, 214, 145]}],
        "bone": _bone_of(config),
        "intended_use": (
            "Research on radiographs of bone: looking at, enhancing or suppressing bone. "
            "Not a medical device."
        ),
        "limits": (
            f"{_trained(counts)} {REAL} "
            "Metal counts as bone; contrast medium does not, but may be taken for it; fine "
            "fractures may vanish; ultrasound, photographs and inverted images give nonsense."
        ),
    }


def _segments(config: TrainConfig, counts: dict[str, int]) -> dict[str, Any]:
    known = [structure(name) for name in config.structures]
    told = [{"name": WAY_ROUND}] if config.augmentation.reversed_share > 0 else []
    return {
        "description": (
            "Names the bones of a radiograph: for each pixel how sure it is that each of "
            f"{len(known)} bones lies there. Bones may overlap."
        ),
        "outputs": [*(each.to_output() for each in known), *told],
        "bone": "solids of labelled bones with all inside; a mask is where 1 mm of water's density "
        "is exceeded along the ray",
        "intended_use": (
            "Research on radiographs of these bones: outlines to be corrected by a reader. "
            "Not a medical device."
        ),
        "limits": (
            f"{_trained(counts)} {UNMEASURED} Few patients stand behind it; children, fractures, "
            "implants and fused bones were not among them."
        ),
    }


def _trained(counts: dict[str, int]) -> str:
    kinds = {"cts": "CT", "label_maps": "label map", "mesh_files": "file of bone surfaces"}
    found = [_count(counts[key], words) for key, words in kinds.items() if counts[key]]
    *first, last = found or ["nothing"]
    made_up = " in made-up flesh" if counts["mesh_files"] else ""
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"Trained on simulated radiographs of {listed}{made_up} only."


def _count(number: int, words: str) -> str:
    """How many of something: "1 CT", "2 files of bone surfaces"."""
    noun, *rest = words.split(" of ")
    noun += "s" if number > 1 else ""
    return f"{number} {' of '.join([noun, *rest])}"


def with_another(card: ModelCard, record: dict | None, entry: str = "started_from") -> ModelCard:
    """The card, saying also what model it owes to, as `entry`, and what that was trained on."""
    if record is None:
        return card
    known = {tuple(sorted(source.items())): source for source in card.trained_on["sources"]}
    known.update({tuple(sorted(source.items())): source for source in record["sources"]})
    began = {key: value for key, value in record.items() if key != "sources"}
    trained_on = {**card.trained_on, "sources": list(known.values()), entry: began}
    return dataclasses.replace(card, trained_on=trained_on)


def _counts(used: list[CtSource]) -> dict[str, int]:
    """How many files of each kind a model was trained on, each once however often it is listed."""
    meshes = {c.path for c in used if c.is_made_up_of_meshes}
    meshes |= {c.mesh.towards.path for c in used if c.mesh.towards.path}
    return {
        "cts": len({c.path for c in used if not c.is_made_up}),
        "label_maps": len({c.path for c in used if c.bones}),
        "mesh_files": len(meshes),
    }
