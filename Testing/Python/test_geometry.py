"""Views in the patient's frame, beams, and points on the detector."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.geometry import BEAMS, VIEWS, Geometry, GeometryConfig, coarser, make_geometry

ORIGIN = np.zeros(3)
RIGHT, FRONT, HEAD = np.eye(3) * 50.0


def side_of(view: str, point: np.ndarray, **fields: object) -> np.ndarray:
    """Where a RAS point falls, relative to the image's middle: (down, right) [pixels]."""
    geometry = make_geometry(GeometryConfig(view=view, **fields), ORIGIN)
    return geometry.project_points(point[None])[0] - 255.5


@pytest.mark.parametrize("view", VIEWS)
def test_the_head_is_on_top_in_every_view(view: str) -> None:
    assert side_of(view, HEAD)[0] < -40


@pytest.mark.parametrize("view", ["AP", "PA"])
def test_frontal_views_show_the_patients_right_on_the_left(view: str) -> None:
    assert side_of(view, RIGHT)[1] < -40


def test_a_left_lateral_has_the_front_on_the_left_and_a_right_lateral_on_the_right() -> None:
    assert side_of("LAT-L", FRONT)[1] < -40
    assert side_of("LAT-R", FRONT)[1] > 40


@pytest.mark.parametrize(
    ("view", "at_detector"),
    [
        ("AP", -FRONT),
        ("PA", FRONT),
        ("LAT-L", -RIGHT),
        ("LAT-R", RIGHT),
        ("LAO", FRONT - RIGHT),
        ("RAO", FRONT + RIGHT),
        ("LPO", -FRONT - RIGHT),
        ("RPO", -FRONT + RIGHT),
    ],
)
def test_a_view_is_named_after_the_side_at_the_detector(view: str, at_detector: np.ndarray) -> None:
    geometry = make_geometry(GeometryConfig(view=view), ORIGIN)
    towards = (geometry.centre - geometry.isocentre) / np.linalg.norm(geometry.centre)
    assert towards @ at_detector / np.linalg.norm(at_detector) == pytest.approx(1.0)


@pytest.mark.parametrize("beam", BEAMS)
@pytest.mark.parametrize("view", ["AP", "LAT-L", "RAO"])
def test_every_point_of_a_ray_projects_to_its_pixel(beam: str, view: str) -> None:
    config = GeometryConfig(view=view, beam=beam, rotate=(13, -21), size=(9, 7), shift=(20, -5))
    geometry = make_geometry(config, np.array([10.0, -20.0, 30.0]))
    rows, columns = np.mgrid[0:9, 0:7]
    for depth in (0.0, 0.3, 0.7):
        points = depth * geometry.sources() + (1 - depth) * geometry.detector_points()
        found = geometry.project_points(points.reshape(-1, 3)).reshape(9, 7, 2)
        assert found == pytest.approx(np.stack([rows, columns], -1), abs=1e-6)


def test_magnification_is_what_a_length_at_the_isocentre_gains() -> None:
    fields = {"source_detector": 1000.0, "source_object": 800.0, "pixel": 0.5}
    assert side_of("AP", RIGHT, **fields)[1] == pytest.approx(-50 * 1.25 / 0.5)
    geometry = make_geometry(GeometryConfig(**fields), ORIGIN)
    assert geometry.magnification == pytest.approx(1.25)


def test_the_localizer_magnifies_across_the_table_only() -> None:
    down, right = side_of("AP", RIGHT + HEAD, beam="localizer")
    assert down == pytest.approx(-50.0)
    assert right == pytest.approx(-50.0 * 1800 / 1500)


def test_a_parallel_beam_magnifies_nowhere() -> None:
    assert side_of("AP", RIGHT + HEAD, beam="parallel") == pytest.approx([-50.0, -50.0])


def test_orbital_turns_the_tube_towards_the_patients_left_and_tilt_towards_the_head() -> None:
    turned = make_geometry(GeometryConfig(rotate=(30.0, 0.0)), ORIGIN)
    lifted = make_geometry(GeometryConfig(rotate=(0.0, 30.0)), ORIGIN)
    assert turned.source @ -RIGHT > 0
    assert lifted.source @ HEAD > 0


def test_a_quarter_turn_of_ap_is_the_right_lateral_seen_from_the_tube() -> None:
    turned = make_geometry(GeometryConfig(rotate=(90.0, 0.0)), ORIGIN)
    lateral = make_geometry(GeometryConfig(view="LAT-R"), ORIGIN)
    assert turned.source == pytest.approx(lateral.source)
    assert turned.column_axis == pytest.approx(-lateral.column_axis)


def test_a_shift_moves_the_detector_and_so_the_picture_the_other_way() -> None:
    assert side_of("AP", ORIGIN, shift=(12.0, -7.0)) == pytest.approx([-12.0, 7.0])


def test_the_detector_volume_places_each_pixel_where_it_stands() -> None:
    geometry = make_geometry(GeometryConfig(view="LAO", rotate=(5, 9), size=(4, 6)), ORIGIN)
    matrix = geometry.image_to_ras()
    corner = matrix @ [5, 3, 0, 1]
    assert corner[:3] == pytest.approx(geometry.detector_points()[3, 5])


def test_a_coarser_detector_covers_the_same_plane() -> None:
    fine = make_geometry(GeometryConfig(view="RAO", size=(400, 300), shift=(9, 4)), ORIGIN)
    coarse = coarser(fine, 100)
    assert coarse.size == (100, 75)
    assert coarse.pixel_mm == pytest.approx((4.0, 4.0))
    point = np.array([[20.0, -30.0, 40.0]])
    # edges, not pixel centres, stay: the outer half pixel grows with the pixel
    expected = (fine.project_points(point) + 0.5) / 4.0 - 0.5
    assert coarse.project_points(point) == pytest.approx(expected)
    assert coarser(fine, 1000) is fine


@pytest.mark.parametrize("beam", BEAMS)
def test_a_geometry_survives_its_record(beam: str) -> None:
    geometry = make_geometry(
        GeometryConfig(view="RPO", beam=beam, rotate=(3, 4), size=(9, 7)), ORIGIN
    )
    again = Geometry.from_dict(geometry.to_dict())
    assert again.to_dict() == geometry.to_dict()
    assert again.detector_points() == pytest.approx(geometry.detector_points())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("view", "front"),
        ("beam", "fan"),
        ("pixel", 0.0),
        ("pixel", float("nan")),
        ("source_detector", -1.0),
        ("source_object", 1800.0),
        ("size", (0, 512)),
        ("size", (512, 100_000)),
        ("rotate", (float("inf"), 0.0)),
    ],
)
def test_a_wrong_field_is_named_with_what_is_accepted(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: got .*expected") as caught:
        GeometryConfig(**{field: value})
    assert "\n" not in str(caught.value)


def test_a_source_in_the_detectors_plane_is_refused() -> None:
    record = make_geometry(GeometryConfig(), ORIGIN).to_dict()
    record["source"] = record["centre"]
    with pytest.raises(ValueError, match="source"):
        Geometry.from_dict(record)
