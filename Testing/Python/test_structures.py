"""Bones by name: known ones with their codes, others with codes and colours all the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from BoneXrayLib.segments.structures import (
    BONE,
    TRUNK,
    WRIST,
    Structure,
    mirrored_order,
    structure,
    structure_from_output,
)


def test_the_ten_bones_of_the_wrist_stand_in_their_order_with_a_code_of_their_own() -> None:
    assert len(WRIST) == 10
    found = [structure(name) for name in WRIST]
    assert [s.name for s in found] == list(WRIST)
    assert len({(s.scheme, s.code) for s in found}) == 10
    assert all(s.type_code != BONE and s.pieces == 1 and not s.side for s in found)
    assert structure("scaphoid").type_code == ("SCT", "30518006", "Scaphoid")
    assert structure("radius").code == "62413002"


def test_sides_of_the_trunk_share_a_code_and_differ_in_side_and_colour() -> None:
    found = {name: structure(name) for name in TRUNK}
    for name, one in found.items():
        assert one.side == (name.split()[-1] if name.split()[-1] in ("left", "right") else "")
        if one.side == "left":
            other = found[name.replace("left", "right")]
            assert (one.code, one.side_code) != (other.code, other.side_code)
            assert one.code == other.code
            assert one.colour != other.colour
    assert found["ribs left"].pieces == found["vertebrae"].pieces == 0
    assert found["sacrum"].pieces == found["hip bone right"].pieces == 1


@pytest.mark.parametrize("names", [WRIST, TRUNK])
def test_no_two_bones_of_one_radiograph_look_alike(names: tuple[str, ...]) -> None:
    colours = [np.array(structure(name).colour) for name in names]
    for one, other in itertools.combinations(colours, 2):
        assert np.abs(one - other).sum() > 60


def test_a_name_nobody_knows_is_bone_in_a_colour_that_stays() -> None:
    found = structure("metacarpal 3 left")
    assert found.type_code == BONE
    assert found.side == "left"
    assert found.pieces == 0
    assert found == structure("metacarpal 3 left")
    assert found.colour != structure("metacarpal 4 left").colour
    assert structure("left and right").side == ""


def test_known_names_are_known_however_they_are_written() -> None:
    found = structure("Hip_Bone  Left")
    assert found.name == "Hip_Bone  Left"
    assert (found.code, found.side) == (structure("hip bone left").code, "left")


@pytest.mark.parametrize("name", [*WRIST, *TRUNK, "tibia of a model of mine"])
def test_a_structure_survives_its_card(name: str) -> None:
    assert structure_from_output(structure(name).to_output()) == structure(name)
    assert structure_from_output({"name": name}) == structure(name)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"colour": [1, 2]}, "colour: got"),
        ({"colour": [1, 2, 300]}, "colour: got"),
        ({"colour": "red"}, "colour: got 'red'; expected three numbers 0 to 255"),
        ({"side": "up"}, "side: got 'up'; expected left, right"),
        ({"pieces": -1}, "pieces: got -1"),
        ({"terminology": "SCT"}, "terminology: got 'SCT'"),
        ({"terminology": {"code": ""}}, "code: got ''"),
        ({"terminology": {"meaning": "a~b"}}, "meaning: got 'a~b'"),
    ],
)
def test_a_wrong_entry_of_a_card_is_named(output: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        structure_from_output({"name": "radius", **output})


def test_in_the_mirror_left_and_right_change_places_and_the_rest_stays() -> None:
    structures = tuple(structure(name) for name in TRUNK)
    order = mirrored_order(structures)
    assert [order[n] for n in order] == list(range(len(TRUNK)))
    for name, place in zip(TRUNK, order, strict=True):
        twin = {"left": "right", "right": "left"}.get(name.split()[-1], name.split()[-1])
        assert TRUNK[place] == " ".join([*name.split()[:-1], twin])
    assert mirrored_order(tuple(structure(name) for name in WRIST)) == list(range(10))


def test_a_left_bone_without_its_right_one_keeps_its_place() -> None:
    assert mirrored_order((structure("femur left"), structure("sacrum"))) == [0, 1]
    no_side = Structure("femur right", (1, 2, 3), "1", "femur")
    assert mirrored_order((structure("femur left"), no_side)) == [0, 1]


@pytest.mark.parametrize(
    "names",
    [("femur left", "femur right"), ("femur_left", "Femur_Right"), ("Left femur", "Right femur")],
)
def test_sides_change_places_in_a_mirror_however_they_are_spelled(names: tuple[str, str]) -> None:
    assert mirrored_order((*map(structure, names), structure("sacrum"))) == [1, 0, 2]
