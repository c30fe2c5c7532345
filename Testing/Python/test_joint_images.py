"""Folders of joint images: BLS-GAN's layouts and its lists, a plain one, and what is neither."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from joints import joint, save, write_bls_gan, write_plain

from BoneXrayTrainingLib.sampling.joint_images import joint_files, patient_of, read_joint
from BoneXrayTrainingLib.sampling.layer_images import brightness_of_density

NAMES = ("20210609-AO-033_L_11_1-2", "20210609-AO-033_R_5_1-2", "20210609-AY-001_L_2_1-9")


def check(folder: Path) -> None:
    file = joint_files(folder)[0]
    found = read_joint(file)
    image, upper, lower, background = joint()
    assert np.abs(brightness_of_density(found.image) - image).mean() < 0.005, "JPEG"
    assert found.soft is not None
    np.testing.assert_allclose(brightness_of_density(found.soft), background, atol=0.02)
    assert (found.upper_mask == upper).all()
    assert (found.lower_mask == lower).all()


def test_folders_and_lists_of_source_b_are_read_with_their_patients(tmp_path: Path) -> None:
    write_bls_gan(tmp_path, NAMES)
    files = joint_files(tmp_path)
    assert [f.patient for f in files] == ["20210609-AO-033", "20210609-AO-033", "20210609-AY-001"]
    check(tmp_path)
    inner = "Layer_seg_Dataset"
    entries = [{"image": f"{inner}/image/{n}.jpg", "upper": f"{inner}/upper/{n}.bmp",
                "lower": f"{inner}/lower/{n}.bmp"} for n in NAMES[1:]]  # fmt: skip
    lists = tmp_path / "Data/Layer_seg_Dataset/partitions/mix"
    lists.mkdir(parents=True)
    (lists / "test.json").write_text(json.dumps(entries))
    listed = joint_files(lists / "test.json")
    assert [f.image.resolve() for f in listed] == [f.image.resolve() for f in files[1:]]
    assert all(f.background is not None for f in listed)


def test_a_folder_a_case_is_read(tmp_path: Path) -> None:
    image, upper, lower, background = joint()
    for name in ("a", "b"):
        save(image, tmp_path / f"Dataset_cases/one_L_2/{name}.jpg")
        save(upper, tmp_path / f"Dataset_cases/one_L_2/{name}_mask_upper.bmp")
        save(lower, tmp_path / f"Dataset_cases/one_L_2/{name}_mask_lower.bmp")
        save(background, tmp_path / f"Dataset_cases/background/one_L_2_{name}.jpg")
    assert [(f.image.name, f.patient) for f in joint_files(tmp_path)] == [
        ("a.jpg", "one"), ("b.jpg", "one")
    ]  # fmt: skip
    check(tmp_path)


def test_a_plain_folder_is_read_with_backgrounds_or_without(tmp_path: Path) -> None:
    write_plain(tmp_path / "with", ("p1_L_2", "p2"))
    assert [f.patient for f in joint_files(tmp_path / "with")] == ["p1", "p2"]
    found = read_joint(joint_files(tmp_path / "with")[0])
    assert found.soft is not None
    assert (found.soft < found.image + 1e-6).all()
    write_plain(tmp_path / "without", ("p1",), with_background=False)
    assert read_joint(joint_files(tmp_path / "without")[0]).soft is None


def test_a_name_says_the_patient_before_its_side() -> None:
    assert patient_of("AO-033_L_11_1-2-392") == "AO-033"
    assert patient_of("AO-033_R") == "AO-033"
    assert patient_of("anything_Left") == "anything_Left"


def test_what_is_no_folder_of_joints_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such does not exist"):
        joint_files(tmp_path / "no-such")
    (tmp_path / "images").mkdir()
    with pytest.raises(ValueError, match=r"holds no joint images; expected images/NAME.png with"):
        joint_files(tmp_path)
    folder = write_plain(tmp_path / "joints", ("a", "b"))
    (folder / "masks/b_lower.png").unlink()
    with pytest.raises(ValueError, match=r"b.png has no mask of its lower bone"):
        joint_files(folder)
    save(np.zeros((5, 5)), folder / "masks/b_lower.png")
    with pytest.raises(ValueError, match=r"b_lower.png: shape \(5, 5\); expected that of b.png"):
        read_joint(joint_files(folder)[1])
    (folder / "images/a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a.png: not a readable picture"):
        read_joint(joint_files(folder)[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "no JSON list"),
        ("[]", "expected a list of entries"),
        ('[{"image": "a.png"}]', "expected a list of entries with image, upper, lower"),
        ('[{"image": "a.png", "upper": "b", "lower": "c"}]', "a.png is not beside the list"),
    ],
)
def test_a_bad_list_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        joint_files(tmp_path / "list.json")
