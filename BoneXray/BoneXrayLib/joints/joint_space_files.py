"""Joint spaces as files: profile, record and picture."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..files import checked_output_folder, one_line, staged_folder
from ..picture_report import side_by_side
from .bone_motion import Motion
from .joint_space import JointSpace, Narrowing
from .joint_space_picture import joint_picture
from .joint_visit import JointVisit

PROFILE_FILE, RECORD_FILE, PICTURE_FILE = "joint-space.csv", "joint-space.json", "joint-space.png"


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
