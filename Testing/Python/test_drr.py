"""From a CT and a configuration to named images and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.drr import Drr, DrrConfig, pose_notes, read_geometry, simulate, write_drr
from BoneXrayLib.files import staged_folder
from BoneXrayLib.image_names import file_name, named_images
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume import Volume

SMALL = {"size": (96, 64), "pixel": 3.0}


@pytest.fixture(scope="module")
def drr(limb: Volume) -> Drr:
    return simulate(limb, DrrConfig(view="LAT-L", **SMALL))


def test_layers_sum_to_the_radiograph_and_bones_are_within_it(drr: Drr) -> None:
    assert list(drr.layers) == ["rest", "bone"]
    assert drr.full == pytest.approx(drr.layers["rest"] + drr.bone)
    assert drr.bone.max() > 0.3
    assert (drr.bone <= drr.full + 1e-6).all()


def test_a_label_map_gives_a_layer_for_each_label(limb: Volume) -> None:
    labels = (limb.hu > 300).astype(np.uint8)
    labels[: limb.hu.shape[0] // 2] *= 2
    made = simulate(limb, DrrConfig(**SMALL), labels, {1: "upper bone", 2: "lower bone"})
    assert list(made.layers) == ["rest", "upper bone", "lower bone"]
    upper, lower = made.layers["upper bone"], made.layers["lower bone"]
    assert upper[:40].sum() > 10 * upper[56:].sum()
    assert lower[56:].sum() > 10 * lower[:40].sum()


def test_written_floats_come_back_with_domain_spacing_and_geometry(
    drr: Drr, tmp_path: Path
) -> None:
    files = write_drr(drr, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(files)
    back = read_radiograph(files["full.nrrd"])
    assert back.domain == "optical density"
    assert back.pixel_mm == pytest.approx((3.0, 3.0))
    assert np.array_equal(back.pixels, drr.full)
    geometry = read_geometry(files["drr.json"])
    assert geometry.to_dict() == drr.geometry.to_dict()


def test_the_record_holds_everything_that_was_used(drr: Drr, tmp_path: Path) -> None:
    record = json.loads(write_drr(drr, tmp_path, source="limb.nrrd")["drr.json"].read_text())
    assert record["config"]["view"] == "LAT-L"
    assert record["config"]["size"] == [96, 64]
    assert record["ct"] == "limb.nrrd"
    assert record["polarity"] == "bone bright"


def test_a_write_that_fails_leaves_nothing(
    drr: Drr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("BoneXrayLib.drr.write_png", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_drr(drr, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_is_refused(drr: Drr, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ValueError, match="expected a folder"):
        write_drr(drr, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_labels_become_file_names_on_every_system() -> None:
    assert file_name("rib left 1/2") == "rib_left_1_2"
    assert file_name("..") == "layer"


def test_one_named_bone_has_its_own_file_as_several_have(limb: Volume, tmp_path: Path) -> None:
    labels = (limb.hu > 300).astype(np.uint8)
    made = simulate(limb, DrrConfig(**SMALL), labels, {1: "femur left"})
    written = {path.name for path in write_drr(made, tmp_path / "named").values()}
    assert {"femur_left.nrrd", "rest.nrrd", "bone.nrrd"} < written
    plain = write_drr(simulate(limb, DrrConfig(**SMALL)), tmp_path / "plain")
    assert {path.name for path in plain.values()}.isdisjoint({"rest.nrrd", "bone_2.nrrd"})


def test_labels_of_any_name_take_nothing_from_the_rest_nor_each_others_files(limb: Volume) -> None:
    labels = (limb.hu > 300).astype(np.uint8)
    labels[: limb.hu.shape[0] // 2] *= 2
    whole = simulate(limb, DrrConfig(**SMALL), labels, {1: "a", 2: "b"})
    made = simulate(limb, DrrConfig(**SMALL), labels, {1: "rest", 2: "Bone"})
    assert list(made.layers) == ["rest", "rest (label 1)", "Bone"]
    assert np.array_equal(made.full, whole.full)
    assert np.array_equal(made.bone, whole.bone)
    files = named_images(made.full, made.bone, made.layers)
    assert list(files) == ["full", "bone", "rest", "rest__label_1", "Bone_2"]
    assert np.array_equal(files["bone"], made.bone)
    image = np.zeros((2, 2))
    twins = named_images(image, image, {"rest": image, "left femur": image, "Left_Femur": image})
    assert list(twins)[2:] == ["rest", "left_femur", "Left_Femur_2"]


def test_a_window_without_an_end_is_null_in_the_record(limb: Volume, tmp_path: Path) -> None:
    drr = simulate(limb, DrrConfig(hu=(200.0, np.inf), **SMALL))
    text = write_drr(drr, tmp_path)["drr.json"].read_text()
    assert json.loads(text, parse_constant=pytest.fail)["config"]["hu"] == [200.0, None]


def test_files_are_staged_within_a_folder_that_is_there(drr: Drr, tmp_path: Path) -> None:
    out = tmp_path / "mount"
    out.mkdir()
    with staged_folder(out) as stage:
        (stage / "a").write_text("a")
        assert stage.parent == out
        assert [p.name for p in tmp_path.iterdir()] == ["mount"]
    assert [p.name for p in out.iterdir()] == ["a"]
    (out / "b").mkdir()
    (out / "b" / "mine").write_text("mine")
    said = r"^output: cannot write .*mount.b \("
    with pytest.raises(ValueError, match=said), staged_folder(out) as stage:
        (stage / "b").write_text("in the way")
    assert sorted(p.name for p in out.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"geometry": {"frame": "LPS"}}'])
def test_a_file_that_is_no_record_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "drr.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"expected|frame"):
        read_geometry(path)


def test_what_a_pose_file_overrules_is_said(drr: Drr) -> None:
    as_it_is = {"size": SMALL["size"], "pixel": SMALL["pixel"]}
    assert pose_notes(DrrConfig(view="LAO"), drr.geometry) == ()
    assert pose_notes(DrrConfig(pose="drr.json"), drr.geometry) == ()
    assert pose_notes(DrrConfig(pose="drr.json", **as_it_is), drr.geometry) == ()
    typed = DrrConfig(pose="there/drr.json", view="LAO", source_object=900.0, pixel=2.0)
    (note,) = pose_notes(typed, drr.geometry)
    assert note == "view, source_object, pixel: not used, as drr.json says the pose"
