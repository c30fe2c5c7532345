"""Where rays touch a surface, and the outline that images show of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_femur import made_features, made_model, made_view
from scipy import ndimage
from scipy.spatial import KDTree
from surfaces import ball

from BoneXrayLib.fitting.conics import sphere_ellipse
from BoneXrayLib.fitting.contour import Surface
from BoneXrayLib.fitting.image_contour import ImageContour, image_contour
from BoneXrayLib.leg_features import LegFeatures


@pytest.fixture(scope="module")
def seen():
    model, geometry = made_model(), made_view("LAT-R")
    features = made_features(model, model.mean, geometry)
    return model, geometry, features, Surface(model.faces, len(model.mean)).contour(
        model.mean, geometry
    )  # fmt: skip


def aside(first: ImageContour, second: ImageContour) -> np.ndarray:
    """How far places of the second outline lie from the first, across it [pixels]."""
    near = KDTree(first.points).query(second.points)[1]
    return np.abs(((second.points - first.points[near]) * first.normals[near]).sum(axis=1))


def test_the_contour_of_a_ball_is_the_conic_of_its_sphere() -> None:
    mesh, geometry = ball(radius=30.0, at=(20.0, -15.0, 60.0)), made_view()
    contour = Surface(mesh.faces, len(mesh.vertices)).contour(mesh.vertices, geometry)
    row, column, a, b, _ = sphere_ellipse(geometry, np.array([20.0, -15.0, 60.0]), 30.0)
    away = contour.pixels - (row, column)
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - (a + b) / 2).max() < 0.35  # sides of 5 mm lie that deep in the ball
    assert ((contour.normals * away).sum(axis=1) / radius).min() > 0.99
    assert contour.lengths.sum() == pytest.approx(np.pi * (a + b), rel=0.01)
    assert contour.is_outer.all()


def test_the_outer_contour_bounds_the_shadow_and_the_inner_does_not(seen) -> None:
    _, _, features, contour = seen
    edge = image_contour(features, features.outline.shape)
    outer, inner = contour.taken(contour.is_outer), contour.taken(~contour.is_outer)
    distance = KDTree(edge.points).query(outer.pixels)[0]
    assert np.percentile(distance, 95) < 0.7
    assert distance.max() < 1.5
    assert len(inner.share) > 10
    row, column = np.rint(inner.pixels).astype(int).T
    assert features.outline[row, column].mean() > 0.95
    assert outer.lengths.sum() == pytest.approx(edge.lengths.sum(), rel=0.03)


def test_contour_points_move_with_the_surface_to_first_order(seen) -> None:
    model, geometry, _, contour = seen
    surface, bend = Surface(model.faces, len(model.mean)), 0.02 * model.modes[1]
    moved = surface.contour(model.mean + bend, geometry)
    told = np.einsum("ni,nic,nc->n", contour.normals, contour.slopes, contour.between(bend))
    near = KDTree(moved.pixels).query(contour.pixels)[1]
    far = np.linalg.norm(moved.pixels[near] - contour.pixels, axis=1) < 2
    found = ((moved.pixels[near] - contour.pixels) * contour.normals).sum(axis=1)
    assert np.abs(told).max() > 0.02
    assert np.abs(found - told)[far & contour.is_outer].max() < 0.02


def test_mask_edge_and_line_show_the_same_outline(seen) -> None:
    _, geometry, features, _ = seen
    mask = image_contour(features, geometry.size)
    slope = np.hypot(*np.gradient(ndimage.gaussian_filter(features.outline, 1.0)))
    edge = image_contour(
        replace(features, outline=slope / slope.max(), outline_kind="edge"), geometry.size
    )
    rows = np.arange(150, 400, 4)
    left = [np.interp(0.5, features.outline[r, : np.argmax(features.outline[r]) + 1],
                      np.arange(np.argmax(features.outline[r]) + 1)) for r in rows]  # fmt: skip
    line = image_contour(
        replace(features, outline=np.column_stack([rows, left]), outline_kind="line"), geometry.size
    )
    for other in (edge, line):
        assert np.percentile(aside(mask, other), 95) < 0.3
        assert not other.is_signed
    assert line.lengths.sum() == pytest.approx(248, rel=0.02)
    assert edge.lengths.sum() == pytest.approx(mask.lengths.sum(), rel=0.1)


def test_a_coarse_map_lies_where_its_first_pixel_and_step_say(seen) -> None:
    _, geometry, features, _ = seen
    rows, columns = features.outline.shape
    coarse = features.outline.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))[10:, 5:]
    told = replace(features, outline=coarse, outline_first=(20.5, 10.5), outline_step=(2.0, 2.0))
    fine = image_contour(features, geometry.size)
    assert np.percentile(aside(fine, image_contour(told, geometry.size)), 95) < 0.25


def test_where_a_share_falls_slowly_its_outline_is_less_sure() -> None:
    """Twice as slowly: half as well known, a quarter of the weight."""
    share = np.zeros((80, 60))
    share[:, 20:40] = 1.0
    share = ndimage.gaussian_filter(share, (0, 0.1))
    for row in range(40, 80):
        share[row] = np.interp(np.arange(60), [17, 22, 37, 42], [0, 1, 1, 0])  # 0.2 a pixel
    found = image_contour(LegFeatures("femur", "right", "AP", outline=share), (80, 60))
    low, high = found.points[:, 0] < 36, found.points[:, 0] > 44
    np.testing.assert_allclose(found.sureness[low], 1.0)
    np.testing.assert_allclose(found.sureness[high], (0.2 / 0.38) ** 2, rtol=0.08)


def test_the_borders_of_an_image_are_no_outline() -> None:
    share = np.zeros((60, 40))
    share[:, 10:30] = 1.0
    found = image_contour(LegFeatures("femur", "right", "AP", outline=share), (60, 40))
    assert np.isin(np.rint(found.points[:, 1]), [9, 10, 29, 30]).all()
    assert found.points[:, 0].min() >= 3
    np.testing.assert_allclose(np.abs(found.normals[:, 1]), 1.0, atol=1e-6)
    assert not found.covers(np.array([[0.0, 20.0]])).any()
    empty = LegFeatures("femur", "right", "AP", outline=np.zeros((60, 40)))
    assert image_contour(empty, (60, 40)) is None
