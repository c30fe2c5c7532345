"""Real radiographs with masks of their bones, from a folder.

RAM-W600 (Yang et al., 2025, arXiv 2507.05193), as its data card and benchmark code have it:

    BoneSegmentation/images/NAME.bmp
    BoneSegmentation/masks/{train,val,test}/NAME.npy    (14, rows, columns), above 0 = bone

Channels: capitate, radius, ulna, hamate, lunate, triquetrum and pisiform as one, scaphoid,
trapezium, trapezoid, five metacarpals; NAME ends in _L or _R and begins with the patient's number.

Plain: images/NAME.png (.jpg, .tif, .bmp, .dcm, .nrrd) and masks/NAME/STRUCTURE.png, above 0 = bone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.radiograph import Radiograph, radiograph_from_array, read_radiograph
from BoneXrayLib.segments.structures import WRIST

from ..sampling.joint_images import read_grey
from .segmentation_data import RadiographSource
from .segmentation_views import MaskedRadiograph, Subject

RAM_CHANNELS: tuple[tuple[str, ...], ...] = (
    ("capitate",),
    ("radius",),
    ("ulna",),
    ("hamate",),
    ("lunate",),
    ("triquetrum", "pisiform"),
    ("scaphoid",),
    ("trapezium",),
    ("trapezoid",),
)
"""The first 9 of the 14 channels; what follows is metacarpals."""
RAM_COUNT, RAM_PIXEL_MM = 14, 0.15
RAM_SPLITS = ("train", "val", "test")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".nrrd")


@dataclass(frozen=True)
class RadiographFile:
    """One image and its mask or masks."""

    image: Path
    masks: Path
    source: RadiographSource
    is_ram: bool


def radiograph_files(source: RadiographSource) -> tuple[RadiographFile, ...]:
    """The radiographs of a folder that have masks, by name.

    Raises:
        ValueError: neither layout, no masks, or a mask without its image.
    """
    folder = Path(source.path)
    inner = folder / "BoneSegmentation"
    root = inner if inner.is_dir() else folder
    if not ((root / "images").is_dir() and (root / "masks").is_dir()):
        raise ValueError(
            f"data: {folder} has no images/ and masks/; expected those, or RAM-W600's "
            "BoneSegmentation/"
        )
    if source.split not in RAM_SPLITS:
        raise ValueError(f"split: got {source.split!r}; expected one of {', '.join(RAM_SPLITS)}")
    is_ram = any((root / "masks" / split).is_dir() for split in RAM_SPLITS)
    masks = root / "masks" / source.split if is_ram else root / "masks"
    found = sorted(masks.glob("*.npy") if is_ram else (p for p in masks.glob("*") if p.is_dir()))
    if not found:
        raise ValueError(f"data: {masks} holds no masks; expected NAME.npy or folders NAME/")
    images = {p.stem: p for p in (root / "images").iterdir() if p.suffix.lower() in SUFFIXES}
    without = next((p.name for p in found if p.stem not in images), None)
    if without is not None:
        raise ValueError(f"data: mask {without} has no image of its name in {root / 'images'}")
    return tuple(RadiographFile(images[p.stem], p, source, is_ram) for p in found)


def read_masked(file: RadiographFile, structures: Sequence[str]) -> MaskedRadiograph:
    """One radiograph and the masks of those of the model's structures that it has.

    Raises:
        ValueError: an unreadable file, masks of another size, or no pixel size known.
    """
    radiograph = _radiograph(file)
    found = _ram_masks(file.masks) if file.is_ram else _plain_masks(file.masks, structures)
    known = {m: mask for m, mask in found.items() if set(m) <= set(structures)}
    if not known:
        raise ValueError(f"data: {file.masks.name} has none of the model's structures")
    shape = radiograph.pixels.shape
    for members, mask in known.items():
        if mask.shape != shape:
            raise ValueError(
                f"data: mask {' + '.join(members)} of {file.image.name}: shape {mask.shape}; "
                f"expected the image's, {shape}"
            )
    members = tuple(known)
    side = re.search(r"_([LR])$", file.image.stem)
    sides = {"L": "left", "R": "right"}
    patient = file.image.stem.split("_")[0] if side else file.image.stem
    anatomy = "wrist" if {m for group in members for m in group} & set(WRIST) else "trunk"
    subject = Subject(
        tuple(" + ".join(m) for m in members), members, Path(file.source.path).name, patient,
        anatomy, file.source.view, sides[side[1]] if side else "",
    )  # fmt: skip
    return MaskedRadiograph(radiograph, np.stack(list(known.values())), subject)


def _radiograph(file: RadiographFile) -> Radiograph:
    pixel = file.source.pixel or (RAM_PIXEL_MM if file.is_ram else None)
    if file.image.suffix.lower() == ".bmp":
        grey = read_grey(file.image)
        if file.source.polarity == "bone-dark":
            grey = 255 - grey
        found = radiograph_from_array(grey, "display", pixel, file.image.stem)
    else:
        found = read_radiograph(file.image, pixel, file.source.polarity)
    if found.pixel_mm is None:
        raise ValueError(f"pixel: {file.image.name} does not say it; expected pixel = MM in a list")
    return found


def _ram_masks(path: Path) -> dict[tuple[str, ...], np.ndarray]:
    try:
        masks = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"data: {path.name}: no array of masks ({error})") from None
    if not isinstance(masks, np.ndarray) or masks.ndim != 3 or len(masks) != RAM_COUNT:
        raise ValueError(
            f"data: {path.name}: shape {np.shape(masks)}; expected ({RAM_COUNT}, rows, columns)"
        )
    return {members: masks[n] > 0 for n, members in enumerate(RAM_CHANNELS)}


def _plain_masks(folder: Path, structures: Sequence[str]) -> dict[tuple[str, ...], np.ndarray]:
    files = {p.stem.lower().replace("_", " "): p for p in sorted(folder.iterdir())}
    there = [name for name in structures if name.lower() in files]
    return {(name,): read_grey(files[name.lower()]) > 0 for name in there}
