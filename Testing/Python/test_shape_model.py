"""Shapes of a bone: mean and modes, what follows them, sides, and the model's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.cards.model_card import ModelCard
from BoneXrayLib.shape_model import (
    Mark,
    ShapeModel,
    fitted_sphere,
    read_shape_model,
    write_shape_model,
)

POINTS = 400


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    """A ball of 30 mm that grows by its first mode and shifts to the right by its second."""
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((POINTS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shift = np.zeros((POINTS, 3))
    shift[:, 0] = 1.0
    shift -= (shift * directions).sum() / POINTS * directions
    shift /= np.sqrt((shift**2).sum(axis=1).mean())
    faces = np.array([[0, 1, 2], [2, 3, 4]])
    marks = {"tip": Mark(np.array([5, 6]), np.array([0.25, 0.75]))}
    return ShapeModel(
        "femur", 30.0 * directions, faces, np.stack([directions, shift]), np.array([4.0, 2.0]),
        marks, {"head": np.arange(0, POINTS, 2)},
    )  # fmt: skip


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        1, "shape-ball", "reconstruct", "0.1.0", "A ball.",
        {"bone": "femur", "side": "right", "frame": "RAS mm"}, [{"name": "head"}],
        {"sources": [], "cts": 0}, [], "Tests.", "All else.",
    )  # fmt: skip


def test_zero_coefficients_give_the_mean(model: ShapeModel) -> None:
    assert np.array_equal(model.shape(np.zeros(2)), model.mean)
    assert np.array_equal(model.shape([]), model.mean)


def test_a_deviation_is_how_far_vertices_move_at_one_standard_deviation(model: ShapeModel) -> None:
    for number, deviation in enumerate(model.deviations):
        moved = model.shape(np.eye(2)[number]) - model.mean
        assert np.sqrt((moved**2).sum(axis=1).mean()) == pytest.approx(deviation)


def test_the_coefficients_of_a_shape_are_those_it_was_made_of(model: ShapeModel) -> None:
    drawn = model.sample(np.random.default_rng(3))
    assert model.coefficients(model.shape(drawn)) == pytest.approx(drawn)


def test_samples_spread_as_the_deviations_say(model: ShapeModel) -> None:
    rng = np.random.default_rng(4)
    drawn = np.array([model.sample(rng) for _ in range(2000)])
    assert drawn.std(axis=0) == pytest.approx([1.0, 1.0], abs=0.05)
    assert np.abs(drawn).max() <= 3.0


def test_landmarks_move_with_the_shape(model: ShapeModel) -> None:
    grown = model.shape([1.0])
    places = model.landmarks(grown)
    assert places["tip"] == pytest.approx(0.25 * grown[5] + 0.75 * grown[6])
    assert places["head_centre"] == pytest.approx(np.zeros(3), abs=1e-9)
    assert model.spheres(grown)["head"].radius == pytest.approx(34.0)
    away = np.array([3.0, -7.0, 11.0])
    for name, place in model.landmarks(grown + away).items():
        assert place == pytest.approx(places[name] + away), name


def test_a_part_of_a_sphere_gives_its_centre_and_radius() -> None:
    rng = np.random.default_rng(5)
    directions = rng.standard_normal((200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cap = directions[directions[:, 2] > 0.3]
    sphere = fitted_sphere(np.array([100.0, -40.0, 900.0]) + 23.5 * cap)
    assert sphere.centre == pytest.approx([100.0, -40.0, 900.0])
    assert sphere.radius == pytest.approx(23.5)


def test_a_left_bone_is_the_mirror_image_of_the_right_one(model: ShapeModel) -> None:
    coefficients = np.array([0.7, -1.2])
    left = model.of_side("left")
    mirror = np.array([-1.0, 1.0, 1.0])
    assert left.side == "left"
    assert left.shape(coefficients) == pytest.approx(model.shape(coefficients) * mirror)
    assert volume(left) == pytest.approx(volume(model))
    assert left.mirrored().shape(coefficients) == pytest.approx(model.shape(coefficients))


def volume(model: ShapeModel) -> float:
    """Six times the signed volume under the triangles: positive where they look outwards."""
    a, b, c = (model.mean[model.faces[:, n]] for n in range(3))
    return float((np.cross(a, b) * c).sum())


def test_a_model_of_fewer_modes_makes_the_same_shapes(model: ShapeModel) -> None:
    few = model.with_modes(1)
    assert few.shape([1.5]) == pytest.approx(model.shape([1.5, 0.0]))


def test_a_model_comes_back_from_its_folder(
    model: ShapeModel, card: ModelCard, tmp_path: Path
) -> None:
    written = write_shape_model(tmp_path / "ball", model, card)
    assert set(written.sha256) == {"shape.safetensors"}
    read = read_shape_model(tmp_path / "ball")
    coefficients = np.array([1.0, -2.0])
    assert read.shape(coefficients) == pytest.approx(model.shape(coefficients), abs=2 * 0.02)
    assert np.array_equal(read.faces, model.faces)
    assert read.bone == "femur"
    places, expected = read.landmarks(read.mean), model.landmarks(model.mean)
    assert places.keys() == expected.keys()
    assert places["tip"] == pytest.approx(expected["tip"], abs=1e-5)
    assert read.card == written


def test_a_model_is_read_for_the_side_asked_for(
    model: ShapeModel, card: ModelCard, tmp_path: Path
) -> None:
    write_shape_model(tmp_path / "ball", model, card)
    left = read_shape_model(tmp_path / "ball", "left")
    assert left.mean[:, 0] == pytest.approx(-model.mean[:, 0], abs=1e-5)
    with pytest.raises(ValueError, match="side: got 'up'; expected right or left"):
        read_shape_model(tmp_path / "ball", "up")


def test_a_changed_or_missing_file_is_refused_in_one_line(
    model: ShapeModel, card: ModelCard, tmp_path: Path
) -> None:
    write_shape_model(tmp_path / "ball", model, card)
    file = tmp_path / "ball" / "shape.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(ValueError, match=r"^model .*differs from its card \(SHA-256\)$"):
        read_shape_model(tmp_path / "ball")
    file.unlink()
    with pytest.raises(ValueError, match=r"^model .*shape.safetensors is missing$"):
        read_shape_model(tmp_path / "ball")


def test_a_file_without_a_mean_is_refused_in_one_line(card: ModelCard, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    from BoneXrayLib.models import write_card

    save_file({"modes": np.zeros((1, 4, 3))}, tmp_path / "shape.safetensors")
    write_card(tmp_path, card)
    with pytest.raises(ValueError, match=r"^model .*shape.safetensors: 'mean'$"):
        read_shape_model(tmp_path)


def test_a_model_of_another_task_is_no_shape_model() -> None:
    with pytest.raises(ValueError, match="is for 'extract'; expected one for 'reconstruct'"):
        read_shape_model("extract-general")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros((4, 2))}, "mean: got shape"),
        ({"modes": np.zeros((2, 7, 3))}, "modes: got shape"),
        ({"deviations": np.array([1.0, 0.0])}, "deviations: expected 2 numbers above 0"),
        ({"faces": np.array([[0, 1, POINTS]])}, "faces: expected vertices 0 to 399"),
        ({"side": "both"}, "side: got 'both'; expected right or left"),
    ],
)
def test_a_model_is_right_from_birth(model: ShapeModel, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(model, **change)


def test_more_coefficients_than_modes_are_refused(model: ShapeModel) -> None:
    with pytest.raises(ValueError, match="coefficients: got shape"):
        model.shape(np.zeros(3))
