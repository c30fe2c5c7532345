"""Rays, beam outlines, bone outlines and the view from a direction: what is drawn is projected."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.beam_models import BOX_EDGES, beam_outline, box_corners, inside_grid, pixel_ray
from BoneXrayLib.geometry import BEAMS, VIEWS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.outlines import LEAST_DENSITY, layer_outlines, pixel_outline
from BoneXrayLib.view_direction import angles_from_direction


def geometry(beam: str = "cone", view: str = "LAO", **fields: object) -> Geometry:
    config = GeometryConfig(
        **{"view": view, "beam": beam, "rotate": (12.0, 20.0), "size": (40, 30), "pixel": 5.0,
           "shift": (8.0, -11.0), **fields})  # fmt: skip
    return make_geometry(config, np.array([10.0, -20.0, 30.0]))


# -- rays -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("beam", BEAMS)
def test_every_point_of_a_pixels_ray_projects_back_to_the_pixel(beam: str) -> None:
    seen = geometry(beam)
    start, end = pixel_ray(seen, 7.25, 21.5)
    points = start + np.linspace(0.1, 1.0, 5)[:, None] * (end - start)
    np.testing.assert_allclose(seen.project_points(points), [[7.25, 21.5]] * 5, atol=1e-9)


@pytest.mark.parametrize("beam", BEAMS)
def test_the_ray_is_the_one_the_projector_follows(beam: str) -> None:
    seen = geometry(beam)
    start, end = pixel_ray(seen, 3, 17)
    sources = np.broadcast_to(seen.sources(), (*seen.size, 3))
    np.testing.assert_allclose(start, sources[3, 17], atol=1e-9)
    np.testing.assert_allclose(end, seen.detector_points()[3, 17], atol=1e-9)


def oblique_grid() -> tuple[np.ndarray, tuple[int, int, int]]:
    turn, _ = np.linalg.qr(np.array([[1.0, 0.3, 0.1], [-0.2, 1.0, 0.4], [0.1, -0.3, 1.0]]))
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3] = turn * [2.0, 1.5, 3.0]
    ijk_to_ras[:3, 3] = 10, -20, 30
    return ijk_to_ras, (20, 24, 28)


def test_a_ray_is_cut_where_it_enters_and_leaves_the_voxels(rng: np.random.Generator) -> None:
    ijk_to_ras, shape = oblique_grid()
    upper = np.array(shape[::-1]) - 0.5
    middle = (ijk_to_ras @ [*((upper - 0.5) / 2), 1.0])[:3]
    for _ in range(50):
        away = rng.normal(size=3) * 400
        nearby = middle + rng.normal(size=3)
        piece = inside_grid(nearby - away, nearby + away, ijk_to_ras, shape)
        assert piece is not None
        ends = (np.linalg.inv(ijk_to_ras) @ np.c_[np.array(piece), [1, 1]].T)[:3].T
        assert (ends > -0.5 - 1e-6).all()
        assert (ends < upper + 1e-6).all()
        on_a_face = (np.abs(ends + 0.5) < 1e-6) | (np.abs(ends - upper) < 1e-6)
        assert on_a_face.any(axis=1).all()
        assert (piece[1] - piece[0]) @ away > 0


def test_a_ray_that_misses_ends_before_or_runs_beside_the_voxels_has_no_piece() -> None:
    ijk_to_ras, shape = np.eye(4), (10, 10, 10)
    far, near = np.array([50.0, 5.0, 5.0]), np.array([20.0, 5.0, 5.0])
    assert inside_grid(far, near, ijk_to_ras, shape) is None
    beside = inside_grid(np.array([-5.0, 9.6, 5.0]), np.array([15.0, 9.6, 5.0]), ijk_to_ras, shape)
    assert beside is None
    along = inside_grid(np.array([-5.0, 9.4, 5.0]), np.array([15.0, 9.4, 5.0]), ijk_to_ras, shape)
    np.testing.assert_allclose(along, [[-0.5, 9.4, 5.0], [9.5, 9.4, 5.0]])


def test_the_box_of_a_ct_encloses_its_voxels() -> None:
    ijk_to_ras, shape = oblique_grid()
    corners = box_corners(ijk_to_ras, shape)
    lengths = sorted(np.linalg.norm(corners[a] - corners[b]) for a, b in BOX_EDGES)
    expected = sorted([28 * 2.0, 24 * 1.5, 20 * 3.0] * 4)
    np.testing.assert_allclose(lengths, expected)
    middle = (ijk_to_ras @ [13.5, 11.5, 9.5, 1.0])[:3]
    np.testing.assert_allclose(corners.mean(axis=0), middle)


# -- beams ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("beam", BEAMS)
def test_the_outline_ends_at_the_outer_edges_of_the_corner_pixels(beam: str) -> None:
    seen = geometry(beam)
    corners = beam_outline(seen).corners
    np.testing.assert_allclose(
        seen.project_points(corners),
        [[-0.5, -0.5], [-0.5, 29.5], [39.5, 29.5], [39.5, -0.5]],
        atol=1e-9,
    )


def test_a_cone_is_a_pyramid_a_parallel_beam_a_box_and_a_localizer_a_wedge_along_the_rows() -> None:
    cone, box, wedge = (beam_outline(geometry(beam)) for beam in BEAMS)
    np.testing.assert_allclose(cone.starts, np.broadcast_to(geometry().source, (4, 3)))
    sides = [np.diff(end, axis=0) for end in (box.starts, box.corners)]
    np.testing.assert_allclose(*sides, atol=1e-9)
    np.testing.assert_allclose(wedge.starts[0], wedge.starts[1])
    np.testing.assert_allclose(wedge.starts[2], wedge.starts[3])
    along = wedge.starts[2] - wedge.starts[1]
    np.testing.assert_allclose(along, 40 * 5.0 * geometry().row_axis)


# -- the view from a direction --------------------------------------------------------------------
def test_the_tube_stands_where_one_looks_from_and_the_image_is_not_mirrored(
    rng: np.random.Generator,
) -> None:
    for direction in rng.normal(size=(100, 3)):
        view, orbital, tilt = angles_from_direction(direction)
        made = make_geometry(GeometryConfig(view=view, rotate=(orbital, tilt)), np.zeros(3))
        unit = direction / np.linalg.norm(direction)
        np.testing.assert_allclose(made.source, 1500 * unit, atol=1e-6)
        viewers_right = np.cross(-unit, [0, 0, 1])
        assert made.column_axis @ viewers_right > 0


@pytest.mark.parametrize("name", [n for n, view in VIEWS.items() if not view.mirrored])
def test_looking_from_the_tube_of_a_named_view_gives_that_view(name: str) -> None:
    made = make_geometry(GeometryConfig(view=name), np.zeros(3))
    view, orbital, tilt = angles_from_direction(made.source)
    assert view == name
    assert (orbital, tilt) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))


def test_looking_along_the_patients_axis_is_a_tilt_and_no_direction_is_refused() -> None:
    assert angles_from_direction(np.array([0, 0, 5.0])) == ("AP", 0.0, 90.0)
    assert angles_from_direction(np.array([0, 0, -5.0])) == ("AP", 0.0, -90.0)
    for wrong in (np.zeros(3), np.array([np.nan, 0, 1]), np.zeros(2)):
        with pytest.raises(ValueError, match="direction_ras: got"):
            angles_from_direction(wrong)


# -- outlines -------------------------------------------------------------------------------------
def test_an_outline_runs_along_the_edges_of_pixels_and_closes(rng: np.random.Generator) -> None:
    mask = rng.random((13, 17)) < 0.5
    pieces = pixel_outline(mask)
    filled = np.zeros(mask.shape, bool)
    for (top, left), (bottom, right) in pieces:
        if left == right:  # crossing a vertical edge changes sides for all pixels to its right
            filled[int(top + 0.5) : int(bottom + 0.5), int(left + 0.5) :] ^= True
    np.testing.assert_array_equal(filled, mask)
    filled[:] = False
    for (top, left), (bottom, right) in pieces:
        if top == bottom:
            filled[int(top + 0.5) :, int(left + 0.5) : int(right + 0.5)] ^= True
    np.testing.assert_array_equal(filled, mask)


def test_a_rectangle_has_four_straight_pieces() -> None:
    mask = np.zeros((8, 9), bool)
    mask[2:5, 0:6] = True
    pieces = {tuple(piece.ravel()) for piece in pixel_outline(mask)}
    assert pieces == {
        (1.5, -0.5, 1.5, 5.5), (4.5, -0.5, 4.5, 5.5), (1.5, -0.5, 4.5, -0.5), (1.5, 5.5, 4.5, 5.5)
    }  # fmt: skip
    assert pixel_outline(np.zeros((3, 3), bool)).shape == (0, 2, 2)


def test_overlapping_bones_keep_outlines_of_their_own_and_the_rest_has_none() -> None:
    layers = {name: np.zeros((6, 6), np.float32) for name in ("rest", "ulna", "radius")}
    layers["rest"][:] = 1.0
    layers["ulna"][1:4, 1:4] = 2 * LEAST_DENSITY
    layers["radius"][2:5, 2:5] = 2 * LEAST_DENSITY
    layers["radius"][0, 0] = 0.5 * LEAST_DENSITY
    found = layer_outlines(layers)
    assert list(found) == ["ulna", "radius"]
    assert [len(pieces) for pieces in found.values()] == [4, 4]
