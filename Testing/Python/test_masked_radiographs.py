"""Folders of real radiographs with masks: RAM-W600's layout, and a plain one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelled_hand import answer_of, write_segment_model
from PIL import Image

from BoneXrayLib.segments.structures import WRIST
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.evaluating_segments.masked_radiographs import (
    RAM_CHANNELS,
    radiograph_files,
    read_masked,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import (
    RadiographSource,
    segmentation_sources,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_evaluation import evaluate_segment

SHAPE = (60, 50)


def boxes(count: int) -> np.ndarray:
    """Masks of boxes, each in a place of its own."""
    masks = np.zeros((count, *SHAPE), np.uint8)
    for n in range(count):
        masks[n, 4 * n : 4 * n + 3, 2 * n : 2 * n + 8] = 1
    return masks


def picture(masks: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = 40 + 100 * masks.any(axis=0) + np.arange(SHAPE[1], dtype=int) % 7
    Image.fromarray(grey.astype(np.uint8)).save(path)


@pytest.fixture
def ram(tmp_path: Path) -> Path:
    """Three wrists as RAM-W600 keeps them, two of them for testing."""
    root = tmp_path / "RAM-W600/BoneSegmentation"
    for name, split in (("0001_0001_L", "test"), ("0002_0001_R", "test"), ("0003_0001_R", "train")):
        masks = boxes(14)
        picture(masks, root / "images" / f"{name}.bmp")
        (root / "masks" / split).mkdir(parents=True, exist_ok=True)
        np.save(root / "masks" / split / f"{name}.npy", masks)
    return root.parent


def test_the_channels_of_ram_w600_are_nine_of_our_bones_or_pairs_of_them() -> None:
    assert sorted(m for group in RAM_CHANNELS for m in group) == sorted(WRIST)
    assert ("triquetrum", "pisiform") in RAM_CHANNELS


def test_wrists_of_ram_w600_come_with_masks_side_and_patient(ram: Path) -> None:
    files = radiograph_files(RadiographSource(str(ram)))
    assert [f.image.name for f in files] == ["0001_0001_L.bmp", "0002_0001_R.bmp"]
    left, right = (read_masked(f, WRIST) for f in files)
    assert (left.subject.side, right.subject.side) == ("left", "right")
    assert (left.subject.patient, left.subject.anatomy, left.subject.view) == (
        "0001",
        "wrist",
        "PA",
    )
    assert left.radiograph.pixel_mm == (0.15, 0.15)
    assert left.subject.structures[5] == "triquetrum + pisiform"
    assert (left.masks == boxes(14)[:9]).all()
    (train,) = radiograph_files(RadiographSource(str(ram), split="train"))
    assert train.image.stem == "0003_0001_R"


def test_two_bones_that_the_truth_has_as_one_are_scored_as_one(ram: Path, tmp_path: Path) -> None:
    def segment(radiograph, model=None):
        masks = {m[0]: mask > 0 for m, mask in zip(RAM_CHANNELS, boxes(14)[:9], strict=True)}
        both = masks["triquetrum"]
        masks["pisiform"] = both & (np.arange(SHAPE[1]) < 14)
        masks["triquetrum"] = both & (np.arange(SHAPE[1]) >= 13)
        return answer_of(masks, SHAPE)

    model = write_segment_model(tmp_path / "model")
    report = evaluate_segment(str(model), [ram], segment=segment)
    assert report.of_images("dice") == 1.0
    assert report.unscored == ()
    assert "real radiographs of 2 patients" in str(report)
    assert report.methods == ("model", "threshold", "atlas")


def test_a_plain_folder_has_an_image_and_a_folder_of_masks_by_name(tmp_path: Path) -> None:
    masks = boxes(2)
    picture(masks, tmp_path / "images/a.png")
    (tmp_path / "masks/a").mkdir(parents=True)
    for name, mask in zip(("lunate", "Radius"), masks, strict=True):
        Image.fromarray(mask * 255).save(tmp_path / f"masks/a/{name}.png")
    (source,) = segmentation_sources([tmp_path])
    assert isinstance(source, RadiographSource)
    (file,) = radiograph_files(source)
    with pytest.raises(ValueError, match=r"pixel: a.png does not say it; expected pixel = MM"):
        read_masked(file, WRIST)
    (file,) = radiograph_files(RadiographSource(str(tmp_path), pixel=0.2, view="lateral"))
    found = read_masked(file, WRIST)
    assert found.subject.structures == ("lunate", "radius")
    assert (found.masks == masks.astype(bool)).all()
    assert (found.radiograph.pixel_mm, found.subject.view) == ((0.2, 0.2), "lateral")


def test_damaged_folders_are_refused_in_one_line(ram: Path) -> None:
    masks = ram / "BoneSegmentation/masks/test"
    for change, message in (
        (lambda: np.save(masks / "0001_0001_L.npy", boxes(10)), r"expected \(14, rows, columns\)"),
        (lambda: np.save(masks / "0001_0001_L.npy", boxes(14)[:, 1:]), "expected the image's"),
        (lambda: (masks / "0001_0001_L.npy").write_bytes(b"no"), "no array of masks"),
        (lambda: (masks / "0009_0001_L.npy").write_bytes(b"no"), "0009_0001_L.npy has no image"),
    ):
        change()
        with pytest.raises(ValueError, match=message):
            read_masked(radiograph_files(RadiographSource(str(ram)))[0], WRIST)
    with pytest.raises(ValueError, match="split: got 'all'"):
        radiograph_files(RadiographSource(str(ram), split="all"))


def test_the_command_says_what_it_takes_and_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "segment", "--help"]) == 0
    said = capsys.readouterr().out
    for words in ("--jitter", "[degrees]", "[mm]", "segment-wrist", "LIST.toml"):
        assert words in said
    for arguments, message in (
        (["--data", str(tmp_path / "no.toml")], "no.toml does not exist"),
        (["--data", str(tmp_path), "--model", "nobodys"], "nobodys"),
        (["--data", "x.npz", "--jitter", "99"], "jitter: got 99.0"),
    ):
        assert main(["evaluate", "segment", *arguments]) == 2
        assert message in capsys.readouterr().err.strip()
