"""DICOM series become a rectangular grid on which every point lies where it lay in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writing import (
    IMPLICIT,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    ct_slice,
    image_dataset,
    save,
    transcode,
    write_ct,
)

from BoneXrayLib.volume import Volume, read_volume

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
MARKER_LPS = np.array([1.2, 0.6, 41.0])
EVEN = [2.0 * n for n in range(12)]


def marked(points: np.ndarray, centre: np.ndarray = MARKER_LPS, width: float = 4.0) -> np.ndarray:
    """Soft tissue in air with a smooth bright marker: linear in nothing, exact at its centre."""
    distance = np.linalg.norm(points - centre, axis=-1)
    return -900.0 + 2400.0 * np.exp(-((distance / width) ** 2))


def centroid_ras(volume: Volume) -> np.ndarray:
    """Where the marker came to lie, RAS mm."""
    weight = np.clip(volume.hu.astype(float) + 700, 0, None)
    k, j, i = (float((weight * index).sum() / weight.sum()) for index in np.indices(weight.shape))
    return (volume.ijk_to_ras @ [i, j, k, 1])[:3]


def test_a_marker_lands_at_its_ras_position(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, EVEN)
    volume = read_volume(tmp_path)
    assert volume.hu.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((0.8, 0.8, 2.0))
    assert np.abs(centroid_ras(volume) - LPS_TO_RAS * MARKER_LPS).max() < 0.1
    assert volume.notes == ()


def test_oblique_direction_cosines_are_kept(tmp_path: Path) -> None:
    right = np.array([0.8, 0.6, 0.0])
    down = np.cross([0.36, -0.48, 0.8], right)
    marker = np.array([-2.0, 5.0, 38.0])
    cosines = (*right, *down)
    middle = right * 0.8 * 16 + down * 0.8 * 12 + np.cross(right, down) * 11
    write_ct(tmp_path, lambda p: marked(p, marker), EVEN, cosines, origin=tuple(marker - middle))
    volume = read_volume(tmp_path)
    axes = volume.ijk_to_ras[:3, :3] / volume.spacing_mm
    assert axes[:, 0] == pytest.approx(right * LPS_TO_RAS, abs=1e-6)
    assert axes[:, 1] == pytest.approx(down * LPS_TO_RAS, abs=1e-6)
    assert np.abs(centroid_ras(volume) - LPS_TO_RAS * marker).max() < 0.1


@pytest.mark.parametrize("degrees", [18.5, -12.0])
def test_a_tilted_gantry_is_undone(tmp_path: Path, degrees: float) -> None:
    tilt = np.radians(degrees)
    cosines = (1, 0, 0, 0, np.cos(tilt), -np.sin(tilt))
    # The table moves along z while the slices lean: they are sheared.
    write_ct(tmp_path, marked, EVEN, cosines, step=(0, 0, 1), shape=(40, 32), origin=(-12, -15, 30))
    volume = read_volume(tmp_path)
    axes = volume.ijk_to_ras[:3, :3] / volume.spacing_mm
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-6)
    off = np.linalg.inv(volume.ijk_to_ras[:3, :3]) @ (
        centroid_ras(volume) - LPS_TO_RAS * MARKER_LPS
    )
    assert np.abs(off).max() < 0.5  # voxels
    assert any(f"gantry tilt {abs(degrees):.1f}°" in note for note in volume.notes)
    assert volume.hu.min() == -1000  # air outside the sheared slices


def test_uneven_spacing_is_resampled_and_said(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, [0, 2, 4, 6, 8, 10, 13, 16, 19, 22])
    volume = read_volume(tmp_path)
    assert volume.spacing_mm[2] == pytest.approx(2.0)
    assert volume.hu.shape[0] == 12
    assert np.abs(centroid_ras(volume) - LPS_TO_RAS * MARKER_LPS).max() < 0.4
    assert any("uneven slice spacing, 2.00 to 3.00 mm" in note for note in volume.notes)


def test_missing_slices_are_interpolated_and_named(tmp_path: Path) -> None:
    paths = write_ct(tmp_path, lambda p: 20.0 * (p[..., 2] - 40) + p[..., 0], EVEN)
    whole = read_volume(tmp_path)
    paths[4].unlink()
    paths[9].unlink()
    volume = read_volume(tmp_path)
    assert any("2 missing slices at 38.0, 48.0 mm" in note for note in volume.notes)
    assert np.abs(volume.hu.astype(int) - whole.hu).max() <= 1  # a linear ramp comes back
    assert np.array_equal(volume.hu[5], whole.hu[5])  # slices that are there stay as they are


def test_file_order_and_instance_numbers_do_not_matter(tmp_path: Path) -> None:
    paths = write_ct(tmp_path, marked, EVEN)
    forward, backward = read_volume(paths), read_volume(paths[::-1])
    assert np.array_equal(forward.hu, backward.hu)
    assert np.array_equal(forward.ijk_to_ras, backward.ijk_to_ras)


@pytest.mark.parametrize("syntax", [IMPLICIT, JPEG_LOSSLESS, JPEG_LS, JPEG_2000_LOSSLESS, RLE])
def test_compressed_slices_hold_the_same_hounsfield_units(tmp_path: Path, syntax: str) -> None:
    plain = write_ct(tmp_path / "plain", marked, EVEN[:4])
    packed = [transcode(path, tmp_path / path.name, syntax) for path in plain]
    assert pydicom.dcmread(packed[0]).file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(read_volume(packed).hu, read_volume(plain).hu)


def test_subfolders_are_searched_and_other_files_left_out(tmp_path: Path) -> None:
    write_ct(tmp_path / "a" / "b", marked, EVEN)
    (tmp_path / "readme.txt").write_text("not DICOM")
    volume = read_volume(tmp_path)
    assert volume.hu.shape == (12, 24, 32)
    assert any("1 files that are not DICOM" in note for note in volume.notes)


def test_localizers_and_single_images_are_left_out(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, EVEN)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    write_ct(tmp_path, marked, [0.0, 1.0], (0, 1, 0, 0, 0, -1), series="1.2.9", **scout)
    write_ct(tmp_path, marked, [0.0], series="1.2.8")
    volume = read_volume(tmp_path)
    assert volume.hu.shape == (12, 24, 32)
    assert any("series 1.2.9" in note and "series 1.2.8" in note for note in volume.notes)


def test_one_of_two_series_is_chosen_by_number_or_uid(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, EVEN, series="1.2.3")
    write_ct(tmp_path, marked, EVEN[:5], series="1.2.4")
    assert read_volume(tmp_path, series="4").hu.shape[0] == 5
    assert read_volume(tmp_path, series=3).hu.shape[0] == 12
    assert read_volume(tmp_path, series="1.2.4").name == "series 1.2.4"


def test_padding_becomes_air_and_rescale_is_applied(tmp_path: Path) -> None:
    stored = np.full((16, 16), 524, dtype=np.int16)
    stored[0] = -2000
    stored[1] = 12
    for n in range(3):
        one = ct_slice(stored, np.array([0, 0, n]), RescaleSlope=2, RescaleIntercept=-1024)
        one.PixelPaddingValue = -2000
        save(one, tmp_path / f"{n}.dcm")
    hu = read_volume(tmp_path).hu
    assert (hu[:, 0] == -1000).all()
    assert (hu[:, 1] == -1000).all()
    assert (hu[:, 2:] == 24).all()


def test_fractional_rescale_gives_float32(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, EVEN, RescaleSlope="0.5")
    volume = read_volume(tmp_path)
    assert volume.hu.dtype == np.float32
    assert (volume.hu % 1 == 0.5).any()


def test_copies_and_a_few_doubles_are_left_out(tmp_path: Path) -> None:
    paths = write_ct(tmp_path, marked, EVEN)
    (tmp_path / "copy.dcm").write_bytes(paths[3].read_bytes())
    write_ct(tmp_path / "again", marked, EVEN[5:6])
    volume = read_volume(tmp_path)
    assert volume.hu.shape[0] == 12
    assert any("1 copies" in note for note in volume.notes)
    assert any("1 slices that lie where another lies" in note for note in volume.notes)


def test_enhanced_multi_frame_ct_is_read_like_single_slices(tmp_path: Path) -> None:
    paths = write_ct(tmp_path / "single", marked, EVEN)
    singles = [pydicom.dcmread(path) for path in paths]
    stack = np.concatenate([one.pixel_array for one in singles])
    many = image_dataset(stack, "1.2.840.10008.5.1.4.1.1.2.1", "CT", SeriesInstanceUID="1.2.5")
    many.Rows, many.NumberOfFrames = 24, len(singles)
    many.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence={"ImagePositionPatient": one.ImagePositionPatient})
        for one in singles
    ]
    many.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            PixelMeasuresSequence={"PixelSpacing": [0.8, 0.8]},
            PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": -1000},
        )
    ]
    enhanced, single = read_volume(save(many, tmp_path / "many.dcm")), read_volume(paths)
    assert np.array_equal(enhanced.hu, single.hu)
    assert enhanced.ijk_to_ras == pytest.approx(single.ijk_to_ras)


def _item(**sequences: dict[str, object]) -> pydicom.Dataset:
    """A functional group of one-item sequences."""
    group = pydicom.Dataset()
    for keyword, elements in sequences.items():
        inner = pydicom.Dataset()
        for name, value in elements.items():
            setattr(inner, name, value)
        setattr(group, keyword, [inner])
    return group


def _mr(folder: Path) -> None:
    write_ct(folder, marked, EVEN, Modality="MR")


def _two_series(folder: Path) -> None:
    write_ct(folder, marked, EVEN, series="1.2.3")
    write_ct(folder, marked, EVEN, series="1.2.4")


def _mixed_sizes(folder: Path) -> None:
    write_ct(folder / "a", marked, EVEN[:6])
    write_ct(folder / "b", marked, EVEN[6:], shape=(20, 20))


def _truncated(folder: Path) -> None:
    path = write_ct(folder, marked, EVEN)[4]
    path.write_bytes(path.read_bytes()[:-700])


def _cut_in_header(folder: Path) -> None:
    path = write_ct(folder, marked, EVEN)[4]
    path.write_bytes(path.read_bytes()[:620])


def _cut_jpeg(folder: Path) -> None:
    paths = write_ct(folder / "plain", marked, EVEN[:3])
    packed = [transcode(p, folder / p.name, JPEG_LOSSLESS) for p in paths]
    for path in paths:
        path.unlink()
    data = packed[1].read_bytes()
    packed[1].write_bytes(data[: len(data) - 200])


def _phases(folder: Path) -> None:
    write_ct(folder / "a", marked, EVEN)
    write_ct(folder / "b", marked, EVEN)


def _hole(folder: Path) -> None:
    write_ct(folder, marked, [*EVEN, 60.0, 62.0])


def _not_hounsfield(folder: Path) -> None:
    write_ct(folder, marked, EVEN, RescaleIntercept=0)


def _garbage(folder: Path) -> None:
    (folder / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)) * 4)


BAD_SERIES = {
    "an empty folder": (lambda folder: None, "no DICOM images"),
    "a folder of other files": (lambda f: (f / "a.txt").write_text("x" * 300), "1 other files"),
    "MR": (_mr, "MR"),
    "one slice": (lambda f: write_ct(f, marked, [0.0]), "1 slice"),
    "several series": (_two_series, "3 'series 1.2.3' (CT, 12 images)"),
    "mixed sizes in one series": (_mixed_sizes, "24 x 32"),
    "only localizers": (
        lambda f: write_ct(f, marked, EVEN, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "no CT slices",
    ),
    "truncated pixels": (_truncated, "cannot be decoded"),
    "a header cut short": (_cut_in_header, "0896.dcm"),
    "a JPEG cut short": (_cut_jpeg, "0899.dcm"),
    "zero spacing": (lambda f: write_ct(f, marked, EVEN, PixelSpacing=[0, 0]), "PixelSpacing"),
    "missing positions": (
        lambda f: write_ct(f, marked, EVEN, ImagePositionPatient=None),
        "expected a CT",
    ),
    "skewed cosines": (
        lambda f: write_ct(f, marked, EVEN, ImageOrientationPatient=[1, 0, 0, 0.5, 0.5, 0]),
        "ImageOrientationPatient",
    ),
    "slope zero": (lambda f: write_ct(f, marked, EVEN, RescaleSlope=0), "RescaleSlope 0"),
    "several phases": (_phases, "24 slices in 12 places"),
    "all slices in one place": (lambda f: write_ct(f, marked, [5.0] * 3), "places"),
    "a wide hole": (_hole, "no slice between 52.0 and 90.0 mm"),
    "no Hounsfield units": (_not_hounsfield, "no Hounsfield units"),
    "a constant": (lambda f: write_ct(f, lambda p: p[..., 0] * 0 - 1000, EVEN), "-1000 to -1000"),
    "garbage behind DICM": (_garbage, "expected a CT"),
    "a 20,000 px slice": (lambda f: write_ct(f, marked, EVEN[:3], Rows=20000), "20000 x 32"),
}


@pytest.mark.parametrize("kind", BAD_SERIES)
def test_a_bad_series_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    make, said = BAD_SERIES[kind]
    make(tmp_path)
    with pytest.raises(ValueError, match=r".") as refusal:
        read_volume(tmp_path)
    message = str(refusal.value)
    assert message.startswith(("ct: ", "series: "))
    assert said in message
    assert "expected" in message or "choose" in message or "give" in message
    assert "\n" not in message


def test_an_unknown_series_lists_those_there(tmp_path: Path) -> None:
    write_ct(tmp_path, marked, EVEN)
    with pytest.raises(ValueError, match=r"series: 17 is not there; there are: 3 'series 1.2.3'"):
        read_volume(tmp_path, series="17")


def test_a_cancelled_read_stops(tmp_path: Path) -> None:
    from BoneXrayLib.progress import Cancelled

    write_ct(tmp_path, marked, EVEN)
    told: list[float] = []
    with pytest.raises(Cancelled):
        read_volume(tmp_path, progress=lambda f, _: told.append(f), is_cancelled=lambda: bool(told))
    assert told == [0.0]
