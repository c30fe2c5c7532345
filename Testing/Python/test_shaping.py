"""The shipped shape models, models built again, and the commands on them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.shape_model import read_shape_model
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.shape_building.building import Built, Whole, modelled, without
from BoneXrayTrainingLib.shape_building.card import make_card
from BoneXrayTrainingLib.shape_building.config import (
    ShapeModelConfig,
    SurfaceSource,
    read_shape_config,
)
from BoneXrayTrainingLib.shape_building.covariance import Amplitudes, SpreadConfig
from BoneXrayTrainingLib.shape_building.report import Generality, compactness
from BoneXrayTrainingLib.shape_building.surface_files import Subject, read_surface

CONFIGS = Path(__file__).parents[2] / "BoneXrayTraining/BoneXrayTrainingLib/configs"


def test_the_shipped_configurations_are_read_and_replaced_in_part() -> None:
    for bone in ("femur", "tibia"):
        config = read_shape_config(CONFIGS / f"shape-{bone}.toml", "there", ("lhdl",))
        assert (config.bone, config.data_root, config.without) == (bone, "there", ("lhdl",))


def test_the_shipped_femur_is_a_femur() -> None:
    """Head up and medial, condyles behind the shaft, sizes of adults; a left one is its mirror."""
    model = read_shape_model("femur")
    places, spheres = model.landmarks(model.mean), model.spheres(model.mean)
    assert 380 < np.ptp(model.mean[:, 2]) < 520
    assert 19 < spheres["head"].radius < 28
    assert places["head_centre"][0] < places["shaft_proximal"][0] - 20
    assert places["head_centre"][2] > places["lesser_trochanter"][2] > places["medial_condyle"][2]
    assert places["medial_condyle_centre"][0] < places["lateral_condyle_centre"][0]
    for side in ("medial", "lateral"):
        assert places[f"{side}_condyle_centre"][1] < places["shaft_distal"][1]
        assert 15 < spheres[f"{side}_condyle"].radius < 30
    left = model.of_side("left")
    assert left.landmarks(left.mean)["head_centre"][0] == pytest.approx(-places["head_centre"][0])


def test_the_shipped_tibia_is_a_tibia() -> None:
    """Tuberosity in front, malleolus medial and lowest, plateaux level."""
    model = read_shape_model("tibia")
    places = model.landmarks(model.mean)
    assert 300 < np.ptp(model.mean[:, 2]) < 460
    assert places["tibial_tuberosity"][1] > places["shaft_proximal"][1] + 5
    assert places["medial_malleolus"][0] < places["plafond_centre"][0] - 10
    assert places["medial_malleolus"][2] < places["plafond_centre"][2] - 5
    assert places["medial_plateau"][0] < places["lateral_plateau"][0] - 30
    assert places["intercondylar_eminence"][2] > places["medial_plateau"][2]


@pytest.mark.parametrize("bone", ["femur", "tibia"])
def test_drawn_bones_stay_bones(bone: str) -> None:
    """Triangles of drawn shapes don't turn inside out, but for a few."""
    model, rng = read_shape_model(bone), np.random.default_rng(1)
    for _ in range(5):
        turned = np.einsum("ij,ij->i", normals(model.mean, model.faces),
                           normals(model.shape(model.sample(rng)), model.faces)) < 0  # fmt: skip
        assert turned.mean() < 0.01


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    return np.cross(b - a, c - a)


@pytest.fixture(scope="module")
def built() -> tuple[ShapeModelConfig, Built]:
    """A model built again from femora that were drawn from the shipped one."""
    model, rng = read_shape_model("femur").with_modes(4), np.random.default_rng(2)
    shapes = np.stack([model.shape(model.sample(rng)) for _ in range(4)])
    mesh = Mesh("femur", shapes.mean(axis=0), model.faces)
    surfaces = tuple(mesh.moved(shape) for shape in shapes)
    whole = Whole(mesh, ("a", "b", "c", "d"), shapes, surfaces, np.full(4, 0.1))
    source = SurfaceSource("x.npz", "CC0")
    config = ShapeModelConfig(
        "shape-test", "femur", (source,), "a", modes=20, spread=SpreadConfig(rank=15)
    )
    return config, modelled(config, whole, [], Amplitudes(1.0, 0.2, 0.0), lambda *_: None)


def test_a_model_built_of_drawn_shapes_holds_them(built: tuple[ShapeModelConfig, Built]) -> None:
    model, shapes = built[1].model, built[1].whole.shapes
    assert set(model.rounds) == {"head", "medial_condyle", "lateral_condyle"}
    for shape in shapes:
        near = model.shape(model.coefficients(shape))
        assert np.sqrt(((near - shape) ** 2).sum(axis=1).mean()) < 0.5


def test_a_subject_left_out_leaves_no_trace(built: tuple[ShapeModelConfig, Built]) -> None:
    config, whole = built
    fewer = without(whole, "b", config, [])
    assert fewer.whole.names == ("a", "c", "d")
    kept = whole.whole.shapes[[0, 2, 3]]
    assert fewer.model.mean == pytest.approx(kept.mean(axis=0))
    changed = dataclasses.replace(whole.whole, shapes=whole.whole.shapes + 0.0)
    changed.shapes[1] *= 1.3
    again = without(dataclasses.replace(whole, whole=changed), "b", config, [])
    assert again.model.modes == pytest.approx(fewer.model.modes)


def test_landmarks_are_the_same_vertices_whoever_is_left_out(
    built: tuple[ShapeModelConfig, Built],
) -> None:
    config, whole = built
    fewer = without(whole, "b", config, []).model
    assert set(fewer.marks) == set(whole.model.marks)
    for name, mark in whole.model.marks.items():
        assert np.array_equal(fewer.marks[name].indices, mark.indices)
    for name, at in whole.model.rounds.items():
        assert np.array_equal(fewer.rounds[name], at)


def test_the_card_of_a_model_names_subjects_licences_and_figures(
    built: tuple[ShapeModelConfig, Built],
) -> None:
    config, whole = built
    source = config.surface[0]
    subjects = [Subject(n, m, source) for n, m in zip("abcd", whole.whole.surfaces, strict=True)]
    figures = [Generality("a", 0.4, 1.0, 1.5, 2.0), Generality("b", 0.6, 1.2, 1.7, 2.2)]
    card = make_card(config, subjects, whole, figures, 5.0)
    assert {"name": "d", "licence": "CC0"} in card.trained_on["sources"]
    assert card.trained_on["subjects"] == 4
    assert [(e["value"], e["baseline"]) for e in card.evaluation[:2]] == [(0.5, 2.1), (1.6, 2.1)]
    assert compactness(whole.model)["90%"] <= compactness(whole.model)["99%"] <= 20


def test_shapes_are_drawn_from_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["shape-model", "sample", "femur", "-o", str(tmp_path / "out"), "--count", "2"]
    assert main([*words, "--side", "left", "--mean"]) == 0
    record = json.loads((tmp_path / "out" / "shapes.json").read_text())
    assert record["side"] == "left"
    pytest.importorskip("trimesh")
    model = read_shape_model("femur", "left")
    read = read_surface(tmp_path / "out" / "shape-002.stl")
    shape = model.shape(np.array(record["coefficients"]["shape-002"]))
    assert read.vertices[read.faces] == pytest.approx(shape[model.faces], abs=0.01)
    assert main(["shape-model", "show", "femur"]) == 0
    assert "head_radius" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "femur", "--count", "0"], "count: got 0; expected 1 to 1000"),
        (["sample", "skull"], "model: 'skull' is neither a model nor a folder"),
        (["build", "none.toml"], "config: none.toml not found; expected a TOML file"),
    ],
)
def test_a_wrong_argument_ends_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shape-model", *words, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()
