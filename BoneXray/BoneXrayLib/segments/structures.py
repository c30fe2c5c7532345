"""Bones by name: their colours, their codes, and in how many pieces a radiograph shows them."""

from __future__ import annotations

import colorsys
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any

WRIST = (
    "scaphoid",
    "lunate",
    "triquetrum",
    "pisiform",
    "trapezium",
    "trapezoid",
    "capitate",
    "hamate",
    "radius",
    "ulna",
)
TRUNK = (
    "ribs left",
    "ribs right",
    "clavicle left",
    "clavicle right",
    "scapula left",
    "scapula right",
    "sternum",
    "vertebrae",
    "sacrum",
    "hip bone left",
    "hip bone right",
    "femur left",
    "femur right",
)
SIDES = ("left", "right")
ANY_NUMBER = 0
"""`pieces` of what may show in any number of pieces."""

Code = tuple[str, str, str]
"""Scheme, code and meaning, as DICOM has them."""
BONE: Code = ("SCT", "272673000", "Bone")
SIDE_CODES: dict[str, Code] = {
    "left": ("SCT", "7771000", "Left"),
    "right": ("SCT", "24028007", "Right"),
}
ANATOMICAL: Code = ("SCT", "123037004", "Anatomical Structure")
TISSUE: Code = ("SCT", "85756007", "Tissue")

# SNOMED CT as in the context groups of DICOM PS3.16. Of the carpal bones those have the scaphoid
# only, and no hip bone: these go by the Foundational Model of Anatomy, DICOM's scheme FMA.
_CODES: dict[str, Code] = {
    "scaphoid": ("SCT", "30518006", "Scaphoid"),
    "lunate": ("FMA", "23712", "Lunate"),
    "triquetrum": ("FMA", "23715", "Triquetral"),
    "pisiform": ("FMA", "23718", "Pisiform"),
    "trapezium": ("FMA", "23721", "Trapezium"),
    "trapezoid": ("FMA", "23724", "Trapezoid"),
    "capitate": ("FMA", "23727", "Capitate"),
    "hamate": ("FMA", "23730", "Hamate"),
    "radius": ("SCT", "62413002", "Radius"),
    "ulna": ("SCT", "23416004", "Ulna"),
    "ribs": ("SCT", "113197003", "Rib"),
    "clavicle": ("SCT", "51299004", "Clavicle"),
    "scapula": ("SCT", "79601000", "Scapula"),
    "sternum": ("SCT", "56873002", "Sternum"),
    "vertebrae": ("SCT", "51282000", "Vertebra"),
    "sacrum": ("SCT", "54735007", "Sacrum"),
    "hip bone": ("FMA", "16585", "Hip bone"),
    "femur": ("SCT", "71341001", "Femur"),
}
_COLOURS = {
    "scaphoid": (230, 75, 60),
    "lunate": (80, 180, 240),
    "triquetrum": (60, 190, 90),
    "pisiform": (250, 220, 70),
    "trapezium": (165, 95, 220),
    "trapezoid": (255, 150, 180),
    "capitate": (50, 95, 215),
    "hamate": (150, 205, 60),
    "radius": (240, 150, 50),
    "ulna": (40, 190, 180),
    "ribs left": (253, 200, 100),
    "ribs right": (250, 150, 90),
    "clavicle left": (120, 215, 120),
    "clavicle right": (50, 165, 80),
    "scapula left": (125, 195, 250),
    "scapula right": (60, 130, 220),
    "sternum": (235, 80, 90),
    "vertebrae": (205, 190, 40),
    "sacrum": (200, 120, 230),
    "hip bone left": (90, 215, 205),
    "hip bone right": (35, 160, 165),
    "femur left": (250, 165, 210),
    "femur right": (225, 100, 165),
}
_SEVERAL = ("ribs", "vertebrae")


@dataclass(frozen=True)
class Structure:
    """One bone, or one kind of bones, that a model names.

    Attributes:
        name: for people; a model's outputs have one each.
        colour: (red, green, blue), 0 to 255.
        code: of the bone in the coding scheme; its side is a modifier and not part of it.
        meaning: of the code.
        scheme: as DICOM calls it.
        side: the patient's left or right, empty for what has none or where a view does not tell.
        pieces: most connected parts that one view should show, 0 for any number.
    """

    name: str
    colour: tuple[int, int, int]
    code: str
    meaning: str
    scheme: str = "SCT"
    side: str = ""
    pieces: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.strip()):
            raise ValueError(f"name: got {self.name!r}; expected the name of a structure")
        colour = tuple(self.colour) if isinstance(self.colour, list | tuple) else ()
        if len(colour) != 3 or not all(type(c) is int and 0 <= c <= 255 for c in colour):
            raise ValueError(f"colour: got {self.colour!r}; expected three numbers 0 to 255")
        object.__setattr__(self, "colour", colour)
        for field in ("code", "meaning", "scheme"):
            value = getattr(self, field)
            if not (isinstance(value, str) and value.strip()) or re.search(r"[\^~|\n]", value):
                raise ValueError(f"{field}: got {value!r}; expected a text without ^ ~ |")
        if self.side not in ("", *SIDES):
            raise ValueError(f"side: got {self.side!r}; expected left, right or an empty text")
        if type(self.pieces) is not int or self.pieces < 0:
            raise ValueError(f"pieces: got {self.pieces!r}; expected a number, 0 for any")

    @property
    def type_code(self) -> Code:
        """What it is."""
        return self.scheme, self.code, self.meaning

    @property
    def category_code(self) -> Code:
        """What kind of thing it is: a part of the body, or bone as a tissue."""
        return TISSUE if self.type_code == BONE else ANATOMICAL

    @property
    def side_code(self) -> Code | None:
        """Its side, where it has one."""
        return SIDE_CODES.get(self.side)

    def to_output(self) -> dict[str, Any]:
        """The structure as a card's output."""
        return {
            "name": self.name,
            "colour": list(self.colour),
            "terminology": {"scheme": self.scheme, "code": self.code, "meaning": self.meaning},
            "side": self.side,
            "pieces": self.pieces,
        }


def structure(name: str) -> Structure:
    """The structure of a name.

    Names are known whatever their case. A name nobody knows gets a colour of its own (always the
    same), the code of bone, the side it names, and any number of pieces.
    """
    known = " ".join(str(name).lower().replace("_", " ").split())
    words = known.split()
    side = words[-1] if words and words[-1] in SIDES else ""
    if known not in _COLOURS:
        scheme, code, meaning = BONE
        named = [word for word in words if word in SIDES]
        side = named[0] if len(named) == 1 else ""
        return Structure(name, _own_colour(known), code, meaning, scheme, side, ANY_NUMBER)
    kind = known.removesuffix(f" {side}") if side else known
    scheme, code, meaning = _CODES[kind]
    pieces = ANY_NUMBER if kind in _SEVERAL else 1
    return Structure(name, _COLOURS[known], code, meaning, scheme, side, pieces)


def structure_from_output(output: dict[str, Any]) -> Structure:
    """The structure that a card's output describes; what it leaves out is that of its name.

    Raises:
        ValueError: an entry that is no colour, code, side or number.
    """
    found = structure(output["name"])
    terminology = output.get("terminology") or {}
    if not isinstance(terminology, dict):
        raise ValueError(f"terminology: got {terminology!r}; expected scheme, code and meaning")
    given = {key: terminology[key] for key in ("scheme", "code", "meaning") if key in terminology}
    given |= {key: output[key] for key in ("colour", "side", "pieces") if key in output}
    return replace(found, **given)


def mirrored_order(structures: tuple[Structure, ...]) -> list[int]:
    """For each structure the place of the one that takes its place in a mirrored image.

    A left bone is a right one there, where both are among the structures; others stay.
    """
    # However they are spelled, as `structure` finds their side.
    names = [" ".join(s.name.lower().replace("_", " ").split()) for s in structures]
    places = {name: place for place, name in enumerate(names)}
    order = []
    for place, (name, found) in enumerate(zip(names, structures, strict=True)):
        other = SIDES[found.side == "left"]
        twin = re.sub(rf"\b{found.side}\b", other, name) if found.side else name
        twin_place = places.get(twin, place)
        fits = found.side and structures[twin_place].side == other
        order.append(twin_place if fits else place)
    return order


def _own_colour(name: str) -> tuple[int, int, int]:
    hue = zlib.crc32(name.encode()) % 360 / 360
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.65, 0.95))
    return red, green, blue
