"""Rebuilt bones as files: STL surfaces, arrays with uncertainties, and a record with measures.

femur-right.stl       binary STL, mm, RAS: its header says SPACE=RAS, which 3D Slicer heeds
femur-right.npz       vertices (V, 3), faces (F, 3), uncertainty (V,) mm
reconstruction.json   poses, coefficients, residuals, verdicts, measures
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..files import checked_output_folder, staged_folder, written_whole
from ..reconstruction import Reconstruction
from .leg_measures import MeasuredBone, leg_measures

RECORD_FILE = "reconstruction.json"


def write_stl(path: str | os.PathLike, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Write triangles (F, 3) of vertices (V, 3) RAS mm as binary STL.

    Raises:
        ValueError: the folder is not there.
    """
    corners = np.asarray(vertices, dtype=np.float64)[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    # A record is a normal, three corners and two spare bytes: 50 in all.
    numbers = np.concatenate([(normals / np.maximum(lengths, 1e-30))[:, None], corners], axis=1)
    records = np.zeros((len(faces), 50), np.uint8)
    records[:, :48] = numbers.astype("<f4").reshape(len(faces), 12).view(np.uint8)
    header = f"BoneXray {__version__} SPACE=RAS".ljust(80).encode("ascii")
    with written_whole(path) as beside:
        beside.write_bytes(header + len(faces).to_bytes(4, "little") + records.tobytes())


def write_reconstructions(
    folder: str | os.PathLike,
    found: list[Reconstruction],
    record: dict[str, Any] | None = None,
) -> dict[str, Path]:
    """Write surfaces, arrays and the record of a leg's bones; all of them or nothing.

    Args:
        folder: where to; made if it is not there.
        found: the bones, each once for a side.
        record: what else reconstruction.json is to say.

    Returns:
        Path of each file by its name.

    Raises:
        ValueError: a bone twice, or a folder that cannot be written to.
    """
    names = [f"{bone.bone}-{bone.side}" for bone in found]
    if len(set(names)) < len(names):
        raise ValueError(f"found: got {', '.join(names)}; expected each bone once")
    target = checked_output_folder(Path(folder))
    said = {"written_by": f"BoneXray {__version__}", **(record or {})}
    said["frame"] = "RAS mm"
    said["bones"] = [bone_record(bone) for bone in found]
    said["measures"] = measures_of_sides(found)
    with staged_folder(target, RECORD_FILE) as stage:
        for name, bone in zip(names, found, strict=True):
            write_stl(stage / f"{name}.stl", bone.vertices, bone.faces)
            np.savez_compressed(
                stage / f"{name}.npz",
                vertices=bone.vertices.astype(np.float32),
                faces=bone.faces.astype(np.int32),
                uncertainty=bone.uncertainty.astype(np.float32),
            )
        text = json.dumps(said, indent=2, ensure_ascii=False)
        (stage / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
        files = sorted(path.name for path in stage.iterdir())
    return {name: target / name for name in files}


def bone_record(bone: Reconstruction) -> dict[str, Any]:
    """What reconstruction.json says of a bone."""
    return {
        "bone": bone.bone,
        "side": bone.side,
        "converged": bone.converged,
        "verdict": bone.verdict,
        "notes": list(bone.notes),
        "coefficients": bone.coefficients.tolist(),
        "pose": {
            "rotation_vector_rad": bone.pose.rotation.tolist(),
            "translation_mm": bone.pose.translation.tolist(),
            "scale": bone.pose.scale,
            "standard_errors_rad_mm": np.sqrt(np.diag(bone.pose_covariance)).tolist(),
        },
        "uncertainty_mm": {
            "mean": float(bone.uncertainty.mean()),
            "percentile_95": float(np.percentile(bone.uncertainty, 95)),
            "largest": float(bone.uncertainty.max()),
        },
        "landmarks": {name: place.tolist() for name, place in bone.landmarks.items()},
        "spheres": {
            name: {"centre": sphere.centre.tolist(), "radius_mm": sphere.radius}
            for name, sphere in bone.spheres.items()
        },
        "views": [
            {"geometry": geometry.to_dict(), "residuals": dataclasses.asdict(left)}
            for geometry, left in zip(bone.geometries, bone.residuals, strict=True)
        ],
    }


def measures_of_sides(found: list[Reconstruction]) -> list[dict[str, Any]]:
    """Lengths and angles of each leg, as reconstruction.json has them."""
    return [measure for side in ("right", "left") for measure in _measures(found, side)]


def _measures(found: list[Reconstruction], side: str) -> list[dict[str, Any]]:
    bones = {b.bone: MeasuredBone(b.landmarks, b.landmark_spread) for b in found if b.side == side}
    measures = leg_measures(bones.get("femur"), bones.get("tibia"))
    return [{"side": side, **dataclasses.asdict(measure)} for measure in measures]
