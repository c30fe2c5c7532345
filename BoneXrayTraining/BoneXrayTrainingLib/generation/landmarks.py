"""Landmarks of a CT: read from a file beside it, moved as the patient is, projected."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from BoneXrayLib.files import one_line, plain_stem
from BoneXrayLib.geometry import Geometry

SUFFIXES = (".landmarks.json", ".mrk.json")


def landmarks_file(ct: Path, named: Path | None) -> Path | None:
    """The file that holds a CT's landmarks: the one named, or the one beside it, or None."""
    if named is not None:
        return named
    beside = [ct.parent / f"{plain_stem(ct)}{suffix}" for suffix in SUFFIXES]
    return next((path for path in beside if path.is_file()), None)


def read_landmarks(path: Path) -> dict[str, tuple[float, float, float]]:
    """Points in RAS mm by name.

    Either {"frame": "RAS mm", "points": {name: [R, A, S], ...}}, or markups of 3D Slicer
    (.mrk.json), RAS or LPS as the file says.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: neither of the two.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if "markups" in data:
            found = dict(p for markup in data["markups"] for p in _markup_points(markup))
        else:
            if data["frame"] != "RAS mm":
                raise ValueError(f"frame {data['frame']!r}")
            found = {str(name): _point(at) for name, at in data["points"].items()}
    except FileNotFoundError:
        raise FileNotFoundError(f"landmarks: {path} not found; expected a JSON file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'landmarks: {path.name}: {one_line(error, 80)}; expected {{"frame": "RAS mm", '
            '"points": {name: [R, A, S]}} or markups of 3D Slicer'
        ) from None
    return found


def project_landmarks(
    points: dict[str, tuple[float, float, float]], deform: np.ndarray, geometry: Geometry
) -> dict[str, list[float]]:
    """Image (row, column) of each point, which may lie outside the image.

    Args:
        points: RAS mm of the CT.
        deform: (4, 4), from the CT's RAS to that of the patient as drawn.
        geometry: of the image.
    """
    if not points:
        return {}
    ras = np.array(list(points.values()), dtype=np.float64) @ deform[:3, :3].T + deform[:3, 3]
    found = geometry.project_points(ras)
    return {name: [float(r), float(c)] for name, (r, c) in zip(points, found, strict=True)}


def _markup_points(markup: dict) -> list[tuple[str, tuple[float, float, float]]]:
    frame = str(markup.get("coordinateSystem", "LPS"))
    if frame not in ("LPS", "RAS"):
        raise ValueError(f"coordinateSystem {frame!r}")
    flip = -1.0 if frame == "LPS" else 1.0
    found = []
    for number, control in enumerate(markup["controlPoints"], 1):
        if control.get("positionStatus", "defined") == "defined":
            x, y, z = _point(control["position"])
            found.append((str(control.get("label") or f"point {number}"), (flip * x, flip * y, z)))
    return found


def _point(values: Iterable[float]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    if not np.isfinite([x, y, z]).all():
        raise ValueError(f"point {values}")
    return x, y, z
