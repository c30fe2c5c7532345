"""Other forms of a data set: what nnU-Net and picture viewers read is what was stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from small_data_set import small_data_set, write_limbs

from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.generation.config import SplitConfig
from BoneXrayTrainingLib.generation.forms import label_map
from BoneXrayTrainingLib.generation.run import generate
from BoneXrayTrainingLib.generation.store import PairStore


@pytest.fixture(scope="module")
def store(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> PairStore:
    folder = tmp_path_factory.mktemp("forms")
    root = write_limbs(folder / "cts", limb, "abc")
    split = SplitConfig(validation=("b",), test=("c",))
    config = small_data_set(root, folder / "set", "abc", draws=1, split=split)
    generate(config, workers=1)
    return PairStore(config.output)


def test_nnunet_finds_images_labels_and_the_split_in_their_places(
    store: PairStore, tmp_path: Path
) -> None:
    output = tmp_path / "Dataset001_Limb"
    words = ["generate", "export", str(store.folder), "-o", str(output), "--form", "nnunet"]
    assert main(words) == 0
    about = json.loads((output / "dataset.json").read_text())
    assert about["labels"] == {"background": 0, "bone": 1}
    assert about["numTraining"] == 2 == len(list((output / "imagesTr").iterdir()))
    assert json.loads((output / "splits_final.json").read_text()) == [
        {"train": ["ct00000-000000"], "val": ["ct00001-000000"]}
    ]
    assert [p.name for p in (output / "labelsTs").iterdir()] == ["ct00002-000000.nii.gz"]
    image = sitk.ReadImage(str(output / "imagesTr" / "ct00000-000000_0000.nii.gz"))
    labels = sitk.ReadImage(str(output / "labelsTr" / "ct00000-000000.nii.gz"))
    pixels = sitk.GetArrayFromImage(image)[0]
    assert np.array_equal(pixels, store.array(0, "full").astype(np.float32))
    row_mm, column_mm = store.record(0)["geometry"]["pixel_mm"]
    assert image.GetSpacing()[:2] == pytest.approx((column_mm, row_mm))
    assert labels.GetSpacing() == image.GetSpacing()
    bone = store.array(0, "bone").astype(np.float32) > 0.05
    assert np.array_equal(sitk.GetArrayFromImage(labels)[0] == 1, bone)
    assert 0 < bone.sum() < bone.size


def test_where_bones_overlap_the_densest_is_named_and_little_bone_is_background() -> None:
    layers = np.array([[[0.5, 0.1, 0.02]], [[0.2, 0.3, 0.02]]])
    assert label_map(layers, (4, 9), 0.05).tolist() == [[4, 9, 0]]


def test_pictures_of_one_exposure_share_a_scale(store: PairStore, tmp_path: Path) -> None:
    assert main(["generate", "export", str(store.folder), "-o", str(tmp_path / "p"),
                 "--form", "png"]) == 0  # fmt: skip
    scales = json.loads((tmp_path / "p" / "images.json").read_text())
    for number, (split, name) in enumerate(
        [("train", "ct00000-000000"), ("validation", "ct00001-000000"), ("test", "ct00002-000000")]
    ):
        for kind in ("full", "bone"):
            grey = np.asarray(Image.open(tmp_path / "p" / split / kind / f"{name}.png"))
            low, high = scales[name]["black_and_white"][kind]
            again = low + grey / 255 * (high - low)
            stored = store.array(number, kind).astype(np.float32)
            assert np.abs(again - stored).max() <= 0.6 * (high - low) / 255
        ends = scales[name]["black_and_white"]
        assert ends["full"] == ends["bone"]


def test_an_unknown_form_a_full_folder_and_no_data_set_are_refused_in_one_line(
    store: PairStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    out = str(tmp_path / "out")
    for words, said in (
        ([str(store.folder), "-o", out, "--form", "coco"], "form: got 'coco'"),
        ([str(store.folder), "-o", str(tmp_path / "full")], "is not empty"),
        ([str(tmp_path), "-o", out], "holds no readable dataset.json"),
    ):
        assert main(["generate", "export", *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not Path(out).exists()
