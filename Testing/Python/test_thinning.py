"""A thinned CT: fewer voxels, each in its place; the mask of the patient alike."""

from __future__ import annotations

import numpy as np

from BoneXrayLib.body import CoarseMask
from BoneXrayLib.thinning import thinned, thinned_mask
from BoneXrayLib.volume import Volume

HU = np.arange(16 * 9 * 10, dtype=np.int16).reshape(16, 9, 10)
FINE = Volume(HU, np.array([[0.7, 0, 0, 5], [0, -3, 0, 6], [0, 0, 0.5, 7], [0, 0, 0, 1.0]]))


def test_voxels_are_left_out_up_to_two_millimetres_and_keep_their_place() -> None:
    thin, labels = thinned(FINE, FINE.hu)
    assert thin.hu.shape == (4, 9, 5)
    np.testing.assert_allclose(thin.spacing_mm, (1.4, 3.0, 2.0))
    np.testing.assert_array_equal(labels, thin.hu)
    for index in np.ndindex(thin.hu.shape):
        before = np.argwhere(FINE.hu == thin.hu[index])[0]
        place, was = thin.ijk_to_ras @ [*index[::-1], 1], FINE.ijk_to_ras @ [*before[::-1], 1]
        np.testing.assert_allclose(place, was, atol=1e-12)


def test_the_thinned_mask_tells_of_each_kept_voxel_what_the_mask_told() -> None:
    rng = np.random.default_rng(5)
    mask = CoarseMask(rng.random((6, 9, 3)) > 0.5, (3, 1, 4))
    thin = thinned_mask(mask, FINE)
    for k in range(4):
        told = mask.slab(2 + 4 * k, HU.shape)[:, 1::2]
        np.testing.assert_array_equal(thin.slab(k, (4, 9, 5)), told)
