"""Two bones shifted onto each other: the layers that make up the image are known exactly."""

import numpy as np
import pytest
from scipy import ndimage

from BoneXrayTrainingLib.sampling.layer_images import (
    SEAM,
    brightness_of_density,
    density_of_brightness,
    filled_soft,
    shift_for,
    shift_together,
)


def _joint(side: int = 128) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A finger: soft tissue, two bones with a gap of 6 rows; image, masks, soft."""
    row, column = np.mgrid[:side, :side] / side
    soft = 0.3 * np.sqrt((0.25 - (column - 0.5) ** 2).clip(0)) * 2 + 0.05 * row
    upper = (np.abs(column - 0.5) < 0.2) & (row < 0.47 - 0.3 * (column - 0.5) ** 2)
    lower = (np.abs(column - 0.5) < 0.22) & (row > 0.53 - 0.3 * (column - 0.5) ** 2)
    trabeculae = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=soft.shape), 1.0)
    bone = (0.5 + 0.2 * trabeculae) * (upper | lower)
    return (soft + bone).astype(np.float32), upper, lower, soft.astype(np.float32)


def test_the_layers_make_up_the_image_and_none_is_negative():
    image, upper, lower, soft = _joint()
    for given in (soft, None):
        joint = shift_together(image, upper, lower, given, (2, 8), 5)
        whole = joint.soft + joint.upper + joint.lower
        np.testing.assert_allclose(whole, joint.image, atol=1e-5)
        assert min(joint.upper.min(), joint.lower.min()) >= 0
        assert joint.overlap.sum() > 20


def test_bones_alone_and_the_soft_tissue_make_the_overlap_as_transmissions_do():
    image, upper, lower, soft = _joint()
    joint = shift_together(image, upper, lower, soft, 8)
    light = np.exp(-(joint.soft + joint.upper)) * np.exp(-(joint.soft + joint.lower))
    both = 1 - light / np.exp(-joint.soft)
    found = brightness_of_density(joint.image)
    np.testing.assert_allclose(found[joint.overlap], both[joint.overlap], atol=1e-5)


def test_a_bone_is_moved_as_it_was():
    image, upper, lower, soft = _joint()
    joint = shift_together(image, upper, lower, soft, 7)
    inner = ndimage.binary_erosion(upper, iterations=3)
    inner[-7:] = False
    was, moved = (image - soft)[inner], np.roll(joint.upper, -7, axis=0)[inner]
    np.testing.assert_allclose(moved, was, atol=1e-5)
    assert np.array_equal(joint.upper_mask[7:], upper[:-7])
    assert np.array_equal(joint.lower_mask[:-7], lower[7:])


def test_a_longer_shift_overlaps_more():
    image, upper, lower, soft = _joint()
    sizes = [
        shift_together(image, upper, lower, soft, shift).overlap.sum() for shift in (2, 5, 8, 14)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < 20 < sizes[1] < sizes[-1]


def test_the_shift_for_an_overlap_is_found():
    image, upper, lower, soft = _joint()
    for wanted in (60, 300, 700):
        shift = shift_for(upper, lower, wanted, 15)
        sizes = [
            int(shift_together(image, upper, lower, soft, n).overlap.sum())
            for n in (shift - 1, shift, shift + 1)
        ]
        assert sizes[0] < wanted < sizes[2]


def test_nothing_changes_away_from_the_bones():
    image, upper, lower, soft = _joint()
    for given in (soft, None):
        joint = shift_together(image, upper, lower, given, 8)
        near = upper | lower | joint.upper_mask | joint.lower_mask
        away = ~ndimage.binary_dilation(near, iterations=SEAM + 1)
        assert away.any()
        assert np.array_equal(joint.image[away], image[away])


def test_no_shift_gives_the_image_back():
    image, upper, lower, soft = _joint()
    joint = shift_together(image, upper, lower, soft, 0)
    np.testing.assert_allclose(joint.image, image, atol=1e-6)


def test_soft_tissue_is_filled_in_nearly_as_it_is():
    image, upper, lower, soft = _joint()
    filled = filled_soft(image, upper | lower)
    bones = upper | lower
    assert np.abs(filled - soft)[bones].mean() < 0.1 * (image - soft)[bones].mean()
    known = ~ndimage.binary_dilation(bones, iterations=SEAM)
    assert np.array_equal(filled[known], image[known])


def test_the_same_seed_shifts_alike_and_within_the_range():
    image, upper, lower, soft = _joint()
    first, again = (shift_together(image, upper, lower, soft, (2, 8), 9) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    drawn = set()
    for seed in range(30):
        mask = shift_together(image, upper, lower, soft, (2, 4), seed).upper_mask
        drawn.add(int(mask[:, 64].sum() - upper[:, 64].sum()))
    assert drawn == {2, 3, 4}


def test_brightness_and_density_are_each_others_inverse():
    brightness = np.linspace(0, 0.99, 50, dtype=np.float32)
    np.testing.assert_allclose(
        brightness_of_density(density_of_brightness(brightness)), brightness, atol=1e-6
    )


def test_wrong_input_is_refused_by_name():
    image, upper, lower, soft = _joint()
    with pytest.raises(ValueError, match=r"lower_mask: got .* pixels"):
        shift_together(image, upper, upper | lower, soft, 4)
    with pytest.raises(ValueError, match="upper_mask: empty"):
        shift_together(image, upper & False, lower, soft, 4)
    with pytest.raises(ValueError, match="soft: got shape"):
        shift_together(image, upper, lower, soft[1:], 4)
    with pytest.raises(ValueError, match="shift_px"):
        shift_together(image, upper, lower, soft, (5, 2))
