"""A folder that results are written to holds one result: files of the run before do not stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from small_bones import small_bones

from BoneXrayLib.drr import DrrConfig, simulate, write_drr
from BoneXrayLib.files import staged_folder
from BoneXrayLib.segment_files import write_segmentation
from BoneXrayLib.volume import Volume

RECORD = "result.json"


def write(folder: Path, *names: str, record: str = RECORD) -> None:
    """A result of such files."""
    with staged_folder(folder, record) as stage:
        for name in names:
            (stage / name).write_text(name)
        (stage / record).write_text("{}")


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def make_newer(path: Path, than: Path) -> None:
    """As if somebody had written to the file after a run."""
    later = than.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def test_what_the_run_before_wrote_and_this_one_does_not_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "femur.stl", "tibia.stl")
    write(tmp_path, "femur.stl", "contours.png")
    assert names_in(tmp_path) == {"femur.stl", "contours.png", RECORD}
    assert json.loads((tmp_path / RECORD).read_text())["files"] == [
        "contours.png", "femur.stl", RECORD,
    ]  # fmt: skip


def test_files_of_others_stay_and_so_do_those_that_were_changed(tmp_path: Path) -> None:
    write(tmp_path, "femur.stl", "tibia.stl")
    write(tmp_path, "bone.png", record="other.json")
    (tmp_path / "notes.txt").write_text("mine")
    make_newer(tmp_path / "tibia.stl", tmp_path / RECORD)
    write(tmp_path, "patella.stl")
    assert names_in(tmp_path) == {
        "patella.stl", "tibia.stl", "bone.png", "notes.txt", RECORD, "other.json",
    }  # fmt: skip


def test_a_run_that_fails_takes_nothing_away(tmp_path: Path) -> None:
    write(tmp_path, "femur.stl")
    with pytest.raises(FileNotFoundError), staged_folder(tmp_path, RECORD) as stage:
        (stage / "no folder" / RECORD).write_text("{}")
    assert names_in(tmp_path) == {"femur.stl", RECORD}


@pytest.mark.parametrize(
    "said", ["", "[]", "{}", '{"files": 3}', '{"files": [["a"]]}', '{"files": ["../above", "in"]}']
)
def test_a_record_of_another_kind_takes_nothing_away(said: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "in").mkdir(parents=True)
    (tmp_path / "above").write_text("mine")
    (out / RECORD).write_text(said)
    make_newer(out / RECORD, tmp_path / "above")
    write(out, "femur.stl")
    assert names_in(out) == {"in", "femur.stl", RECORD}
    assert (tmp_path / "above").read_text() == "mine"


def test_names_that_differ_in_case_alone_are_one_file(tmp_path: Path) -> None:
    write(tmp_path, "Femur.stl")
    one = (tmp_path / RECORD.upper()).exists()
    write(tmp_path, "femur.stl")
    # Where they are two files nothing is lost either: the first one stays.
    assert len(names_in(tmp_path) - {RECORD}) == (1 if one else 2)


def test_masks_of_another_model_do_not_stay_beside_the_new_ones(tmp_path: Path) -> None:
    found = small_bones()
    write_segmentation(found, tmp_path)
    fewer = type(found)(found.radiograph, found.structures[:1], found.masks[:1], "another 1.0")
    written = write_segmentation(fewer, tmp_path)
    assert names_in(tmp_path) == set(written)


def test_layers_of_labels_do_not_stay_beside_a_radiograph_without(
    limb: Volume, tmp_path: Path
) -> None:
    small = DrrConfig(size=(24, 24), pixel=8.0)
    labels = (limb.hu > 500).astype(np.uint8)
    labels[: len(labels) // 2] *= 2
    write_drr(simulate(limb, small, labels, {1: "femur", 2: "tibia"}), tmp_path)
    assert "femur.nrrd" in names_in(tmp_path)
    written = write_drr(simulate(limb, small), tmp_path)
    assert names_in(tmp_path) == set(written)
