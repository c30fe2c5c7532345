"""Named bones as files: what is written is what is read, by us and by others."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writing import CR_CLASS, CT_CLASS, image_dataset, save
from PIL import Image
from small_bones import small_bones

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.segment_files import file_names, image_plane, overlay, write_segmentation
from BoneXrayLib.segmentation import Segmentation
from BoneXrayLib.segments.segment_dicom import made_source, source_header
from BoneXrayLib.segments.segment_nrrd import read_seg_nrrd, shared_layers, write_seg_nrrd
from BoneXrayLib.segments.segment_terminology import named_structure, terminology_entry
from BoneXrayLib.segments.structures import TRUNK, WRIST, structure


# -- .seg.nrrd ------------------------------------------------------------------------------------
def test_bones_that_overlap_get_layers_of_their_own_and_others_share_one() -> None:
    masks = small_bones().masks
    layers, places = shared_layers(masks)
    assert places == [(0, 1), (1, 1), (0, 2), (0, 3)]
    assert layers.shape == (2, *masks.shape[1:])
    for mask, (layer, value) in zip(masks, places, strict=True):
        assert np.array_equal(layers[layer] == value, mask)


def test_masks_survive_their_file_with_names_colours_codes_and_place(tmp_path: Path) -> None:
    found = small_bones()
    plane = image_plane(found)
    plane[:3, 3] = (5.0, -7.0, 90.0)
    write_seg_nrrd(tmp_path / "a.seg.nrrd", found.masks, found.structures, plane)
    back = read_seg_nrrd(tmp_path / "a.seg.nrrd")
    assert np.array_equal(back.masks, found.masks)
    assert back.structures == found.structures
    np.testing.assert_allclose(back.ijk_to_ras, plane, atol=1e-6)


def test_one_bone_and_many_random_ones_survive_too(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    for count in (1, 9):
        masks = rng.random((count, 17, 23)) > 0.6
        structures = tuple(structure(f"bone {n}") for n in range(count))
        write_seg_nrrd(tmp_path / "b.seg.nrrd", masks, structures, np.diag([-1.0, -1, 1, 1]))
        back = read_seg_nrrd(tmp_path / "b.seg.nrrd")
        assert np.array_equal(back.masks, masks)
        assert [s.name for s in back.structures] == [s.name for s in structures]


def test_apart_from_each_other_they_are_labels_for_the_reader_of_label_maps(
    tmp_path: Path,
) -> None:
    found = small_bones()
    apart = (0, 2)
    structures = tuple(found.structures[n] for n in apart)
    file = tmp_path / "c.seg.nrrd"
    write_seg_nrrd(file, found.masks[list(apart)], structures, image_plane(found))
    labels, _, names = read_labels(file)
    assert names == {1: "radius", 2: "femur left"}
    assert np.array_equal(labels[0] == 2, found.masks[2])


def test_what_is_no_segmentation_is_refused_in_one_line(tmp_path: Path, limb_file: Path) -> None:
    with pytest.raises(ValueError, match="expected one slice and at least one segment"):
        read_seg_nrrd(limb_file)
    with pytest.raises(FileNotFoundError, match=r"segments: .* does not exist"):
        read_seg_nrrd(tmp_path / "none.seg.nrrd")


@pytest.mark.parametrize("name", [*WRIST, *TRUNK, "some other bone"])
def test_a_structure_survives_slicers_text_of_its_codes(name: str) -> None:
    found = structure(name)
    entry = terminology_entry(found)
    assert entry.count("~") == 6
    assert named_structure(name, found.colour, entry) == found
    assert named_structure(name, found.colour, "not an entry") == found


# -- pictures and tables --------------------------------------------------------------------------
def test_a_png_a_bone_an_overlay_and_the_areas(tmp_path: Path) -> None:
    found = small_bones()
    files = write_segmentation(found, tmp_path / "out", record={"image": "hand.png"})
    assert set(files) == {
        "femur-left.png", "lunate.png", "overlay.png", "radius.png", "segments.csv",
        "segments.json", "segments.seg.nrrd", "ulna.png",
    }  # fmt: skip
    for mask, name in zip(found.masks, ("radius", "ulna", "femur-left", "lunate"), strict=True):
        pixels = np.asarray(Image.open(files[f"{name}.png"]))
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, np.where(mask, 255, 0))
    said = json.loads(files["segments.json"].read_text(encoding="utf-8"))
    assert said["image"] == "hand.png"
    assert said["area_unit"] == "mm²"
    areas = {bone["name"]: bone["area"] for bone in said["bones"]}
    assert areas == found.areas()
    assert areas["radius"] == 16 * 24 * 0.125
    assert said["overlaps"] == [{"bones": ["radius", "ulna"], "area": (10 * 8 - 1) * 0.125}]
    assert said["bones"][2]["terminology"]["code"] == "71341001"
    with files["segments.csv"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["bone", "shared with", "area [mm²]"]
    assert ["radius", "ulna", "9.875"] in rows
    assert ["lunate", "", "0"] in rows


def test_without_a_pixel_size_areas_are_in_pixels_and_say_so(tmp_path: Path) -> None:
    files = write_segmentation(small_bones(None), tmp_path, forms=("nrrd",))
    said = json.loads(files["segments.json"].read_text(encoding="utf-8"))
    assert said["area_unit"] == "pixels²"
    assert said["bones"][0]["area"] == 16 * 24
    assert set(files) == {"segments.csv", "segments.json", "segments.seg.nrrd"}


def test_the_overlay_shows_each_bones_colour_on_the_radiograph() -> None:
    found = small_bones()
    picture = overlay(found)
    outside = ~found.masks.any(axis=0)
    assert (picture[outside].max(axis=1) == picture[outside].min(axis=1)).all(), "grey stays"
    for mask, named in zip(found.masks[:3], found.structures, strict=False):
        assert (picture[mask] == named.colour).all(axis=1).any(), "its outline is drawn"
    shared = picture[15, 26].astype(int)
    assert not np.array_equal(shared, picture[30, 30]), "where bones overlap colours mix"


def test_files_of_bones_never_take_each_others_place() -> None:
    found = file_names(["a/b", "a b", "overlay", "..", "Overlay"])
    assert len({name.lower() for name in found.values()} | {"overlay.png"}) == 6
    assert all("/" not in name and not name.startswith(".") for name in found.values())


def test_a_folder_that_is_a_file_and_an_unknown_form_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"output: got .*file; expected a folder"):
        write_segmentation(small_bones(), tmp_path / "file")
    with pytest.raises(ValueError, match=r"forms: got .*; expected some of png, nrrd, dicom"):
        write_segmentation(small_bones(), tmp_path / "out", forms=("gif",))
    assert not (tmp_path / "out").exists()


def test_a_simulated_radiographs_segments_lie_on_its_detector(tmp_path: Path) -> None:
    drr = simulate(synthetic_limb(8.0), DrrConfig(size=(24, 20), pixel=8.0, view="LAT-L"))
    radiograph = drr.radiograph(drr.full, "full")
    masks = (drr.bone > 0.1)[None]
    found = Segmentation(radiograph, (structure("tibia"),), masks, "m")
    files = write_segmentation(found, tmp_path, forms=("nrrd",))
    back = read_seg_nrrd(files["segments.seg.nrrd"])
    np.testing.assert_allclose(back.ijk_to_ras, drr.geometry.image_to_ras(), atol=1e-4)
    assert np.array_equal(back.masks, masks)


# -- DICOM SEG ------------------------------------------------------------------------------------
def a_dicom_radiograph(path: Path, **elements: object) -> Path:
    pixels = np.arange(40 * 56, dtype=np.uint16).reshape(40, 56)
    fields = {
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "PatientID": "P7",
        "PatientName": "Bone^Xray",
        "ImagerPixelSpacing": [0.25, 0.5],
        **elements,
    }
    return save(image_dataset(pixels, CR_CLASS, "CR", **fields), path)


def test_a_dicom_seg_belongs_to_its_radiograph_and_holds_its_masks(tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    found = small_bones()
    source = a_dicom_radiograph(tmp_path / "hand.dcm")
    files = write_segmentation(found, tmp_path / "out", forms=("dicom",), source=source)
    assert set(files) == {"segments.csv", "segments.dcm", "segments.json"}
    plain = pydicom.dcmread(files["segments.dcm"])
    image = pydicom.dcmread(source)
    assert plain.Modality == "SEG"
    assert plain.StudyInstanceUID == image.StudyInstanceUID
    assert (plain.PatientID, plain.PatientName) == ("P7", "Bone^Xray")
    assert plain.SegmentsOverlap == "YES"
    assert np.array_equal(plain.pixel_array.astype(bool), found.masks)
    shared = plain.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.25, 0.5]
    read = highdicom.seg.segread(files["segments.dcm"])
    assert list(read.segment_numbers) == [1, 2, 3, 4]
    pixels = read.get_pixels_by_source_instance([image.SOPInstanceUID])
    assert np.array_equal(np.moveaxis(pixels[0], -1, 0).astype(bool), found.masks)


def test_a_dicom_seg_names_each_bone_with_its_code_side_and_colour(tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    found = small_bones()
    files = write_segmentation(found, tmp_path, forms=("dicom",))
    read = highdicom.seg.segread(files["segments.dcm"])
    for number, named in enumerate(found.structures, start=1):
        said = read.get_segment_description(number)
        kind = said.segmented_property_type
        assert said.segment_label == named.name
        assert (kind.scheme_designator, kind.value, kind.meaning) == named.type_code
        assert said.segmented_property_category.value == "123037004"
        colour = highdicom.color.CIELabColor.from_dicom_value(
            said.RecommendedDisplayCIELabValue).to_rgb()  # fmt: skip
        assert np.abs(np.subtract(colour, named.colour)).max() <= 2
        modifier = kind.get("SegmentedPropertyTypeModifierCodeSequence")
        assert [m.CodeValue for m in modifier or []] == (["7771000"] if named.side else [])


def test_a_radiograph_that_is_no_dicom_gets_a_source_that_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    found = small_bones()
    files = write_segmentation(found, tmp_path, forms=("dicom",))
    made, segments = (pydicom.dcmread(files[n]) for n in ("source.dcm", "segments.dcm"))
    assert made.StudyInstanceUID == segments.StudyInstanceUID
    reference = segments.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert reference.ReferencedSOPInstanceUID == made.SOPInstanceUID
    back = read_radiograph(files["source.dcm"])
    assert back.pixel_mm == (0.25, 0.5)
    span = np.ptp(found.radiograph.pixels)
    values = (back.pixels - back.pixels.min()) / np.ptp(back.pixels)
    expected = (found.radiograph.pixels - found.radiograph.pixels.min()) / span
    np.testing.assert_allclose(values, expected, atol=2e-5)
    assert made_source(found.radiograph).SOPInstanceUID == made.SOPInstanceUID, "always the same"


def test_without_a_pixel_size_a_dicom_seg_claims_none(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    files = write_segmentation(small_bones(None), tmp_path, forms=("dicom",))
    assert "PixelSpacing" not in pydicom.dcmread(files["source.dcm"])
    shared = pydicom.dcmread(files["segments.dcm"]).SharedFunctionalGroupsSequence[0]
    assert "PixelMeasuresSequence" not in shared


def test_a_seg_of_a_localizer_lies_where_the_localizer_lies(tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom")
    pixels = np.arange(40 * 56, dtype=np.uint16).reshape(40, 56)
    fields = {
        "StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.6",
        "FrameOfReferenceUID": "1.2.3.4.7", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImagePositionPatient": [-20, 5, 300], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "PixelSpacing": [0.25, 0.5], "SliceThickness": 500,
    }  # fmt: skip
    source = save(image_dataset(pixels, CT_CLASS, "CT", **fields), tmp_path / "scout.dcm")
    files = write_segmentation(small_bones(), tmp_path / "o", forms=("dicom",), source=source)
    read = highdicom.seg.segread(files["segments.dcm"])
    assert read.FrameOfReferenceUID == "1.2.3.4.7"
    assert np.array_equal(read.pixel_array.astype(bool), small_bones().masks)
    place = read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert place.ImagePositionPatient == [-20, 5, 300]


@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": 39},
        {"NumberOfFrames": 2},
        {"SeriesInstanceUID": ""},
    ],
)
def test_a_source_that_cannot_be_pointed_to_is_not(tmp_path: Path, elements: dict) -> None:
    source = a_dicom_radiograph(tmp_path / "x.dcm", **elements)
    assert source_header(source, (40, 56)) is None
    assert source_header(tmp_path / "none.dcm", (40, 56)) is None
    assert source_header(None, (40, 56)) is None


def test_a_frame_of_reference_without_a_place_is_not_taken_over(tmp_path: Path) -> None:
    source = a_dicom_radiograph(tmp_path / "x.dcm", FrameOfReferenceUID="1.2.3")
    header = source_header(source, (40, 56))
    assert header is not None
    assert "FrameOfReferenceUID" not in header
    assert header.StudyDate == ""


def test_without_highdicom_the_error_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package highdicom.*\[dicom-seg\]"):
        write_segmentation(small_bones(), tmp_path / "out", forms=("png", "dicom"))
    assert not (tmp_path / "out").exists()


def test_an_empty_segmentation_is_written_as_such(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    found = small_bones()
    empty = replace(found, masks=np.zeros_like(found.masks))
    files = write_segmentation(empty, tmp_path, forms=("png", "nrrd", "dicom"))
    assert not read_seg_nrrd(files["segments.seg.nrrd"]).masks.any()
    assert not pydicom.dcmread(files["segments.dcm"]).pixel_array.any()
