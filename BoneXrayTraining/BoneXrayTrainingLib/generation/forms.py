"""A data set in the forms of others: nnU-Net's folders, and plain PNG pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from BoneXrayLib.files import checked_output_folder, staged_folder
from BoneXrayLib.progress import Progress
from BoneXrayLib.radiograph import write_png
from BoneXrayLib.volume_files import write_image_file

from ..pairs import TISSUES
from .header import read_header
from .store import PairStore

FORMS = ("nnunet", "png")
BONES = len(TISSUES) - 1
"""Layers from this one on are bones."""


def write_form(
    dataset: Path, output: Path, form: str, bone_above: float, progress: Progress | None = None
) -> int:
    """Write all samples of a data set in another form; how many. All or nothing.

    Args:
        dataset: folder of the data set.
        output: folder for the result.
        form: "nnunet" or "png".
        bone_above: optical density of bone from which a pixel is labelled so (nnunet).
        progress: told fraction and message.

    Raises:
        ValueError: no data set, nothing that this form shows.
    """
    header, store = read_header(dataset), PairStore(dataset)
    folder = checked_output_folder(output)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"output: {output} is not empty; expected a new or empty folder")
    with staged_folder(folder) as stage:
        if form == "nnunet":
            _write_nnunet(header, store, stage, bone_above, progress)
        else:
            _write_png(store, stage, progress)
    return len(store)


def label_map(layers: np.ndarray, numbers: Sequence[int], bone_above: float) -> np.ndarray:
    """(rows, columns) uint8: at each pixel the number of the bone that is densest there.

    Args:
        layers: (bones, rows, columns) optical density.
        numbers: what each bone is called in the map.
        bone_above: all bones together must reach this; else the pixel is background, 0.
    """
    single = layers.astype(np.float32)
    densest = np.asarray(numbers, dtype=np.uint8)[single.argmax(axis=0)]
    return np.where(single.sum(axis=0) > bone_above, densest, 0).astype(np.uint8)


def _write_nnunet(
    header: dict, store: PairStore, stage: Path, bone_above: float, progress: Progress | None
) -> None:
    names = _bone_names(store)
    together = names == ["bone"]
    for kind in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (stage / kind).mkdir()
    cases: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for number, place in enumerate(store.places):
        _tell(progress, number, store)
        record = store.record(number)
        end = "Ts" if record["split"] == "test" else "Tr"
        bones = store.array(number, "layers")[BONES:]
        own = [1] * len(bones) if together else [
            names.index(name) + 1 for name in record["layers"][BONES:]
        ]  # fmt: skip
        # A single slice: nnU-Net's readers take it as a 2-D image.
        row_mm, column_mm = record["geometry"]["pixel_mm"]
        matrix = np.diag([column_mm, row_mm, 1.0, 1.0])
        image = store.array(number, _input_of(record)).astype(np.float32)
        labels = label_map(bones, own, bone_above)
        write_image_file(stage / f"images{end}" / f"{place.name}_0000.nii.gz", image[None], matrix)
        write_image_file(stage / f"labels{end}" / f"{place.name}.nii.gz", labels[None], matrix)
        cases[record["split"]].append(place.name)
    about = {
        "channel_names": {"0": "optical density"},
        "labels": {"background": 0} | {name: n for n, name in enumerate(names, 1)},
        "numTraining": len(cases["train"]) + len(cases["validation"]),
        "file_ending": ".nii.gz",
        "name": header["name"],
        "description": "Radiographs simulated from CTs. Where bones overlap, the densest is named.",
        "licence": sorted({source["licence"] for source in header["sources"]}),
    }
    folds = [{"train": cases["train"], "val": cases["validation"]}]
    (stage / "dataset.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (stage / "splits_final.json").write_text(json.dumps(folds, indent=1) + "\n", encoding="utf-8")


def _bone_names(store: PairStore) -> list[str]:
    """The bones of all samples by name; "bone" alone where some CTs have no labels.

    Raises:
        ValueError: more than a label map of 8 bits holds.
    """
    every = [store.layers(number)[BONES:] for number in range(len(store))]
    names = list(dict.fromkeys(name for bones in every for name in bones))
    if "bone" in names:
        return ["bone"]
    if len(names) > 255:
        raise ValueError(f"dataset: {len(names)} bones; expected at most 255 for nnU-Net")
    return names


def _write_png(store: PairStore, stage: Path, progress: Progress | None) -> None:
    scales = {}
    for number, place in enumerate(store.places):
        _tell(progress, number, store)
        record = store.record(number)
        images = {
            name: store.array(number, name).astype(np.float32)
            for name in ("input", "full", "bone", "exposed", "exposed_bone")
            if name in record["arrays"]
        }
        if not images.keys() - {"exposed", "exposed_bone"}:
            raise ValueError("arrays: the data set holds layers only; expected full or bone")
        # One scale for an exposure, so that its pictures still add up.
        windows = {
            name: (float(image.min()), float(image.max()))
            if name in ("input", "exposed", "exposed_bone")
            else (0.0, _top(images))
            for name, image in images.items()
        }
        for name, image in images.items():
            folder = stage / record["split"] / name
            folder.mkdir(parents=True, exist_ok=True)
            low, high = windows[name]
            write_png(folder / f"{place.name}.png", image, low, max(high, low + 1e-6))
        scales[place.name] = {
            "split": record["split"],
            "patient": record["patient"],
            "pixel_mm": record["geometry"]["pixel_mm"],
            "black_and_white": windows,
            "landmarks": record["landmarks"],
        }
    (stage / "images.json").write_text(json.dumps(scales, indent=1) + "\n", encoding="utf-8")


def _top(images: dict[str, np.ndarray]) -> float:
    return float(max(images[name].max() for name in ("full", "bone") if name in images))


def _input_of(record: dict) -> str:
    name = "input" if record["pairing"] == "localizer" else "full"
    if name not in record["arrays"] or "layers" not in record["arrays"]:
        raise ValueError(f"arrays: the data set lacks {name} or layers; expected both for nnU-Net")
    return name


def _tell(progress: Progress | None, number: int, store: PairStore) -> None:
    if progress is not None:
        progress(number / len(store), f"sample {number + 1} of {len(store)}")
