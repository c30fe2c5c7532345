"""`bone-xray measure joint-space`: what it writes, and how it ends."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from joint_phantom import PIXEL_MM, Visit, drawn_visits, origin_mm, true_narrowing
from PIL import Image

from BoneXrayLib.joints.joint_space import space_of
from BoneXrayLib.joints.joint_space_picture import (
    LOWER_COLOUR,
    OVERLAP_COLOUR,
    UPPER_COLOUR,
    joint_picture,
)
from BoneXrayLib.joints.joint_visit import joint_of, read_joint
from BoneXrayLib.layer_files import write_layers
from BoneXrayLib.layers import Layers
from BoneXrayLib.radiograph import radiograph_from_array
from BoneXrayLib.segments.structures import structure
from BoneXrayTrainingLib.__main__ import main

Capture = pytest.CaptureFixture[str]
BONES = ("metacarpal", "phalanx")


def separated(visit: Visit, name: str, pixel: float | None = PIXEL_MM) -> Layers:
    """A visit as `run separate` has it."""
    radiograph = radiograph_from_array(visit.image, "optical density", pixel, name)
    bones = tuple(structure(bone) for bone in BONES)
    return Layers(radiograph, bones, visit.layers, visit.masks, "separator 1")


@pytest.fixture(scope="module")
def draw() -> tuple:
    """A joint whose bones overlap: bones, where they lie, and two visits."""
    return drawn_visits(np.random.default_rng(3), overlap=True)


@pytest.fixture(scope="module")
def visits(draw: tuple) -> tuple[Visit, Visit]:
    """The visits."""
    return draw[2]


@pytest.fixture
def folders(visits: tuple[Visit, Visit], tmp_path: Path) -> list[Path]:
    """What `run separate` left of both visits."""
    found = []
    for visit, name in zip(visits, ("before", "after"), strict=True):
        found.append(tmp_path / name)
        write_layers(separated(visit, name), found[-1])
    return found


def test_one_visit_gives_profile_record_and_picture(
    folders: list[Path], tmp_path: Path, capsys: Capture
) -> None:
    assert main(["measure", "joint-space", str(folders[0]), "-o", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    names = {"joint-space.csv", "joint-space.json", "joint-space.png"}
    assert {path.name for path in out.iterdir()} == names
    record = json.loads((out / "joint-space.json").read_text(encoding="utf-8"))
    with (out / "joint-space.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    widths = np.array([float(row["width [mm]"]) for row in rows])
    visit = record["visits"][0]
    assert visit["mean_width_mm"] == pytest.approx(widths.mean(), abs=1e-3)
    assert visit["minimum_width_mm"] == pytest.approx(widths.min(), abs=1e-3)
    assert visit["overlap_share"] == pytest.approx((widths < 0).mean())
    ends = np.array([[float(row[f"{bone} {way} [px]"]) for way in ("row", "column")
                      for bone in ("upper", "lower")] for row in rows])  # fmt: skip
    apart = np.hypot(ends[:, 1] - ends[:, 0], ends[:, 3] - ends[:, 2]) * PIXEL_MM
    assert np.abs(widths) == pytest.approx(apart, abs=1e-3)
    assert record["bones"] == list(BONES)
    assert "narrowing" not in record
    said = capsys.readouterr().out
    assert said.startswith("Joint space of metacarpal and phalanx")
    assert f"mean {visit['mean_width_mm']:.3f} mm" in said


def test_two_visits_give_the_narrowing_with_its_interval(
    folders: list[Path], draw: tuple, tmp_path: Path, capsys: Capture
) -> None:
    words = ["measure", "joint-space", str(folders[0]), "--second", str(folders[1])]
    assert main([*words, "-o", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "joint-space.json").read_text(encoding="utf-8"))
    said, first = record["narrowing"], record["visits"][0]
    middle = np.array(first["middle_row_column_px"]) * PIXEL_MM - origin_mm()
    truth = true_narrowing(draw[1], middle, np.array(first["axis_row_column"]))
    assert said["narrowing_mm"] == pytest.approx(truth, abs=0.02)
    assert said["interval_95_mm"][0] < said["narrowing_mm"] < said["interval_95_mm"][1]
    assert [visit["name"] for visit in record["visits"]] == ["before", "after"]
    assert f"{said['narrowing_mm']:.3f} mm (95 %:" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "joint-space.png") as picture:
        assert picture.width > 1.5 * picture.height


def test_the_picture_shows_margins_and_overlap(visits: tuple[Visit, Visit]) -> None:
    for visit in visits:
        space = space_of(joint_of(separated(visit, "")).layers)
        picture = joint_picture(visit.image, space, (PIXEL_MM, PIXEL_MM)).astype(int)

        def shown(colour: tuple[int, int, int], picture: np.ndarray = picture) -> int:
            return int((np.abs(picture - colour).max(axis=2) < 30).sum())

        assert shown(UPPER_COLOUR) > 200
        assert shown(LOWER_COLOUR) > 200
        assert (shown(OVERLAP_COLOUR) > 20) == (space.minimum_mm < -0.2)


def test_a_folder_of_two_layer_images_is_measured_too(
    visits: tuple[Visit, Visit], tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    top = visits[0].layers.max()
    for name, layer, mask in zip(
        ("upper", "lower"), *(visits[0].layers, visits[0].masks), strict=True
    ):
        Image.fromarray(np.rint(layer / top * 255).astype(np.uint8)).save(folder / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}-mask.png")
    words = ["measure", "joint-space", str(folder), "-o", str(tmp_path / "out")]
    assert main([*words, "--pixel", str(PIXEL_MM)]) == 0
    record = json.loads((tmp_path / "out" / "joint-space.json").read_text(encoding="utf-8"))
    floats = space_of(joint_of(separated(visits[0], "")).layers)
    assert record["visits"][0]["mean_width_mm"] == pytest.approx(floats.mean_mm, abs=0.02)
    with pytest.raises(ValueError, match="lower: got 'radius'; expected none, as own has images"):
        read_joint(folder, lower="radius", pixel=PIXEL_MM)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--upper", "talus"], "upper: got 'talus'; expected one of metacarpal, phalanx"),
        (["--upper", "phalanx", "--lower", "phalanx"], "expected another bone"),
        (["--pixel", "-1"], "pixel: got -1.0; expected 0.001 to 10 mm"),
        (["--share", "2"], "share: got 2.0; expected 0.1 to 1"),
        (["--second", "nowhere"], "layers: nowhere does not exist"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(
    folders: list[Path], tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    out = tmp_path / "out"
    assert main(["measure", "joint-space", str(folders[0]), "-o", str(out), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_an_unknown_pixel_size_says_what_to_give(
    visits: tuple[Visit, Visit], tmp_path: Path, capsys: Capture
) -> None:
    write_layers(separated(visits[0], "picture", None), tmp_path / "layers")
    words = ["measure", "joint-space", str(tmp_path / "layers"), "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "pixel: unknown of picture; expected the size of a pixel" in capsys.readouterr().err
    assert main([*words, "--pixel", "0.15"]) == 0


def test_a_folder_without_layers_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    words = ["measure", "joint-space", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "empty holds no layers.json; expected a folder that `run sep" in capsys.readouterr().err
    (tmp_path / "empty/layers.json").write_text("[]")
    assert main(words) == 2
    assert "layers.json is no record; expected a folder that `run separ" in capsys.readouterr().err


def test_a_pixel_size_that_differs_from_the_layers_own_is_said(
    folders: list[Path], tmp_path: Path, capsys: Capture
) -> None:
    words = ["measure", "joint-space", str(folders[0]), "-o", str(tmp_path / "out"), "--pixel"]
    assert main([*words, f"{2 * PIXEL_MM:g}"]) == 0
    said = f"pixel {2 * PIXEL_MM:g} mm as given; the layers say {PIXEL_MM:g}"
    assert said in capsys.readouterr().out
    assert main([*words, f"{PIXEL_MM:g}"]) == 0
    assert "as given" not in capsys.readouterr().out


def test_names_choose_two_of_more_bones_and_their_sides(visits: tuple[Visit, Visit]) -> None:
    found = separated(visits[0], "hand")
    more = Layers(
        found.radiograph,
        (*found.structures, structure("sesamoid")),
        np.concatenate([found.layers, found.layers[:1]]),
        np.concatenate([found.masks, found.masks[:1]]),
        found.model,
    )
    with pytest.raises(ValueError, match="expected two of metacarpal, phalanx, sesamoid"):
        joint_of(more)
    swapped = joint_of(more, "phalanx", "metacarpal").layers
    assert swapped.names == ("phalanx", "metacarpal")
    assert joint_of(found, lower="metacarpal").layers.names == ("phalanx", "metacarpal")
    assert joint_of(found).layers.names == BONES


def test_help_has_units(capsys: Capture) -> None:
    assert main(["measure", "joint-space", "--help"]) == 0
    said = capsys.readouterr().out
    assert "[mm]" in said
    assert "[degrees]" in said
