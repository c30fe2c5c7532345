"""Labels as others write them: a mask a structure, DICOM SEG, names in a NIfTI header."""

from __future__ import annotations

import gzip
import importlib.util
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from dicom_writing import CT_CLASS, image_dataset, save

from BoneXrayLib.label_maps import read_labels, resample_labels, with_structures_only
from BoneXrayLib.labels.nifti_table import names_in_header
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume import read_volume
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.choices import cts_in_folder, label_map_beside
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import (
    RadiographSource,
    segmentation_sources,
)
from BoneXrayTrainingLib.label_choices import read_labelled, with_any

MATRIX = np.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 3, 40], [0, 0, 0, 1.0]])
SHAPE = (6, 5, 4)
needs_highdicom = pytest.mark.skipif(
    importlib.util.find_spec("highdicom") is None, reason="needs highdicom"
)


def mask(*ks: int) -> np.ndarray:
    """(k, j, i) uint8, 1 in the slices."""
    array = np.zeros(SHAPE, np.uint8)
    array[list(ks)] = 1
    return array


def masks(folder: Path, **of: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in of.items():
        write_image_file(folder / f"{name}.nii.gz", array, MATRIX)
    return folder


# -- a folder of masks ----------------------------------------------------------------------------
def test_masks_of_a_folder_are_numbered_and_called_as_their_files(tmp_path: Path) -> None:
    folder = masks(
        tmp_path, femur_left=mask(0, 1) * 255, hip_left=mask(3), liver=mask(), sacrum=mask(5)
    )
    labels, matrix, names = read_labels(folder)
    assert names == {1: "femur_left", 2: "hip_left", 4: "sacrum"}, "an empty mask is not there"
    assert labels[:, 0, 0].tolist() == [1, 1, 0, 2, 0, 4]
    np.testing.assert_allclose(matrix, MATRIX, atol=1e-5)


def test_a_voxel_that_two_masks_share_is_the_first_ones(tmp_path: Path) -> None:
    large, other = np.ones((1, 30, 30), np.uint8), np.ones((1, 30, 30), np.uint8)
    large[:, 15:], other[:, :15] = 0, 0
    large[0, 15, 3] = 1
    labels, _, names = read_labels(masks(tmp_path, a=large, b=other))
    assert names[labels[0, 15, 3]] == "a"
    assert np.count_nonzero(labels) == 900


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({"a": mask(1, 2), "b": mask(2, 3)}, "labels: masks 'a' and 'b' overlap in 20 voxels"),
        ({"a": mask(1), "ct": mask(2) + mask(2, 3)}, r"ct\.nii\.gz holds values 0 to 2; expected"),
        ({"a": mask(1), "b": mask(1)[:4]}, r"b\.nii\.gz lies on another grid than a\.nii\.gz"),
        ({}, "holds 0 image files; expected a mask for each structure"),
        ({"a": mask()}, r"is empty \(all 0\)"),
    ],
)
def test_a_folder_of_something_else_is_refused_in_one_line(
    tmp_path: Path, of: dict[str, np.ndarray], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        read_labels(masks(tmp_path / "m", **of))
    assert str(error.value).startswith("labels: ")
    assert "\n" not in str(error.value)


def test_each_mask_of_a_folder_is_told_of(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        mask = np.zeros((4, 4, 4), np.uint8)
        mask[number] = 1
        write_image_file(tmp_path / f"{name}.nii.gz", mask, np.eye(4))
    told: list[tuple[float, str]] = []
    read_labels(tmp_path, progress=lambda *step: told.append(step))
    assert told == [(0.0, "reading a.nii.gz (1 of 2)"), (0.5, "reading b.nii.gz (2 of 2)")]


def test_of_chosen_structures_of_a_folder_no_other_mask_is_read(tmp_path: Path) -> None:
    for number, name in enumerate(("femur_left", "hip_left", "tibia_left")):
        mask = np.zeros((4, 4, 4), np.uint8)
        mask[number] = 1
        write_image_file(tmp_path / f"{name}.nii.gz", mask, np.eye(4))
    whole, _, names = read_labels(tmp_path)
    (tmp_path / "hip_left.nii.gz").write_bytes(b"no image")
    told: list[str] = []
    chosen, _, kept = read_labels(
        tmp_path, None, lambda _, message: told.append(message), ["femur*", "tibia*"]
    )
    assert told == ["reading femur_left.nii.gz (1 of 2)", "reading tibia_left.nii.gz (2 of 2)"]
    assert kept == {1: "femur_left", 3: "tibia_left"}
    assert np.array_equal(chosen, with_structures_only(whole, names, ["femur*", "tibia*"])[0])
    with pytest.raises(ValueError, match=r"^structures: got 'rib'; expected some of femur_left"):
        read_labels(tmp_path, structures=["rib"])


def test_drr_takes_a_folder_of_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limb = synthetic_limb(6.0)
    write_image_file(tmp_path / "ct.nii.gz", limb.hu, limb.ijk_to_ras)
    bone = limb.hu > 300
    upper = np.arange(len(bone))[:, None, None] > len(bone) // 2
    (tmp_path / "segmentations").mkdir()
    for name, part in (("femur_left", bone & upper), ("tibia_left", bone & ~upper)):
        file = tmp_path / "segmentations" / f"{name}.nii.gz"
        write_image_file(file, part.astype(np.uint8), limb.ijk_to_ras)
    words = ["drr", f"{tmp_path}/ct.nii.gz", "-o", f"{tmp_path}/out", "--size", "40", "40"]
    words += ["--pixel", "8", "--labels", f"{tmp_path}/segmentations"]
    assert main(words) == 0
    made = {p.name for p in (tmp_path / "out").glob("*.nrrd")}
    assert made >= {"femur_left.nrrd", "tibia_left.nrrd"}
    femur = read_radiograph(tmp_path / "out" / "femur_left.nrrd").pixels
    assert main([*words, "--structures", "fem*"]) == 0
    there = {p.stem for p in (tmp_path / "out").glob("*.nrrd")}
    assert there == {"full", "bone", "rest", "femur_left"}
    np.testing.assert_allclose(read_radiograph(tmp_path / "out/bone.nrrd").pixels, femur, atol=1e-6)
    assert main([*words, "--structures", "hip*"]) == 2
    assert "structures: got 'hip*'; expected some of femur_left, tibia_left" in (
        capsys.readouterr().err
    )
    assert main([*words[:-2], "--structures", "hip*"]) == 2
    assert "structures: hip*; expected --labels with it" in capsys.readouterr().err


def test_structures_that_are_not_asked_for_are_no_label() -> None:
    labels = np.array([[[0, 1, 2, 7]]], np.uint8)
    names = {1: "rib_left_1", 2: "liver", 7: "rib_left_2"}
    kept, called = with_structures_only(labels, names, ["rib*"])
    assert kept.tolist() == [[[0, 1, 0, 7]]]
    assert called == {1: "rib_left_1", 7: "rib_left_2"}
    assert with_structures_only(labels, names, [])[0] is labels


# -- data sets as they are published --------------------------------------------------------------
def test_totalsegmentators_data_set_is_a_folder_of_labelled_cts(tmp_path: Path) -> None:
    for case, structures in (("s0001", ("rib_left_1", "liver")), ("s0002", ("liver",))):
        masks(tmp_path / case, ct=mask(1, 2))
        of = {name: mask(n) for n, name in enumerate(structures, start=1)}
        masks(tmp_path / case / "segmentations", **of)
    assert cts_in_folder(tmp_path) == ["s0001/ct.nii.gz", "s0002/ct.nii.gz"]
    cts = read_labelled(tmp_path)
    assert [ct.labels for ct in cts] == ["s0001/segmentations", "s0002/segmentations"]
    assert cts[0].structures == {"rib 1 left": [2], "liver": [1]}
    (alone,) = read_labelled(tmp_path / "s0002")
    assert (alone.path, alone.labels) == ("ct.nii.gz", "segmentations")
    some, names = with_any(cts, ["rib*"])
    assert ([ct.path for ct in some], names) == (["s0001/ct.nii.gz"], ["rib 1 left"])
    assert with_any(cts, [])[0] == cts
    with pytest.raises(ValueError, match=r"structures: got 'femur\*'; expected some of liver, rib"):
        with_any(cts, ["femur*"])


def test_a_folder_of_labelled_cts_is_measured_a_patient_a_ct(tmp_path: Path) -> None:
    for case in ("s0001", "s0002"):
        masks(tmp_path / case, ct=mask(1))
        masks(tmp_path / case / "segmentations", femur_left=mask(1))
    masks(tmp_path / "s0003", ct=mask(1))
    found = segmentation_sources([tmp_path])
    assert [(source.whose, Path(source.labels).parent.name) for source in found] == [
        ("s0001/ct", "s0001"), ("s0002/ct", "s0002")
    ]  # fmt: skip
    (other,) = segmentation_sources([masks(tmp_path / "s0001" / "none")])
    assert isinstance(other, RadiographSource), "no CT with labels there"


def test_nnunets_labels_lie_in_the_folder_beside_the_images(tmp_path: Path) -> None:
    for name in ("imagesTr/pelvis_1_0000.nii.gz", "labelsTr/pelvis_1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "imagesTr/pelvis_2_0000.nii.gz").touch()
    folder = tmp_path / "imagesTr"
    assert label_map_beside(folder, "pelvis_1_0000.nii.gz") == "../labelsTr/pelvis_1.nii.gz"
    assert label_map_beside(folder, "pelvis_2_0000.nii.gz") == ""


@pytest.mark.parametrize("held", ['{"background": 0, "femur": 1}', '{"0": "none", "1": "femur"}'])
def test_nnunets_labels_are_called_as_its_data_set_says(
    tmp_path: Path, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks(tmp_path / "imagesTr", a_0000=mask(1, 2))
    masks(tmp_path / "labelsTr", a=mask(1) + 2 * mask(3))
    (tmp_path / "dataset.json").write_text(f'{{"labels": {held}}}')
    monkeypatch.chdir(tmp_path / "imagesTr")
    (ct,) = read_labelled(".")
    assert ct.structures == {"femur": [1], "label 2": [2]}
    (tmp_path / "dataset.json").write_text('{"labels": [1]}')
    assert read_labelled(".")[0].structures == {"label 1": [1], "label 2": [2]}


def test_structures_without_labelled_cts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text("")
    assert main(["train", f"{tmp_path}/c.toml", "--structures", "femur left"]) == 2
    assert "structures: femur left; expected --labelled with it" in capsys.readouterr().err


# -- names in a NIfTI header ----------------------------------------------------------------------
def with_table(path: Path, table: str, order: str = "<") -> Path:
    """Put a header extension of XML into a NIfTI file, as TotalSegmentator's --ml does."""
    data = gzip.decompress(path.read_bytes())
    text = table.encode()
    text += b"\0" * (-(len(text) + 8) % 16)
    extension = struct.pack(order + "ii", len(text) + 8, 0) + text
    start = struct.unpack_from(order + "f", data, 108)[0]
    head = data[:108] + struct.pack(order + "f", start + len(extension)) + data[112:348]
    path.write_bytes(gzip.compress(head + b"\1\0\0\0" + extension + data[int(start) :]))
    return path


TABLE = """<?xml version="1.0" encoding="UTF-8"?> <CaretExtension> <VolumeInformation Index="0">
<LabelTable><Label Key="0" Red="1" Alpha="0"><![CDATA[???]]></Label>
<Label Key="1" Red="0.5" Green="0.0"><![CDATA[femur_left]]></Label>
<Label Key="2">hip &amp; sacrum</Label></LabelTable></VolumeInformation></CaretExtension>"""


def test_a_multilabel_nifti_brings_its_names(tmp_path: Path) -> None:
    write_image_file(tmp_path / "ml.nii.gz", mask(1) + 2 * mask(3) + 7 * mask(4), MATRIX)
    file = with_table(tmp_path / "ml.nii.gz", TABLE)
    labels, _, names = read_labels(file)
    assert names == {1: "femur_left", 2: "hip & sacrum", 7: "label 7"}
    assert labels[:, 0, 0].tolist() == [0, 1, 0, 2, 7, 0]
    assert read_labels(file, {1: "femur"})[2][1] == "femur", "names that are given count more"


@pytest.mark.parametrize(
    "table",
    [
        "no xml",
        "<LabelTable>",
        '<LabelTable><Label Key="-1">x</Label><Label Key="a">y</Label><Label Key="3"> </Label>',
        '<!DOCTYPE x [<!ENTITY a "&b;&b;">]><LabelTable></LabelTable>',
    ],
)
def test_a_header_without_a_table_of_names_has_none(tmp_path: Path, table: str) -> None:
    write_image_file(tmp_path / "a.nii.gz", mask(1), MATRIX)
    assert names_in_header(with_table(tmp_path / "a.nii.gz", table)) == {}
    assert names_in_header(tmp_path / "a.nrrd") == {}
    (tmp_path / "cut.nii").write_bytes(b"\x5c")
    assert names_in_header(tmp_path / "cut.nii") == {}


# -- DICOM SEG ------------------------------------------------------------------------------------
def ct_series(folder: Path) -> list:
    """Six slices of a CT, 3 mm apart, pixels of 2 x 1.5 mm."""
    folder.mkdir()
    slices = []
    for k in range(SHAPE[0]):
        dataset = image_dataset(
            np.full(SHAPE[1:], -1000 + 100 * k, np.int16), CT_CLASS, "CT",
            PatientID="p", PatientName="", PatientBirthDate="", PatientSex="", StudyID="",
            StudyDate="", StudyTime="", AccessionNumber="", StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.4", FrameOfReferenceUID="1.2.3.5", InstanceNumber=k + 1,
            PixelSpacing=[2.0, 1.5], SliceThickness=3.0, RescaleSlope=1, RescaleIntercept=0,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[-10, 20, 40 + 3 * k],
            ReferringPhysicianName="", SeriesNumber=1,
        )  # fmt: skip
        save(dataset, folder / f"{k}.dcm")
        slices.append(dataset)
    return slices


def write_seg(path: Path, slices: list, of: dict[str, np.ndarray], kind: str = "BINARY") -> Path:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    described = [
        hd.seg.SegmentDescription(
            number, name, codes.SCT.AnatomicalStructure, codes.SCT.Bone,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(of, start=1)
    ]  # fmt: skip
    pixels = np.stack([array > 0 for array in of.values()], axis=-1)
    if kind == "LABELMAP":
        pixels = sum(n * array for n, array in enumerate(of.values(), start=1)).astype(np.uint8)
    made = hd.seg.Segmentation(
        slices, pixels, kind, described, "1.2.3.6", 9, "1.2.3.7", 1, "none", "none", "1", "none"
    )
    made.save_as(path)
    return path


@needs_highdicom
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_dicom_seg_lies_where_its_ct_does(tmp_path: Path, kind: str) -> None:
    slices = ct_series(tmp_path / "ct")
    part = mask(1, 2)
    part[:, 3:] = 0
    of = {"Femur left": part, "Sacrum": mask(4)}
    file = write_seg(tmp_path / "seg.dcm", slices, of, kind)
    labels, matrix, names = read_labels(file)
    assert names == {1: "Femur left", 2: "Sacrum"}
    on_ct = resample_labels(labels, matrix, read_volume(tmp_path / "ct"))
    np.testing.assert_array_equal(on_ct, part + 2 * mask(4))
    (tmp_path / "folder").mkdir()
    file.rename(tmp_path / "folder" / "any-name")
    assert read_labels(tmp_path / "folder")[2] == names, "alone in a folder"


@needs_highdicom
def test_a_dicom_seg_of_overlapping_segments_is_refused(tmp_path: Path) -> None:
    slices = ct_series(tmp_path / "ct")
    file = write_seg(tmp_path / "seg.dcm", slices, {"a": mask(1, 2), "b": mask(2)})
    with pytest.raises(ValueError, match=r"^labels: seg\.dcm: .*apart from each other$"):
        read_labels(file)


def test_other_dicom_files_are_no_labels(tmp_path: Path) -> None:
    ct_series(tmp_path / "ct")
    with pytest.raises(ValueError, match=re.escape("labels: 0.dcm is no DICOM SEG; expected one")):
        read_labels(tmp_path / "ct" / "0.dcm")
    with pytest.raises(ValueError, match="labels: ct holds 0 image files"):
        read_labels(tmp_path / "ct")


def test_without_highdicom_a_dicom_seg_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dataset, *_) = ct_series(tmp_path / "ct")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    save(dataset, tmp_path / "seg.dcm")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "highdicom" else found(name)
    )
    with pytest.raises(ValueError, match=r"needs the package highdicom.*bone-xray\[dicom-seg\]"):
        read_labels(tmp_path / "seg.dcm")
