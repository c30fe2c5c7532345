"""Distances to the outside of a mask are Euclid's, as far as they reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from BoneXrayLib.distances import distance_mm


@pytest.mark.parametrize("share", [0.5, 0.97, 0.999])
@pytest.mark.parametrize("spacing_mm", [(3.0, 3.0, 3.0), (2.8, 3.2, 5.0)])
def test_distances_are_exact_within_reach(
    spacing_mm: tuple[float, ...], share: float, rng: np.random.Generator
) -> None:
    mask = rng.random((21, 34, 17)) < share
    expected = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    found = distance_mm(mask, np.array(spacing_mm), 12.0)
    near = expected <= 12.0
    assert near.any()
    assert found[near] == pytest.approx(expected[near], rel=1e-14)
    assert (found[~near] > 12.0).all()


def test_without_an_outside_all_is_far_away() -> None:
    assert np.isinf(distance_mm(np.ones((3, 4, 5), bool), np.ones(3), 2.0)).all()
