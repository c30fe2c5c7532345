"""Lengths and angles of a leg made of points, and of a fit."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made_femur import made_features, made_model, made_view
from scipy.spatial.transform import Rotation

from BoneXrayLib.fitting.fit_posterior import LandmarkSpread
from BoneXrayLib.legs.leg_measures import MeasuredBone, hip_knee_ankle_angle, leg_measures
from BoneXrayLib.legs.reconstruction_files import write_reconstructions, write_stl
from BoneXrayLib.reconstruction import ReconstructionConfig, View, reconstruct

FEMUR = {
    "head_centre": (-40.0, 0.0, 400.0),
    "neck_centre": (-20.0, 0.0, 385.0),
    "shaft_proximal": (0.0, 0.0, 300.0),
    "shaft_distal": (0.0, 0.0, 100.0),
    "intercondylar_notch": (-40.0, 0.0, 0.0),
    "medial_condyle": (-65.0, 0.0, -5.0),
    "lateral_condyle": (-15.0, 0.0, -5.0),
}
TIBIA = {
    "intercondylar_eminence": (-40.0, 0.0, -10.0),
    "plafond_centre": (-40.0, 0.0, -370.0),
    "medial_plateau": (-65.0, 0.0, -12.0),
    "lateral_plateau": (-15.0, 0.0, -12.0),
}


def bone(places: dict, turn_degrees: float = 0.0, mirror: bool = False) -> dict[str, np.ndarray]:
    """Landmarks turned about the front-back axis (to the patient's right), or of a left leg."""
    turn = Rotation.from_euler("y", -turn_degrees, degrees=True)
    around = np.array([-40.0, 0.0, 0.0])
    found = {n: turn.apply(np.array(p) - around) + around for n, p in places.items()}
    return {n: p * ((-1, 1, 1) if mirror else 1) for n, p in found.items()}


def values(femur: dict, tibia: dict) -> dict[str, float]:
    return {m.name: m.value for m in leg_measures(MeasuredBone(femur), MeasuredBone(tibia))}


def test_lengths_and_angles_are_those_of_the_points() -> None:
    found = values(bone(FEMUR), bone(TIBIA))
    assert found["femoral length"] == pytest.approx(400)
    assert found["tibial length"] == pytest.approx(360)
    assert found["hip-knee-ankle angle"] == pytest.approx(180)
    assert found["neck-shaft angle"] == pytest.approx(90 + np.rad2deg(np.arctan(15 / 20)))
    assert found["mechanical lateral distal femoral angle"] == pytest.approx(90)
    assert found["medial proximal tibial angle"] == pytest.approx(90)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_foot_turned_outwards_is_valgus_on_either_side(mirror: bool) -> None:
    for degrees in (7.0, -4.0):
        tibia = bone(TIBIA, degrees, mirror)
        sideways = tibia["plafond_centre"][0] - bone(TIBIA, 0.0, mirror)["plafond_centre"][0]
        lateral = sideways * (-1 if mirror else 1)
        angle = hip_knee_ankle_angle(bone(FEMUR, 0.0, mirror), tibia)
        assert angle - 180 == pytest.approx(abs(degrees) * np.sign(lateral))
    varus = {**bone(FEMUR), "lateral_condyle": np.array([-15.0, 0.0, -5.0 + 50 * np.tan(0.05)])}
    assert values(varus, bone(TIBIA))["mechanical lateral distal femoral angle"] == pytest.approx(
        90 - np.rad2deg(0.05)
    )


def test_measures_do_not_change_when_the_leg_is_turned_and_shifted() -> None:
    turn = Rotation.from_rotvec([0.4, -0.2, 0.9])
    femur, tibia = bone(FEMUR), bone(TIBIA, 5.0)
    shift = np.array([5.0, 6.0, 7.0])
    moved = [{n: turn.apply(p) + shift for n, p in b.items()} for b in (femur, tibia)]
    assert values(*moved) == pytest.approx(values(femur, tibia))


def test_errors_of_landmarks_go_into_the_measures() -> None:
    names = tuple(FEMUR)
    ways = np.zeros((2, len(names), 3))
    ways[0, names.index("head_centre"), 2] = 1.5
    ways[1, names.index("intercondylar_notch"), 2] = 2.0
    spread = LandmarkSpread(names, ways)
    found = {m.name: m for m in leg_measures(MeasuredBone(bone(FEMUR), spread))}
    assert found["femoral length"].standard_error == pytest.approx(2.5)
    assert "tibial length" not in found


def test_measures_without_their_landmarks_are_left_out() -> None:
    head = {"head_centre": np.zeros(3), "intercondylar_notch": np.array([0.0, 0.0, -390.0])}
    assert [m.name for m in leg_measures(MeasuredBone(head))] == ["femoral length"]


def test_a_fit_is_written_as_surface_arrays_and_record(tmp_path) -> None:
    model, geometry = made_model(), made_view("AP")
    seen = dataclasses.replace(made_features(model, model.mean, geometry), outline=None)
    found = reconstruct([View(None, geometry, seen)], model, ReconstructionConfig())
    files = write_reconstructions(tmp_path / "out", [found], {"asked": "test"})
    assert sorted(files) == ["femur-right.npz", "femur-right.stl", "reconstruction.json"]
    record = json.loads(files["reconstruction.json"].read_text(encoding="utf-8"))
    assert record["bones"][0]["verdict"] == found.verdict
    measures = {m["name"]: m for m in record["measures"]}
    length = np.linalg.norm(
        model.landmarks(model.mean)["head_centre"]
        - model.landmarks(model.mean)["intercondylar_notch"]
    )
    errors = measures["femoral length"]["standard_error"]
    assert abs(measures["femoral length"]["value"] - length) < 3 * errors
    with np.load(files["femur-right.npz"]) as arrays:
        np.testing.assert_allclose(arrays["vertices"], found.vertices, atol=1e-4)
    raw = files["femur-right.stl"].read_bytes()
    assert b"SPACE=RAS" in raw[:80]
    assert len(raw) == 84 + 50 * int.from_bytes(raw[80:84], "little")
    with pytest.raises(ValueError, match="each bone once"):
        write_reconstructions(tmp_path / "twice", [found, found])


def test_a_written_surface_has_its_corners_and_outward_normals(tmp_path) -> None:
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [0, 3, 0], [0, 0, 4]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    write_stl(tmp_path / "solid.stl", vertices, faces)
    raw = np.frombuffer((tmp_path / "solid.stl").read_bytes()[84:], np.uint8).reshape(4, 50)
    numbers = raw[:, :48].copy().view("<f4").reshape(4, 4, 3)
    np.testing.assert_array_equal(numbers[:, 1:], vertices[faces])
    np.testing.assert_array_equal(numbers[0, 0], [0, 0, -1])
    assert (numbers[3, 0] > 0).all()
