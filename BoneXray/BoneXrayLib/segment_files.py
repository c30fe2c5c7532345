"""Named bones as files: PNG masks, an overlay, `.seg.nrrd`, DICOM SEG, and their areas."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .display import display_window, to_grey
from .files import checked_output_folder, one_line, staged_folder, untaken
from .segments.segment_dicom import (
    check_highdicom,
    made_source,
    source_header,
    write_dataset,
    write_dicom_seg,
)
from .segments.segment_nrrd import SUFFIX, write_seg_nrrd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .models import Model
    from .segmentation import Segmentation, SegmentConfig

FORMS = ("png", "nrrd", "dicom")
"""PNG masks with an overlay; `.seg.nrrd`; DICOM SEG."""
NRRD_FILE, DICOM_FILE, SOURCE_FILE = f"segments{SUFFIX}", "segments.dcm", "source.dcm"
OVERLAY_FILE, RECORD = "overlay.png", "segments.json"
FILL = 0.35
"""Share of a bone's colour in its area of the overlay; overlapping bones mix."""


def write_segmentation(
    found: Segmentation,
    folder: str | os.PathLike,
    forms: Sequence[str] = FORMS[:2],
    record: dict[str, Any] | None = None,
    source: str | os.PathLike | None = None,
    ijk_to_ras: np.ndarray | None = None,
    alone: bool = True,
) -> dict[str, Path]:
    """Write the forms that are asked for, and segments.json and segments.csv; all or nothing.

    Args:
        found: what to write.
        folder: where to; made if it is not there.
        forms: of `FORMS`. "dicom" writes source.dcm, too, where `source` is no DICOM image that
            a DICOM SEG can point to.
        record: what else segments.json is to say.
        source: file of the radiograph.
        ijk_to_ras: (4, 4) place of the radiograph; where float NRRD files of it lie unless given.
        alone: whether files of an earlier result in the folder go that are not written again.

    Returns:
        Path of each file by its name.

    Raises:
        ValueError: an unknown form, no highdicom, or a folder that cannot be written to.
    """
    unknown = [form for form in forms if form not in FORMS]
    if unknown or not forms:
        raise ValueError(f"forms: got {list(forms)!r}; expected some of {', '.join(FORMS)}")
    if "dicom" in forms:
        check_highdicom()
    target = checked_output_folder(Path(folder))
    files = file_names(found.names) if "png" in forms else {}
    with staged_folder(target, RECORD if alone else "") as stage:
        if files:
            for name, mask in zip(found.names, found.masks, strict=True):
                _write_picture(stage / files[name], np.where(mask, np.uint8(255), np.uint8(0)))
            _write_picture(stage / OVERLAY_FILE, overlay(found))
        if "nrrd" in forms:
            place = image_plane(found) if ijk_to_ras is None else ijk_to_ras
            write_seg_nrrd(stage / NRRD_FILE, found.masks, found.structures, place)
        if "dicom" in forms:
            _write_dicom(stage, found, source)
        said = {"written_by": f"BoneXray {__version__}", **(record or {})}
        said |= measurements(found, files)
        text = json.dumps(said, indent=2, ensure_ascii=False)
        (stage / RECORD).write_text(text + "\n", encoding="utf-8")
        _write_table(stage / "segments.csv", found)
        names = sorted(path.name for path in stage.iterdir())
    return {name: target / name for name in names}


def segment_record(
    found: Segmentation, config: SegmentConfig, model: Model, source: str
) -> dict[str, Any]:
    """What segments.json says of a run: image, settings, model."""
    return {
        "written_by": f"BoneXray {__version__} run segment",
        "image": source,
        "domain": found.radiograph.domain,
        "polarity": "bone bright",
        "notes": found.radiograph.notes,
        "config": dataclasses.asdict(config),
        "model": {
            "name": model.card.name,
            "version": model.card.version,
            "sha256": model.card.sha256,
        },
    }


def file_names(names: Sequence[str]) -> dict[str, str]:
    """PNG file of each bone: its name without what file systems dislike, each another one."""
    taken = {Path(OVERLAY_FILE).stem}
    found = {}
    for name in names:
        stem = re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:80] or "bone"
        found[name] = f"{untaken(stem, taken, '-')}.png"
    return found


def overlay(found: Segmentation, fill: float = FILL) -> np.ndarray:
    """The radiograph with its bones in their colours, outlined; (rows, columns, 3) uint8."""
    pixels = found.radiograph.pixels
    grey = to_grey(pixels, *display_window(pixels))
    picture = np.repeat(grey[..., np.newaxis], 3, axis=2)
    for mask, named in zip(found.masks, found.structures, strict=True):
        colour = np.array(named.colour, np.float32)
        mixed = (1 - fill) * picture[mask] + fill * colour
        picture[mask] = np.rint(mixed).astype(np.uint8)
    for mask, named in zip(found.masks, found.structures, strict=True):
        picture[_edge(mask, 1 + max(mask.shape) // 1000)] = named.colour
    return picture


def measurements(found: Segmentation, files: dict[str, str] | None = None) -> dict[str, Any]:
    """What segments.json says of the bones: names, colours, codes, areas and shared areas."""
    areas = found.areas()
    bones = [
        {**s.to_output(), "area": areas[s.name], **({"file": files[s.name]} if files else {})}
        for s in found.structures
    ]
    return {
        "model_name": found.model,
        "pixel_mm": found.radiograph.pixel_mm,
        "magnification": found.radiograph.magnification,
        "warnings": found.warnings,
        "area_unit": found.area_unit,
        "areas_are": "of the shadows at the detector, larger than in the body",
        "bones": bones,
        "overlaps": [{"bones": list(b), "area": a} for b, a in found.overlaps().items()],
    }


def area_rows(found: Segmentation) -> list[tuple[str, str, float]]:
    """(bone, other bone, area): the area of each bone first, the other empty, then what is shared.

    Areas are in `found.area_unit`.
    """
    rows = [(name, "", area) for name, area in found.areas().items()]
    return rows + [(one, other, area) for (one, other), area in found.overlaps().items()]


def image_plane(found: Segmentation) -> np.ndarray:
    """(4, 4) from (column, row, slice) to RAS [mm]: where float NRRD files of it lie."""
    radiograph = found.radiograph
    if radiograph.geometry is not None:
        return radiograph.geometry.image_to_ras()
    row_mm, column_mm = radiograph.pixel_mm or (1.0, 1.0)
    return np.diag([-column_mm, -row_mm, 1.0, 1.0])


def _edge(mask: np.ndarray, width: int) -> np.ndarray:
    """What of a mask lies within `width` pixels of its outline."""
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, iterations=width)


def _write_picture(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")


def _write_dicom(stage: Path, found: Segmentation, source: str | os.PathLike | None) -> None:
    header = source_header(source, found.masks.shape[1:])
    if header is None:
        header = made_source(found.radiograph)
        write_dataset(stage / SOURCE_FILE, header)
    write_dicom_seg(stage / DICOM_FILE, found, header)


def _write_table(path: Path, found: Segmentation) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["bone", "shared with", f"area [{found.area_unit}]"])
        for one, other, area in area_rows(found):
            writer.writerow([one_line(one), one_line(other), f"{area:.6g}"])
