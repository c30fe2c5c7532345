"""`bone-xray run reconstruct`: radiographs and features in, bones, record and pictures out."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_femur import made_card, made_features, made_image, made_model, made_view
from PIL import Image
from scipy.spatial.transform import Rotation

from BoneXrayLib.geometry import Geometry
from BoneXrayLib.leg_features import LegFeatures
from BoneXrayLib.legs.leg_config import LegConfig
from BoneXrayLib.legs.leg_feature_files import read_features, write_features
from BoneXrayLib.legs.leg_geometry import Shot
from BoneXrayLib.legs.leg_picture import COLOURS, contour_lines, contour_picture
from BoneXrayLib.legs.leg_reconstruction import ORIGIN, RebuiltLeg, reconstruct_leg
from BoneXrayLib.radiograph import Radiograph, radiograph_from_array, write_float_nrrd
from BoneXrayLib.shape_model import read_shape_model, write_shape_model
from BoneXrayTrainingLib.__main__ import main

Capture = pytest.CaptureFixture[str]
NAMES = ("AP", "LAT-R")
FEMUR = LegConfig(bones=("femur",), view_angle=0.0, view_shift=0.0, edge_search=0.0)
"""Of outlines without any error; the images are only about as sharp."""


@cache
def vertices() -> np.ndarray:
    """A right thigh bone of the made model, a little turned, RAS mm."""
    model, rng = made_model(), np.random.default_rng(5)
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(0, 5, 3))).as_matrix()
    return model.shape(model.sample(rng, 2.0)) @ turn.T + rng.normal(0, 8, 3)


@cache
def seen(name: str) -> LegFeatures:
    return made_features(made_model(), vertices(), made_view(name), name)


def radiograph(name: str, geometry: Geometry | None, pixel: float | None = 1.0) -> Radiograph:
    """What stands for an image: the bone as if it were as thick as it is wide."""
    return radiograph_from_array(made_image(seen(name)), "optical density", pixel, name, geometry)


@cache
def two_views() -> RebuiltLeg:
    return reconstruct_leg(
        [radiograph(n, made_view(n)) for n in NAMES], FEMUR, [[seen(n)] for n in NAMES],
        models=[made_model()],
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with their geometry, features and a model, as a user has them."""
    found = tmp_path_factory.mktemp("leg")
    write_shape_model(found / "shape-made", made_model(), made_card())
    for name in NAMES:
        image = radiograph(name, made_view(name))
        write_float_nrrd(found / f"{name}.nrrd", image)
        write_features(found, name, (seen(name),), name, made_view(name).size)
        Image.fromarray(np.uint8(255 * np.clip(image.pixels, 0, 1))).save(found / f"{name}.png")
    return found


def words(folder: Path, *more: str, names: tuple[str, ...] = NAMES) -> list[str]:
    """Arguments of the command for the images of a folder."""
    images = [str(folder / f"{n}.nrrd") for n in names]
    features = [str(folder / f"{n}.json") for n in names]
    given = [*images, "-o", str(folder / "out"), "--features", *features, "--bones", "femur",
             "--model", str(folder / "shape-made")]  # fmt: skip
    return ["run", "reconstruct", *given, *more]


def test_features_come_back_from_their_files(tmp_path: Path) -> None:
    write_features(tmp_path, "a", (seen("AP"),), "a.png", made_view("AP").size)
    (read,) = read_features(tmp_path / "a.json", made_view("AP").size)
    assert (read.bone, read.side, read.view, read.box) == (
        "femur", "right", "AP", seen("AP").box,
    )  # fmt: skip
    assert read.ellipses == seen("AP").ellipses
    for name, point in seen("AP").points.items():
        assert read.points[name][:2] == pytest.approx(point[:2])
    assert read.outline is not None
    assert np.abs(read.outline - seen("AP").outline).max() < 1 / 255


def test_the_features_in_the_manual_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "leg-bones.md").read_text(encoding="utf-8")
    start = page.index('{"side": "right", "view"')
    (tmp_path / "f.json").write_text(page[start : page.index("\n\n", start)], encoding="utf-8")
    Image.fromarray(np.full((1000, 500), 255, np.uint8)).save(tmp_path / "femur.png")
    (read,) = read_features(tmp_path / "f.json", (1000, 500))
    assert (read.bone, read.side, set(read.ellipses)) == ("femur", "right", {"head"})
    assert set(read.points) <= set(read_shape_model("femur").marks)


def test_features_that_a_user_wrote_need_only_places_and_a_mask(tmp_path: Path) -> None:
    Image.fromarray(np.uint8(255 * (np.eye(40) > 0))).save(tmp_path / "mask.png")
    bone = {"bone": "tibia", "points": {"plafond_centre": [3, 4.5]},
            "outline": {"file": "../elsewhere/mask.png"}}  # fmt: skip
    record = {"side": "left", "view": "LAT", "bones": [bone]}
    (tmp_path / "f.json").write_text(json.dumps(record), encoding="utf-8")
    (read,) = read_features(tmp_path / "f.json", (40, 40))
    assert read.side == "left"
    assert read.points["plafond_centre"][:2] == (3.0, 4.5)
    assert read.outline is not None
    assert read.outline.sum() == 40


def test_a_map_that_was_found_comes_back_as_sure_as_it_was(tmp_path: Path) -> None:
    share = np.rint(255 * 0.8 * np.hanning(30)[:, None] * np.hanning(30)).astype(np.float32) / 255
    found = LegFeatures("femur", "right", "AP", outline=share)
    write_features(tmp_path, "f", (found,), "image", (30, 30))
    (read,) = read_features(tmp_path / "f.json", (30, 30))
    assert read.outline == pytest.approx(share, abs=1e-6)


def test_nulls_are_what_was_left_out_and_odd_entries_are_named(tmp_path: Path) -> None:
    def read(**bone: object) -> LegFeatures:
        record = {"side": "right", "view": None, "size": None, "bones": [{"bone": "femur"} | bone]}
        (tmp_path / "f.json").write_text(json.dumps(record), encoding="utf-8")
        return read_features(tmp_path / "f.json", (40, 40))[0]

    found = read(points=None, ellipses=None, side=None, view=None, outline=None)
    assert (found.side, found.view, dict(found.points)) == ("right", "", {})
    for bone, named in (({"points": [1]}, "points: got"), ({"outline": "x.png"}, "outline: got"),
                        ({"points": {"p": [10**400, 2]}}, "f.json")):  # fmt: skip
        with pytest.raises(ValueError, match=rf"^features: .*{named}"):
            read(**bone)
    with pytest.raises(ValueError, match="outline: got step"):
        LegFeatures("femur", "right", "AP", outline=np.ones((9, 9)), outline_step=(0.0, 1.0))


def test_two_views_give_surface_record_and_pictures(folder: Path, capsys: Capture) -> None:
    exact = ("--view-angle", "0", "--view-shift", "0", "--edge-search", "0")
    assert main(words(folder, *exact)) == 0
    said = capsys.readouterr().out
    out = folder / "out"
    names = {"femur-right.stl", "femur-right.npz", "reconstruction.json", "contours-1.png",
             "contours-2.png", "features-1.json", "features-2.json", "features-1-femur.png",
             "features-2-femur.png"}  # fmt: skip
    assert {path.name for path in out.iterdir()} == names
    assert "femur-right in 3D from AP and LAT-R" in said
    assert "Converged: outlines lie" in said
    with np.load(out / "femur-right.npz") as found:
        assert np.linalg.norm(found["vertices"] - vertices(), axis=1).mean() < 0.3
        assert (found["uncertainty"] > 0).all()
        away = found["vertices"] - two_views().bones[0].found.vertices
    assert np.abs(away).max() < 0.1, "the function's, but for half-precision modes and 8-bit masks"
    record = json.loads((out / "reconstruction.json").read_text(encoding="utf-8"))
    assert record["written_by"].endswith("run reconstruct")
    assert record["features_from"] == ["AP.json", "LAT-R.json"]
    assert record["bones"][0]["converged"]
    assert record["models"] == ["shape-made 1.0.0"]
    assert "femoral length" in {m["name"] for m in record["measures"]}


def test_contours_lie_on_the_edge_of_the_shadow() -> None:
    lines = contour_lines(vertices(), made_model().faces, made_view("AP"))
    outline = seen("AP").outline
    assert outline is not None
    covered = np.pad(outline > 0.5, 3)
    row, column = (np.rint(lines.mean(axis=1)).astype(int) + 3).T
    assert covered[row, column].mean() > 0.4
    shifted = [covered[row + 3 * dr, column + 3 * dc] for dr, dc in ((0, 1), (0, -1), (1, 0),
                                                                     (-1, 0))]  # fmt: skip
    on_edge = np.any(shifted, axis=0) & ~np.all(shifted, axis=0)
    assert on_edge.mean() > 0.8


def test_the_picture_shows_contours_where_the_bone_is() -> None:
    picture = contour_picture(two_views(), 0, 560)
    assert picture.shape == (560, 260, 3)
    orange = np.linalg.norm(picture.astype(float) - COLOURS["femur"], axis=2) < 60
    outline = seen("AP").outline
    assert outline is not None
    rows = np.flatnonzero((outline > 0.5).any(axis=1))
    found = np.flatnonzero(orange.any(axis=1))
    assert abs(found[0] - rows[0]) <= 3
    assert abs(found[-1] - rows[-1]) <= 3


def test_typed_views_give_the_bone_of_the_measured_ones() -> None:
    images = [radiograph(n, None) for n in NAMES]
    config = dataclasses.replace(FEMUR, view=NAMES, source_detector=1800.0, source_object=1600.0)
    leg = reconstruct_leg(images, config, [[seen(n)] for n in NAMES], models=[made_model()])
    found = leg.bones[0].found
    assert found.converged, found.verdict
    turn, _ = Rotation.align_vectors(
        found.vertices - found.vertices.mean(axis=0), vertices() - vertices().mean(axis=0)
    )
    away = turn.inv().apply(found.vertices - found.vertices.mean(axis=0))
    assert np.linalg.norm(away - vertices() + vertices().mean(axis=0), axis=1).mean() < 1.2
    marks = [found.landmarks[n] for n in seen("AP").points]
    assert np.abs(np.mean(marks, axis=0)).max() < 25, "what was found is about the origin"


def test_one_view_whose_frame_says_nothing_of_the_bone_is_said_to() -> None:
    view = made_view("AP")
    for middle, is_said in ((np.zeros(3), True), (np.array([0, 0, 1.0]), False)):
        geometry = dataclasses.replace(view, isocentre=middle)
        leg = reconstruct_leg([radiograph("AP", geometry)], FEMUR, [[seen("AP")]],
                              models=[made_model()])  # fmt: skip
        assert (ORIGIN in leg.notes) is is_said


def test_one_image_as_two_views_is_refused() -> None:
    image, given = radiograph("AP", made_view("AP")), [[seen("AP")]] * 2
    with pytest.raises(ValueError, match="image: both are the same picture; expected two views"):
        reconstruct_leg([image, image], FEMUR, given, models=[made_model()])


def test_an_unknown_pixel_size_is_guessed_and_said() -> None:
    image = radiograph("AP", None, pixel=None)
    config = dataclasses.replace(FEMUR, source_detector=1800.0, source_object=1600.0)
    leg = reconstruct_leg([image], config, [[seen("AP")]], models=[made_model()])
    assert leg.geometries[0].pixel_mm[0] == pytest.approx(1.0, rel=0.12)
    assert any("pixel size not known" in note for note in leg.notes)
    assert any("common factor" in note for note in leg.bones[0].found.notes)


def test_distances_that_nobody_knows_are_said() -> None:
    leg = reconstruct_leg([radiograph("AP", None)], FEMUR, [[seen("AP")]], models=[made_model()])
    assert any("source_detector not known" in note for note in leg.notes)
    assert any("source_object not known" in note for note in leg.notes)
    shot = Shot(source_detector=1500.0, source_object=1400.0, view="PA")
    leg = reconstruct_leg([radiograph("AP", None)], FEMUR, [[seen("AP")]], [shot], [made_model()])
    assert leg.notes == ()
    assert leg.geometries[0].source_detector_mm == pytest.approx(1500.0)
    assert leg.geometries[0].source[1] < 0, "a tube behind the patient"


def test_a_fit_that_failed_is_written_said_and_ends_with_1(folder: Path, capsys: Capture) -> None:
    wrong = dataclasses.replace(seen("AP"), outline=seen("AP").outline[::-1])
    write_features(folder, "wrong", (wrong,), "AP", made_view("AP").size)
    given = words(folder, names=NAMES[:1])
    given[given.index(str(folder / "AP.json"))] = str(folder / "wrong.json")
    given[given.index(str(folder / "out"))] = str(folder / "failed")
    assert main(given) == 1
    said = capsys.readouterr()
    assert "femur-right: Not converged: " in said.err
    assert said.err.count("\n") == 1
    record = json.loads((folder / "failed" / "reconstruction.json").read_text(encoding="utf-8"))
    assert not record["bones"][0]["converged"]


def test_wrong_input_ends_in_one_line_and_nothing_written(folder: Path, capsys: Capture) -> None:
    (folder / "no.json").write_text("{}", encoding="utf-8")
    (folder / "small.json").write_text('{"size": [3, 3], "bones": []}', encoding="utf-8")
    (folder / "none.json").write_text('{"bones": []}', encoding="utf-8")
    one = [str(folder / "AP.nrrd"), "-o", str(folder / "no")]
    model = ["--bones", "femur", "--model", str(folder / "shape-made")]
    file = ["--features", str(folder / "AP.json")]
    for given, words_of in (
        ([*one, *file, *model, "--view", "AP", "PA"], "view: got 2"),
        ([one[0], *one, *file, *model], "features: got 1; expected one for each"),
        ([one[0], one[0], *one, *file, *model], "image: got 3"),
        ([*one, *file, *model, "--bones", "rib"], "bones: got 'rib'"),
        ([*one, *file, "--model", str(folder / "shape-made")], "model: none is of a tibia"),
        ([*one, *model, "--finder", "nobody"], "features: none given, and no model to find them"),
        ([*one, *model, "--features", str(folder / "no.json")], "holds no bones"),
        ([*one, *model, "--features", str(folder / "small.json")], "size: got [3, 3]"),
        ([*one, *model, "--features", str(folder / "none.json")], "no femur was found"),
        ([*one, *file, *model, "--views", str(folder / "no.json")], "neither geometry"),
        ([*one, *file, *model, "--source-object", "-3"], "source_object: got -3.0"),
        ([str(folder / "AP.png"), *one[1:], *file, *model, "--source-detector", "900",
          "--source-object", "950", "--pixel", "1"], "source_object: got 950"),
    ):  # fmt: skip
        assert main(["run", "reconstruct", *given]) == 2, given
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words_of in said
    assert not (folder / "no").exists()


def test_a_geometry_for_one_of_two_images_is_refused() -> None:
    images = [radiograph("AP", made_view("AP")), radiograph("LAT-R", None)]
    with pytest.raises(ValueError, match="views: got a geometry for one image only"):
        reconstruct_leg(images, FEMUR, [[seen(n)] for n in NAMES], models=[made_model()])
