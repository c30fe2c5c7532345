"""Samples cut off as where a CT ends: what is gone, what stays, what thins out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from BoneXrayTrainingLib.labelled import MASK_OD
from BoneXrayTrainingLib.pairs import TISSUES
from BoneXrayTrainingLib.sampling.ct_ends import LEAST_KEPT, MOST_SLOPE, cut_off

SIDE = 100
BODY = slice(10, 90)


@pytest.fixture
def body() -> torch.Tensor:
    """Flesh in the middle, a named bone along it."""
    layers = torch.zeros(len(TISSUES) + 1, SIDE, SIDE)
    layers[2, BODY, 20:80] = 3.0
    layers[-1, BODY, 45:55] = 1.0
    return layers


def ends_of(body: torch.Tensor, number: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    made = cut_off(body, np.random.default_rng(number))
    flesh, bone = made[2, :, 30].numpy(), made[-1, :, 50].numpy()
    return made, flesh, bone


def test_beyond_an_end_is_air_and_far_from_it_all_is_as_it_was(body: torch.Tensor) -> None:
    tops = bottoms = 0
    for number in range(60):
        made, flesh, bone = ends_of(body, number)
        rows = np.flatnonzero(flesh > MASK_OD)
        assert (made[:, : rows[0] - 1] <= MASK_OD).all()
        assert len(rows) >= LEAST_KEPT * 80 - 2
        middle = (flesh == 3.0) & (bone == 1.0)
        assert torch.equal(made[:, middle], body[:, middle])
        assert middle.sum() >= len(rows) - 2 * (MOST_SLOPE * SIDE + 1)
        tops, bottoms = tops + (rows[0] > 12), bottoms + (rows[-1] < 87)
    assert tops > 15
    assert bottoms > 15
    assert tops + bottoms < 100, "both ends are cut now and then, not always"


def test_the_body_thins_out_and_a_bone_ends_at_once(body: torch.Tensor) -> None:
    thinned = 0
    for number in range(40):
        _, flesh, bone = ends_of(body, number)
        assert set(np.unique(bone)) <= {0.0, 1.0}
        thinned += int(((flesh > 0) & (flesh < 3.0)).sum() > 2)
        rising = np.diff(flesh[: SIDE // 2]) if flesh[10] == 0 else np.zeros(1)
        assert (rising >= 0).all()
    assert thinned > 10


def test_an_image_of_air_stays_as_it_is() -> None:
    air = torch.zeros(len(TISSUES) + 1, 8, 8)
    assert torch.equal(cut_off(air, np.random.default_rng(1)), air)


def test_the_same_seed_cuts_at_the_same_place(body: torch.Tensor) -> None:
    one, other = (cut_off(body, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, other)
