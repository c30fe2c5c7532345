"""Regions made of spheres: their volume, their taper, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayTrainingLib.regions import inside_chains
from BoneXrayTrainingLib.sampling.dataset import CtSource

SPACING = 2.0
IJK_TO_RAS = np.diag([-SPACING, -SPACING, SPACING, 1.0])
SHAPE = (50, 50, 50)
MIDDLE = (-50.0, -50.0, 50.0)


def volume_mm3(*chains) -> float:
    return float(inside_chains(SHAPE, IJK_TO_RAS, chains).sum()) * SPACING**3


def test_one_sphere_has_the_volume_of_a_ball() -> None:
    assert volume_mm3([(*MIDDLE, 20.0)]) == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)


def test_two_spheres_enclose_the_tapered_cylinder_between_them() -> None:
    r, a, s = MIDDLE
    wide, narrow, length = 16.0, 8.0, 40.0
    chain = [(r, a, s - length / 2, wide), (r, a, s + length / 2, narrow)]
    frustum = np.pi * length / 3 * (wide**2 + wide * narrow + narrow**2)
    halves = 2 / 3 * np.pi * (wide**3 + narrow**3)
    assert volume_mm3(chain) == pytest.approx(frustum + halves, rel=0.05)


def test_a_region_beyond_the_grid_is_cut_off_at_its_faces() -> None:
    assert volume_mm3([(0.0, 0.0, 0.0, 20.0)]) == pytest.approx(np.pi * 20**3 / 6, rel=0.25)
    assert volume_mm3([(500.0, 0.0, 0.0, 20.0)]) == 0


def test_chains_of_no_radius_or_too_few_numbers_are_refused_by_name() -> None:
    for bad in (((1.0, 2.0, 3.0),), ((1.0, 2.0, 3.0, 0.0),), ((1.0, 2.0, float("nan"), 4.0),), ()):
        with pytest.raises(ValueError, match=r"chest\.nii: heart"):
            CtSource("chest.nii", "p", "CC0", heart=(bad,))
    with pytest.raises(ValueError, match="variants: got 0"):
        CtSource("chest.nii", "p", "CC0", variants=0)
