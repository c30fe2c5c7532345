"""`evaluate reconstruct --shapes`: bones that a finished shape model was not made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_femur import Build, made_card, made_faces, made_model, made_vertices
from scipy.spatial.transform import Rotation

from BoneXrayLib.shape_model import ShapeModel, read_shape_model, write_shape_model
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.evaluating_legs import reconstruction_evaluation
from BoneXrayTrainingLib.evaluating_legs.reconstruction_cases import TWO
from BoneXrayTrainingLib.evaluating_legs.reconstruction_folds import Fold, folds_by
from BoneXrayTrainingLib.shape_building.config import ShapeModelConfig, SurfaceSource

Capture = pytest.CaptureFixture[str]
TURNED = Rotation.from_euler("xyz", [80.0, 20.0, -35.0], degrees=True).as_matrix()
BUILDS = {"longer": Build(length=446.0), "left": Build(length=420.0, neck_angle=132.0)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shape model, and a file of two bones that lie askew, the second a left one."""
    folder = tmp_path_factory.mktemp("by")
    model = made_model()
    write_shape_model(folder / "shape-made", model, made_card())
    arrays = {}
    for name, build in BUILDS.items():
        mirror = np.array([-1.0 if name == "left" else 1.0, 1.0, 1.0])
        faces = made_faces()[:, :: int(mirror[0])]
        vertices = (made_vertices(build) * mirror) @ TURNED.T + [30.0, -50.0, 200.0]
        arrays |= {f"{name}.vertices": vertices, f"{name}.faces": faces}
    np.savez(folder / "bones.npz", **arrays)
    return folder


def config(place: Path, file: str = "bones.npz") -> ShapeModelConfig:
    return ShapeModelConfig("b", "femur", (SurfaceSource(file, "MIT"),), data_root=str(place))


@pytest.fixture(scope="module")
def fold(place: Path) -> Fold:
    """The left bone, with the model laid over it."""
    model = read_shape_model(place / "shape-made")
    (one,) = folds_by(config(place), model, ("left",), either_side=True)
    return one


def test_a_bone_of_either_side_lies_right_in_the_models_frame(fold: Fold) -> None:
    true = made_vertices(BUILDS["left"])
    true -= true.mean(axis=0) - fold.mesh.vertices.mean(axis=0)
    away = np.linalg.norm(fold.mesh.vertices[:-2, None] - true[None, :-2], axis=2).min(axis=1)
    assert away.mean() < 4.0, "upright, a right one, where the mean is"
    head = fold.marks.rounds["head"]
    nearest = np.linalg.norm(fold.mesh.vertices - head.centre, axis=1).min()
    assert head.radius == pytest.approx(BUILDS["left"].head, abs=1.5)
    assert nearest == pytest.approx(head.radius, abs=1.5)


def test_such_bones_are_rebuilt_and_the_report_says_by_what(
    place: Path, fold: Fold, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def laid(
        asked: ShapeModelConfig, model: ShapeModel, wanted: tuple, *_: object, either_side: bool
    ) -> Iterator[Fold]:
        assert (asked.bone, model.card.name, wanted) == ("femur", "shape-made", ("left",))
        assert [source.path for source in asked.surface] == [str(place / "bones.npz")]
        assert either_side, "a file says nothing of sides"
        yield fold

    monkeypatch.setattr(reconstruction_evaluation, "folds_by", laid)
    monkeypatch.setattr(reconstruction_evaluation, "SETUPS", (TWO,))
    words = ["evaluate", "reconstruct", str(place / "bones.npz"), "--shapes"]
    words += [str(place / "shape-made"), "--features", "truth", "--landmark-noise", "1"]
    words += ["--outline-noise", "0.2", "--pixel", "1.2", "--json", str(place / "found.json")]
    assert main([*words, "--subjects", "left"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("by shape-made 1.0.0, features of the truth")
    found = json.loads((place / "found.json").read_text(encoding="utf-8"))
    (row,) = found["rows"]
    assert (row["subject"], row["converged"]) == ("left", True)
    assert row["scores"]["shape"]["mean_mm"] < 1.5
    assert found["protocol"] == "by shape-made 1.0.0"


def test_a_model_judged_on_its_own_subjects_is_told() -> None:
    model = read_shape_model("femur")
    own = model.card.trained_on["sources"][0]["name"]
    (warning,) = reconstruction_evaluation._own((model,), {own, "another"})
    assert warning.startswith(f"shape-femur was made of {own}, too")
    assert not list(reconstruction_evaluation._own((model,), {"another"}))


def test_wrong_shapes_and_surfaces_end_in_one_line(place: Path, capsys: Capture) -> None:
    short = made_vertices(Build()) / 4.0
    np.savez(place / "short.npz", **{"a.vertices": short, "a.faces": made_faces()})
    (place / "tibia.toml").write_text(
        'name = "m"\nbone = "tibia"\n[[surface]]\npath = "bones.npz"\nlicence = "MIT"\n'
    )
    made = str(place / "shape-made")
    for file, words, said_of in (
        ("short.npz", ["--shapes", made], "mm long; expected a whole femur, about"),
        ("bones.npz", ["--shapes", made, made], "shapes: got 2; expected 1, as there are models"),
        ("bones.npz", ["--shapes", "shape-none"], "shape-none"),
        ("bones.npz", ["--shapes", made, "--subjects", "x"], "subjects: got 'x'; expected one of"),
        ("bones.npz", ["--shapes", made, "--kept", str(place)], "kept: set beside shapes"),
        ("tibia.toml", ["--shapes", made], "is a femur; expected a tibia"),
        ("bones.npz", [], "bones.npz"),
    ):
        words = ["evaluate", "reconstruct", str(place / file), "--features", "truth", *words]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said_of in said
        assert said.count("\n") == 1
