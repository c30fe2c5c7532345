"""What the panel says about a leg: why it cannot be rebuilt yet, and what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slicer.i18n import tr as _

from ..legs.leg_drawing import LEAST, count_of, most_of
from ..scene.slicer_about import is_one_slice
from .slicer_leg_nodes import record_of
from .slicer_leg_work import Taken, features_of_nodes, side_of, taken


def what_is_missing(parameters: Any, shapes: dict[str, Sequence[str]]) -> str:
    """Why the chosen leg cannot be rebuilt, or an empty text.

    Args:
        parameters: what is chosen.
        shapes: names of the shape models of each bone.
    """
    sources = parameters.leg_radiographs()
    try:
        config = parameters.leg_config()
        return (
            _of_images(sources)
            or _of_models(config, shapes)
            or _of_views(sources, parameters.leg_views())
            or _of_side(sources, config)
            or _of_features(sources, config, parameters.leg_views())
        )
    except (ValueError, OSError) as error:
        return str(error)


def _of_images(sources: Sequence[Any]) -> str:
    if not sources:
        return _("Select or load a radiograph")
    for node in sources:
        if not is_one_slice(node):
            return _("{name} is no radiograph: it has several slices").format(name=node.GetName())
    if len(sources) > 1 and sources[0] is sources[1]:
        return _("Choose another radiograph as the second one, or none")
    return ""


def _of_models(config: Any, shapes: dict[str, Sequence[str]]) -> str:
    for bone, name in zip(config.bones, config.model, strict=True):
        if name not in shapes[bone]:
            return _("There is no shape model of a {bone}: add its folder").format(bone=bone)
    return ""


def _of_views(sources: Sequence[Any], views: Sequence[str]) -> str:
    how: list[Taken] = [taken(source, view) for source, view in zip(sources, views, strict=True)]
    known = [one.shot.geometry is not None for one in how]
    if any(known) and not all(known):
        return _("Give a geometry from a file for {name}, too: the other one has one").format(
            name=sources[known.index(False)].GetName())  # fmt: skip
    for source, one in zip(sources, how, strict=True):
        if one.shot.geometry is None and not one.view:
            return _("Say how {name} was taken: AP, PA, LAT-L or LAT-R").format(
                name=source.GetName())  # fmt: skip
    return ""


def _of_side(sources: Sequence[Any], config: Any) -> str:
    return _("Say which leg it is: right or left") if (
        side_of(sources, config.side) == "auto") else ""  # fmt: skip


def _of_features(sources: Sequence[Any], config: Any, views: Sequence[str]) -> str:
    drawn = features_of_nodes(sources, config, views)
    counts = {bone: most_of(bone, drawn) for bone in config.bones}
    wanted = " or ".join(config.bones)
    if not any(counts.values()):
        return _("Place at least {least} points or round parts of {bones}").format(
            least=LEAST, bones=wanted)  # fmt: skip
    for bone, count in counts.items():
        if 0 < count < LEAST:
            return _("Place {more} more points or round parts of the {bone}").format(
                more=LEAST - count, bone=bone)  # fmt: skip
    for source, features in zip(sources, drawn, strict=True):
        if not any(count_of(found) for found in features):
            return _("Place points or round parts on {name}, too").format(name=source.GetName())
    return ""


def in_words(table: Any) -> str:
    """What was made of a leg: the verdict on each bone, and what was taken for granted."""
    record = record_of(table)
    said = [f"{bone['bone']} {bone['side']}: {bone['verdict']}" for bone in record["bones"]]
    notes = dict.fromkeys(note for bone in record["bones"] for note in bone["notes"])
    said += [note if note.endswith(".") else f"{note}." for note in (*record["notes"], *notes)]
    return "\n".join([*said, _("Lengths and angles in {table}.").format(table=table.GetName())])
