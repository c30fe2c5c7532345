"""Masks from files: the forms they have, and what is no mask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segment_files import write_segmentation
from BoneXrayLib.segmentation import Segmentation
from BoneXrayLib.segments.mask_files import read_masks
from BoneXrayLib.segments.segment_nrrd import write_seg_nrrd
from BoneXrayLib.segments.structures import structure
from BoneXrayLib.volume_files import write_image_file

SHAPE = (40, 30)
MASKS = np.zeros((3, *SHAPE), bool)
MASKS[0, 5:20, 4:22] = True
MASKS[1, 15:35, 10:25] = True
BONES = (structure("radius"), structure("hip bone left"), structure("lunate"))


def png(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def grey(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.uint8(255), np.uint8(0))


def labels() -> np.ndarray:
    return (MASKS[0] + 3 * (MASKS[1] & ~MASKS[0])).astype(np.uint8)


@pytest.mark.parametrize("forms", [("png", "nrrd"), ("png",), ("nrrd",)])
def test_what_run_segment_writes_is_read_back_without_what_was_not_found(
    tmp_path: Path, forms: tuple[str, ...]
) -> None:
    named = Segmentation(Radiograph(MASKS[0].astype(np.float32)), BONES, MASKS, "m")
    write_segmentation(named, tmp_path / "out", forms)
    masks, bones = read_masks(tmp_path / "out", SHAPE)
    assert np.array_equal(masks, MASKS[:2]), "they overlap, too"
    assert [b.name for b in bones] == ["radius", "hip bone left"]
    assert [b.code for b in bones] == [b.code for b in BONES[:2]]


def test_a_dicom_seg_of_the_radiograph_is_read_with_overlaps(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    named = Segmentation(Radiograph(MASKS[0].astype(np.float32)), BONES[:2], MASKS[:2], "m")
    file = write_segmentation(named, tmp_path, ("dicom",))["segments.dcm"]
    masks, bones = read_masks(file, SHAPE)
    assert np.array_equal(masks, MASKS[:2])
    assert [b.code for b in bones] == [b.code for b in BONES[:2]]
    with pytest.raises(ValueError, match="40 x 30 pixels; expected 33 x 30 as the image"):
        read_masks(file, (33, 30))
    with pytest.raises(ValueError, match=r"^masks: source\.dcm is no DICOM SEG"):
        read_masks(tmp_path / "source.dcm", SHAPE)


def test_a_segmentation_that_slicer_cropped_lies_where_it_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "joint.seg.nrrd"
    write_seg_nrrd(path, MASKS[:2], BONES[:2], np.eye(4))
    assert np.array_equal(read_masks(path, SHAPE)[0], MASKS[:2])
    write_seg_nrrd(path, np.ascontiguousarray(MASKS[:2, 5:35, 4:25]), BONES[:2], np.eye(4))
    said = path.read_bytes().replace(b"ExtentOffset:=0 0 0", b"ExtentOffset:=4 5 0")
    path.write_bytes(said)
    assert np.array_equal(read_masks(path, SHAPE)[0], MASKS[:2])
    with pytest.raises(ValueError, match="30 x 21 pixels; expected 33 x 30 as the image"):
        read_masks(path, (33, 30))


def test_pngs_are_called_after_their_files(tmp_path: Path) -> None:
    png(tmp_path / "m" / "upper_bone.png", grey(MASKS[0]))
    png(tmp_path / "m" / "lower_bone.png", MASKS[1].astype(np.uint8))
    png(tmp_path / "m" / "overlay.png", np.zeros((4, 4, 3), np.uint8))
    masks, bones = read_masks(tmp_path / "m", SHAPE)
    assert [b.name for b in bones] == ["lower bone", "upper bone"]
    assert np.array_equal(masks, MASKS[[1, 0]])


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii.gz", ".mha"])
def test_a_label_image_has_a_number_for_each_bone(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    if suffix == ".png":
        png(path, labels())
    else:
        write_image_file(path, labels()[None], np.diag([-1.0, -1.0, 1.0, 1.0]))
    masks, bones = read_masks(path, SHAPE)
    assert np.array_equal(masks, [MASKS[0], MASKS[1] & ~MASKS[0]])
    assert [b.name.split()[1] for b in bones] == ["1", "3"]


def test_one_mask_in_a_picture_is_called_after_it(tmp_path: Path) -> None:
    masks, bones = read_masks(png(tmp_path / "talus.png", grey(MASKS[0])), SHAPE)
    assert [b.name for b in bones] == ["talus"]
    assert np.array_equal(masks, MASKS[:1])


def bad(folder: Path, kind: str) -> Path:
    """A path that holds no good masks."""
    folder.mkdir(exist_ok=True)
    if kind == "empty":
        return png(folder / "a.png", np.zeros(SHAPE, np.uint8))
    if kind == "size":
        return png(folder / "a.png", np.ones((4, 5), np.uint8))
    if kind == "colour":
        return png(folder / "a.png", np.zeros((*SHAPE, 3), np.uint8))
    if kind == "radiograph":
        return png(folder / "a.png", np.arange(1200, dtype=np.uint16).reshape(SHAPE))
    if kind == "grey":
        return png(folder / "m" / "a.png", np.arange(1200).reshape(SHAPE).astype(np.uint8)).parent
    if kind == "twice":
        png(folder / "m" / "a_b.png", grey(MASKS[0]))
        return png(folder / "m" / "a b.png", grey(MASKS[0])).parent
    if kind == "slices":
        write_image_file(folder / "a.nrrd", np.ones((2, *SHAPE), np.uint8), np.eye(4))
        return folder / "a.nrrd"
    if kind == "text":
        (folder / "a.txt").write_text("no picture")
        return folder / "a.txt"
    if kind == "record":
        (folder / "segments.json").write_text(json.dumps({"bones": [{"file": "a.png"}]}))
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", r"holds 0 bones; expected 1 to 64"),
        ("size", r"masks: a\.png is 4 x 5 pixels; expected 40 x 30 as the image"),
        ("colour", r"a\.png is in colour or no whole numbers; expected grey"),
        ("radiograph", r"a\.png holds 1199 values; expected a number for each bone, at most 64"),
        ("grey", r"a\.png holds 256 values; expected a mask, 0 and one other"),
        ("twice", r"two are named 'a b'; expected different names"),
        ("slices", r"a\.nrrd has 2 slices; expected one"),
        ("text", r"a\.txt: no mask .*; expected a \.seg\.nrrd, a folder of PNG masks or a label"),
        ("folder", r"holds 0 \.seg\.nrrd and no PNG; expected one, or a PNG for each bone"),
        ("record", r"segments\.json: .*; expected bones and their files as"),
    ],
)
def test_what_holds_no_masks_is_refused_in_one_line(
    tmp_path: Path, kind: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as told:
        read_masks(bad(tmp_path / "bad", kind), SHAPE)
    assert str(told.value).startswith("masks: ")
    assert "\n" not in str(told.value)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"masks: .* does not exist"):
        read_masks(tmp_path / "nowhere", SHAPE)
