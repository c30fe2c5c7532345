"""Layers of bones as files: float images that add up to the radiograph, and pictures."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .display import display_window, write_png
from .files import checked_output_folder, existing_path, one_line, staged_folder
from .float_nrrd import read_float_image
from .layers import Layers
from .radiograph import Radiograph, write_float_nrrd
from .segment_files import file_names, image_plane, measurements, overlay
from .segmentation import Segmentation
from .segments.segment_nrrd import read_seg_nrrd, write_seg_nrrd
from .segments.structures import structure_from_output

if TYPE_CHECKING:
    from .layers import SeparateConfig
    from .models import Model

RECORD, SOFT, MASKS_FILE = "layers.json", "soft", "masks.seg.nrrd"
OVERLAP, INPUT, ALONE = "overlap", "input", "-alone"
OVERLAP_COLOUR, OVERLAP_FILL = (255, 255, 255), 0.45


def write_layers(
    found: Layers, folder: str | os.PathLike, record: dict[str, Any] | None = None
) -> dict[str, Path]:
    """Write layers, pictures, masks and layers.json; all of them or nothing.

    For each bone: BONE.nrrd (its layer, float32, in the image's own units) with BONE.png, and
    BONE-alone.png (the image without the other bones, in the window of input.png). soft.nrrd is
    what is left; all .nrrd add up to the image. overlap.png has outlines and what bones share.

    Args:
        found: what to write.
        folder: where to; made if it is not there.
        record: what else layers.json is to say.

    Returns:
        Path of each file by its name.

    Raises:
        ValueError: a folder that cannot be written to.
    """
    target = checked_output_folder(Path(folder))
    stems = _stems(found.names)
    named = Segmentation(found.radiograph, found.structures, found.masks, found.model,
                         found.warnings)  # fmt: skip
    window = display_window(found.radiograph.pixels)
    windows = {INPUT: window, SOFT: window}
    with staged_folder(target, RECORD) as stage:
        write_png(stage / f"{INPUT}.png", found.radiograph.pixels, *window)
        _write_image(stage, SOFT, found.soft, found.radiograph, window)
        for (name, stem), layer in zip(stems.items(), found.layers, strict=True):
            windows[stem], windows[stem + ALONE] = display_window(layer), window
            _write_image(stage, stem, layer, found.radiograph, windows[stem])
            write_png(stage / f"{stem}{ALONE}.png", found.alone(name), *window)
        _save(stage / f"{OVERLAP}.png", overlap_picture(found))
        write_seg_nrrd(stage / MASKS_FILE, found.masks, found.structures, image_plane(named))
        said = {"written_by": f"BoneXray {__version__}", **(record or {})}
        said |= measurements(named, {name: f"{stem}.nrrd" for name, stem in stems.items()})
        said |= {"soft": f"{SOFT}.nrrd", "masks": MASKS_FILE, "name": found.radiograph.name}
        said["sum_error"] = _sum_error(found)
        said["display_windows"] = {n: [float(v) for v in w] for n, w in windows.items()}
        text = json.dumps(said, indent=2, ensure_ascii=False)
        (stage / RECORD).write_text(text + "\n", encoding="utf-8")
        names = sorted(path.name for path in stage.iterdir())
    return {name: target / name for name in names}


def read_layers(folder: str | os.PathLike) -> Layers:
    """The layers that `write_layers` wrote.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no such folder, or its files are damaged or do not belong together.
    """
    found = existing_path(folder, "layers")
    if not (found / RECORD).is_file():
        raise ValueError(f"layers: {found} holds no {RECORD}; expected a folder that "
                         "`run separate` wrote")  # fmt: skip
    try:
        record = json.loads((found / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError(f"{RECORD} is no record")
        bones = tuple(structure_from_output(bone) for bone in record["bones"])
        files = [Path(bone["file"]).name for bone in record["bones"]]
        images = [read_float_image(existing_path(found / name, "layers"))
                  for name in (f"{SOFT}.nrrd", *files)]  # fmt: skip
        masks = read_seg_nrrd(found / MASKS_FILE).masks
        layers = np.stack([image.pixels for image in images[1:]])
        pixels = images[0].pixels + layers.sum(axis=0)
        soft = images[0]
        radiograph = Radiograph(pixels, soft.domain or "display", soft.pixel_mm,
                                soft.magnification, soft.geometry,
                                str(record.get("name", found.name)))  # fmt: skip
        warnings = tuple(map(str, record.get("warnings", ())))
        return Layers(radiograph, bones, layers, masks, str(record["model_name"]), warnings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"layers: {found}: {one_line(error, 150)}; expected a folder that "
                         "`run separate` wrote") from None  # fmt: skip


def layer_record(
    found: Layers, config: SeparateConfig, model: Model, source: str
) -> dict[str, Any]:
    """What layers.json says of a run: image, settings, model, and where masks came from."""
    settings = dataclasses.asdict(config)
    if config.masks is not None:
        masks_from = f"file {config.masks.name}"
        settings["masks"] = str(config.masks)
    else:
        masks_from = f"model {config.segment}" if config.segment else "the separator itself"
    return {
        "written_by": f"BoneXray {__version__} run separate",
        "image": source,
        "domain": found.radiograph.domain,
        "polarity": "bone bright",
        "notes": found.radiograph.notes,
        "config": settings,
        "masks_from": masks_from,
        "model": {
            "name": model.card.name,
            "version": model.card.version,
            "sha256": model.card.sha256,
        },
    }


def overlap_picture(found: Layers) -> np.ndarray:
    """The radiograph with its bones outlined and what they share lit; (rows, columns, 3) uint8."""
    named = Segmentation(found.radiograph, found.structures, found.masks, found.model)
    shared = found.overlap()
    picture = overlay(named, fill=0.0)
    shared &= (picture == picture[..., :1]).all(axis=2)  # outlines keep their colours
    lit = (1 - OVERLAP_FILL) * picture[shared] + OVERLAP_FILL * np.array(OVERLAP_COLOUR)
    picture[shared] = np.rint(lit).astype(np.uint8)
    return picture


def _stems(names: tuple[str, ...]) -> dict[str, str]:
    """How the files of each bone begin, each another one and none as other files do."""
    taken, stems = {SOFT, INPUT, OVERLAP}, {}
    for name, file in file_names(names).items():
        stem = Path(file).stem
        while {stem.lower(), (stem + ALONE).lower()} & taken:
            stem += "-bone"
        taken |= {stem.lower(), (stem + ALONE).lower()}
        stems[name] = stem
    return stems


def _sum_error(found: Layers) -> float:
    """Largest difference of the written images' sum to the radiograph, as a share of its span."""
    whole = found.soft
    for layer in found.layers:
        whole += layer
    pixels = found.radiograph.pixels
    whole -= pixels
    return float(max(whole.max(), -whole.min()) / max(float(np.ptp(pixels)), 1e-12))


def _write_image(
    stage: Path, stem: str, image: np.ndarray, of: Radiograph, window: tuple[float, float]
) -> None:
    named = dataclasses.replace(of, pixels=image, name=f"{of.name} {stem}")
    write_float_nrrd(stage / f"{stem}.nrrd", named)
    write_png(stage / f"{stem}.png", image, *window)


def _save(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")
