"""What of an image a network is shown: the patient, wherever he lies in it."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.framing import content, to_working_size
from BoneXrayLib.resizing import resize


@pytest.fixture
def limb() -> np.ndarray:
    """A limb of 60 x 30 pixels in a detector of 200 x 160, optical density, noise in the air."""
    image = np.abs(np.random.default_rng(1).normal(0.0, 0.004, (200, 160))).astype(np.float32)
    image[50:110, 90:120] += 1.5
    return image


def test_the_air_around_a_patient_is_left_out(limb: np.ndarray) -> None:
    rows, columns = content(limb, "optical density", "content")
    assert 46 <= rows.start <= 50
    assert 110 <= rows.stop <= 114
    assert 85 <= columns.start <= 90
    assert 120 <= columns.stop <= 125


def test_a_patient_is_framed_alike_wherever_he_lies(limb: np.ndarray) -> None:
    rows, columns = content(limb, "optical density", "content")
    moved = content(np.roll(limb, (40, -70), (0, 1)), "optical density", "content")
    assert (moved[0].start - 40, moved[0].stop - 40) == (rows.start, rows.stop)
    assert (moved[1].start + 70, moved[1].stop + 70) == (columns.start, columns.stop)


@pytest.mark.parametrize(
    ("domain", "framing"), [("display", "content"), ("optical density", "whole")]
)
def test_what_cannot_be_told_from_air_is_shown_whole(
    limb: np.ndarray, domain: str, framing: str
) -> None:
    assert content(limb, domain, framing) == (slice(0, 200), slice(0, 160))
    assert content(np.zeros((40, 50)), "optical density", "content") == (slice(0, 40), slice(0, 50))


def test_a_tiny_patient_keeps_enough_around_him_to_look_at() -> None:
    image = np.zeros((200, 160), np.float32)
    image[3:9, 150:158] = 2.0
    rows, columns = content(image, "optical density", "content")
    assert rows.start == 0
    assert columns.stop == 160
    assert columns.stop - columns.start >= 20


def test_the_longer_side_gets_the_working_size_and_means_stay(limb: np.ndarray) -> None:
    small, factor = to_working_size(limb, 100)
    assert small.shape == (100, 80)
    assert factor == 2.0
    assert small.mean() == pytest.approx(limb.mean(), rel=0.02)
    assert resize(small, limb.shape).shape == limb.shape
    assert resize(limb, limb.shape) == pytest.approx(limb)
