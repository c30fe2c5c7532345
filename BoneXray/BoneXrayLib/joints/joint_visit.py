"""A joint in one visit: two bones of separated layers, or two images of layers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..files import existing_path, one_line
from ..layer_files import RECORD, read_layers
from ..layers import Layers
from ..radiograph import read_radiograph
from .joint_space import JointLayers

IMAGES = (".nrrd", ".png", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class JointVisit:
    """A joint as it is measured and shown.

    Attributes:
        layers: of the two bones.
        image: (rows, columns) the radiograph, or the sum of the layers where there is none.
        name: of the visit.
        magnification: size on the detector over size in the patient, None where not known.
        notes: what else is to be known, a sentence each.
    """

    layers: JointLayers
    image: np.ndarray
    name: str
    magnification: float | None = None
    notes: tuple[str, ...] = ()


def joint_of(
    found: Layers, upper: str = "", lower: str = "", pixel: float | None = None
) -> JointVisit:
    """Two bones of a radiograph's layers as a joint.

    Args:
        found: the layers.
        upper, lower: names of the bones; needed where there are more than two.
        pixel: size of a pixel at the detector [mm], where the image does not say it.

    Raises:
        ValueError: no such bones, or a pixel size that nobody knows.
    """
    one, other = _two_bones(found.names, upper, lower, found.masks)
    radiograph = found.radiograph
    layers = JointLayers(
        found.layers[one],
        found.layers[other],
        _pixel(radiograph.pixel_mm, pixel, radiograph.name),
        found.masks[one],
        found.masks[other],
        (found.names[one], found.names[other]),
    )
    notes = _notes(radiograph.pixel_mm, pixel, radiograph.name)
    return JointVisit(layers, radiograph.pixels, radiograph.name, radiograph.magnification, notes)


def read_joint(
    folder: str | os.PathLike, upper: str = "", lower: str = "", pixel: float | None = None
) -> JointVisit:
    """A joint of a folder that `run separate` wrote, or of one with images of two layers.

    The latter holds upper and lower (.nrrd, .png or .tif), and upper-mask.png and lower-mask.png;
    without masks a bone is where its layer is above 0.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no layers, no such bones, or a pixel size that nobody knows.
    """
    found = existing_path(folder, "layers")
    if (found / RECORD).is_file() or not _image(found, "upper"):
        return joint_of(read_layers(found), upper, lower, pixel)
    for which, name in (("upper", upper), ("lower", lower)):
        if name not in ("", which):
            raise ValueError(
                f"{which}: got {name!r}; expected none, as {found.name} has images of both layers "
                "and no names"
            )
    images = []
    for which in ("upper", "lower"):
        file = _image(found, which)
        if file is None:
            raise ValueError(f"layers: {found} holds no {which}.nrrd, .png or .tif; expected both")
        images.append(read_radiograph(file))
    upper_mask, lower_mask = (
        _mask(found, n, i.pixels) for n, i in zip(("upper", "lower"), images, strict=True)
    )
    pixel_mm = _pixel(images[0].pixel_mm, pixel, found.name)
    layers = JointLayers(images[0].pixels, images[1].pixels, pixel_mm, upper_mask, lower_mask)
    whole = images[0].pixels + images[1].pixels
    notes = _notes(images[0].pixel_mm, pixel, found.name)
    return JointVisit(layers, whole, found.name, images[0].magnification, notes)


def _two_bones(
    names: tuple[str, ...], upper: str, lower: str, masks: np.ndarray
) -> tuple[int, int]:
    """Places of upper and lower: by name, of two bones else by height in the image."""
    for which, name in (("upper", upper), ("lower", lower)):
        if name and name not in names:
            raise ValueError(f"{which}: got {name!r}; expected one of {', '.join(names)}")
    if upper and upper == lower:
        raise ValueError(f"lower: got {lower!r}, as upper; expected another bone")
    if upper and lower:
        return names.index(upper), names.index(lower)
    if len(names) != 2:
        raise ValueError(f"upper, lower: got {upper!r}, {lower!r}; expected two of "
                         f"{', '.join(names)}")  # fmt: skip
    if upper or lower:
        one = names.index(upper) if upper else 1 - names.index(lower)
    else:
        one = int(np.argmin([np.nonzero(mask)[0].mean() if mask.any() else 0 for mask in masks]))
    return one, 1 - one


def _notes(known: tuple[float, float] | None, given: float | None, name: str) -> tuple[str, ...]:
    if known is None or given is None or np.allclose(known, given):
        return ()
    return (f"{one_line(name)}: pixel {given:g} mm as given; the layers say {known[0]:g}",)


def _pixel(known: tuple[float, float] | None, given: float | None, name: str):
    if given is not None:
        return (given, given)
    if known is None:
        raise ValueError(
            f"pixel: unknown of {one_line(name)}; expected the size of a pixel at the detector [mm]"
        )
    return known


def _image(folder: Path, stem: str) -> Path | None:
    return next((p for p in (folder / f"{stem}{s}" for s in IMAGES) if p.is_file()), None)


def _mask(folder: Path, which: str, layer: np.ndarray) -> np.ndarray:
    file = folder / f"{which}-mask.png"
    if not file.is_file():
        return layer > 0
    mask = read_radiograph(file).pixels
    if mask.shape != layer.shape:
        raise ValueError(
            f"layers: {file.name} is {mask.shape}; expected {layer.shape} as the layer"
        )
    return mask > 0
