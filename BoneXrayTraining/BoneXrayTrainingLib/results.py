"""What `run` leaves on disk: arrays as float images, pictures, and a record of what was used."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import BoneXrayLib
from BoneXrayLib.extraction import ExtractConfig, Extraction
from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.models import Model
from BoneXrayLib.radiograph import display_window, write_float_nrrd, write_png

RECORD = "extract.json"


def write_extraction(
    found: Extraction, config: ExtractConfig, model: Model, source: str, folder: str | Path
) -> dict[str, Path]:
    """Write bone and enhanced image, PNGs beside the input's, and extract.json; all or nothing.

    Returns:
        Path of each file by its name.
    """
    folder = checked_output_folder(folder)
    radiograph = found.radiograph
    images = {
        "input": radiograph.pixels,
        "bone": found.bone,
        "enhanced": found.enhanced(config.enhance),
    }
    if found.uncertainty is not None:
        images["uncertainty"] = found.uncertainty
    windows = {name: display_window(image) for name, image in images.items()}
    with staged_folder(folder, RECORD) as stage:
        for name, image in images.items():
            write_png(stage / f"{name}.png", image, *windows[name])
            if name != "input":
                image_of = dataclasses.replace(
                    radiograph, pixels=image, name=f"{radiograph.name} {name}"
                )
                write_float_nrrd(stage / f"{name}.nrrd", image_of)
        record = _record(found, config, model, source)
        record["display_windows"] = {n: [float(v) for v in w] for n, w in windows.items()}
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (stage / RECORD).write_text(text + "\n", encoding="utf-8")
        names = sorted(path.name for path in stage.iterdir())
    return {name: folder / name for name in names}


def _record(found: Extraction, config: ExtractConfig, model: Model, source: str) -> dict:
    """What extract.json says of an extraction and how it was made."""
    radiograph = found.radiograph
    return {
        "written_by": f"BoneXray {BoneXrayLib.__version__} run extract",
        "image": source,
        "domain": radiograph.domain,
        "polarity": "bone bright",
        "pixel_mm": radiograph.pixel_mm,
        "magnification": radiograph.magnification,
        "notes": radiograph.notes,
        "warnings": found.warnings,
        "config": dataclasses.asdict(config),
        "model": {
            "name": model.card.name,
            "version": model.card.version,
            "sha256": model.card.sha256,
        },
    }
