"""A hand lies in its CT in any way: its bones say which, and whose side it is."""

from __future__ import annotations

import numpy as np
import pytest
from labelled_hand import labelled_hand

from BoneXrayLib.segments.structures import WRIST
from BoneXrayTrainingLib.hand_frame import HandFrame, hand_frame

NAMES = dict(enumerate(WRIST, start=1))


def turn_of(rng: np.random.Generator) -> np.ndarray:
    """Any rotation (3, 3)."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def frame_of(turn: np.ndarray | None, side: str, without: tuple[str, ...] = ()) -> HandFrame:
    volume, labels = labelled_hand(turn, side)
    names = {n: name for n, name in NAMES.items() if name not in without}
    return hand_frame(labels, volume.ijk_to_ras, names)


def angle(turn: np.ndarray) -> float:
    """Of a rotation [degrees]."""
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_turned_in_space_gets_the_same_frame_back(
    side: str, rng: np.random.Generator
) -> None:
    still = frame_of(None, side).to_standing[:3, :3]
    assert angle(still) < 8, "the synthetic hand stands already"
    for _ in range(3):
        turn = turn_of(rng)
        found = frame_of(turn, side)
        assert found.side == side
        assert angle(found.to_standing[:3, :3] @ turn @ still.T) < 2


def test_the_frame_is_rigid_and_leaves_the_capitate_where_it_is(rng: np.random.Generator) -> None:
    turn = turn_of(rng)
    matrix = frame_of(turn, "left").to_standing
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    middle = turn @ (1, 0, -6)
    np.testing.assert_allclose(matrix[:3, :3] @ middle + matrix[:3, 3], middle, atol=0.5)


def test_a_longer_forearm_in_the_ct_does_not_turn_the_hand() -> None:
    volume, labels = labelled_hand()
    whole = hand_frame(labels, volume.ijk_to_ras, NAMES)
    cut = labels.copy()
    cut[-12:] = 0
    short = hand_frame(cut, volume.ijk_to_ras, NAMES)
    assert angle(short.to_standing[:3, :3] @ whole.to_standing[:3, :3].T) < 1


def test_the_trapezium_tells_the_palm_where_the_pisiform_is_not_labelled() -> None:
    for side in ("right", "left"):
        assert frame_of(None, side, ("pisiform",)).side == side


def test_bones_that_are_missing_are_named() -> None:
    for without, message in (
        (("ulna",), "lacks ulna; expected radius"),
        (("pisiform", "trapezium"), "lacks pisiform"),
        (("radius", "capitate"), "lacks radius, capitate"),
    ):
        with pytest.raises(ValueError, match=message):
            frame_of(None, "right", without)
