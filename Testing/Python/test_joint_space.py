"""Joint spaces of phantoms: how wide they are, and how much they narrowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from joint_phantom import (
    PIXEL_MM,
    Bone,
    Placed,
    Visit,
    drawn_visits,
    origin_mm,
    true_narrowing,
    true_widths,
)

from BoneXrayLib.joints.joint_space import (
    JointLayers,
    JointSpace,
    Narrowing,
    joint_space,
    narrowing,
)
from BoneXrayLib.joints.joint_space_config import JointConfig
from BoneXrayLib.joints.layer_registration import register

Draw = tuple[tuple[Bone, Bone], tuple[Placed, Placed], tuple[Visit, Visit]]


def layers_of(visit: Visit) -> JointLayers:
    """As a separator gives them."""
    return JointLayers(*visit.layers, (PIXEL_MM, PIXEL_MM), *visit.masks)


def space_of(visit: Visit) -> JointSpace:
    return joint_space(*visit.layers, (PIXEL_MM, PIXEL_MM), *visit.masks)


def error_of(found: Narrowing, places: tuple[Placed, Placed]) -> float:
    """Measured less true narrowing [mm]."""
    at = found.first.middle - origin_mm()
    return found.narrowing_mm - true_narrowing(places, at, found.first.margins.axis)


@pytest.fixture(scope="module")
def apart() -> Draw:
    """Two visits of a joint whose bones do not overlap."""
    return drawn_visits(np.random.default_rng(11), overlap=False)


@pytest.fixture(scope="module")
def narrowed(apart: Draw) -> Narrowing:
    """What is found of these."""
    return narrowing(*map(layers_of, apart[2]))


@pytest.fixture(scope="module")
def overlapping() -> Draw:
    """Two visits, in one of which at least the bones overlap, poorly separated."""
    return drawn_visits(np.random.default_rng(3), overlap=True, split_error=0.06)


def test_narrowing_is_found_to_a_fiftieth_of_a_mm(apart: Draw, narrowed: Narrowing) -> None:
    found = narrowed
    error = error_of(found, apart[1])
    assert abs(error) < 0.02
    assert 0.0005 < found.standard_error_mm < 0.01
    assert abs(error) < 4 * found.standard_error_mm
    turns = [new.degrees - old.degrees for old, new in zip(*apart[1], strict=True)]
    assert [found.upper.rotation_deg, found.lower.rotation_deg] == pytest.approx(turns, abs=0.1)


def test_narrowing_of_bones_that_overlap_is_found_in_spite_of_a_poor_split(
    overlapping: Draw,
) -> None:
    found = narrowing(*map(layers_of, overlapping[2]))
    assert abs(error_of(found, overlapping[1])) < 0.05


def test_visits_the_other_way_round_widen_as_much(apart: Draw, narrowed: Narrowing) -> None:
    first, second = map(layers_of, apart[2])
    back = narrowing(second, first)
    # It is said at the middle of the first visit's joint: where bones turned, not at one point.
    assert back.narrowing_mm == pytest.approx(-narrowed.narrowing_mm, abs=0.06)
    assert back.bend_deg == pytest.approx(-narrowed.bend_deg, abs=0.05)


def test_bones_taken_in_the_other_order_in_a_visit_are_still_compared_with_themselves(
    apart: Draw, narrowed: Narrowing
) -> None:
    first, second = map(layers_of, apart[2])
    again = narrowing(first, second.turned_over())
    assert again.narrowing_mm == pytest.approx(narrowed.narrowing_mm, abs=1e-9)


def test_another_exposure_changes_nothing(apart: Draw, narrowed: Narrowing) -> None:
    first, second = map(layers_of, apart[2])
    brighter = replace(second, upper=2.5 * second.upper, lower=2.5 * second.lower)
    other = narrowing(first, brighter)
    assert other.narrowing_mm == pytest.approx(narrowed.narrowing_mm, abs=1e-6)
    assert other.upper.gain == pytest.approx(2.5 * narrowed.upper.gain, rel=1e-6)


def test_a_second_visit_may_have_larger_pixels(apart: Draw) -> None:
    first, second = map(layers_of, apart[2])

    def binned(image: np.ndarray) -> np.ndarray:
        return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean(axis=(1, 3))

    masks = (binned(mask) > 0.5 for mask in (second.upper_mask, second.lower_mask))
    coarse = JointLayers(binned(second.upper), binned(second.lower), (0.3, 0.3), *masks)
    assert abs(error_of(narrowing(first, coarse), apart[1])) < 0.02


@pytest.mark.parametrize("which", ["apart", "overlapping"])
def test_the_width_is_that_between_the_outlines(which: str, request: pytest.FixtureRequest) -> None:
    bones, places, visits = request.getfixturevalue(which)
    for placed, visit in zip(places, visits, strict=True):
        found = space_of(visit)
        middle = (found.margins.upper + found.margins.lower) / 2 - origin_mm()
        exact = true_widths(bones, placed, middle, found.margins.axes)
        assert found.mean_mm == pytest.approx(np.nanmean(exact), abs=0.1)
        assert found.minimum_mm == pytest.approx(np.nanmin(exact), abs=0.2)
        assert np.corrcoef(found.width_mm, exact)[0, 1] > 0.95


def test_the_width_is_negative_where_bones_overlap(overlapping: Draw) -> None:
    visit = max(overlapping[2], key=lambda v: v.overlap)
    found = space_of(visit)
    assert found.minimum_mm < -0.1
    middle = (found.margins.upper + found.margins.lower) / 2 / PIXEL_MM
    rows, columns = np.rint(middle).astype(int).T
    inside = visit.masks.all(axis=0)[rows, columns]
    wide = np.abs(found.width_mm) > 0.3
    assert np.array_equal(inside[wide], found.width_mm[wide] < 0)


def test_a_turned_image_has_the_same_widths(apart: Draw) -> None:
    visit = apart[2][0]
    turned = [np.rot90(image).copy() for image in (*visit.layers, *visit.masks)]
    found = joint_space(turned[0], turned[1], (PIXEL_MM, PIXEL_MM), turned[2], turned[3])
    assert found.mean_mm == pytest.approx(space_of(visit).mean_mm, abs=0.01)


def test_a_larger_share_measures_more_of_the_joint(apart: Draw) -> None:
    layers, masks = apart[2][0].layers, apart[2][0].masks
    lengths = []
    for share in (0.3, 0.6):
        found = joint_space(*layers, (PIXEL_MM, PIXEL_MM), *masks, JointConfig(share=share))
        lengths.append(np.ptp(found.positions_mm))
    assert lengths[1] == pytest.approx(2 * lengths[0], rel=0.1)


def test_bad_input_is_refused_in_one_line(apart: Draw) -> None:
    upper, lower = apart[2][0].layers
    masks = apart[2][0].masks
    with pytest.raises(ValueError, match="pixel_mm: unknown; expected the size of a pixel"):
        joint_space(upper, lower, None, *masks)
    with pytest.raises(ValueError, match="lower: float32 of shape"):
        joint_space(upper, lower[1:], PIXEL_MM, *masks)
    with pytest.raises(ValueError, match="upper_mask: empty; expected the pixels of a bone"):
        joint_space(upper, lower, PIXEL_MM, np.zeros_like(masks[0]), masks[1])
    thin = np.zeros_like(masks)
    thin[0, 20:80, 90:93] = thin[1, 120:180, 90:93] = True
    with pytest.raises(ValueError, match=r"the bones face each other over \d pixels"):
        joint_space(upper, lower, PIXEL_MM, *thin)
    with pytest.raises(ValueError, match=r"share: got 2; expected 0\.1 to 1"):
        JointConfig(share=2)


def test_a_bone_that_is_not_in_the_second_visit_is_named(apart: Draw) -> None:
    first, second = map(layers_of, apart[2])
    few = np.zeros_like(second.lower_mask)
    with pytest.raises(ValueError, match="second visit: lower_mask: empty"):
        narrowing(first, replace(second, lower_mask=few))
    few[105:108, 60:90] = True
    with pytest.raises(ValueError, match="second: the bone has 90 pixels; expected at least"):
        register(first.image(False), replace(second, lower_mask=few).image(False))
