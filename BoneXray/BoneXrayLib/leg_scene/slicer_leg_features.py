"""The features of a leg on a radiograph node: drawn as markups, read back as they are now.

The picture of an outline that the network found is kept as a hidden volume beneath the radiograph;
an outline that is drawn counts instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import slicer.util

from ..leg_features import LegFeatures
from ..legs.leg_channels import BONES
from ..legs.leg_drawing import Drawing, Item, drawing_of, features_of
from ..radiograph import radiograph_from_array
from ..scene.slicer_nodes import PREFIX
from ..scene.slicer_results import result_node, results_of, same_place
from .slicer_leg_markups import (
    FEATURE,
    along,
    item_of,
    markup_of,
    markups_of,
    pixel_places,
    placed,
    put_curve,
    put_point,
)

OUTLINE = "leg outline"


def drawings_of(source: Any) -> dict[str, Drawing]:
    """What is drawn on a radiograph node, by bone, in its pixels."""
    found = {}
    for bone in BONES:
        drawing = Drawing()
        points = markup_of(source, Item(bone, "point"))
        for number in placed(points):
            name = points.GetNthControlPointLabel(number)
            drawing.points[name] = pixel_places(source, points, [number])[0]
            drawing.notes[name] = points.GetNthControlPointDescription(number)
        for node in markups_of(source):
            item = item_of(node)
            if item.bone != bone or item.kind == "point":
                continue
            places = pixel_places(source, node, placed(node))
            if item.kind == "ellipse":
                drawing.rounds[item.name] = places
            elif len(places):
                setattr(drawing, item.kind, along(source, node) if item.kind == "outline"
                        else places)  # fmt: skip
        found[bone] = drawing
    return found


def features_on(source: Any, bones: Sequence[str], side: str, view: str) -> list[LegFeatures]:
    """The features of bones that are drawn on a radiograph node or were found in it."""
    drawings = drawings_of(source)
    made = [
        features_of(drawings[bone], bone, side, view, outline_of(source, bone, side, view))
        for bone in bones
    ]
    return [features for features in made if features is not None]


def show_features(source: Any, features: Sequence[LegFeatures]) -> None:
    """Draw features on a radiograph node in place of what was drawn of these bones."""
    for found in features:
        drawing = drawing_of(found)
        clear(source, found.bone)
        for name, at in drawing.points.items():
            put_point(source, Item(found.bone, "point", name), at, drawing.notes[name])
        for name, places in drawing.rounds.items():
            put_curve(source, Item(found.bone, "ellipse", name), places)
        if drawing.outline is not None:
            put_curve(source, Item(found.bone, "outline"), drawing.outline)
        elif found.outline is not None:
            _keep_outline(source, found)
        if drawing.box is not None:
            put_curve(source, Item(found.bone, "box"), drawing.box)


def clear(source: Any, bone: str) -> None:
    """Take all that was drawn or found of a bone off the radiograph."""
    for node in [*markups_of(source), *_outlines(source)]:
        if (node.GetAttribute(FEATURE) or "").split(" ")[0] == bone:
            slicer.mrmlScene.RemoveNode(node)


def outline_of(source: Any, bone: str, side: str, view: str) -> LegFeatures | None:
    """The picture of an outline that was found of a bone, as features without anything else."""
    for node in _outlines(source):
        if node.GetAttribute(FEATURE) == f"{bone} {OUTLINE}":
            kind, first, step = json.loads(node.GetAttribute(PREFIX + "Outline"))
            share = slicer.util.arrayFromVolume(node)[0]
            return LegFeatures(bone, side, view, outline=share.copy(), outline_kind=kind,
                               outline_first=tuple(first), outline_step=tuple(step))  # fmt: skip
    return None


def _keep_outline(source: Any, found: LegFeatures) -> None:
    """Keep the outline that was found as a hidden picture beneath the radiograph."""
    share = np.asarray(found.outline, dtype=np.float32)
    name = f"{source.GetName()} {found.bone} outline"
    tags = {"Result": OUTLINE, "Feature": f"{found.bone} {OUTLINE}"}
    node = result_node(radiograph_from_array(share, "display"), share, name, source, tags)
    said = (found.outline_kind, found.outline_first, found.outline_step)
    node.SetAttribute(PREFIX + "Outline", json.dumps(said))
    node.SetHideFromEditors(True)
    same_place(node, source)


def _outlines(source: Any) -> list[Any]:
    return [n for n in results_of(source) if n.GetAttribute(PREFIX + "Result") == OUTLINE]
