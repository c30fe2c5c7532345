"""A run of BLS-GAN's recipe as a model folder: the generator, and a card that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from BoneXrayLib.cards.model_card import BLS_GAN, SEPARATE_RECIPES
from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.models import SCHEMA_VERSION, ModelCard, write_card
from BoneXrayLib.running.networks import build_network, size_multiple
from BoneXrayLib.running.packed_weights import unpacked

from ..exporting.export_onnx import write_network
from ..learning.checkpoints import latest_checkpoint, read_state
from ..learning.run_folder import CONFIG_FILE
from ..mappings import from_mapping
from .config import BlsGanConfig

INTENDED = "Research: BLS-GAN's approach beside others. Not a medical device."
COLOURS = ([230, 159, 0], [86, 180, 233])


def is_bls_gan_run(run: str | Path) -> bool:
    """Whether a run's folder is of this recipe."""
    path = Path(run) / CONFIG_FILE
    return path.is_file() and json.loads(path.read_text()).get("recipe") == BLS_GAN


def export_bls_gan(
    run: str | Path, output: str | Path, version: str = "1.0.0", name: str | None = None
) -> Path:
    """Write the generator of a run's last checkpoint as a model folder, its weights in 16 bits.

    Raises:
        ValueError: the run holds no checkpoint, or its configuration is damaged.
    """
    run, output = Path(run), checked_output_folder(output)
    checkpoint = latest_checkpoint(run)
    config = from_mapping(BlsGanConfig, json.loads((run / CONFIG_FILE).read_text()), "config")
    weights = load_file(checkpoint / "generator.safetensors")
    stored = {n.removeprefix("network."): value.half() for n, value in weights.items()}
    network = build_network(config.generator)
    network.load_state_dict(unpacked(stored))
    with staged_folder(output) as stage:
        write_network(network, config.generator, stored, stage)
        write_card(stage, _card(config, version, name, read_state(checkpoint).step))
    return output


def _card(config: BlsGanConfig, version: str, name: str | None, step: int) -> ModelCard:
    return ModelCard(
        schema=SCHEMA_VERSION,
        name=name or config.name,
        task="separate",
        version=version,
        description=(
            "Shows each of two overlapping bones of a joint without the other, both masks given. "
            "Trained by the recipe of BLS-GAN (arXiv 2409.07304), written anew."
        ),
        input={
            "domain": ["optical density", "display"],
            "pixel_mm": [0.05, 3.0],
            "size_multiple": size_multiple(config.generator),
            "channels": ["brightness", "mask of the upper bone", "mask of the lower bone"],
            "polarity": "bone bright",
            "working_size": config.side,
            "framing": "whole",
            "mirror": "none",
            "masks": 2,
            "recipe": BLS_GAN,
        },
        outputs=[
            {"name": name, "colour": colour}
            for name, colour in zip(SEPARATE_RECIPES[BLS_GAN][1], COLOURS, strict=True)
        ],
        trained_on={**_sources(config), "steps": step, "bone": "whatever the masks held"},
        evaluation=[],
        intended_use=INTENDED,
        limits=(
            "One joint that fills the image, its bones one above the other; nothing without masks. "
            "What both bones alone add up to need not be the image."
        ),
        network=config.generator,
    )


def _sources(config: BlsGanConfig) -> dict[str, Any]:
    folders = {(f.name or Path(f.path).name, f.licence) for f in config.joints if not f.validation}
    used = [c for c in config.ct if c.patient not in config.validation]
    towards = {(c.mesh.towards.patient, c.mesh.towards.licence) for c in used}
    known = sorted(folders | {(c.patient, c.licence) for c in used} | (towards - {("", "")}))
    return {
        "sources": [{"name": name, "licence": licence} for name, licence in known],
        "cts": sum(not c.is_made_up for c in used),
        "label_maps": sum(bool(c.bones) for c in used),
        "mesh_files": sum(c.is_made_up_of_meshes for c in used),
        "joint_folders": len(folders),
    }
