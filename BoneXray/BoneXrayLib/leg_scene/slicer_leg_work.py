"""What rebuilding a leg needs from the scene: radiographs, what is drawn on them, how taken."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import slicer.util

from ..leg_features import LegFeatures
from ..legs.leg_config import LegConfig
from ..legs.leg_finding import find_features
from ..legs.leg_geometry import LATERAL, Shot, read_shot
from ..legs.leg_reconstruction import RebuiltLeg, reconstruct_leg
from ..scene.slicer_jobs import Work
from ..scene.slicer_nodes import PREFIX, ijk_to_world, image_to_ras, mark, radiograph_from_node
from ..scene.slicer_results import results_of, same_place
from .slicer_leg_features import features_on, show_features
from .slicer_leg_markups import move_markups

SAID = PREFIX + "Leg"
"""Of a radiograph: side and view that the network found, as JSON."""


class Taken(NamedTuple):
    """How a radiograph was taken: what is known of its geometry, and the view, "" if unknown."""

    shot: Shot
    view: str


def taken(source: Any, chosen: str = "") -> Taken:
    """How the radiograph of a node was taken: as stored with it, in its file, or as chosen."""
    radiograph = radiograph_from_node(source)
    shot, file = Shot(radiograph.geometry), source.GetAttribute(PREFIX + "File")
    if shot.geometry is None and file and Path(file).is_file():
        shot = read_shot(Path(file), radiograph)
    return Taken(shot, chosen or shot.view or _found_view(source))


def side_of(sources: Sequence[Any], chosen: str) -> str:
    """right or left, as chosen or as the network found; "auto" where neither is known."""
    if chosen != "auto":
        return chosen
    return next((said[0] for said in map(_said, sources) if said), chosen)


def _said(source: Any) -> list[str]:
    return json.loads(source.GetAttribute(SAID) or "[]")


def _found_view(source: Any) -> str:
    said = _said(source)
    return "" if not said else LATERAL[said[0]] if said[1] == "LAT" else said[1]


def features_of_nodes(
    sources: Sequence[Any], config: LegConfig, views: Sequence[str]
) -> list[list[LegFeatures]]:
    """The features that are drawn on each radiograph; a side that nobody knows counts as right."""
    side = side_of(sources, config.side)
    side = "right" if side == "auto" else side
    return [
        features_on(source, config.bones, side, taken(source, view).view)
        for source, view in zip(sources, views, strict=True)
    ]


def finding_work(sources: Sequence[Any], config: LegConfig, views: Sequence[str]) -> Work:
    """Finding the features of these nodes as work(progress, is_cancelled) -> detections."""
    given = [radiograph_from_node(source, config.pixel) for source in sources]
    seen = tuple(taken(source, view).view for source, view in zip(sources, views, strict=True))
    asked = dataclasses.replace(config, view=seen if all(seen) else ())
    return lambda progress, is_cancelled: find_features(given, asked, progress, is_cancelled)


def show_found(detections: Sequence[Any], sources: Sequence[Any]) -> None:
    """Draw what was found in each radiograph, in place of what was drawn there of these bones."""
    for found, source in zip(detections, sources, strict=True):
        source.SetAttribute(SAID, json.dumps([found.side, found.view]))
        source.SetAttribute(PREFIX + "Warnings", json.dumps(found.warnings))
        show_features(source, found.features)


def rebuilding_work(sources: Sequence[Any], config: LegConfig, views: Sequence[str]) -> Work:
    """The rebuilding of these nodes' bones as work(progress, is_cancelled) -> RebuiltLeg.

    Raises:
        ValueError: no radiograph, no side, or nothing drawn.
    """
    if side_of(sources, config.side) == "auto":
        raise ValueError("side: nothing says which leg it is; expected right or left")
    given = [radiograph_from_node(source, config.pixel) for source in sources]
    how = [taken(source, view) for source, view in zip(sources, views, strict=True)]
    features = features_of_nodes(sources, config, views)
    seen = tuple(one.view for one in how)
    asked = dataclasses.replace(config, view=seen if all(seen) else ())
    shots = [one.shot for one in how]

    def run(progress: Any, is_cancelled: Any) -> RebuiltLeg:
        return reconstruct_leg(given, asked, features, shots, None, progress, is_cancelled)

    return run


def set_geometry(source: Any, path: str, pixel_mm: float | None = None) -> None:
    """Put a radiograph where a file (drr.json, matrix, C-arm) says; what is drawn goes with it.

    Raises:
        ValueError: no geometry in the file, or one of an image of another size.
    """
    radiograph = radiograph_from_node(source, pixel_mm)
    geometry = read_shot(Path(path), radiograph, Path(path)).geometry
    if geometry is None:
        raise ValueError(f"views: {Path(path).name} says no geometry; expected one")
    before = ijk_to_world(source, "radiograph")
    moved = dataclasses.replace(
        radiograph, geometry=geometry, pixel_mm=geometry.pixel_mm, magnification=None
    )
    source.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image_to_ras(moved)))
    mark(source, moved)
    for node in results_of(source):
        same_place(node, source)
    move_markups(source, ijk_to_world(source, "radiograph") @ np.linalg.inv(before))
