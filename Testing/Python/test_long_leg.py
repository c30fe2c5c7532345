"""Long-leg views: what stitching several shots keeps, doubles and stretches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.long_leg import (
    METHODS,
    LongLegConfig,
    long_leg,
    plan_shots,
    write_long_leg,
)
from BoneXrayLib.poses import read_pose
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import prepare
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume import Volume

TUBE = {"source_detector": 1200.0, "source_object": 1000.0, "pixel": 2.0}
SIX_FIFTHS = 1.2
GRID = np.diag([2.0, 2.0, 2.0, 1.0])
GRID[:3, 3] = -59.0, -59.0, -239.0
SHAPE = (240, 60, 60)
"""Voxels of a box of 120 × 120 × 480 mm about the origin."""


def dots(*ras: tuple[float, float, float]) -> Volume:
    """Air with single dense voxels at RAS points [mm]."""
    hu = np.full(SHAPE, -1000, np.int16)
    for point in ras:
        i, j, k = np.rint(np.linalg.inv(GRID) @ [*point, 1.0])[:3].astype(int)
        hu[k, j, i] = 20000
    return Volume(hu, GRID, "dots")


def config(**fields: object) -> LongLegConfig:
    """A quick long-leg view."""
    return LongLegConfig(**(TUBE | {"overlap": 60.0, "remove_couch": False} | fields))


def peaks(image: np.ndarray) -> list[tuple[float, float, float]]:
    """(row, column, sum) of each bright spot, from top to bottom."""
    lit = (image > 0.02 * image.max()).any(axis=1)
    edges = np.flatnonzero(np.diff(np.r_[False, lit, False]))
    spots = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        rows, columns = np.mgrid[first:last, : image.shape[1]]
        part = image[first:last]
        total = part.sum()
        spots.append(((rows * part).sum() / total, (columns * part).sum() / total, float(total)))
    return spots


def bands(found: object) -> list[tuple[int, int]]:
    """Rows (first, one behind last) that two neighbouring shots share."""
    plan = found.plan  # type: ignore[attr-defined]
    ends = [first + shot.size[0] for first, shot in zip(plan.first_rows, plan.shots, strict=True)]
    return list(zip(plan.first_rows[1:], ends[:-1], strict=True))


# -- the stitched picture -------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_a_single_shot_is_a_plain_radiograph(method: str, limb: Volume) -> None:
    stitched = long_leg(limb, config(method=method, shots=1, view="LAT-L"))
    rows_columns = stitched.full.shape
    plain = simulate(limb, DrrConfig(view="LAT-L", size=rows_columns, remove_couch=False, **TUBE))
    assert stitched.full == pytest.approx(plain.full, abs=1e-5)
    assert stitched.bone == pytest.approx(plain.bone, abs=1e-5)


def test_a_tilted_tube_gives_one_perspective_however_many_shots_it_took(limb: Volume) -> None:
    stitched = long_leg(limb, config(method="tilt", shots=3, length=320.0))
    size = stitched.full.shape
    plain = simulate(limb, DrrConfig(size=size, remove_couch=False, **TUBE))
    assert len(stitched.plan.shots) == 3
    assert stitched.full == pytest.approx(plain.full, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_bone_and_rest_add_up_to_the_whole(method: str, limb: Volume) -> None:
    stitched = long_leg(limb, config(method=method))
    undivided = Parts(limb.hu, limb.ijk_to_ras, np.zeros(limb.hu.shape, np.uint8), None, ("rest",))
    whole = long_leg(limb, config(method=method), prepared=prepare(undivided)).full
    assert list(stitched.layers) == ["rest", "bone"]
    assert stitched.layers["rest"] + stitched.layers["bone"] == pytest.approx(whole, abs=1e-5)
    assert 0.3 < stitched.bone.max() < stitched.full.max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shots", [1, 2, 4])
def test_the_weights_of_the_shots_sum_to_one_in_every_row(method: str, shots: int) -> None:
    weights = plan_shots(config(method=method, shots=shots), dots()).weights()
    assert weights.sum(axis=0) == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert (weights.max(axis=1) == 1.0).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_head_end_is_on_top_and_the_patients_right_on_the_left(method: str) -> None:
    stitched = long_leg(dots((41.0, 1.0, 201.0)), config(method=method))
    ((row, column, _),) = peaks(stitched.full)
    assert row < stitched.full.shape[0] / 4
    assert column < stitched.full.shape[1] / 3


# -- the overlap ----------------------------------------------------------------------------------
def test_a_tilted_tube_shows_a_point_in_the_overlap_once() -> None:
    plan = plan_shots(config(method="tilt", shots=2), dots())
    point = (1.0, 41.0, 1.0)
    stitched = long_leg(dots(point), config(method="tilt", shots=2))
    ((row, column, _),) = peaks(stitched.full)
    expected = plan.project_points(np.array([point]))[0]
    assert [row, column] == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("front", [51.0, 21.0, -49.0])
def test_a_moved_tube_doubles_a_point_in_the_overlap_by_the_known_parallax(front: float) -> None:
    """Each shot magnifies about its own tube: tubes a step apart see it (M - 1) · step apart."""
    wide = config(method="translate", shots=2, overlap=200.0)
    stitched = long_leg(dots((1.0, front, 1.0)), wide)
    plan = stitched.plan
    first, second = peaks(stitched.full)
    magnification = 1200.0 / (1000.0 - front)
    expected_mm = plan.step_mm * (magnification - 1)
    assert (second[0] - first[0]) * 2.0 == pytest.approx(expected_mm, abs=0.8)
    point = np.array([[1.0, front, 1.0]])
    assert plan.parallax_mm(point)[0] == pytest.approx(expected_mm)
    shown = plan.shot_points(point)[:, 0, 0]
    assert sorted([first[0], second[0]]) == pytest.approx(sorted(shown), abs=0.3)


def test_both_images_of_a_doubled_point_share_what_one_shot_would_show() -> None:
    point = (1.0, 41.0, 21.0)
    doubled = long_leg(dots(point), config(method="translate", shots=2, overlap=200.0))
    single = long_leg(dots(point), config(shots=1))
    spots = peaks(doubled.full)
    weights = doubled.plan.weights()
    rows = doubled.plan.shot_points(np.array([point]))[:, 0, 0]
    shares = [w[round(r)] for w, r in zip(weights, rows, strict=True)]
    total = peaks(single.full)[0][2]
    sums = sorted(spot[2] / total for spot in spots)
    assert len(spots) == 2
    assert sums == pytest.approx(sorted(shares), abs=0.05)


def test_a_point_outside_every_overlap_is_shown_once_by_a_moved_tube() -> None:
    stitched = long_leg(dots((1.0, 41.0, 121.0)), config(method="translate", shots=2))
    ((row, column, _),) = peaks(stitched.full)
    found = stitched.plan.project_points(np.array([[1.0, 41.0, 121.0]]))[0]
    assert [row, column] == pytest.approx(found, abs=0.3)


@pytest.mark.parametrize("method", METHODS)
def test_neighbouring_shots_share_the_overlap_that_was_asked_for(method: str) -> None:
    stitched = long_leg(dots((0.0, 0.0, 0.0)), config(method=method, shots=3))
    assert [last - first for first, last in bands(stitched)] == [30, 30]


# -- lengths --------------------------------------------------------------------------------------
def test_a_moved_tube_keeps_lengths_between_its_stations_and_magnifies_within_a_shot() -> None:
    plan = plan_shots(config(method="translate", shots=3), dots())
    stations = np.array([[0.0, 30.0, s.source[2]] for s in plan.shots])
    rows = plan.project_points(stations)[:, 0]
    assert np.diff(rows) * 2.0 == pytest.approx([plan.step_mm] * 2)
    near = np.array([[0.0, 0.0, 10.0], [0.0, 0.0, -10.0], [10.0, 0.0, 0.0], [-10.0, 0.0, 0.0]])
    found = plan.project_points(near)
    assert (found[1, 0] - found[0, 0]) * 2.0 == pytest.approx(20 * SIX_FIFTHS)
    assert (found[3, 1] - found[2, 1]) * 2.0 == pytest.approx(20 * SIX_FIFTHS)


def test_a_tilted_tube_magnifies_all_lengths_at_the_isocentre_alike() -> None:
    plan = plan_shots(config(method="tilt", shots=3), dots())
    far = np.array([[0.0, 0.0, 200.0], [0.0, 0.0, -200.0]])
    rows = plan.project_points(far)[:, 0]
    assert (rows[1] - rows[0]) * 2.0 == pytest.approx(400 * SIX_FIFTHS)


def test_a_tube_that_moves_a_row_at_a_time_is_the_ct_localizers_beam(limb: Volume) -> None:
    length = 60.0
    rows = int(length / TUBE["pixel"])
    scan = config(method="translate", shots=rows, overlap=0.0, length=length)
    stitched = long_leg(limb, scan)
    size = stitched.full.shape
    localizer = DrrConfig(beam="localizer", size=size, remove_couch=False, **TUBE)
    assert size[0] == rows
    assert stitched.full == pytest.approx(simulate(limb, localizer).full, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("view", ["AP", "LAT-R", "RAO"])
@pytest.mark.parametrize("shots", [1, 3])
def test_by_default_the_whole_ct_is_on_the_picture(method: str, view: str, shots: int) -> None:
    volume = dots()
    plan = plan_shots(config(method=method, view=view, shots=shots, overlap=None), volume)
    low, high = volume.corners_ras.min(axis=0), volume.corners_ras.max(axis=0)
    axes = [np.linspace(a, b, 21) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
    rows, columns = plan.size
    in_shots = plan.shot_points(points)
    for found, first in zip(in_shots, plan.first_rows, strict=True):
        found[:, 0] -= first
    height = plan.shots[0].size[0]
    seen = (in_shots[..., 0] > -0.51) & (in_shots[..., 0] < height - 0.49)
    assert seen.any(axis=0).all()
    assert (in_shots[..., 1] > -0.51).all()
    assert (in_shots[..., 1] < columns - 0.49).all()
    assert plan.notes == ()
    assert rows * 2.0 < 480 * 1.35
    assert columns * 2.0 < 180 * 1.4


def test_too_small_an_overlap_of_a_moved_tube_is_noted_with_one_that_is_enough() -> None:
    volume = dots()
    noted = plan_shots(config(method="translate", overlap=10.0), volume).notes
    assert len(noted) == 1
    enough = float(re.findall(r"overlap of (\d+) mm", noted[0])[0])
    length = plan_shots(config(method="translate", overlap=10.0), volume).size[0] * 2.0
    fixed = config(method="translate", overlap=enough + 1.0, length=length)
    assert plan_shots(fixed, volume).notes == ()
    assert plan_shots(config(method="tilt", overlap=10.0), volume).notes == ()


def test_a_length_of_ones_own_is_kept_to_a_pixel_a_shot() -> None:
    plan = plan_shots(config(length=900.0, shots=3), dots())
    assert 900.0 <= plan.size[0] * 2.0 < 900.0 + 3 * 2.0


# -- what is said ---------------------------------------------------------------------------------
def test_the_statement_of_magnification_has_the_numbers_of_the_shots() -> None:
    moved = plan_shots(config(method="translate", shots=3), dots())
    tilted = plan_shots(config(method="tilt", shots=3), dots())
    assert "1.200" in tilted.statement
    assert "once" in tilted.statement
    assert "1.200" in moved.statement
    assert f"{moved.step_mm * 0.2:.1f} mm" in moved.statement
    assert tilted.geometry is not None
    assert moved.geometry is None
    assert plan_shots(config(method="translate", shots=1), dots()).geometry is not None


def test_files_and_record_come_back(limb: Volume, tmp_path: Path) -> None:
    for method in METHODS:
        stitched = long_leg(limb, config(method=method))
        files = write_long_leg(stitched, tmp_path / method, "limb.nrrd")
        assert {p.name for p in (tmp_path / method).iterdir()} == set(files)
        full = read_radiograph(files["full.nrrd"])
        assert np.array_equal(full.pixels, stitched.full)
        assert full.domain == "optical density"
        assert full.pixel_mm == pytest.approx((2.0, 2.0))
        record = json.loads(files["long-leg.json"].read_text())
        shots = [Geometry.from_dict(shot["geometry"]) for shot in record["shots"]]
        assert [shot["first_row"] for shot in record["shots"]] == list(stitched.plan.first_rows)
        assert shots[1].to_dict() == stitched.plan.shots[1].to_dict()
        assert record["statement"] == stitched.plan.statement
        assert record["config"]["method"] == method


def test_the_record_of_a_tilted_tube_is_a_pose_and_that_of_a_moved_one_is_not(
    limb: Volume, tmp_path: Path
) -> None:
    tilted = write_long_leg(long_leg(limb, config(method="tilt")), tmp_path / "tilt")
    assert read_pose(tilted["long-leg.json"]).source_detector_mm == pytest.approx(1200.0)
    moved = write_long_leg(long_leg(limb, config(method="translate")), tmp_path / "translate")
    with pytest.raises(ValueError, match="no single geometry"):
        read_pose(moved["long-leg.json"])


def test_labels_become_layers_of_the_stitched_picture(limb: Volume) -> None:
    labels = (limb.hu > 300).astype(np.uint8)
    labels[: limb.hu.shape[0] // 2] *= 2
    made = long_leg(limb, config(), labels, {1: "thigh", 2: "shank"})
    assert list(made.layers) == ["rest", "thigh", "shank"]
    half = made.full.shape[0] // 2
    assert made.layers["thigh"][: half - 10].sum() > 10 * made.layers["thigh"][half + 10 :].sum()


def test_progress_rises_over_all_shots_and_the_work_can_be_cancelled(limb: Volume) -> None:
    told: list[float] = []
    long_leg(limb, config(), progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
    with pytest.raises(Cancelled):
        long_leg(limb, config(), is_cancelled=lambda: True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "slide"}, "method: got 'slide'; expected one of translate, tilt"),
        ({"shots": 0}, "shots: got 0; expected"),
        ({"shots": 2.5}, "shots: got 2.5; expected"),
        ({"overlap": -1.0}, "overlap: got -1.0; expected"),
        ({"length": 0.0}, "length: got 0.0; expected"),
        ({"width": float("nan")}, "width: got nan; expected"),
        ({"view": "UP"}, "view: got 'UP'; expected"),
        ({"source_object": 1300.0}, "source_object: got 1300.0; expected"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_accepted(fields: dict, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        config(**fields)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"length": 100.0, "overlap": 110.0, "shots": 3}, "overlap: got 110"),
        ({"length": 40000.0}, "length: "),
        ({"length": 2.0, "shots": 3, "overlap": 0.0}, "shots: got 3"),
    ],
)
def test_shots_that_cannot_be_stitched_are_refused(fields: dict, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        plan_shots(config(**fields), dots())
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
