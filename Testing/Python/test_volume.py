"""CT volumes and label maps from files lie where they lay, and what is no CT is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from BoneXrayLib.volume import Volume, read_labels, read_volume, resample_labels, volume_from_array

OBLIQUE = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])


def ct_values(shape: tuple[int, int, int] = (10, 12, 14)) -> np.ndarray:
    """Air with a block of bone in water, int16."""
    hu = np.full(shape, -1000, dtype=np.int16)
    hu[2:8, 2:9, 2:9] = 0
    hu[4:6, 4:6, 4:6] = 900
    return hu


def write(
    path: Path, array: np.ndarray, spacing: tuple[float, ...] = (1.5, 2.0, 3.0), **more: object
) -> Path:
    """An image file with an oblique left-handed frame, written by ITK."""
    image = sitk.GetImageFromArray(array, isVector=bool(more.get("vector", False)))
    if image.GetDimension() == 3:
        image.SetSpacing(spacing)
        image.SetDirection(OBLIQUE.ravel().tolist())
        image.SetOrigin((5.0, -7.0, 11.0))
    for key, value in dict(more.get("keys", {})).items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_image_files_keep_values_and_place(tmp_path: Path, suffix: str) -> None:
    hu = ct_values()
    volume = read_volume(write(tmp_path / f"leg left{suffix}", hu))
    assert volume.hu.dtype == np.int16
    assert np.array_equal(volume.hu, hu)
    assert volume.name == "leg left"
    assert volume.spacing_mm == pytest.approx((1.5, 2.0, 3.0))
    # ITK's LPS point of voxel (i, j, k) = (3, 1, 2), turned to RAS by hand.
    lps = np.array([5.0, -7.0, 11.0]) + OBLIQUE @ (np.array([3, 1, 2]) * [1.5, 2.0, 3.0])
    assert (volume.ijk_to_ras @ [3, 1, 2, 1])[:3] == pytest.approx(lps * [-1, -1, 1], abs=1e-4)


def test_whole_float_values_become_int16_and_others_stay_float32(tmp_path: Path) -> None:
    hu = ct_values().astype(np.float64)
    assert read_volume(write(tmp_path / "whole.nii.gz", hu)).hu.dtype == np.int16
    assert read_volume(write(tmp_path / "half.nii.gz", hu + 0.5)).hu.dtype == np.float32
    assert volume_from_array(hu + 40000, np.eye(4)).hu.dtype == np.float32


def test_corners_and_centre_surround_the_voxels() -> None:
    ijk_to_ras = np.diag([-2.0, -3.0, 4.0, 1.0])
    ijk_to_ras[:3, 3] = 10, 20, 30
    volume = Volume(ct_values(), ijk_to_ras)
    assert volume.corners_ras.min(axis=0) == pytest.approx([11 - 28, 21.5 - 36, 28])
    assert volume.corners_ras.max(axis=0) == pytest.approx([11, 21.5, 28 + 40])
    assert volume.centre_ras == pytest.approx((ijk_to_ras @ [6.5, 5.5, 4.5, 1])[:3])


def test_a_ct_without_air_is_noted(tmp_path: Path) -> None:
    hu = ct_values().clip(-120, None)
    assert any("no air" in note for note in read_volume(write(tmp_path / "a.nii.gz", hu)).notes)


@pytest.mark.parametrize(
    ("hu", "matrix", "said"),
    [
        (ct_values()[0], np.eye(4), "3-D"),
        (ct_values()[:1], np.eye(4), "at least 2 voxels"),
        (ct_values().astype(np.int64), np.eye(4), "int16 or float32"),
        (np.full((4, 4, 4), np.nan, np.float32), np.eye(4), "NaN"),
        (ct_values(), np.diag([1, 1, 0, 1]), "spacing"),
        (ct_values(), np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "invert"),
        (ct_values(), np.eye(3), "4 x 4"),
        (ct_values(), np.ones((4, 4)), "last row"),
        (ct_values(), np.diag([1, np.inf, 1, 1]), "finite"),
    ],
)
def test_an_impossible_volume_is_refused(hu: np.ndarray, matrix: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Volume(hu, matrix)


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _named(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


NOISE = np.random.default_rng(1).integers(-1000, 1000, (10, 12, 14)).astype(np.int16)
WITH_NAN = ct_values().astype(np.float32)
WITH_NAN[3, 3, 3] = np.nan
NAN_LAST = np.full((3, 5, 5), -500, np.float32)
NAN_LAST[-1, -1, -1] = np.nan
BAD_FILES = {
    "NaN in the last of an odd number": (lambda p: write(p / "a.nii.gz", NAN_LAST), "NaN"),
    "NaN": (lambda p: write(p / "a.nii.gz", WITH_NAN), "NaN"),
    "infinity": (lambda p: write(p / "a.nii.gz", np.where(NOISE > 990, np.inf, NOISE)), "infinity"),
    "colour": (
        lambda p: write(p / "a.nrrd", np.zeros((4, 5, 6, 3), np.uint8), vector=True),
        "3 values per voxel",
    ),
    "complex": (lambda p: write(p / "a.nii.gz", ct_values().astype(np.complex64)), "complex"),
    "a time series": (
        lambda p: write(p / "a.nii.gz", np.zeros((3, 4, 5, 6), np.int16)),
        "time series",
    ),
    "one slice": (lambda p: write(p / "a.nii.gz", ct_values()[:1]), "one slice"),
    "a flat picture": (lambda p: write(p / "a.nrrd", ct_values()[4]), "one slice"),
    "labels": (lambda p: write(p / "a.nii.gz", (ct_values() > 0).astype(np.uint8)), "0 to 1"),
    "unsigned detector values": (
        lambda p: write(p / "a.nii.gz", (ct_values() + 1000).astype(np.uint16)),
        "no Hounsfield units",
    ),
    "a normalised image": (lambda p: write(p / "a.nrrd", ct_values() / 1000.0), "-1 to 0.9"),
    "a constant": (lambda p: write(p / "a.nrrd", np.full((4, 4, 4), -1000, np.int16)), "-1000"),
    "a truncated NIfTI": (lambda p: _cut(write(p / "a.nii.gz", NOISE)), "a.nii.gz"),
    "a truncated NRRD": (lambda p: _cut(write(p / "a.nrrd", NOISE)), "a.nrrd"),
    "text named NIfTI": (lambda p: _named(p / "a.nii", "hello"), "not a readable image"),
    "text named NRRD": (lambda p: _named(p / "a.nrrd", "NRRD0004\nhello"), "not a readable image"),
    "zero spacing": (
        lambda p: _named(
            p / "a.nhdr",
            "NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nendian: little\n"
            "space: left-posterior-superior\nspace directions: (0,0,0) (0,1,0) (0,0,1)\n"
            "data file: a.raw\n",
        ),
        "a.nhdr",
    ),
    "a picture": (lambda p: _named(p / "a.png", "x"), "expected a folder of DICOM"),
    "an empty file": (lambda p: _named(p / "a.dcm", ""), "expected a folder of DICOM"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_ct_file_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    make, said = BAD_FILES[kind]
    with pytest.raises(ValueError, match=r".") as refusal:
        read_volume(make(tmp_path))
    message = str(refusal.value)
    assert message.startswith("ct: ")
    assert said in message
    assert "\n" not in message


def test_a_missing_ct_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"ct: nowhere/ct\.nii does not exist"):
        read_volume("nowhere/ct.nii")


def label_values() -> np.ndarray:
    labels = np.zeros((10, 12, 14), dtype=np.uint8)
    labels[4:6, 4:6, 4:6] = 3
    labels[7, 7, 7] = 12
    return labels


def test_labels_keep_place_and_get_names(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.nii.gz", label_values())
    labels, ijk_to_ras, names = read_labels(path, {3: "femur"})
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, label_values())
    assert names == {3: "femur", 12: "label 12"}
    assert ijk_to_ras == pytest.approx(
        read_volume(write(tmp_path / "c.nrrd", ct_values())).ijk_to_ras
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.json", '{"3": "femur", "12": "tibia"}'),
        ("b.json", '{"femur": 3, "tibia": 12}'),
        ("a.csv", "group,structure,id\nbones,femur,3\nbones,tibia,12\n"),
        ("a.ctbl", "# colours\n3 femur 255 0 0 255\n12 tibia 0 255 0 255\n"),
    ],
)
def test_names_come_from_json_csv_or_a_colour_table(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    path = write(tmp_path / "labels.nrrd", label_values())
    assert read_labels(path, tmp_path / file)[2] == {3: "femur", 12: "tibia"}


SEGMENTS = {
    "Segment0_Name": "left tibia",
    "Segment0_LabelValue": "1",
    "Segment0_Layer": "0",
    "Segment1_Name": "left fibula",
    "Segment1_LabelValue": "1",
    "Segment1_Layer": "1",
}


def layered(overlap: bool) -> np.ndarray:
    layers = np.zeros((10, 12, 14, 2), dtype=np.uint8)
    layers[2:5, 2:5, 2:5, 0] = 1
    layers[4 if overlap else 5 :, 2:5, 2:5, 1] = 1
    return layers


def test_slicer_segments_in_layers_become_one_label_map(tmp_path: Path) -> None:
    path = write(tmp_path / "leg.seg.nrrd", layered(False), vector=True, keys=SEGMENTS)
    labels, _, names = read_labels(path)
    assert names == {1: "left tibia", 2: "left fibula"}
    assert np.array_equal(labels == 2, layered(False)[..., 1] == 1)


def test_overlapping_segments_are_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "leg.seg.nrrd", layered(True), vector=True, keys=SEGMENTS)
    with pytest.raises(
        ValueError, match=r"'left tibia' and 'left fibula' of leg\.seg\.nrrd overlap in 9"
    ):
        read_labels(path)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (ct_values(), "whole numbers"),
        (label_values() / 2.0, "whole numbers"),
        (WITH_NAN, "whole numbers"),
        (label_values() * 0, "empty"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path: Path, array: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=f"labels: a.nrrd .*{said}"):
        read_labels(write(tmp_path / "a.nrrd", array))


@pytest.mark.parametrize("turned", [False, True])
def test_resampled_labels_follow_the_patient(turned: bool) -> None:
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[8:13, 8:13, 8:13] = 5  # a cube of 10 mm around index 10
    labels_to_ras = np.diag([2.0, 2.0, 2.0, 1.0])
    labels_to_ras[:3, 3] = -20
    ct_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    if turned:
        ct_to_ras[:3, :3] = OBLIQUE
    # The CT's middle lies near RAS 0, off it lest voxels fall on the cube's faces.
    ct_to_ras[:3, 3] = 0.3 - ct_to_ras[:3, :3] @ [15, 15, 15]
    volume = Volume(np.zeros((31, 31, 31), np.int16), ct_to_ras)
    result = resample_labels(labels, labels_to_ras, volume)
    assert result.shape == volume.hu.shape
    assert np.unique(result).tolist() == [0, 5]
    assert (result == 5).sum() == pytest.approx(1000, rel=0.06)
    k, j, i = (index[result == 5].mean() for index in np.indices(result.shape))
    assert (ct_to_ras @ [i, j, k, 1])[:3] == pytest.approx([0, 0, 0], abs=0.5)


def test_labels_of_another_place_are_refused() -> None:
    far = np.eye(4)
    far[:3, 3] = 500
    with pytest.raises(ValueError, match="none of them lies inside the CT"):
        resample_labels(label_values(), far, Volume(ct_values(), np.eye(4)))
