"""Bones told apart without learning: what each floor knows, and what it gets right."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayTrainingLib.evaluating_layers.separation_floors import (
    COPY,
    FLOORS,
    HALF,
    INPAINT,
    RESIDUAL,
    floors,
    inpainted,
)

SHAPE = (48, 40)
ROW, COLUMN = np.mgrid[: SHAPE[0], : SHAPE[1]] / 20.0


def two_bones() -> tuple[np.ndarray, np.ndarray]:
    """Boxes that share rows 20 to 27; the first bone's left and right sides stick out."""
    masks = np.zeros((2, *SHAPE), bool)
    masks[0, 4:28, 4:36] = True
    masks[1, 20:44, 10:30] = True
    return masks, masks[0] & masks[1]


@pytest.mark.parametrize(
    "harmonic", [1 + 2 * ROW - COLUMN, 3 + ROW**2 - COLUMN**2, ROW * COLUMN + 1]
)
def test_a_harmonic_function_is_inpainted_exactly(harmonic: np.ndarray) -> None:
    hole = np.zeros(SHAPE, bool)
    hole[10:30, 8:25] = True
    hole[15:20, 25:33] = True
    spoilt = np.where(hole, 99.0, harmonic)
    np.testing.assert_allclose(inpainted(spoilt, hole, ~hole), harmonic, atol=1e-9)


def test_nothing_flows_in_from_where_the_bone_is_not() -> None:
    hole, own = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    hole[10:20, 5:30] = True
    own[4:10, 5:30] = True
    image = np.where(own, 2.0, 50.0)
    found = inpainted(image, hole, own)
    np.testing.assert_allclose(found[hole], 2.0, atol=1e-9)
    assert (found[~hole] == image[~hole]).all()


def test_a_piece_that_touches_none_of_the_bone_takes_the_nearest_of_it() -> None:
    hole, own = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    hole[10:12, 5:9] = hole[30:32, 5:9] = True
    own[12:16, 5:9] = True
    image = np.where(own, 1.5, 0.0)
    np.testing.assert_allclose(inpainted(image, hole, own)[hole], 1.5)
    assert (inpainted(image, hole, own & False) == image).all()


def test_every_floor_is_the_input_outside_the_overlap() -> None:
    masks, both = two_bones()
    image = np.random.default_rng(1).uniform(0.2, 2.0, SHAPE)
    found = floors(image, masks, 0.3)
    assert tuple(found) == FLOORS
    for alone in found.values():
        np.testing.assert_array_equal(alone[:, ~both], np.stack([image, image])[:, ~both])


def test_half_and_residual_bones_add_up_to_the_image_and_copies_do_not() -> None:
    masks, both = two_bones()
    soft = 0.3
    image = np.random.default_rng(2).uniform(0.6, 2.0, SHAPE)
    found = floors(image, masks, soft)
    for name in (HALF, RESIDUAL):
        total = found[name].sum(axis=0) - soft
        np.testing.assert_allclose(total[both], image[both], atol=1e-9)
    assert np.abs(found[COPY].sum(axis=0) - soft - image)[both].min() > 0.2
    apart = found[RESIDUAL][0] - found[INPAINT][0]
    np.testing.assert_allclose(apart, found[RESIDUAL][1] - found[INPAINT][1], atol=1e-9)


def test_bones_of_even_density_are_told_apart_by_inpainting_and_by_halves_only_if_alike() -> None:
    masks, both = two_bones()
    for densities in ((0.7, 0.7), (1.2, 0.5)):
        layers = masks * np.reshape(densities, (2, 1, 1))
        image = 0.3 + layers.sum(axis=0)
        alone = 0.3 + layers
        found = floors(image, masks, 0.3)
        error = {n: np.abs(found[n][:, both] - alone[:, both]).max() for n in FLOORS}
        assert error[INPAINT] < 1e-9
        assert error[RESIDUAL] < 1e-9
        assert error[HALF] == pytest.approx(abs(densities[0] - densities[1]) / 2)
        assert error[COPY] == pytest.approx(max(densities))
