"""Rebuilt legs as files: surfaces, record, features and pictures, all of them or nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import __version__
from ..files import checked_output_folder, staged_folder
from .leg_config import LegConfig
from .leg_feature_files import write_features
from .leg_picture import contour_picture
from .leg_reconstruction import RebuiltLeg
from .reconstruction_files import RECORD_FILE, write_reconstructions


def write_leg(
    leg: RebuiltLeg, folder: str | os.PathLike, record: dict[str, Any] | None = None
) -> dict[str, Path]:
    """Write what `write_reconstructions` writes, and for each image features and a picture.

    features-N.json (with PNGs of outlines) can be changed and given again; contours-N.png shows
    the bones over the image.

    Args:
        leg: what was rebuilt.
        folder: where to; made if it is not there.
        record: what else reconstruction.json is to say.

    Returns:
        Path of each file by its name.

    Raises:
        ValueError: a folder that cannot be written to.
    """
    from PIL import Image

    target = checked_output_folder(Path(folder))
    said = record or {}
    said = {"models": list(leg.models), "notes": list(leg.notes), "warnings": list(leg.warnings),
            "geometries_before": [g.to_dict() for g in leg.geometries], **said}  # fmt: skip
    with staged_folder(target, RECORD_FILE) as stage:
        write_reconstructions(stage, [bone.found for bone in leg.bones], said)
        for number, radiograph in enumerate(leg.radiographs):
            size = radiograph.pixels.shape
            write_features(stage, f"features-{number + 1}", leg.features[number],
                           radiograph.name, (size[0], size[1]))  # fmt: skip
            picture = Image.fromarray(contour_picture(leg, number))
            picture.save(stage / f"contours-{number + 1}.png", format="PNG")
        names = sorted(path.name for path in stage.iterdir())
    return {name: target / name for name in names}


def leg_record(
    config: LegConfig, images: Sequence[str], features: Sequence[str] = ()
) -> dict[str, Any]:
    """What reconstruction.json says of a run: images, settings, where features came from."""
    return {
        "written_by": f"BoneXray {__version__} run reconstruct",
        "images": list(images),
        "features_from": list(features) or f"model {config.finder}",
        "config": dataclasses.asdict(config),
    }
