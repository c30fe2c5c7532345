"""What the panel says about radiographs and models, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from slicer.i18n import tr as _

from .slicer_nodes import PREFIX, is_marked


def is_one_slice(node: Any) -> bool:
    """Whether a volume node may be a radiograph."""
    image = node.GetImageData()
    return image is not None and image.GetDimensions()[2] == 1


def about_radiograph(node: Any) -> str:
    """What a radiograph node may be instead, its size, spacing, polarity, units, reader's notes."""
    if not is_one_slice(node):
        return ""
    return "\n".join([*warnings_of(node), _facts_of(node)])


def warnings_of(node: Any) -> list[str]:
    """What a radiograph node looks like if not like a radiograph, as far as it was looked at."""
    return as_warnings(json.loads(node.GetAttribute(PREFIX + "Warnings") or "[]"))


def as_warnings(texts: Iterable[str]) -> list[str]:
    """What is to be known of an image, as sentences."""
    return [_("Warning: it {text}.").format(text=text) for text in texts]


def _facts_of(node: Any) -> str:
    columns, rows, _slices = node.GetImageData().GetDimensions()
    size = _("{rows} × {columns} pixels").format(rows=rows, columns=columns)
    if not is_marked(node):
        return size + _(", not loaded by BoneXray: taken as bone bright.")
    pixel = json.loads(node.GetAttribute(PREFIX + "PixelMm"))
    facts = [
        size,
        f"{pixel[0]:.3g} mm" if pixel else _("pixel size unknown"),
        node.GetAttribute(PREFIX + "Polarity"),
        node.GetAttribute(PREFIX + "Domain"),
    ]
    notes = json.loads(node.GetAttribute(PREFIX + "Notes"))
    return "; ".join([", ".join(facts), *notes]) + "."


def about_models(chosen: Any, offered: list[Any], refused: Sequence[Any], none: str) -> str:
    """What the chosen model is for, or `none`, and which folders are not offered and why."""
    lines = []
    if chosen is not None:
        card = chosen.card
        lines = [card.description, _("Intended use: ") + card.intended_use]
        lines.append(_("Limits: ") + card.limits)
    elif not offered:
        lines.append(none)
    lines += [
        _("Not offered: {name}: {why}").format(name=entry.folder.name, why=entry.reason)
        for entry in refused
    ]
    return "\n".join(lines)
