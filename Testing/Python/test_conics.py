"""Spheres and their outlines, and how images change with places."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from BoneXrayLib.fitting.conics import ellipse_ray, sphere_ellipse
from BoneXrayLib.fitting.point_projection import moved_back, projection_slopes, rays_through
from BoneXrayLib.geometry import BEAMS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.leg_features import EllipseFeature

CENTRE, RADIUS = np.array([60.0, 40.0, -70.0]), 40.0


def tilted(beam: str) -> Geometry:
    config = GeometryConfig(view="RAO", rotate=(3, 20), beam=beam, source_detector=1100.0,
                            source_object=600.0, shift=(30, -60), pixel=0.5)  # fmt: skip
    return make_geometry(config, np.array([5.0, 3.0, 2.0]))


@pytest.mark.parametrize(("beam", "off"), [("cone", 1e-5), ("parallel", 1e-5), ("localizer", 2e-3)])
def test_the_outline_of_a_sphere_holds_all_its_points_and_no_more(beam: str, off: float) -> None:
    geometry, rng = tilted(beam), np.random.default_rng(0)
    places = rng.standard_normal((200_000, 3))
    places *= RADIUS / np.linalg.norm(places, axis=1, keepdims=True)
    pixels = geometry.project_points(CENTRE + places)
    row, column, a, b, angle = sphere_ellipse(geometry, CENTRE, RADIUS)
    away = pixels - (row, column)
    along = (away[:, 1] * np.cos(angle) + away[:, 0] * np.sin(angle)) / a
    across = (away[:, 0] * np.cos(angle) - away[:, 1] * np.sin(angle)) / b
    far, sector = np.hypot(along, across), (np.arctan2(across, along) / np.pi * 12).astype(int)
    farthest = [far[sector == n].max() for n in range(-11, 12)]
    assert max(farthest) < 1 + off
    assert min(farthest) > 1 - off - 1e-4


def test_an_ellipse_of_a_cone_beam_gives_its_sphere_back() -> None:
    geometry = tilted("cone")
    ray = ellipse_ray(geometry, sphere_ellipse(geometry, CENTRE, RADIUS))
    np.testing.assert_allclose(ray.sphere_at(RADIUS), CENTRE, atol=1e-6)
    assert np.sin(ray.angle) == pytest.approx(RADIUS / np.linalg.norm(CENTRE - geometry.source))


def test_the_axes_of_an_ellipse_may_be_named_either_way_round() -> None:
    geometry = tilted("cone")
    row, column, a, b, angle = sphere_ellipse(geometry, CENTRE, RADIUS)
    ray = ellipse_ray(geometry, EllipseFeature(row, column, b, a, angle + np.pi / 2))
    np.testing.assert_allclose(ray.sphere_at(RADIUS), CENTRE, atol=1e-6)


def test_an_ellipse_of_a_parallel_beam_gives_line_and_radius_back() -> None:
    geometry = tilted("parallel")
    ray = ellipse_ray(geometry, sphere_ellipse(geometry, CENTRE, RADIUS))
    assert ray.radius_mm == pytest.approx(RADIUS)
    np.testing.assert_allclose(np.cross(CENTRE - ray.origin, ray.direction), 0.0, atol=1e-9)
    with pytest.raises(ValueError, match="beam is parallel"):
        ray.sphere_at(RADIUS)


def test_the_image_of_a_centre_is_not_the_middle_of_the_ellipse() -> None:
    geometry = tilted("cone")
    seen = sphere_ellipse(geometry, CENTRE, RADIUS)
    assert np.abs(geometry.project_points(CENTRE)[0] - seen[:2]).max() > 0.3


def test_a_sphere_around_the_source_has_no_outline() -> None:
    geometry = tilted("cone")
    with pytest.raises(ValueError, match="before the source"):
        sphere_ellipse(geometry, geometry.source + 1.0, RADIUS)
    with pytest.raises(ValueError, match="localizer"):
        ellipse_ray(tilted("localizer"), EllipseFeature(1.0, 1.0, 2.0, 2.0))


@pytest.mark.parametrize("beam", BEAMS)
def test_slopes_are_those_of_the_projection_and_rays_change_nothing(beam: str) -> None:
    geometry, step = tilted(beam), 1e-4
    points = np.random.default_rng(1).normal(0, 50, (6, 3))
    slopes = projection_slopes(geometry, points)
    for axis, way in enumerate(np.eye(3) * step):
        change = geometry.project_points(points + way) - geometry.project_points(points - way)
        np.testing.assert_allclose(slopes[:, :, axis], change / (2 * step), atol=1e-7)
    rays = rays_through(geometry, points)
    np.testing.assert_allclose(np.einsum("nic,nc->ni", slopes, rays), 0.0, atol=1e-8)


@pytest.mark.parametrize("beam", BEAMS)
def test_a_geometry_moved_back_sees_what_it_saw_of_moved_points(beam: str) -> None:
    geometry = tilted(beam)
    turn, shift = Rotation.from_rotvec([0.1, 0.2, -0.1]).as_matrix(), np.array([3.0, 4.0, 5.0])
    points = np.random.default_rng(2).normal(0, 50, (6, 3))
    moved = (points - geometry.isocentre) @ turn.T + geometry.isocentre + shift
    np.testing.assert_allclose(moved_back(geometry, turn, shift).project_points(points),
                               geometry.project_points(moved), atol=1e-9)  # fmt: skip
