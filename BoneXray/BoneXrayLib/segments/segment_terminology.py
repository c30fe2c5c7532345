"""A structure's codes as 3D Slicer keeps them with a segment, in one text."""

from __future__ import annotations

from dataclasses import replace

from .structures import SIDE_CODES, Code, Structure, structure

CONTEXT = "Segmentation category and type - DICOM master list"
REGION_CONTEXT = "Anatomic codes - DICOM master list"
NO_CODE: Code = ("", "", "")
TAG = "TerminologyEntry"
"""Slicer's tag of a segment that holds the text."""


def terminology_entry(found: Structure) -> str:
    """Category, type and side, each as scheme^code^meaning, between tildes; no region."""
    codes = (found.category_code, found.type_code, found.side_code or NO_CODE)
    parts = [CONTEXT, *map("^".join, codes), REGION_CONTEXT, "^".join(NO_CODE), "^".join(NO_CODE)]
    return "~".join(parts)


def named_structure(name: str, colour: tuple[int, int, int], entry: str = "") -> Structure:
    """The structure of a segment: the one of its name, in its colour, with its own codes.

    Args:
        name: of the segment; an empty one is "unnamed".
        colour: (red, green, blue), 0 to 255.
        entry: as `terminology_entry` gives it; what is none is not counted.
    """
    found = replace(structure(name.strip() or "unnamed"), colour=colour)
    parts = [part.split("^") for part in entry.split("~")]
    if len(parts) < 4 or any(len(part) != 3 for part in parts[1:4]):
        return found
    scheme, code, meaning = parts[2]
    sides = {codes[1]: side for side, codes in SIDE_CODES.items()}
    side = sides.get(parts[3][1], "")
    if not (scheme and code and meaning):
        return replace(found, side=side)
    return replace(found, scheme=scheme, code=code, meaning=meaning, side=side)
