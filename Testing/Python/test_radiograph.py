"""Radiographs come in with bright bones whatever the file, reader or transfer syntax."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_writing import (
    BIG_ENDIAN,
    CR_CLASS,
    CT_CLASS,
    DEFLATED,
    IMPLICIT,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_14,
    JPEG_LS,
    JPEG_LS_NEAR,
    RLE,
    SC_CLASS,
    image_dataset,
    save,
    transcode,
)
from PIL import Image

from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.radiograph import (
    Radiograph,
    display_window,
    radiograph_from_array,
    read_radiograph,
    to_grey,
    write_float_nrrd,
    write_png,
)

LOSSLESS = [
    *(IMPLICIT, BIG_ENDIAN, DEFLATED, RLE),
    *(JPEG_LOSSLESS, JPEG_LOSSLESS_14, JPEG_LS, JPEG_2000_LOSSLESS),
]


def limb(rows: int = 48, columns: int = 64, top: int = 4095) -> np.ndarray:
    """A limb with a bright bone along the rows: (row, column) uint16 up to `top`, bone bright."""
    across = np.abs(np.linspace(-1, 1, columns))
    profile = np.where(across < 0.8, 0.35, 0.02) + np.where(across < 0.3, 0.5, 0.0)
    shade = np.linspace(0.95, 1.05, rows)[:, None] * profile
    return np.rint(shade * top).astype(np.uint16)


def write_cr(path: Path, pixels: np.ndarray, **elements: object) -> Path:
    """A CR image; 16-bit values count as 12 bits stored."""
    defaults = {"BitsStored": 12} if pixels.dtype.itemsize == 2 else {}
    return save(image_dataset(pixels, CR_CLASS, "CR", **(defaults | elements)), path)


def assert_bone_bright(pixels: np.ndarray) -> None:
    columns = pixels.shape[1]
    bone, flesh, air = (pixels[:, int(columns * c)].mean() for c in (0.5, 0.25, 0.02))
    assert bone > flesh > air


def test_both_monochromes_of_one_exposure_are_equal(tmp_path: Path) -> None:
    bright = read_radiograph(write_cr(tmp_path / "2.dcm", limb()))
    dark = write_cr(tmp_path / "1.dcm", 4095 - limb(), PhotometricInterpretation="MONOCHROME1")
    inverted = read_radiograph(dark)
    assert np.array_equal(bright.pixels, inverted.pixels)
    assert_bone_bright(bright.pixels)
    assert any("MONOCHROME1" in note for note in inverted.notes)


def test_itk_reads_monochrome1_inverted_and_we_agree_with_it_on_polarity(tmp_path: Path) -> None:
    path = write_cr(tmp_path / "1.dcm", 4095 - limb(), PhotometricInterpretation="MONOCHROME1")
    itk = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0].astype(float)
    ours = read_radiograph(path).pixels
    assert np.corrcoef(itk.ravel(), ours.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_every_lossless_transfer_syntax_gives_equal_pixels(
    tmp_path: Path, syntax: str, photometric: str
) -> None:
    plain = write_cr(tmp_path / "plain.dcm", limb(), PhotometricInterpretation=photometric)
    packed = transcode(plain, tmp_path / "packed.dcm", syntax)
    assert pydicom.dcmread(packed, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(read_radiograph(packed).pixels, read_radiograph(plain).pixels)


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [(JPEG_BASELINE, 8), (JPEG_EXTENDED, 12), (JPEG_LS_NEAR, 12), (JPEG_2000, 12)],
)
def test_lossy_transfer_syntaxes_give_close_pixels(tmp_path: Path, syntax: str, bits: int) -> None:
    top = 2**bits - 1
    pixels = limb(top=top).astype(np.uint8 if bits == 8 else np.uint16)
    plain = write_cr(tmp_path / "plain.dcm", pixels, BitsStored=bits)
    packed = transcode(plain, tmp_path / "packed.dcm", syntax)
    assert pydicom.dcmread(packed, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    error = read_radiograph(packed).pixels - read_radiograph(plain).pixels
    assert np.abs(error).mean() < 0.02 * top


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("dtype", "shift"), [("u1", 0), ("u2", 0), ("i2", -2048), ("i1", -128)])
def test_signed_and_8_bit_values_are_inverted_about_their_own_range(
    tmp_path: Path, dtype: str, shift: int, photometric: str
) -> None:
    top = 255 if dtype.endswith("1") else 4095
    low, high = shift, top + shift
    bright = limb(top=200 if top == 255 else 3500).astype(int) + shift
    stored = low + high - bright if photometric == "MONOCHROME1" else bright
    path = write_cr(tmp_path / "a.dcm", stored.astype(dtype), PhotometricInterpretation=photometric)
    assert np.array_equal(read_radiograph(path).pixels, bright)


def test_png_and_dicom_agree_on_polarity_and_values(tmp_path: Path) -> None:
    Image.fromarray(limb()).save(tmp_path / "a.png")
    picture = read_radiograph(tmp_path / "a.png")
    assert np.array_equal(
        picture.pixels, read_radiograph(write_cr(tmp_path / "a.dcm", limb())).pixels
    )
    assert picture.pixel_mm is None
    assert picture.domain == "display"


def test_rescale_is_applied_and_windows_are_not(tmp_path: Path) -> None:
    plain = read_radiograph(write_cr(tmp_path / "a.dcm", limb()))
    path = write_cr(
        tmp_path / "b.dcm",
        limb(),
        RescaleSlope="0.5",
        RescaleIntercept=10,
        WindowCenter=300,
        WindowWidth=10,
    )
    radiograph = read_radiograph(path)
    assert radiograph.pixels == pytest.approx(plain.pixels * 0.5 + 10)
    assert any(
        re.match(r"window 300(\.0)? / 10(\.0)? in the file, not", n) for n in radiograph.notes
    )


def test_a_turned_16_bit_png_and_a_tiff_of_colour_pages_are_read(tmp_path: Path) -> None:
    grey = limb(20, 30)
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(np.ascontiguousarray(grey.T[::-1])).save(tmp_path / "a.png", exif=turned)
    assert np.array_equal(read_radiograph(tmp_path / "a.png").pixels, grey)
    import SimpleITK as sitk

    pages = np.repeat(np.stack([grey, grey // 2])[..., None], 3, axis=3)
    sitk.WriteImage(sitk.GetImageFromArray(pages, isVector=True), str(tmp_path / "b.tif"))
    assert read_radiograph(tmp_path / "b.tif").pixels.shape == grey.shape


def test_a_falling_voi_lut_counts_as_one_inversion(tmp_path: Path) -> None:
    lut = pydicom.Dataset()
    lut.LUTDescriptor = [4096, 0, 16]
    lut.LUTData = list(range(4095, -1, -1))
    for element in ("LUTDescriptor", "LUTData"):
        lut[element].VR = "US"
    path = write_cr(tmp_path / "a.dcm", 4095 - limb(), VOILUTSequence=[lut])
    assert np.array_equal(read_radiograph(path).pixels, limb())
    lut["LUTData"] = pydicom.DataElement(
        0x00283006, "OW", np.arange(4095, -1, -1, dtype="<u2").tobytes()
    )
    path = write_cr(tmp_path / "b.dcm", 4095 - limb(), VOILUTSequence=[lut])
    assert np.array_equal(read_radiograph(path).pixels, limb()), "as bytes"


@pytest.mark.parametrize("depth", [8, 16])
def test_a_tiff_whose_zero_is_white_is_shown_as_viewers_do(tmp_path: Path, depth: int) -> None:
    grey = limb(top=2**depth - 1).astype(f"uint{depth}")
    path = tmp_path / "a.tif"
    # Pillow turns eight bits round as it writes them.
    stored = grey if depth == 8 else (2**depth - 1 - grey).astype(grey.dtype)
    Image.fromarray(stored).save(path, tiffinfo={262: 0})
    assert np.array_equal(read_radiograph(path).pixels, grey)


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("kind", ["raw", "tiff_lzw"])
def test_a_turned_tiff_is_set_upright(tmp_path: Path, turned: int, kind: str) -> None:
    grey = limb(20, 30, 255).astype(np.uint8)
    stored = {
        1: grey, 2: grey[:, ::-1], 3: grey[::-1, ::-1], 4: grey[::-1],
        5: grey.T, 6: grey.T[::-1], 7: grey.T[::-1, ::-1], 8: grey.T[:, ::-1],
    }[turned]  # fmt: skip
    path = tmp_path / "a.tif"
    picture = Image.fromarray(np.ascontiguousarray(stored))
    picture.save(path, compression=kind, tiffinfo={274: turned})
    assert np.array_equal(read_radiograph(path).pixels, grey)


def test_a_header_whose_bits_are_two_numbers_is_refused_in_one_line(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write_cr(tmp_path / "a.dcm", limb()))
    dataset["BitsStored"] = pydicom.DataElement(0x00280101, "US", [12, 16])
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match=r"b\.dcm: its header says no rows, columns or bits"):
        read_radiograph(tmp_path / "b.dcm")


def test_padding_becomes_the_darkest_value(tmp_path: Path) -> None:
    stored = 4095 - limb()
    stored[:, :5] = 0  # MONOCHROME1: the blades' padding would be brightest
    path = write_cr(
        tmp_path / "a.dcm", stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0
    )
    pixels = read_radiograph(path).pixels
    assert (pixels[:, :5] == pixels.min()).all()
    assert np.array_equal(pixels[:, 5:], limb()[:, 5:])


@pytest.mark.parametrize("sign", [1, -1])
def test_raw_linear_measurements_become_minus_log_of_the_beam(tmp_path: Path, sign: int) -> None:
    density = limb().astype(float) / 4095 * 2.0
    beam = np.rint(4000 * np.exp(-density))
    stored = (beam if sign == 1 else 4095 - beam).astype(np.uint16)
    path = write_cr(
        tmp_path / "a.dcm",
        stored,
        Modality="DX",
        PresentationIntentType="FOR PROCESSING",
        PixelIntensityRelationship="LIN",
        PixelIntensityRelationshipSign=sign,
    )
    pixels = read_radiograph(path).pixels
    assert_bone_bright(pixels)
    assert pixels - pixels.min() == pytest.approx(density - density.min(), abs=0.01)


def test_raw_logarithmic_measurements_follow_their_sign_not_the_photometric(tmp_path: Path) -> None:
    raw = {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationship": "LOG"}
    path = write_cr(tmp_path / "a.dcm", 4095 - limb(), PixelIntensityRelationshipSign=1, **raw)
    assert np.array_equal(read_radiograph(path).pixels, limb())
    path = write_cr(tmp_path / "b.dcm", limb(), PixelIntensityRelationshipSign=-1, **raw)
    assert np.array_equal(read_radiograph(path).pixels, limb())


def test_fluoroscopy_said_to_be_the_beam_is_inverted_and_shown_pictures_are_not(
    tmp_path: Path,
) -> None:
    relation = {"Modality": "XA", "PixelIntensityRelationship": "LOG"}
    beam = write_cr(tmp_path / "a.dcm", 4095 - limb(), **relation)
    assert_bone_bright(read_radiograph(beam).pixels)
    shown = write_cr(tmp_path / "b.dcm", limb(), Modality="RF", PixelIntensityRelationship="DISP")
    assert_bone_bright(read_radiograph(shown).pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_user_overrules_polarity_by_what_a_viewer_shows(
    tmp_path: Path, photometric: str
) -> None:
    shown_dark = 4095 - limb() if photometric == "MONOCHROME2" else limb()
    path = write_cr(tmp_path / "a.dcm", shown_dark, PhotometricInterpretation=photometric)
    assert np.array_equal(read_radiograph(path, polarity="bone-dark").pixels, limb())
    Image.fromarray(255 - limb(top=255).astype(np.uint8)).save(tmp_path / "a.png")
    assert_bone_bright(read_radiograph(tmp_path / "a.png", polarity="bone-dark").pixels)


def test_colour_captures_of_grey_become_grey(tmp_path: Path) -> None:
    grey = limb(top=255).astype(np.uint8)
    capture = image_dataset(np.stack([grey] * 3, axis=-1), SC_CLASS, "OT")
    path = save(capture, tmp_path / "rgb.dcm")
    assert np.array_equal(read_radiograph(path).pixels, grey)
    packed = transcode(path, tmp_path / "jpeg.dcm", JPEG_BASELINE)
    assert np.abs(read_radiograph(packed).pixels - grey).mean() < 6


def test_ybr_and_palette_captures_become_grey(tmp_path: Path) -> None:
    grey = limb(top=255).astype(np.uint8)
    ybr = np.stack([grey, grey * 0 + 128, grey * 0 + 128], axis=-1)
    capture = image_dataset(ybr, SC_CLASS, "OT", PhotometricInterpretation="YBR_FULL")
    assert np.abs(read_radiograph(save(capture, tmp_path / "ybr.dcm")).pixels - grey).max() <= 1
    table = (np.arange(256, dtype=np.uint16) * 257).tobytes()
    colours = ("Red", "Green", "Blue")
    palette = image_dataset(
        grey,
        SC_CLASS,
        "OT",
        PhotometricInterpretation="PALETTE COLOR",
        **{f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in colours},
        **{f"{c}PaletteColorLookupTableData": table for c in colours},
    )
    pixels = read_radiograph(save(palette, tmp_path / "palette.dcm")).pixels
    assert pixels / pixels.max() == pytest.approx(grey / grey.max(), abs=0.01)


def test_the_first_frame_is_taken_unless_told(tmp_path: Path) -> None:
    frames = np.concatenate([limb(), limb()[::-1]])
    dataset = image_dataset(frames, CR_CLASS, "XA", BitsStored=12, NumberOfFrames=2, Rows=48)
    path = save(dataset, tmp_path / "run.dcm")
    assert np.array_equal(read_radiograph(path).pixels, limb())
    assert np.array_equal(read_radiograph(path, frame=1).pixels, limb()[::-1])
    assert any("frame 1 of 2" in note for note in read_radiograph(path).notes)


@pytest.mark.parametrize(
    ("elements", "pixel_mm", "magnification", "said"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1), None, "magnification unknown"),
        (
            {"ImagerPixelSpacing": [0.15, 0.15], "PixelSpacing": [0.125, 0.125]},
            (0.15, 0.15),
            1.2,
            "against 0.15 mm at the detector",
        ),
        (
            {
                "ImagerPixelSpacing": [0.15, 0.15],
                "DistanceSourceToDetector": 1800,
                "DistanceSourceToPatient": 1500,
            },
            (0.15, 0.15),
            1.2,
            "1800 mm to the detector",
        ),
        (
            {
                "PixelSpacing": [0.1, 0.1],
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": 1.5,
            },
            (0.15, 0.15),
            1.5,
            "at the detector",
        ),
        ({"PixelSpacing": [0.143, 0.143]}, (0.143, 0.143), None, "lengths are at the detector"),
        ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), None, "lengths"),
        ({"PixelSpacing": [0.0, 0.0]}, None, None, "PixelSpacing says 0 mm"),
        ({}, None, None, "give it"),
    ],
)
def test_pixel_size_and_magnification_are_said(
    tmp_path: Path,
    elements: dict[str, object],
    pixel_mm: tuple[float, float] | None,
    magnification: float | None,
    said: str,
) -> None:
    path = write_cr(tmp_path / "a.dcm", limb(), **elements)
    radiograph = read_radiograph(path)
    assert radiograph.pixel_mm == (None if pixel_mm is None else pytest.approx(pixel_mm))
    assert radiograph.magnification == (magnification and pytest.approx(magnification))
    assert any(said in note for note in radiograph.notes)
    told = read_radiograph(path, pixel_mm=0.3)
    assert told.pixel_mm == (0.3, 0.3)
    assert not any("give it" in note for note in told.notes)


def test_a_ct_localizer_is_a_radiograph(tmp_path: Path) -> None:
    scout = image_dataset(
        (limb().astype(int) - 1024).astype(np.int16),
        CT_CLASS,
        "CT",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        PixelSpacing=[1.0, 0.6],
        RescaleSlope=1,
        RescaleIntercept=0,
    )
    radiograph = read_radiograph(save(scout, tmp_path / "scout.dcm"))
    assert_bone_bright(radiograph.pixels)
    assert radiograph.pixel_mm == (1.0, 0.6)


GREY8 = limb(top=255).astype(np.uint8)
PICTURES = {
    "8-bit PNG": lambda p: Image.fromarray(GREY8).save(p / "a.png"),
    "16-bit PNG": lambda p: Image.fromarray(limb()).save(p / "a.png"),
    "RGB PNG": lambda p: Image.fromarray(GREY8).convert("RGB").save(p / "a.png"),
    "PNG with alpha": lambda p: Image.fromarray(GREY8).convert("RGBA").save(p / "a.png"),
    "grey PNG with alpha": lambda p: Image.fromarray(GREY8).convert("LA").save(p / "a.png"),
    "palette PNG": lambda p: Image.fromarray(GREY8).convert("P").save(p / "a.png"),
    "8-bit TIFF": lambda p: Image.fromarray(GREY8).save(p / "a.tif"),
    "16-bit TIFF": lambda p: Image.fromarray(limb()).save(p / "a.tiff"),
    "big-endian 16-bit TIFF": lambda p: Image.fromarray(limb().astype(">u2")).save(p / "a.tif"),
    "float TIFF": lambda p: Image.fromarray(limb().astype(np.float32)).save(p / "a.tif"),
    "LZW TIFF": lambda p: Image.fromarray(limb()).save(p / "a.tif", compression="tiff_lzw"),
    "PNG named JPEG": lambda p: Image.fromarray(GREY8).save(p / "a.jpg", format="PNG"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_keep_their_grey_values(tmp_path: Path, kind: str) -> None:
    PICTURES[kind](tmp_path)
    radiograph = read_radiograph(next(tmp_path.iterdir()))
    deep = any(word in kind for word in ("16", "float", "LZW"))
    assert np.array_equal(radiograph.pixels, limb() if deep else GREY8)


def test_16_bit_colour_pictures_keep_16_bits(tmp_path: Path) -> None:
    colour = sitk.GetImageFromArray(np.stack([limb()] * 3, axis=-1), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "a.png"))
    assert np.array_equal(read_radiograph(tmp_path / "a.png").pixels, limb())


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_pictures_are_close_and_dpi_is_not_believed(tmp_path: Path, mode: str) -> None:
    Image.fromarray(GREY8).convert(mode).save(tmp_path / "a.jpg", quality=95, dpi=(96, 96))
    radiograph = read_radiograph(tmp_path / "a.jpg")
    assert np.abs(radiograph.pixels - GREY8).mean() < 3
    assert radiograph.pixel_mm is None
    assert any("dpi" in note for note in radiograph.notes)


def test_a_tinted_photograph_of_a_film_becomes_its_luminance(tmp_path: Path) -> None:
    tinted = np.stack([GREY8 * 0.7, GREY8 * 0.8, 30 + GREY8 * 0.85], axis=-1).astype(np.uint8)
    Image.fromarray(tinted).save(tmp_path / "film.png")
    radiograph = read_radiograph(tmp_path / "film.png")
    assert_bone_bright(radiograph.pixels)
    assert any("luminance" in note for note in radiograph.notes)


def test_transparent_surroundings_are_black(tmp_path: Path) -> None:
    alpha = np.full_like(GREY8, 255)
    alpha[:, :8] = 0
    Image.fromarray(np.stack([GREY8 | 200] * 3 + [alpha], axis=-1)).save(tmp_path / "a.png")
    assert (read_radiograph(tmp_path / "a.png").pixels[:, :8] == 0).all()


def test_float_nrrd_brings_domain_geometry_and_values_back(tmp_path: Path) -> None:
    geometry = make_geometry(
        GeometryConfig(view="LAO", size=(48, 64), pixel=0.7), np.array([5, -9, 40])
    )
    pixels = limb().astype(np.float32) / 700
    written = Radiograph(pixels, "optical density", (0.7, 0.7), 1.2, geometry, "bone")
    write_float_nrrd(tmp_path / "bone.nrrd", written)
    back = read_radiograph(tmp_path / "bone.nrrd")
    assert back.domain == "optical density"
    assert np.array_equal(back.pixels, pixels)
    assert back.pixel_mm == pytest.approx((0.7, 0.7))
    assert back.magnification == pytest.approx(1.2)
    assert back.geometry is not None
    assert back.geometry.to_dict() == geometry.to_dict()
    image = sitk.ReadImage(str(tmp_path / "bone.nrrd"))
    corner = np.array(image.TransformContinuousIndexToPhysicalPoint((63.0, 47.0, 0.0)))
    assert corner * [-1, -1, 1] == pytest.approx(geometry.detector_points()[-1, -1], abs=1e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["bone.nrrd"]


def test_an_unmarked_nrrd_is_a_display_image_of_unknown_pixel(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(limb()[np.newaxis]), str(tmp_path / "a.nrrd"))
    radiograph = read_radiograph(tmp_path / "a.nrrd")
    assert (radiograph.domain, radiograph.pixel_mm) == ("display", None)
    write_float_nrrd(tmp_path / "b.nrrd", radiograph)
    assert read_radiograph(tmp_path / "b.nrrd").pixel_mm is None


def test_the_display_window_ignores_blades_and_empty_surroundings() -> None:
    image = limb(300, 300).astype(np.float32)
    low, high = display_window(image)
    framed = np.pad(image, 60, constant_values=9000.0)
    framed_low, framed_high = display_window(framed)
    assert framed_low == pytest.approx(low, abs=0.05 * (high - low))
    assert framed_high == pytest.approx(high, rel=0.05)
    assert display_window(np.pad(image, 200))[1] == pytest.approx(high, rel=0.05)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_the_display_window_of_a_constant_is_still_a_window(value: float) -> None:
    low, high = display_window(np.full((20, 20), value, np.float32))
    assert high > low


def test_a_written_png_shows_the_window(tmp_path: Path) -> None:
    array = np.linspace(-1, 3, 400, dtype=np.float32).reshape(20, 20)
    write_png(tmp_path / "a.png", array, 0.0, 2.0)
    write_png(tmp_path / "b.png", array, 0.0, 2.0, bits=16)
    eight, sixteen = (np.asarray(Image.open(tmp_path / f"{n}.png")) for n in "ab")
    assert np.array_equal(eight, np.rint(array.clip(0, 2).astype(float) * 127.5))
    assert sixteen.dtype == np.uint16
    assert np.array_equal(sixteen, to_grey(array, 0.0, 2.0, 16))
    with pytest.raises(ValueError, match="low end below the high end"):
        write_png(tmp_path / "c.png", array, 2.0, 2.0)
    assert not (tmp_path / "c.png").exists()


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _shortened(path: Path, share: float = 0.5) -> Path:
    return _bytes(path, path.read_bytes()[: int(path.stat().st_size * share)])


def _picture(path: Path, array: np.ndarray) -> Path:
    Image.fromarray(array).save(path)
    return path


def _nrrd(path: Path, array: np.ndarray, vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
    return path


def _packed(folder: Path, syntax: str) -> Path:
    return transcode(write_cr(folder / "p.dcm", NOISE), folder / "a.dcm", syntax)


def _changed(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    at = data.index(old, data.index(b"\xe0\x7f\x10\x00"))
    return _bytes(path, data[:at] + new + data[at + len(old) :])


def _large_png(path: Path) -> Path:
    """A real header of 20,000 x 30,000 pixels before nothing: it must not be decoded."""
    _picture(path, np.zeros((16, 16), np.uint8))
    data = bytearray(path.read_bytes())
    data[16:24] = (30000).to_bytes(4, "big") + (20000).to_bytes(4, "big")
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return _bytes(path, bytes(data))


NOISE = np.random.default_rng(2).integers(0, 4095, (48, 64)).astype(np.uint16)
PHOTO = np.random.default_rng(3).integers(0, 255, (40, 40, 3)).astype(np.uint8)
BAD_RADIOGRAPHS = {
    "a folder": (lambda p: p, "is a folder"),
    "an empty file": (lambda p: _bytes(p / "a.dcm", b""), "0 bytes"),
    "a text file": (lambda p: _bytes(p / "a.png", b"no picture" * 40), "no DICOM, PNG"),
    "MR": (lambda p: write_cr(p / "a.dcm", limb(), Modality="MR"), "modality MR"),
    "a CT slice": (lambda p: write_cr(p / "a.dcm", limb(), Modality="CT"), "a CT slice"),
    "truncated DICOM": (lambda p: _shortened(write_cr(p / "a.dcm", limb())), "cannot be decoded"),
    "truncated JPEG in DICOM": (lambda p: _shortened(_packed(p, JPEG_LOSSLESS)), "cut short"),
    "truncated JPEG-LS": (lambda p: _shortened(_packed(p, JPEG_LS), 0.8), "cut short"),
    "truncated JPEG 2000": (lambda p: _shortened(_packed(p, JPEG_2000_LOSSLESS)), "cut short"),
    "truncated RLE": (lambda p: _shortened(_packed(p, RLE), 0.9), "cut short"),
    "damaged JPEG markers": (
        lambda p: _changed(_packed(p, JPEG_LOSSLESS), b"\xff\xc4\x00", b"\xa4\xc4\x00"),
        "damaged JPEG",
    ),
    "a JPEG of another size": (
        lambda p: _changed(_packed(p, JPEG_LS), b"\x00\x30\x00\x40", b"\x70\x30\x70\x40"),
        "its JPEG says",
    ),
    "impossible bits in JPEG 2000": (
        lambda p: _changed(
            _packed(p, JPEG_2000_LOSSLESS), b"\x0b\x01\x01\xff", b"\x6b\x01\x01\xff"
        ),
        "damaged JPEG 2000",
    ),
    "only a DICOM header": (lambda p: _shortened(write_cr(p / "a.dcm", limb()), 0.04), "a.dcm"),
    "DICM and garbage": (
        lambda p: _bytes(p / "a.dcm", b"\0" * 128 + b"DICM" + bytes(range(256)) * 8),
        "a.dcm",
    ),
    "a forged DICOM size": (
        lambda p: write_cr(p / "a.dcm", limb(), Rows=20000, Columns=20000),
        "20000 x 20000 pixels",
    ),
    "DICOM larger than its pixels": (
        lambda p: write_cr(p / "a.dcm", limb(), Rows=4000, Columns=4000),
        "cannot be decoded",
    ),
    "a forged number of frames": (
        lambda p: write_cr(p / "a.dcm", limb(), NumberOfFrames=10**8),
        "GiB of pixels",
    ),
    "a 1 x 1 DICOM": (lambda p: write_cr(p / "a.dcm", limb()[:1, :1]), "1 x 1 pixels"),
    "a constant DICOM": (lambda p: write_cr(p / "a.dcm", limb() * 0 + 7), "every pixel is 7"),
    "a 1 x 1 PNG": (lambda p: _picture(p / "a.png", GREY8[:1, :1]), "1 x 1 pixels"),
    "a thin strip": (lambda p: _picture(p / "a.png", GREY8[:4]), "4 x 64 pixels"),
    "a 20,000 px PNG": (lambda p: _large_png(p / "a.png"), "20000 x 30000 pixels"),
    "a truncated PNG": (lambda p: _shortened(_picture(p / "a.png", NOISE)), "a.png"),
    "a truncated JPEG": (lambda p: _shortened(_picture(p / "a.jpg", PHOTO)), "a.jpg"),
    "a truncated TIFF": (lambda p: _shortened(_picture(p / "a.tif", NOISE)), "a.tif"),
    "a constant PNG": (lambda p: _picture(p / "a.png", GREY8 * 0), "every pixel is 0"),
    "a float TIFF with NaN": (
        lambda p: _picture(p / "a.tif", np.where(NOISE > 4000, np.nan, NOISE).astype(np.float32)),
        "NaN",
    ),
    "a volume": (lambda p: _nrrd(p / "a.nrrd", np.zeros((5, 20, 20), np.int16)), "is a volume"),
    "a colour NRRD": (lambda p: _nrrd(p / "a.nrrd", PHOTO[None], True), "3 values per voxel"),
    "a NaN NRRD": (
        lambda p: _nrrd(p / "a.nrrd", np.full((1, 20, 20), np.nan, np.float32)),
        "NaN",
    ),
    "a truncated NRRD": (lambda p: _shortened(_nrrd(p / "a.nrrd", NOISE[None])), "a.nrrd"),
    "an unknown domain": (lambda p: _marked(p / "a.nrrd", "BoneXray domain", "dose"), "'dose'"),
    "a broken geometry": (lambda p: _marked(p / "a.nrrd", "BoneXray geometry", "{}"), "geometry"),
}


def _marked(path: Path, key: str, value: str) -> Path:
    image = sitk.GetImageFromArray(limb()[np.newaxis].astype(np.float32))
    image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("kind", BAD_RADIOGRAPHS)
def test_a_bad_radiograph_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    make, said = BAD_RADIOGRAPHS[kind]
    with pytest.raises(ValueError, match=r".") as refusal:
        read_radiograph(make(tmp_path))
    message = str(refusal.value)
    assert message.startswith("image: ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"polarity": "negative"}, "polarity: got 'negative'; expected one of auto"),
        ({"pixel_mm": 0.0}, "pixel_mm: 0.0; expected 0.001 to 10 mm"),
        ({"pixel_mm": float("nan")}, "pixel_mm: nan"),
        ({"frame": 3}, "frame: 3; expected 0 to 0"),
    ],
)
def test_impossible_arguments_are_named(tmp_path: Path, arguments: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_radiograph(write_cr(tmp_path / "a.dcm", limb()), **arguments)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"image: nowhere\.png does not exist"):
        read_radiograph("nowhere.png")


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((2, 20, 20), np.float32), "2-D"),
        (np.zeros((20, 20), np.uint8), "float32"),
        (np.full((20, 20), np.inf, np.float32), "infinity"),
    ],
)
def test_an_impossible_radiograph_is_refused(pixels: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Radiograph(pixels)


def test_any_real_array_becomes_a_radiograph() -> None:
    radiograph = radiograph_from_array(limb(), "optical density", pixel_mm=(0.5, 0.4))
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.pixel_mm == (0.5, 0.4)
    with pytest.raises(ValueError, match="complex64"):
        radiograph_from_array(limb().astype(np.complex64))
