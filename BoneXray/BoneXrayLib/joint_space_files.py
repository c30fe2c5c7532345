"""Joint spaces as files: the layers they are measured in, profile, record and picture."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .files import checked_output_folder, existing_path, one_line, staged_folder
from .joint_space import JointLayers, JointSpace, Narrowing
from .joint_space_picture import joint_picture
from .layer_files import RECORD as LAYERS_RECORD
from .layer_files import read_layers
from .layer_registration import Motion
from .layers import Layers
from .picture_report import side_by_side
from .radiograph import read_radiograph

PROFILE_FILE, RECORD_FILE, PICTURE_FILE = "joint-space.csv", "joint-space.json", "joint-space.png"
IMAGES = (".nrrd", ".png", ".tif", ".tiff")


@dataclass(frozen=True, eq=False)
class JointVisit:
    """A joint as it is measured and shown.

    Attributes:
        layers: of the two bones.
        image: (rows, columns) the radiograph, or the sum of the layers where there is none.
        name: of the visit.
        magnification: size on the detector over size in the patient, None where not known.
    """

    layers: JointLayers
    image: np.ndarray
    name: str
    magnification: float | None = None


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
    places = [_place(found, name, which) for name, which in ((upper, "upper"), (lower, "lower"))]
    if not (upper and lower):
        if len(found.names) != 2:
            raise ValueError(
                f"upper, lower: got {upper!r}, {lower!r}; expected two of {', '.join(found.names)}"
            )
        places = _both(found, *places)
    if places[0] == places[1]:
        raise ValueError(f"lower: got {lower!r}, as upper; expected another bone")
    one, other = places
    radiograph = found.radiograph
    layers = JointLayers(
        found.layers[one],
        found.layers[other],
        _pixel(radiograph.pixel_mm, pixel, radiograph.name),
        found.masks[one],
        found.masks[other],
        (found.names[one], found.names[other]),
    )
    return JointVisit(layers, radiograph.pixels, radiograph.name, radiograph.magnification)


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
    if (found / LAYERS_RECORD).is_file() or not _image(found, "upper"):
        return joint_of(read_layers(found), upper, lower, pixel)
    images = []
    for which in ("upper", "lower"):
        file = _image(found, which)
        if file is None:
            raise ValueError(f"layers: {found} holds no {which}.nrrd, .png or .tif; expected both")
        images.append(read_radiograph(file))
    masks = [_mask(found, n, i.pixels) for n, i in zip(("upper", "lower"), images, strict=True)]
    pixel_mm = _pixel(images[0].pixel_mm, pixel, found.name)
    layers = JointLayers(images[0].pixels, images[1].pixels, pixel_mm, *masks)
    whole = images[0].pixels + images[1].pixels
    return JointVisit(layers, whole, found.name, images[0].magnification)


def write_joint_space(
    folder: str | os.PathLike,
    visits: tuple[JointVisit, ...],
    found: JointSpace | Narrowing,
    record: dict[str, Any] | None = None,
) -> dict[str, Path]:
    """Write profile, record and picture of one visit or two; all of them or nothing.

    Args:
        folder: where to; made if it is not there.
        visits: what was measured, in the order of the spaces of `found`.
        found: the joint space of one visit, or the narrowing between two.
        record: what else joint-space.json is to say.

    Returns:
        Path of each file by its name.

    Raises:
        ValueError: a folder that cannot be written to.
    """
    target = checked_output_folder(Path(folder))
    spaces = (found,) if isinstance(found, JointSpace) else (found.first, found.second)
    said = {"written_by": f"BoneXray {__version__}", **(record or {})}
    said["bones"] = list(visits[0].layers.names)
    said["lengths_are"] = "mm at the detector, larger than in the patient by the magnification"
    said["visits"] = [space_record(v, s) for v, s in zip(visits, spaces, strict=True)]
    if isinstance(found, Narrowing):
        said["narrowing"] = narrowing_record(found)
    with staged_folder(target) as stage:
        _write_profile(stage / PROFILE_FILE, visits, spaces)
        text = json.dumps(said, indent=2, ensure_ascii=False)
        (stage / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
        _write_picture(stage / PICTURE_FILE, visits, spaces)
    return {name: target / name for name in (PROFILE_FILE, RECORD_FILE, PICTURE_FILE)}


def space_record(visit: JointVisit, space: JointSpace) -> dict[str, Any]:
    """What joint-space.json says of a visit."""
    return {
        "name": visit.name,
        "pixel_mm": visit.layers.pixel_mm,
        "magnification": visit.magnification,
        "mean_width_mm": space.mean_mm,
        "minimum_width_mm": space.minimum_mm,
        "minimum_at_mm": space.minimum_at_mm,
        "measured_length_mm": float(np.ptp(space.positions_mm)),
        "overlap_share": space.overlap_share,
        "axis_row_column": space.margins.axis.tolist(),
        "middle_row_column_px": (space.middle / visit.layers.pixel_mm).tolist(),
    }


def narrowing_record(found: Narrowing) -> dict[str, Any]:
    """What joint-space.json says of two visits."""
    return {
        "narrowing_mm": found.narrowing_mm,
        "standard_error_mm": found.standard_error_mm,
        "interval_95_mm": list(found.interval_mm),
        "difference_of_mean_widths_mm": found.first.mean_mm - found.second.mean_mm,
        "sideways_mm": found.sideways_mm,
        "bend_degrees": found.bend_deg,
        "upper": _motion_record(found.upper),
        "lower": _motion_record(found.lower),
    }


def _motion_record(motion: Motion) -> dict[str, Any]:
    return {
        "shift_row_column_mm": motion.shift_mm.tolist(),
        "rotation_degrees": motion.rotation_deg,
        "about_row_column_mm": motion.middle_mm.tolist(),
        "standard_errors_mm_mm_degrees": [
            *np.sqrt(np.diag(motion.covariance)[:2]).tolist(),
            float(np.rad2deg(np.sqrt(motion.covariance[2, 2]))),
        ],
        "exposure_gain": motion.gain,
        "residual_over_contrast": motion.residual,
        "pixels": motion.pixels,
    }


def _write_profile(path: Path, visits, spaces) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        margins = [f"{bone} {way} [px]" for bone in ("upper", "lower") for way in ("row", "column")]
        writer.writerow(["visit", "along the joint [mm]", "width [mm]", *margins])
        for visit, space in zip(visits, spaces, strict=True):
            ends = np.hstack([space.margins.upper, space.margins.lower])
            ends = ends / (visit.layers.pixel_mm * 2)
            rows = np.column_stack([space.positions_mm, space.width_mm, ends])
            writer.writerows([one_line(visit.name), *(f"{v:.4f}" for v in row)] for row in rows)


def _write_picture(path: Path, visits, spaces) -> None:
    from PIL import Image

    pictures = [joint_picture(v.image, s, v.layers.pixel_mm)
                for v, s in zip(visits, spaces, strict=True)]  # fmt: skip
    titles = [f"{v.name}: mean {s.mean_mm:.2f} mm, smallest {s.minimum_mm:.2f} mm"
              for v, s in zip(visits, spaces, strict=True)]  # fmt: skip
    height = max(picture.shape[0] for picture in pictures)
    Image.fromarray(side_by_side(pictures, titles, height)).save(path, format="PNG")


def _place(found: Layers, name: str, which: str) -> int | None:
    if name and name not in found.names:
        raise ValueError(f"{which}: got {name!r}; expected one of {', '.join(found.names)}")
    return found.names.index(name) if name else None


def _both(found: Layers, upper: int | None, lower: int | None) -> list[int]:
    """Places of upper and lower of two bones: by name, else by height in the image."""
    if upper is None and lower is None:
        heights = [np.nonzero(mask)[0].mean() if mask.any() else 0 for mask in found.masks]
        upper = int(np.argmin(heights))
    upper = 1 - lower if upper is None and lower is not None else upper
    return [upper, 1 - upper if lower is None else lower]


def _pixel(known: tuple[float, float] | None, given: float | None, name: str):
    if given is not None:
        return (given, given)
    if known is None:
        raise ValueError(
            f"pixel: unknown of {one_line(name)}; expected --pixel MM, the size of a pixel at the "
            "detector"
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
        raise ValueError(f"layers: {file.name} is {mask.shape}; expected {layer.shape} as the layer")
    return mask > 0
