"""Hounsfield units to attenuation: water and air define the scale."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.attenuation import MU_WATER_70KEV, mu_from_hu


def test_water_has_the_attenuation_of_water_and_air_none() -> None:
    mu = mu_from_hu(np.array([0, -1000], dtype=np.int16))
    assert mu == pytest.approx([MU_WATER_70KEV, 0.0], abs=1e-8)


def test_attenuation_is_never_negative_below_air() -> None:
    assert mu_from_hu(np.array([-3024.0, -1001.0])).max() == 0.0


def test_attenuation_is_linear_above_air() -> None:
    mu = mu_from_hu(np.array([-500.0, 500.0, 1500.0]))
    assert np.diff(mu) == pytest.approx([MU_WATER_70KEV] * 2, rel=1e-6)


@pytest.mark.parametrize("mu_water", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_attenuation_of_water_is_named(mu_water: float) -> None:
    with pytest.raises(ValueError, match="mu_water"):
        mu_from_hu(np.zeros(3), mu_water)
