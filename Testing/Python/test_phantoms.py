"""Solids with exact line integrals, and the synthetic limb."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.phantoms import Ellipsoid, GaussianBlob, sample_on_grid, synthetic_limb
from BoneXrayLib.volume import Volume


def test_the_path_through_a_spheres_middle_is_its_diameter() -> None:
    sphere = Ellipsoid((1.0, 2.0, 3.0), (10.0, 10.0, 10.0), 2.0)
    path = sphere.line_integrals(np.array([1.0, -100.0, 3.0]), np.array([1.0, 100.0, 3.0]))
    assert path == pytest.approx(2.0 * 20.0)


def test_a_ray_that_misses_or_ends_before_the_solid_adds_nothing() -> None:
    sphere = Ellipsoid((0.0, 0.0, 0.0), (5.0, 5.0, 5.0), 1.0)
    starts = np.array([[6.0, -50.0, 0.0], [0.0, -50.0, 0.0]])
    ends = np.array([[6.0, 50.0, 0.0], [0.0, -10.0, 0.0]])
    assert sphere.line_integrals(starts, ends) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize(
    "solid",
    [
        Ellipsoid((3.0, -2.0, 1.0), (12.0, 7.0, 20.0), 1.5),
        GaussianBlob((2.0, 1.0, -3.0), 6.0, 0.8),
    ],
)
def test_line_integrals_agree_with_fine_sampling(solid: Ellipsoid | GaussianBlob) -> None:
    start, end = np.array([60.0, -80.0, 20.0]), np.array([-55.0, 90.0, -25.0])
    at = (np.arange(200_000) + 0.5) / 200_000
    values = solid.at(start + at[:, None] * (end - start))
    assert solid.line_integrals(start, end) == pytest.approx(
        values.mean() * np.linalg.norm(end - start), rel=1e-4
    )


def test_a_sampled_solid_keeps_its_volume() -> None:
    matrix = np.diag([1.0, 1.0, 1.0, 1.0])
    matrix[:3, 3] = -15.5
    grid = sample_on_grid([Ellipsoid((0, 0, 0), (10, 8, 12), 1.0)], (32,) * 3, matrix, 3)
    assert grid.sum() == pytest.approx(4 / 3 * np.pi * 10 * 8 * 12, rel=0.005)


def test_the_limb_has_two_bones_marrow_and_a_joint_gap(limb: Volume) -> None:
    assert limb.hu.max() > 1000
    assert limb.hu.min() == -1000
    fine = synthetic_limb(2.0)
    middle, gap = (fine.hu[k] for k in (fine.hu.shape[0] // 4, fine.hu.shape[0] // 2))
    assert (middle > 600).sum() > 50
    assert (gap > 600).sum() == 0
    assert np.logical_and(middle > 150, middle < 350).sum() > 20
