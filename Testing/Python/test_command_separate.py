"""`bone-xray run separate`: what it writes, what is read back, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from panels import write_png
from PIL import Image
from small_model import write_small_model, write_small_separator

from BoneXrayLib.float_nrrd import read_float_image
from BoneXrayLib.layer_files import overlap_picture, read_layers, write_layers
from BoneXrayLib.layers import Layers, SeparateConfig
from BoneXrayLib.models import list_models
from BoneXrayLib.radiograph import Radiograph, read_radiograph, write_float_nrrd
from BoneXrayLib.segments.mask_files import read_masks
from BoneXrayLib.segments.structures import structure
from BoneXrayTrainingLib.__main__ import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A radiograph, a separator, and a model that names two bones."""
    models = tmp_path / "models"
    write_small_separator(models / "apart", "apart")
    write_small_model(models / "names", "names", "segment", {"radius": 1.0, "ulna": 6.0})
    monkeypatch.setenv("BONEXRAY_MODELS", str(models))
    return write_png(tmp_path / "joint.png")


def run(image: Path, *words: str) -> list[str]:
    return ["run", "separate", str(image), "-o", str(image.parent / "out"), "--model", "apart",
            *words]  # fmt: skip


def test_it_writes_layers_that_add_up_pictures_masks_and_what_was_used(
    image: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert main(run(image, "--segment", "names", "--pixel", "0.5")) == 0
    assert capsys.readouterr().out.startswith("joint pulled apart by apart 0.1: radius, ulna\n")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "radius.nrrd", "radius.png", "radius-alone.png", "ulna.nrrd", "ulna.png", "ulna-alone.png",
        "soft.nrrd", "soft.png", "input.png", "overlap.png", "masks.seg.nrrd", "layers.json",
    }  # fmt: skip
    pixels = read_radiograph(image).pixels
    parts = [read_float_image(out / f"{n}.nrrd").pixels for n in ("soft", "radius", "ulna")]
    assert abs(np.sum(parts, axis=0) - pixels).max() <= 1e-5 * np.ptp(pixels)
    assert parts[1].max() > 0
    record = json.loads((out / "layers.json").read_text(encoding="utf-8"))
    assert record["sum_error"] <= 1e-5
    assert record["masks_from"] == "model names"
    assert record["model"]["name"] == "apart"
    assert record["model"]["sha256"]
    assert record["domain"] == "display"
    assert record["bones"][1]["file"] == "ulna.nrrd"
    masks, _ = read_masks(out, pixels.shape)
    assert record["bones"][0]["area"] == np.count_nonzero(masks[0]) * 0.25
    assert record["config"]["pixel"] == 0.5


def test_masks_of_a_run_can_be_given_to_another(image: Path, tmp_path: Path) -> None:
    assert main(run(image, "--segment", "names")) == 0
    before = read_layers(tmp_path / "out")
    for masks in (tmp_path / "out", tmp_path / "out" / "masks.seg.nrrd"):
        assert main(run(image, "--masks", str(masks))) == 0
        after = read_layers(tmp_path / "out")
        assert after.names == before.names
        assert np.array_equal(after.layers, before.layers)
    record = json.loads((tmp_path / "out" / "layers.json").read_text(encoding="utf-8"))
    assert record["masks_from"] == "file masks.seg.nrrd"


def test_a_float_file_of_drr_is_taken_as_optical_density(image: Path, tmp_path: Path) -> None:
    density = np.linspace(0, 3, 48 * 48, dtype=np.float32).reshape(48, 48)
    made = Radiograph(density, "optical density", (0.25, 0.25), 1.2)
    write_float_nrrd(tmp_path / "joint.nrrd", made)
    assert main(run(tmp_path / "joint.nrrd")) == 0
    found = read_layers(tmp_path / "out")
    assert found.radiograph.domain == "optical density"
    assert found.radiograph.pixel_mm == (0.25, 0.25)
    assert found.radiograph.magnification == 1.2
    assert np.allclose(found.radiograph.pixels, density, atol=1e-6)
    assert found.names == ("upper bone", "lower bone")
    record = json.loads((tmp_path / "out" / "layers.json").read_text(encoding="utf-8"))
    assert record["masks_from"] == "the separator itself"


def test_layers_are_read_as_they_were_written(tmp_path: Path, rng: np.random.Generator) -> None:
    masks = np.zeros((2, 30, 40), bool)
    masks[0, :20], masks[1, 15:] = True, True
    layers = rng.random(masks.shape, dtype=np.float32) * masks
    image = Radiograph(1 + layers.sum(0), "optical density", name="knee")
    bones = (structure("soft"), structure("Soft / alone"))
    written = Layers(image, bones, layers, masks, "m 1", ("odd",))
    files = write_layers(written, tmp_path / "out")
    assert len({name.lower() for name in files}) == len(files) == 12, "no name stands for two"
    read = read_layers(tmp_path / "out")
    assert read.names == ("soft", "Soft / alone")
    assert np.array_equal(read.layers, layers)
    assert np.array_equal(read.masks, masks)
    assert np.allclose(read.radiograph.pixels, image.pixels, atol=1e-6)
    assert (read.radiograph.name, read.model, read.warnings) == ("knee", "m 1", ("odd",))
    alone = np.asarray(Image.open(tmp_path / "out" / "soft-bone-alone.png"))
    shown = np.asarray(Image.open(tmp_path / "out" / "input.png"))
    assert np.array_equal(alone[:15], shown[:15]), "where no other bone is nothing is gone"
    picture = overlap_picture(written)
    assert (picture[17, 20] > np.repeat(shown[17, 20], 3)).all(), "what both share is lit"
    assert tuple(picture[0, 0]) == bones[0].colour


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "names"], "model: 'names' is for 'segment'; expected one for 'separate'"),
        (["--masks", "nowhere"], "masks: nowhere does not exist"),
        (["--segment", "apart"], "model: 'apart' is for 'separate'; expected one for 'segment'"),
        (["--segment", "names", "--masks", "."], "segment: got 'names' beside masks; expected"),
        (["--pixel", "-1"], "pixel: got -1.0; expected a positive length in mm"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(
    image: Path, tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    assert main(run(image, *words)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_masks_of_another_size_leave_nothing(image: Path, tmp_path: Path, capsys: Capture) -> None:
    Image.fromarray(np.ones((20, 20), np.uint8)).save(tmp_path / "mask.png")
    assert main(run(image, "--masks", str(tmp_path / "mask.png"))) == 2
    assert "masks: mask.png is 20 x 20 pixels; expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"bones": []}'])
def test_a_folder_without_layers_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"layers: .*; expected a folder that `run sep"
        ) as told:
            read_layers(tmp_path)
        assert "\n" not in str(told.value)
        (tmp_path / "layers.json").write_text(text)
    with pytest.raises(FileNotFoundError, match="layers: "):
        read_layers(tmp_path / "nowhere")


# -- the shipped model ----------------------------------------------------------------------------
def _is_shipped() -> bool:
    return any(m.card.name == SeparateConfig().model for m in list_models(task="separate"))


def test_without_the_shipped_model_one_line_says_what_was_looked_for_and_how_to_get_one(
    image: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if _is_shipped():
        pytest.skip("the model of the default is shipped")
    words = ["run", "separate", str(image), "-o", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "model: 'separate-layers' is neither a model nor a folder; there are: apart" in said
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path / "none"))
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "'separate-layers' is neither a model nor a folder; there are: none" in said
    assert "make one by `bone-xray train`" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_shipped_model_pulls_two_discs_apart(image: Path, tmp_path: Path) -> None:
    if not _is_shipped():
        pytest.skip("no model for separate is shipped yet")
    r, c = np.mgrid[:256, :256]
    masks = np.stack([(r - at) ** 2 + (c - 128) ** 2 < 60**2 for at in (80, 180)])
    pixels = 0.4 + 0.8 * masks.sum(0)
    write_float_nrrd(tmp_path / "joint.nrrd", Radiograph(pixels.astype(np.float32),
                                                         "optical density"))  # fmt: skip
    Image.fromarray(np.where(masks[0], np.uint8(1), np.uint8(2)) * masks.any(0)).save(
        tmp_path / "labels.png"
    )
    words = ["run", "separate", str(tmp_path / "joint.nrrd"), "-o", str(tmp_path / "out")]
    assert main([*words, "--masks", str(tmp_path / "labels.png")]) == 0
    assert read_layers(tmp_path / "out").layers.max(axis=(1, 2)).min() > 0.2


def test_help_has_units_and_the_ways_to_give_masks(capsys: Capture) -> None:
    assert main(["run", "separate", "--help"]) == 0
    said = capsys.readouterr().out
    for word in ("[mm]", "--masks", "--segment", "--polarity", "mm²"):
        assert word in said
