"""Poses from elsewhere: projection matrices, C-arm angles, records; points land where they did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_writing import image_dataset, save

from BoneXrayLib.drr import DrrConfig, simulate, write_drr
from BoneXrayLib.geometry import VIEWS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.poses import (
    CArm,
    geometry_from_c_arm,
    geometry_from_matrix,
    projection_matrix,
    read_c_arm,
    read_pose,
)
from BoneXrayLib.volume import Volume

ISOCENTRE = np.array([10.0, -20.0, 30.0])
RIGHT, FRONT, HEAD = np.eye(3) * 50.0
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
XA_CLASS = "1.2.840.10008.5.1.4.1.1.12.1"
ANGLES = {
    "PositionerPrimaryAngle": 30.0,
    "PositionerSecondaryAngle": -20.0,
    "DistanceSourceToDetector": 1190.0,
    "DistanceSourceToPatient": 785.0,
    "ImagerPixelSpacing": [0.308, 0.308],
}


def posed(view: str = "LAO", **fields: object) -> Geometry:
    """A turned, tilted and shifted detector that is no square."""
    values = {"rotate": (7, -16), "shift": (31, -12), "size": (48, 64), "pixel": 4.0} | fields
    return make_geometry(GeometryConfig(view=view, **values), ISOCENTRE)


def in_patient(rng: np.random.Generator) -> np.ndarray:
    """Points around the isocentre, (N, 3) RAS mm."""
    return ISOCENTRE + rng.uniform(-200, 200, (40, 3))


def again(geometry: Geometry, matrix: np.ndarray, **fields: object) -> Geometry:
    """The geometry a matrix gives, read with the size and pixel of `geometry`."""
    values = {"isocentre": ISOCENTRE} | fields
    return geometry_from_matrix(matrix, geometry.size, geometry.pixel_mm, **values)


def arm(**fields: object) -> CArm:
    """A C-arm with its detector in front of the patient."""
    values = {
        "primary": 0.0,
        "secondary": 0.0,
        "source_detector": 1200.0,
        "source_object": 800.0,
        "pixel": (0.5, 0.5),
        "size": (401, 401),
    }
    return CArm(**(values | fields))


def to_detector(geometry: Geometry) -> np.ndarray:
    """Unit vector from the isocentre to the detector, RAS."""
    towards = geometry.centre - geometry.isocentre
    return towards / np.linalg.norm(towards)


def xa_file(path: Path, **changes: object) -> Path:
    """A small XA image; None leaves an element out."""
    elements = {k: v for k, v in (ANGLES | changes).items() if v is not None}
    pixels = np.arange(40 * 30, dtype=np.uint16).reshape(40, 30)
    return save(image_dataset(pixels, XA_CLASS, "XA", **elements), path)


# -- matrices -------------------------------------------------------------------------------------
@pytest.mark.parametrize("view", VIEWS)
def test_a_matrix_projects_points_where_its_geometry_does(
    view: str, rng: np.random.Generator
) -> None:
    geometry, points = posed(view), in_patient(rng)
    column, row, depth = projection_matrix(geometry) @ np.c_[points, np.ones(len(points))].T
    found = np.stack([row / depth, column / depth], axis=1)
    assert found == pytest.approx(geometry.project_points(points), abs=1e-6)
    assert (depth > 0).all()


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-4, -3e5])
@pytest.mark.parametrize("view", VIEWS)
def test_a_geometry_survives_its_matrix_at_any_scale_and_sign(
    view: str, scale: float, rng: np.random.Generator
) -> None:
    geometry, points = posed(view), in_patient(rng)
    back = again(geometry, scale * projection_matrix(geometry))
    assert back.project_points(points) == pytest.approx(geometry.project_points(points), abs=1e-6)
    assert back.source == pytest.approx(geometry.source, abs=1e-6)
    assert back.image_to_ras() == pytest.approx(geometry.image_to_ras(), abs=1e-6)
    assert back.magnification == pytest.approx(geometry.magnification)


def test_a_mirrored_matrix_mirrors_the_picture_and_leaves_the_tube() -> None:
    geometry = posed("AP")
    flip = np.array([[-1.0, 0.0, geometry.size[1] - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    mirrored = again(geometry, flip @ projection_matrix(geometry))
    assert mirrored.source == pytest.approx(geometry.source)
    assert mirrored.column_axis == pytest.approx(-geometry.column_axis)
    assert mirrored.detector_points()[:, ::-1] == pytest.approx(geometry.detector_points())


def test_a_matrix_in_lps_gives_the_same_pose_as_its_ras_form() -> None:
    geometry = posed()
    back = again(geometry, projection_matrix(geometry) @ LPS, frame="LPS")
    assert back.image_to_ras() == pytest.approx(geometry.image_to_ras())


def test_pixels_need_not_be_square() -> None:
    geometry = Geometry.from_dict(posed().to_dict() | {"pixel_mm": [4.0, 2.5]})
    back = again(geometry, projection_matrix(geometry))
    assert back.image_to_ras() == pytest.approx(geometry.image_to_ras())


def test_twice_the_pixel_means_twice_the_distance_to_the_detector() -> None:
    geometry = posed()
    back = geometry_from_matrix(projection_matrix(geometry), geometry.size, 8.0, "RAS", ISOCENTRE)
    assert back.source == pytest.approx(geometry.source)
    assert back.source_detector_mm == pytest.approx(2 * geometry.source_detector_mm)


def test_without_an_isocentre_the_patient_lies_at_the_origin() -> None:
    geometry = make_geometry(GeometryConfig(), np.zeros(3))
    back = geometry_from_matrix(-projection_matrix(geometry), (512, 512), 1.0)
    assert back.to_dict()["isocentre"] == [0.0, 0.0, 0.0]
    assert back.centre == pytest.approx(geometry.centre)


def sheared(amount: float) -> np.ndarray:
    """A matrix whose columns lean by `amount`."""
    return np.array([[1, amount, 0], [0, 1, 0], [0, 0, 1]]) @ projection_matrix(posed())


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (sheared(0.01), r"skew 0\.01; expected .* within 0\.001"),
        (np.diag([1.1, 1, 1]) @ projection_matrix(posed()), r"1980 mm .* 1800 mm .* within 0\.1 %"),
        (np.eye(3), r"shape \(3, 3\); expected \(3, 4\)"),
        (np.full((3, 4), np.nan), "finite"),
        (np.zeros((3, 4)), "no source"),
        (np.eye(4)[[0, 1, 3]], "no source"),
    ],
)
def test_a_matrix_of_no_flat_detector_is_refused_in_one_line(matrix: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=rf"^projection: .*{said}") as caught:
        again(posed(), matrix)
    assert "\n" not in str(caught.value)


def test_a_skew_within_the_tolerance_moves_no_point_by_half_a_pixel(
    rng: np.random.Generator,
) -> None:
    geometry, points = posed(), in_patient(rng)
    back = again(geometry, sheared(0.0009))
    moved = back.project_points(points) - geometry.project_points(points)
    assert 0 < np.abs(moved).max() < 0.5


def test_a_detector_in_front_of_the_patient_hints_at_the_pixel() -> None:
    with pytest.raises(ValueError, match=r"pixel_mm: got .*0\.5.* would stand"):
        geometry_from_matrix(projection_matrix(posed()), (48, 64), 0.5, "RAS", ISOCENTRE)


@pytest.mark.parametrize("beam", ["parallel", "localizer"])
def test_a_beam_without_one_source_has_no_matrix(beam: str) -> None:
    with pytest.raises(ValueError, match=f"beam: got '{beam}'; expected cone"):
        projection_matrix(posed(beam=beam))


# -- C-arms ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("primary", "secondary", "towards"),
    [
        (0, 0, FRONT),
        (90, 0, -RIGHT),
        (-90, 0, RIGHT),
        (180, 0, -FRONT),
        (0, 90, HEAD),
        (0, -90, -HEAD),
        (45, 0, FRONT - RIGHT),
        (-30, 0, np.sqrt(3) * FRONT + RIGHT),
        (0, 30, np.sqrt(3) * FRONT + HEAD),
    ],
)
def test_lao_is_positive_and_cranial_is_positive_for_the_detector(
    primary: float, secondary: float, towards: np.ndarray
) -> None:
    geometry = geometry_from_c_arm(arm(primary=primary, secondary=secondary), ISOCENTRE)
    assert to_detector(geometry) == pytest.approx(towards / np.linalg.norm(towards), abs=1e-9)


def test_both_angles_give_the_direction_of_spherical_coordinates() -> None:
    alpha, beta = np.radians([35.0, -25.0])
    lps = [np.sin(alpha) * np.cos(beta), -np.cos(alpha) * np.cos(beta), np.sin(beta)]
    geometry = geometry_from_c_arm(arm(primary=35.0, secondary=-25.0), ISOCENTRE)
    assert to_detector(geometry) == pytest.approx(LPS[:3, :3] @ lps)


@pytest.mark.parametrize("primary", [0, 40, -60])
@pytest.mark.parametrize("secondary", [0, 30, -30])
def test_a_c_arm_shows_the_head_on_top_and_the_left_side_on_the_right(
    primary: float, secondary: float
) -> None:
    geometry = geometry_from_c_arm(arm(primary=primary, secondary=secondary), ISOCENTRE)
    down, right = geometry.project_points(np.stack([ISOCENTRE + HEAD, ISOCENTRE - RIGHT])) - 200.0
    assert down[0] < -50
    assert right[1] > 50


def test_an_lao_c_arm_sees_what_the_named_oblique_view_sees() -> None:
    config = GeometryConfig(
        view="LAO", source_detector=1200.0, source_object=800.0, pixel=0.5, size=(401, 401)
    )
    named = make_geometry(config, ISOCENTRE)
    turned = geometry_from_c_arm(arm(primary=45.0), ISOCENTRE)
    assert turned.image_to_ras() == pytest.approx(named.image_to_ras())


def test_distances_and_pixels_of_a_c_arm_are_those_of_its_header() -> None:
    geometry = geometry_from_c_arm(arm(pixel=(0.5, 0.4)), ISOCENTRE)
    assert geometry.source_detector_mm == pytest.approx(1200.0)
    assert geometry.magnification == pytest.approx(1.5)
    assert geometry.pixel_mm == (0.5, 0.4)


def test_an_xa_file_gives_its_c_arm(tmp_path: Path) -> None:
    found = read_c_arm(xa_file(tmp_path / "run.dcm"))
    assert found == CArm(30.0, -20.0, 1190.0, 785.0, (0.308, 0.308), (40, 30))


def test_missing_elements_of_an_xa_file_are_named_together(tmp_path: Path) -> None:
    path = xa_file(tmp_path / "run.dcm", PositionerSecondaryAngle=None, ImagerPixelSpacing=None)
    said = r"misses PositionerSecondaryAngle \(0018,1511\), ImagerPixelSpacing \(0018,1164\)"
    with pytest.raises(ValueError, match=rf"^pose: run\.dcm {said}; expected"):
        read_c_arm(path)


def test_impossible_angles_are_refused(tmp_path: Path) -> None:
    path = xa_file(tmp_path / "run.dcm", PositionerSecondaryAngle=120.0)
    with pytest.raises(ValueError, match=r"^pose: run\.dcm: secondary: got 120\.0; expected"):
        read_pose(path)


# -- files ----------------------------------------------------------------------------------------
def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_every_kind_of_file_gives_the_same_pose(tmp_path: Path) -> None:
    made = arm(primary=30, secondary=-20, pixel=(0.308, 0.308), size=(40, 30),
               source_detector=1190.0, source_object=785.0)  # fmt: skip
    geometry = geometry_from_c_arm(made, ISOCENTRE)
    matrix = projection_matrix(geometry)
    lines = "\n".join(" ".join(repr(float(v)) for v in row) for row in matrix)
    whole = {"projection": matrix.tolist(), "size": [40, 30], "pixel_mm": 0.308}
    in_lps = whole | {"projection": (matrix @ LPS).tolist(), "frame": "LPS"}
    record = {"geometry": geometry.to_dict()}
    files = [
        xa_file(tmp_path / "run.dcm"),
        write(tmp_path / "matrix.txt", f"# from the calibration\n{lines}\n"),
        write(tmp_path / "matrix.csv", lines.replace(" ", ", ")),
        write(tmp_path / "matrix.json", json.dumps(whole)),
        write(tmp_path / "lps.json", json.dumps(in_lps)),
        write(tmp_path / "drr.json", json.dumps(record)),
        write(tmp_path / "marked.json", "\ufeff" + json.dumps(whole)),
    ]
    for path in files:
        found = read_pose(path, size=(40, 30), pixel=0.308, isocentre=ISOCENTRE)
        assert found.size == (40, 30)
        assert found.image_to_ras() == pytest.approx(geometry.image_to_ras()), path.name
        assert found.source == pytest.approx(geometry.source), path.name


def test_what_a_file_says_of_its_pixels_goes_before_what_is_asked_for(tmp_path: Path) -> None:
    geometry = posed()
    whole = {"projection": projection_matrix(geometry).tolist(), "size": [48, 64], "pixel_mm": 4}
    path = write(tmp_path / "matrix.json", json.dumps(whole))
    found = read_pose(path, size=(512, 512), pixel=1.0, isocentre=ISOCENTRE)
    assert found.image_to_ras() == pytest.approx(geometry.image_to_ras())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected"),
        ("1 2 3 4\n5 6 7 8\n", "lines of numbers: 2; expected 3 lines of 4"),
        ("1 2 3\n4 5 6\n7 8 9\n", "line 1 holds 3 numbers; expected 4"),
        ("one two three four\n" * 3, "expected"),
        ("{", "no JSON"),
        ("{}", "neither geometry nor projection"),
        ("[[1, 2], [3]]", "expected"),
        ('{"projection": [[1, 2], [3]]}', "projection"),
        ('{"projection": "P", "size": [4, 4]}', "projection"),
        ('{"geometry": null}', "no single geometry"),
        ('{"geometry": {"frame": "LPS"}}', "frame"),
        ('{"geometry": {"frame": "RAS mm"}}', "misses beam"),
    ],
)
def test_a_file_without_a_pose_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^pose: bad\.txt") as caught:
        read_pose(write(tmp_path / "bad.txt", text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_file_a_folder_and_nothing_are_no_pose(tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(ValueError, match=r"^pose: noise\.bin"):
        read_pose(tmp_path / "noise.bin")
    with pytest.raises(ValueError, match=r"^pose: .* is a folder"):
        read_pose(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^pose: .* does not exist"):
        read_pose(tmp_path / "nowhere.json")


# -- radiographs ----------------------------------------------------------------------------------
def test_a_radiograph_by_its_own_record_is_the_same_radiograph(
    limb: Volume, tmp_path: Path
) -> None:
    view = DrrConfig(view="RAO", rotate=(4, 11), shift=(9, -3), size=(96, 64), pixel=3.0)
    first = simulate(limb, view)
    record = write_drr(first, tmp_path / "first")["drr.json"]
    second = simulate(limb, DrrConfig(pose=str(record)))
    assert second.full == pytest.approx(first.full, abs=1e-5)
    written = json.loads(write_drr(second, tmp_path / "second")["drr.json"].read_text())
    assert written["pose"] == "file drr.json"
    assert written["config"]["pose"] == str(record)
    assert json.loads(record.read_text())["pose"] == "view, distances and shift of the config"


def test_a_radiograph_by_a_matrix_is_that_of_the_view_it_came_from(
    limb: Volume, tmp_path: Path
) -> None:
    first = simulate(limb, DrrConfig(view="PA", rotate=(20, -10), size=(96, 64), pixel=3.0))
    np.savetxt(tmp_path / "matrix.txt", -projection_matrix(first.geometry))
    config = DrrConfig(pose=str(tmp_path / "matrix.txt"), size=(96, 64), pixel=3.0)
    second = simulate(limb, config)
    assert second.full == pytest.approx(first.full, abs=1e-3)
    assert second.radiograph(second.full, "full").name == "synthetic limb matrix full"


@pytest.mark.parametrize("move", [(700.0, 0.0, 0.0), (0.0, 0.0, -600.0), (0.0, 4000.0, 0.0)])
def test_a_pose_that_looks_past_the_ct_is_refused(
    move: tuple[float, float, float], limb: Volume, tmp_path: Path
) -> None:
    record = write_drr(simulate(limb, DrrConfig(size=(96, 64), pixel=3.0)), tmp_path)["drr.json"]
    elsewhere = limb.ijk_to_ras.copy()
    elsewhere[:3, 3] += move
    other = Volume(limb.hu, elsewhere, "other limb")
    with pytest.raises(ValueError, match=r"^pose: drr\.json looks past other limb; expected"):
        simulate(other, DrrConfig(pose=str(record)))


def test_a_geometry_of_the_callers_own_goes_before_the_config(limb: Volume) -> None:
    geometry = make_geometry(GeometryConfig(view="LAT-R", size=(40, 30), pixel=7.0), ISOCENTRE)
    made = simulate(limb, DrrConfig(), geometry=geometry)
    assert made.full.shape == (40, 30)
    assert made.geometry is geometry
    assert made.pose == "geometry of the caller"
