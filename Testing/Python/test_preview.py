"""The sample pairs of the panel: of each CT in turn, image beside bones, in one file or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import CROP, small_config

from BoneXrayLib.radiograph import read_radiograph
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.preview import (
    COLUMNS,
    COUNT,
    GAP,
    InTurn,
    outlined,
    tiled,
    write_preview,
)


def test_tiles_stand_in_reading_order_with_dark_lines_between() -> None:
    tiles = [np.full((2, 3), n + 1, np.float32) for n in range(5)]
    whole = tiled(tiles)
    assert whole.shape == (2 * 2 + GAP, 3 * 3 + 2 * GAP)
    assert [whole[0, n * (3 + GAP)] for n in range(3)] == [1, 2, 3]
    assert whole[-1, 0] == 4
    assert whole[0, 3] == whole[2, 0] == whole[-1, -1] == 0


def test_pairs_hold_bones_within_their_images_and_differ(limb_file: Path, tmp_path: Path) -> None:
    config = small_config(limb_file, tmp_path / "run")
    folder = write_preview(config, tmp_path / "pairs")
    images, bones = (read_radiograph(folder / f"{n}.nrrd").pixels for n in ("images", "bones"))
    assert images.shape == bones.shape == (2 * CROP + GAP, COLUMNS * CROP + (COLUMNS - 1) * GAP)
    assert bones.max() > 0.1
    assert images.mean() > bones.mean()
    assert bones.min() >= 0
    first, second = images[:CROP, :CROP], images[:CROP, CROP + GAP : 2 * CROP + GAP]
    assert COUNT > 1
    assert not np.array_equal(first, second)
    assert not (tmp_path / "run").exists(), "nothing is trained"


def test_the_command_trains_nothing_for_a_preview(
    limb_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(
        f'name = "tiny"\n[[ct]]\npath = "{limb_file.name}"\npatient = "limb"\nlicence = "MIT"\n'
        "[pairs]\nsize = 64\n[augmentation]\ncrop = 48\nscale = [0.9, 1.3]\n"
    )
    words = ["train", str(config), "--data-root", str(limb_file.parent)]
    words += ["--run-folder", str(tmp_path / "run"), "--preview", str(tmp_path / "pairs")]
    assert main(words) == 0, capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "pairs").iterdir()) == ["bones.nrrd", "images.nrrd"]
    assert not (tmp_path / "run").exists()


def test_named_bones_are_outlined_and_brighter_where_they_overlap() -> None:
    image = np.tile(np.linspace(0.0, 1.0, 20, dtype=np.float32), (20, 1))
    masks = np.zeros((2, 20, 20), bool)
    masks[0, 4:12, 4:12] = masks[1, 8:16, 4:12] = True
    shown = outlined(image, masks)
    assert (shown[4, 4:12] == 1.0).all(), "an outline"
    assert shown[14, 6] < shown[9, 6] < 1.0, "overlap over one bone alone"
    assert shown[6, 6] > shown[2, 6], "a bone over none"
    bare = outlined(image, masks[:0])
    assert bare.max() < 0.5
    assert (np.diff(bare[0, 2:-2]) > 0).all(), "the image is still there"


def test_a_pair_is_its_own_patients_and_flesh_may_be_the_nexts() -> None:
    class One:
        def __init__(self, name: str) -> None:
            self.name = name

        def draw(self, rng: np.random.Generator, images: int = 0) -> str:
            return self.name

    pool, rng = InTurn([One("first"), One("second"), One("third")], 1), np.random.default_rng(1)
    assert [pool.draw(rng) for _ in range(4)] == ["second", "third", "first", "second"]
