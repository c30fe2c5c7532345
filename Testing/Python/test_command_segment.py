"""`bone-xray run segment`: what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from panels import write_png
from PIL import Image
from small_model import write_small_model

from BoneXrayLib.segments.segment_nrrd import read_seg_nrrd
from BoneXrayTrainingLib.__main__ import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A radiograph, and a model that names two bones of it."""
    gains = {"radius": 1.0, "hip bone left": 6.0}
    folder = write_small_model(tmp_path / "models" / "names", "names", "segment", gains)
    write_small_model(tmp_path / "models" / "small")
    monkeypatch.setenv("BONEXRAY_MODELS", str(folder.parent))
    return write_png(tmp_path / "hand.png")


def test_it_writes_masks_overlay_segments_areas_and_what_was_used(
    image: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = ["run", "segment", str(image), "-o", str(tmp_path / "out"), "--model", "names"]
    assert main([*words, "--pixel", "0.5", "--threshold", "0.4", "--no-clean"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "radius.png", "hip-bone-left.png", "overlay.png", "segments.seg.nrrd", "segments.csv",
        "segments.json",
    }  # fmt: skip
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "2 of 2 bones of hand by names 0.1"
    record = json.loads((tmp_path / "out" / "segments.json").read_text(encoding="utf-8"))
    assert record["config"]["threshold"] == 0.4
    assert record["config"]["clean"] is False
    assert record["image"] == "hand.png"
    assert record["pixel_mm"] == [0.5, 0.5]
    assert record["model"]["sha256"]
    mask = np.asarray(Image.open(tmp_path / "out" / "radius.png")) == 255
    assert record["bones"][0]["area"] == np.count_nonzero(mask) * 0.25
    segments = read_seg_nrrd(tmp_path / "out" / "segments.seg.nrrd")
    assert np.array_equal(segments.masks[0], mask)
    assert mask[30, 10]
    assert not mask[30, 25]


def test_dicom_seg_is_written_where_asked_for(image: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    words = ["run", "segment", str(image), "-o", str(tmp_path / "out"), "--model", "names"]
    assert main([*words, "--dicom-seg"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"segments.dcm", "source.dcm"} <= names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nowhere"], "model: 'nowhere' is neither a model nor a folder; there are:"),
        (["--model", "small"], "'small' is for 'extract'; expected one for 'segment'"),
        (["--model", "names", "--threshold", "2"], "threshold: got 2.0; expected above 0"),
        ([], "model: 'segment-wrist' is neither a model nor a folder; there are: names"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(
    image: Path, tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    from BoneXrayLib.models import list_models

    if not words and any(m.card.name == "segment-wrist" for m in list_models(task="segment")):
        pytest.skip("the model of the default is shipped")
    assert main(["run", "segment", str(image), "-o", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_highdicom_it_says_so_before_any_work(
    image: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "BoneXrayLib.segments.segment_dicom.importlib.util.find_spec", lambda name: None
    )
    words = ["run", "segment", str(image), "-o", str(tmp_path / "out"), "--model", "names"]
    assert main([*words, "--dicom-seg"]) == 2
    assert "dicom_seg: needs the package highdicom" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_help_has_units_and_both_ways_of_cleaning(capsys: Capture) -> None:
    assert main(["run", "segment", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--no-clean" in said
    assert "[mm]" in said
    assert "--dicom-seg" in said
