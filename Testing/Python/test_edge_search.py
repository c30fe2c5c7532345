"""Outlines that are drawn to the edges of their image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_femur import made_features, made_image, made_model, made_view
from scipy import ndimage

from BoneXrayLib.fitting.contour import Contour
from BoneXrayLib.fitting.edge_search import OWN_BLUR_MM, at_edges, edges_of_bone
from BoneXrayLib.fitting.image_contour import ImageContour, image_contour
from BoneXrayLib.leg_features import LegFeatures
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.reconstruction import ReconstructionConfig, View, reconstruct

MIDDLE, RADIUS_MM, PX_PER_MM = np.array([70.0, 80.0]), 24.0, 1.4


def away() -> np.ndarray:
    """(rows, columns) mm of each pixel from the middle."""
    return np.linalg.norm(np.moveaxis(np.indices((140, 160)), 0, -1) - MIDDLE, axis=-1) / PX_PER_MM


def ball_image() -> np.ndarray:
    """The way of rays through a ball, as sharp as a radiograph."""
    way = 2.0 * np.sqrt(np.maximum(RADIUS_MM**2 - away() ** 2, 0.0))
    return ndimage.gaussian_filter(way, OWN_BLUR_MM * PX_PER_MM)


def disc(radius_mm: float, **changes) -> ImageContour:
    """The outline of a disc as a network's mask shows it."""
    share = np.clip((radius_mm - away()) * PX_PER_MM + 0.5, 0.0, 1.0)
    found = image_contour(LegFeatures("femur", "right", "AP", outline=share), share.shape)
    return replace(found, **changes)


def radii(contour: ImageContour) -> np.ndarray:
    """Distance of each place from the ball's middle, mm."""
    return np.linalg.norm(contour.points - MIDDLE, axis=1) / PX_PER_MM


@pytest.mark.parametrize("off", [-2.5, -1.0, 0.0, 1.0, 2.5])
def test_an_outline_is_drawn_to_the_limb_of_a_ball_from_either_side(off: float) -> None:
    found = radii(at_edges(disc(RADIUS_MM + off), ball_image(), PX_PER_MM, 2.0))
    assert found.mean() == pytest.approx(RADIUS_MM, abs=0.25)
    assert np.abs(found - found.mean()).max() < 0.4


def test_noise_does_not_lead_it_away() -> None:
    rng = np.random.default_rng(5)
    noisy = ball_image() + rng.normal(0, 1.5, ball_image().shape)
    found = radii(at_edges(disc(RADIUS_MM - 1.5), noisy, PX_PER_MM, 2.0))
    assert found.mean() == pytest.approx(RADIUS_MM, abs=0.25)
    assert np.quantile(np.abs(found - RADIUS_MM), 0.9) < 0.7


def test_an_edge_beyond_the_search_is_none() -> None:
    far = disc(RADIUS_MM - 8.0)
    found = radii(at_edges(far, ball_image(), PX_PER_MM, 1.0))
    assert found.max() < RADIUS_MM - 4.0


def test_of_two_edges_the_nearer_one_is_taken() -> None:
    beside = 60.0 * (away() < RADIUS_MM + 7.0)
    found = radii(at_edges(disc(RADIUS_MM + 0.5), ball_image() + beside, PX_PER_MM, 2.0))
    assert np.median(found) == pytest.approx(RADIUS_MM, abs=0.2)


def test_an_outline_stays_where_the_image_shows_no_edge() -> None:
    contour = disc(RADIUS_MM)
    flat = np.full((140, 160), 3.0)
    assert np.array_equal(at_edges(contour, flat, PX_PER_MM, 2.0).points, contour.points)


def ball_contour(radius_mm: float) -> Contour:
    """The contour of a ball as fitted, about the middle of the image's ball."""
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    normals = np.column_stack([np.sin(angles), np.cos(angles)])
    count = len(angles)
    return Contour(
        np.zeros((count, 2), int), np.zeros(count), MIDDLE + PX_PER_MM * radius_mm * normals,
        np.zeros((count, 2, 3)), normals, np.ones(count), np.ones(count, bool),
    )  # fmt: skip


def test_a_fitted_bone_leads_to_an_edge_that_the_network_was_too_far_from() -> None:
    network = disc(RADIUS_MM - 5.0)
    assert np.abs(radii(at_edges(network, ball_image(), PX_PER_MM, 1.0)) - RADIUS_MM).min() > 1.5
    fitted = ball_contour(RADIUS_MM - 1.0)
    found = radii(edges_of_bone(fitted, network, ball_image(), PX_PER_MM, 2.0))
    assert len(found) > 100
    assert np.median(found) == pytest.approx(RADIUS_MM, abs=0.25)


def test_edges_far_from_what_the_network_found_are_of_something_else() -> None:
    network = disc(RADIUS_MM - 12.0)
    found = edges_of_bone(ball_contour(RADIUS_MM), network, ball_image(), PX_PER_MM, 2.0)
    assert found is network


def test_a_line_drawn_by_hand_and_a_search_of_nothing_stay_as_they_are() -> None:
    contour = disc(RADIUS_MM - 1.0)
    assert at_edges(contour, ball_image(), PX_PER_MM, 0.0) is contour
    line = disc(RADIUS_MM - 1.0, is_signed=False)
    assert at_edges(line, ball_image(), PX_PER_MM, 2.0) is line


def test_brightness_and_contrast_of_the_image_do_not_matter() -> None:
    contour = disc(RADIUS_MM - 1.0)
    first = at_edges(contour, ball_image(), PX_PER_MM, 2.0)
    other = at_edges(contour, 0.01 * ball_image() + 7.0, PX_PER_MM, 2.0)
    assert np.allclose(first.points, other.points, atol=1e-6)


def test_a_fit_is_nearer_with_the_edges_of_its_image_than_with_a_thin_mask() -> None:
    model, geometry = made_model(), made_view()
    shape = model.shape(model.sample(np.random.default_rng(2), 1.0))
    true = made_features(model, shape, geometry)
    thin = ndimage.distance_transform_edt(true.outline > 0.5) > 2.0
    features = replace(true, outline=thin.astype(np.float32), points={}, ellipses={})
    radiograph = Radiograph(
        made_image(true), "display", geometry.pixel_mm, geometry.magnification, geometry
    )
    widths = {}
    for search in (0.0, 2.0):
        config = ReconstructionConfig(edge_search=search, turn=5.0)
        found = reconstruct([View(radiograph, geometry, features)], model, config)
        shaft = np.abs(found.vertices[:, 2] - found.vertices[:, 2].mean()) < 40
        widths[search] = np.ptp(geometry.project_points(found.vertices[shaft])[:, 1])
    shaft = np.abs(shape[:, 2] - shape[:, 2].mean()) < 40
    wanted = np.ptp(geometry.project_points(shape[shaft])[:, 1])
    assert abs(widths[2.0] - wanted) < 0.5 * abs(widths[0.0] - wanted)


def test_an_image_changes_nothing_where_no_mask_was_found_in_it() -> None:
    model, geometry = made_model(), made_view()
    true = made_features(model, model.mean, geometry)
    radiograph = Radiograph(
        made_image(true), "display", geometry.pixel_mm, geometry.magnification, geometry
    )
    for features in (
        replace(true, outline=None),
        replace(true, outline=np.argwhere(true.outline > 0.5)[:400:8], outline_kind="line"),
    ):
        first, second = (
            reconstruct([View(image, geometry, features)], model) for image in (None, radiograph)
        )
        assert np.array_equal(first.vertices, second.vertices)
        assert first.verdict == second.verdict


def test_a_search_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"edge_search: got -1; expected 0 or more"):
        ReconstructionConfig(edge_search=-1)
