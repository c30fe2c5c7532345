"""How labels of many files are called alike, so that one bone has one name and sides are sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from BoneXrayLib.segments.structures import TRUNK, WRIST

SIDES = ("left", "right")
LETTERS = {"l": "left", "r": "right"}
KNOWN = frozenset((*WRIST, *TRUNK))
ALSO_CALLED = {
    r"ribs?( \d+)?": "ribs",
    r"clavicula": "clavicle",
    r"hip|hipbone|innominate|os coxae|coxal": "hip bone",
    r"sacral|vertebrae? s\d?": "sacrum",
    r"vertebrae?( [ctl]\d+)?|[ctl]\d{1,2}": "vertebrae",
    r"triquetral": "triquetrum",
}
"""What others call the structures of wrist and trunk, without "bone" and side; TotalSegmentator's
names (J. Wasserthal et al., Radiology: AI 5 (2023) e230024) are among them."""


def values_by_structure(maps: Sequence[Mapping[int, str]]) -> list[dict[str, list[int]]]:
    """For each label map (names by value): structure -> values.

    `Femur_left`, `left femur` and, where there is a `femur R`, `femur L` are all `femur left`: by
    that a mirrored patient's bones are named rightly.
    """
    every = {" ".join(_words(name)).lower() for names in maps for name in names.values()}
    spelled: dict[str, str] = {}
    found = []
    for names in maps:
        values: dict[str, list[int]] = {}
        for value, label in names.items():
            name = structure_name(label, every)
            values.setdefault(spelled.setdefault(name.lower(), name), []).append(value)
        found.append(values)
    return found


def structure_name(label: str, every: set[str] | frozenset[str] = frozenset()) -> str:
    """A label's name as a structure has it: words apart, the side last.

    Args:
        label: name of a label.
        every: all names in small letters; L and R at the end are sides where both are there.
    """
    words = _words(label)
    sides = [word.lower() for word in words if word.lower() in SIDES]
    last = words[-1].lower()
    if len(sides) == 1:
        words = [word for word in words if word.lower() not in SIDES] + sides
    elif not sides and last in LETTERS and len(words) > 1:
        other = "r" if last == "l" else "l"
        if " ".join([*words[:-1], other]).lower() in every:
            words = [*words[:-1], LETTERS[last]]
    name = " ".join(words)
    return name.lower() if name.lower() in KNOWN else name


def structure_meant(
    label: str, every: set[str] | frozenset[str] = frozenset(), of_one_side: bool = False
) -> str:
    """Which structure of wrist or trunk a label is, or is a part of, by what others call it.

    Args:
        label: name of a label, as `Scaphoid`, `rib_left_3`, `vertebrae_L1`, `clavicula_left`.
        every: as for `structure_name`.
        of_one_side: bones of the wrist have no side of their own: whether one that is said to have
            is meant, for there is no other.

    Returns:
        Its name, or that of `structure_name` where it is none of these.
    """
    name = structure_name(label, every)
    plain, side = _parted(name)
    plain = plain.removesuffix(" bone")
    for pattern, structure in ALSO_CALLED.items():
        if re.fullmatch(pattern, plain):
            plain = structure
    sided = f"{plain} {side}".rstrip()
    if sided in KNOWN:
        return sided
    return plain if plain in WRIST and of_one_side else name


def is_of_one_side(labels: Iterable[str], every: set[str] | frozenset[str] = frozenset()) -> bool:
    """Whether no two of the labels are of wrists of different sides."""
    wrist = [n for n in labels if structure_meant(n, every, of_one_side=True) in WRIST]
    return len({_parted(structure_name(n, every))[1] for n in wrist} - {""}) < 2


def _parted(name: str) -> tuple[str, str]:
    """A name of `structure_name` in small letters without its side, and the side or nothing."""
    plain, _, last = name.lower().rpartition(" ")
    side = LETTERS.get(last, last)
    return (plain, side) if plain and side in SIDES else (name.lower(), "")


def _words(label: str) -> list[str]:
    return re.split(r"[\s_]+", label.strip(" _")) if label.strip(" _") else [label]


def has_one_side_only(structures: Sequence[str]) -> bool:
    """Whether a bone of one side is to be learned without that of the other."""
    for name in structures:
        words, side = name.rsplit(" ", 1)[0], name.rsplit(" ", 1)[-1]
        if side in SIDES and f"{words} {SIDES[side == 'left']}" not in structures:
            return True
    return False
