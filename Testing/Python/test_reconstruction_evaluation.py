"""`bone-xray evaluate reconstruct`: true features, scores, bars, and what is written."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_leg
from made_femur import Build, made_faces, made_model, made_vertices, made_view, shadow
from scipy.ndimage import binary_dilation
from scipy.spatial.transform import Rotation
from surfaces import ball

from BoneXrayLib.legs.leg_detection import DetectConfig, LegDetection
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.reconstruction import Pose, Reconstruction, ReconstructionConfig
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.evaluating_legs import (
    reconstruction_evaluation,
    reconstruction_folds,
    reconstruction_network,
)
from BoneXrayTrainingLib.evaluating_legs.reconstruction_asked import ReconstructionTest
from BoneXrayTrainingLib.evaluating_legs.reconstruction_cases import (
    OFF,
    ONE,
    TWO,
    Case,
    noisy_features,
    true_case,
    waved,
)
from BoneXrayTrainingLib.evaluating_legs.reconstruction_evaluation import (
    Subjects,
    evaluate_reconstruct_into,
)
from BoneXrayTrainingLib.evaluating_legs.reconstruction_folds import Fold, folds
from BoneXrayTrainingLib.evaluating_legs.reconstruction_report import ReconstructionReport, Row
from BoneXrayTrainingLib.evaluating_legs.reconstruction_scores import (
    Nearness,
    Scores,
    measure_errors,
    scores,
    volume_dice,
)
from BoneXrayTrainingLib.evaluating_legs.silhouettes import silhouette
from BoneXrayTrainingLib.legs.bones import Bones, LegBone
from BoneXrayTrainingLib.legs.landmarks import Marks, femur_marks, tibia_marks
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.shape_building.config import ShapeModelConfig, SurfaceSource

Capture = pytest.CaptureFixture[str]
EXACT = ReconstructionTest("truth", landmark_noise=0.0, outline_noise=0.0)


@cache
def fold(number: int = 0) -> Fold:
    """A made thigh bone that is a sample of the made model, as if left out."""
    model = made_model()
    shape = model.shape(model.sample(np.random.default_rng([8, number]), 2.0))
    marks = Marks(model.landmarks(shape), model.spheres(shape))
    return Fold(f"made {number}", model, Mesh("femur", shape, model.faces), marks)


@cache
def case(test: ReconstructionTest | None = None) -> Case:
    return true_case(fold(), test or EXACT, np.random.default_rng(2))


def as_found(mesh: Mesh, marks: Marks, **changes: object) -> Reconstruction:
    """A fit that gave these vertices and landmarks."""
    nothing = np.zeros((0, 0))
    found = Reconstruction(
        "femur", "right", mesh.vertices, mesh.faces, np.zeros(0), Pose(np.zeros(3), np.zeros(3)),
        np.zeros(len(mesh.vertices)), nothing, nothing, dict(marks.points), None,
        dict(marks.rounds), [], True, "Converged.", [],
    )  # type: ignore[arg-type] # fmt: skip
    return dataclasses.replace(found, **changes)


def test_the_shadow_of_a_ball_is_a_disc() -> None:
    one, view = ball("ball", 40.0, (5.0, 3.0, -8.0)), made_view("AP", 1.0, (160, 180))
    share = silhouette(one, view)
    edge = 40.0 / np.sqrt(1 - (40.0 / 1597.0) ** 2) * 1800 / 1597
    assert share.sum() == pytest.approx(np.pi * edge**2, rel=0.01)
    assert set(np.unique(share[70:80, 80:95])) == {1.0}
    middle = (np.argwhere(share > 0) * share[share > 0, None]).sum(axis=0) / share.sum()
    assert middle == pytest.approx(view.project_points(np.array([5.0, 3.0, -8.0]))[0], abs=0.2)


def test_two_ways_to_draw_a_shadow_agree() -> None:
    view = made_view("LAT-R")
    share = silhouette(fold().mesh, view)
    assert np.abs(share - shadow(fold().mesh.vertices, fold().mesh.faces, view)).max() < 0.13


def test_features_without_errors_are_where_the_geometry_puts_the_bone() -> None:
    for radiograph, found in zip(case().radiographs, case().features, strict=True):
        assert radiograph.geometry is not None
        for name, point in found.points.items():
            at = radiograph.geometry.project_points(case().marks.points[name])[0]
            assert point[:2] == pytest.approx(at)
    assert case().geometries[1].isocentre == pytest.approx(case().stated.isocentre)
    cosine = case().geometries[1].normal @ case().stated.normal
    assert np.rad2deg(np.arccos(cosine)) == pytest.approx(5.0, abs=0.05)


def test_errors_are_as_large_as_said() -> None:
    test = ReconstructionTest("truth", landmark_noise=3.0, outline_noise=0.0)
    geometry, marks, away = case().geometries[0], case().marks, []
    for seed in range(60):
        rng = np.random.default_rng([7, seed])
        found = noisy_features("femur", marks, np.zeros((5, 5)), geometry, "AP", test, rng)
        for name, point in found.points.items():
            at = geometry.project_points(marks.points[name])[0]
            away.append((np.array(point[:2]) - at) * geometry.pixel_mm[0] / geometry.magnification)
    assert np.std(away) == pytest.approx(3.0, rel=0.08)
    assert np.sqrt(found.points["head_centre"].covariance[0, 0]) == pytest.approx(
        3.0 * geometry.magnification / geometry.pixel_mm[0]
    )
    ramp = np.tile(np.arange(300.0), (300, 1))
    moved = (waved(ramp, 2.0, 5.0, np.random.default_rng(1)) - ramp)[:, 20:-20]
    assert np.sqrt((moved**2).mean()) == pytest.approx(2.0, rel=0.1)
    assert np.abs(np.diff(moved, axis=1)).std() < 0.5, "a smooth wave"


def test_views_of_a_setup_are_those_it_names() -> None:
    assert len(case().views(ONE)) == 1
    assert [v.geometry for v in case().views(TWO)] == list(case().geometries)
    assert case().views(OFF)[1].geometry is case().stated
    assert case().views(OFF)[0].geometry is case().geometries[0]


def test_the_true_bone_scores_as_perfect_and_a_shift_as_its_length() -> None:
    mesh, marks = fold().mesh, fold().marks
    perfect = scores(as_found(mesh, marks), mesh, marks)
    assert perfect.placed.mean_mm < 1e-6
    assert perfect.placed.dice == 1.0
    assert (perfect.radius_mm, perfect.length_mm, perfect.angle_deg) == (0.0, 0.0, 0.0)
    shift = np.array([0.0, 9.0, 0.0])
    away = mesh.moved(mesh.vertices + shift)
    found = scores(as_found(away, marks.moved(np.eye(3), shift)), mesh, marks)
    assert found.placed.landmark_mm == pytest.approx(9.0)
    assert found.placed.head_mm == pytest.approx(9.0)
    assert 2.0 < found.placed.mean_mm < 9.0
    assert found.shape.mean_mm < 0.02
    assert found.shape.dice > 0.995
    assert found.shape.landmark_mm < 0.02
    assert found.length_mm == 0.0


def test_a_longer_bone_with_a_steeper_neck_is_that_far_off() -> None:
    mesh, marks = fold().mesh, fold().marks
    centre = marks.points["head_centre"]
    neck = centre - marks.points["neck_centre"]
    axis = np.cross(neck, marks.points["shaft_distal"] - marks.points["shaft_proximal"])
    turn = Rotation.from_rotvec(np.deg2rad(4.0) * axis / np.linalg.norm(axis)).as_matrix()
    points = dict(marks.points) | {"head_centre": marks.points["neck_centre"] + turn @ neck}
    angle = measure_errors(as_found(mesh, marks, landmarks=points), marks)[2]
    assert angle == pytest.approx(4.0)
    way = marks.points["intercondylar_notch"] - centre
    points = dict(marks.points) | {"intercondylar_notch": centre + 1.01 * way}
    length = measure_errors(as_found(mesh, marks, landmarks=points), marks)[1]
    assert length == pytest.approx(0.01 * np.linalg.norm(way))


def test_dice_of_balls_of_one_centre_is_that_of_their_volumes() -> None:
    small, large = ball("small", 24.0), ball("large", 30.0)
    expected = 2 * 24.0**3 / (24.0**3 + 30.0**3)
    assert volume_dice(small, large, 1.0) == pytest.approx(expected, abs=0.015)


def nearness(mean: float, landmark: float = 1.0) -> Nearness:
    return Nearness(mean, 2 * mean, 0.95, landmark, 1.0)


def row(bone: str, subject: str, setup: str, mean: float, converged: bool = True) -> Row:
    held = Scores(nearness(mean), nearness(mean / 2), 0.5, 1.0, 1.0)
    return Row(bone, subject, setup, converged, "said", held, 4.0, 3.0)


def test_bars_are_judged_by_subjects_and_one_view_by_its_shape() -> None:
    rows = [row("femur", s, setup, mean) for s in "ab"
            for setup, mean in ((ONE, 4.0), (TWO, 1.2), (OFF, 1.6))]  # fmt: skip
    rows += [Row("femur", "c", TWO, False, "none", None, 0.0, 0.0)]
    report = ReconstructionReport(EXACT, "", tuple(rows))
    assert report.value("femur", ONE, "mean_mm") == 2.0
    assert report.value("femur", ONE, "placed_mean_mm") == 4.0
    assert report.value("femur", TWO, "mean_mm") == pytest.approx(1.2)
    bars = {(b["setup"], b["figure"]): b for b in report.bars()}
    assert bars[TWO, "mean_mm"]["holds"]
    assert bars[ONE, "mean_mm"]["holds"]
    assert not bars[TWO, "converged"]["holds"]
    assert bars[TWO, "converged"]["value"] == pytest.approx(2 / 3)
    assert bars[OFF, "cost_mm"]["value"] == pytest.approx(0.4)
    assert not bars[OFF, "cost_mm"]["holds"]
    assert math.isnan(report.rows[-1].figure("mean_mm"))
    json.dumps(report.to_dict(), allow_nan=False)
    assert "0.4" in str(report)
    assert "truth, landmarks ± 0 mm" in str(report)


def test_an_evaluation_rebuilds_every_fold_and_writes_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(config: ShapeModelConfig, *_: object) -> Iterator[Fold]:
        assert config.bone == "femur"
        yield fold()

    monkeypatch.setattr(reconstruction_evaluation, "folds", made)
    monkeypatch.setattr(reconstruction_evaluation, "SETUPS", (ONE, TWO))
    config = tmp_path / "shape.toml"
    config.write_text('name = "m"\nbone = "femur"\ntemplate = "a"\n'
                      '[[surface]]\npath = "a.npz"\nlicence = "MIT"\n')  # fmt: skip
    test = ReconstructionTest("truth", landmark_noise=1.0, outline_noise=0.2, pixel=1.2)
    report, files = evaluate_reconstruct_into(tmp_path / "out", Subjects((str(config),)), test)
    assert set(files) == {"evaluation.json", "evaluation.md", "contact-sheet.png"}
    assert [r.setup for r in report.rows] == [ONE, TWO]
    one, two = report.rows
    assert two.converged, two.verdict
    assert two.figure("shape_mean_mm") < 0.6, "a bone that the model can show"
    assert two.figure("placed_mean_mm") < one.figure("placed_mean_mm")
    assert two.figure("dice") > 0.9
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert record["protocol"] == "leave one subject out"
    page = (tmp_path / "out" / "evaluation.md").read_text(encoding="utf-8")
    assert "not found by a network" in page
    assert "SwinUNETR" in page


@pytest.fixture
def femora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShapeModelConfig:
    """Three made thigh bones of different length in a file, and how a model is built of them.

    They have the same vertices in the same order: there is no need to lay a mesh over them.
    """
    arrays, shapes = {}, []
    for name, length in (("a", 415.0), ("b", 430.0), ("c", 452.0)):
        shapes.append(made_vertices(Build(length=length)) - [0, 0, length / 2])
        arrays |= {f"{name}.vertices": shapes[-1], f"{name}.faces": made_faces()}
    np.savez(tmp_path / "femora.npz", **arrays)
    laid = Mesh("femur", shapes[0], made_faces()), np.stack(shapes), np.zeros(3)
    monkeypatch.setattr(reconstruction_folds, "in_correspondence", lambda *_: laid)
    source = SurfaceSource("femora.npz", "MIT", axes="RAS")
    return ShapeModelConfig("m", "femur", (source,), "a", str(tmp_path), vertices=500, modes=20)


def test_a_fold_knows_nothing_of_its_subject_but_the_truth(
    femora: ShapeModelConfig, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.npz"
    (found,) = folds(femora, ("c",), kept)
    assert found.subject == "c"
    lengths = {name: np.ptp(v[:, 2]) for name, v in (("c", found.mesh.vertices),
                                                     ("mean", found.model.mean))}  # fmt: skip
    assert lengths["c"] == pytest.approx(452.0, abs=8.0)
    assert lengths["mean"] < 435.0, "the mean of the two shorter ones"
    head = found.marks.rounds["head"]
    away = np.linalg.norm(found.mesh.vertices - head.centre, axis=1).min()
    assert head.radius == pytest.approx(away, abs=1.5), "its surface is a radius away"
    (again,) = folds(femora, ("c",), kept)
    assert np.array_equal(again.model.mean, found.model.mean)
    with pytest.raises(ValueError, match="of other surfaces or another"):
        list(folds(dataclasses.replace(femora, seed=2), ("c",), kept))
    with pytest.raises(ValueError, match="subjects: got 'd'; expected one of a, b, c"):
        list(folds(femora, ("d",)))


def test_a_leg_is_seen_where_its_true_bone_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = small_leg.femur()
    whole = {
        "tibia": [LegBone("other", "tibia", Mesh("tibia", *small_leg.tibia()),
                          tibia_marks(small_leg.tibia()[0]))]
    }  # fmt: skip
    own = Fold("own", made_model(), Mesh("own", vertices, faces), femur_marks(vertices))
    asked, coarse = [], dataclasses.replace(small_leg.CONFIG, voxel={"leg": 3.0})

    def found_nothing(radiograph: Radiograph, config: DetectConfig, model: None) -> LegDetection:
        asked.append(config.view)
        return LegDetection(radiograph, (), "right", config.view, (), "none")

    monkeypatch.setattr(reconstruction_network, "detect", found_nothing)
    seen = reconstruction_network.network_case(
        own, ReconstructionTest(pixel=2.0), Bones(whole, {}, {}), coarse, None,
        np.random.default_rng(3),
    )  # type: ignore[arg-type] # fmt: skip
    assert asked == ["AP", "LAT"]
    for radiograph, geometry in zip(seen.radiographs, seen.geometries, strict=True):
        share = silhouette(seen.mesh, geometry)
        inside, around = share > 0.9, (share < 0.01) & binary_dilation(share > 0, iterations=8)
        assert radiograph.pixels[inside].mean() > radiograph.pixels[around].mean()
    head = seen.marks.rounds["head"]
    away = np.linalg.norm(seen.mesh.vertices - head.centre, axis=1).min()
    assert away == pytest.approx(head.radius, abs=1.5), "marks stand with the bone"
    shown: list = []
    rows = list(reconstruction_evaluation._fits(seen, ReconstructionConfig(), shown))
    assert [r.converged for r in rows] == [False] * 3
    assert "expected some features" in rows[0].verdict
    assert not shown


def test_wrong_input_ends_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    config = tmp_path / "shape.toml"
    config.write_text('name = "m"\nbone = "femur"\ntemplate = "a"\n'
                      '[[surface]]\npath = "a.npz"\nlicence = "MIT"\n')  # fmt: skip
    for words, said_of in (
        (["--features", "guess"], "features: got 'guess'; expected network or truth"),
        (["--features", "truth", "--angle", "45"], "angle: got 45.0; expected 0 to 30"),
        (["--features", "truth"], "a.npz"),
        (["--model", str(tmp_path / "no")], "model"),
        (["--features", "truth", "--kept", str(tmp_path / "no")], "kept: "),
    ):
        assert main(["evaluate", "reconstruct", str(config), *words]) == 2
        said = capsys.readouterr().err
        assert said_of in said
        assert said.count("\n") == 1
