import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_writing import (
    CR_CLASS,
    HTJ2K,
    HTJ2K_LOSSLESS,
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
    encapsulated,
    encoded,
    image_dataset,
    save,
    transcode,
)

from BoneXrayLib.dicom.dicom_files import read_dataset, stored_pixels

LOSSLESS = (JPEG_LOSSLESS, JPEG_LOSSLESS_14, JPEG_LS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS)
LOSSY = (JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR, JPEG_2000, HTJ2K)
KINDS = [("u1", 8), ("i1", 8), ("u2", 10), ("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16)]


def noise(dtype: str = "u2", bits: int = 12, *shape: int) -> np.ndarray:
    """Every value that so many bits hold, (row, column) unless told."""
    low = -(2 ** (bits - 1)) if dtype.startswith("i") else 0
    rng = np.random.default_rng(bits)
    return rng.integers(low, low + 2**bits, shape or (30, 41)).astype(dtype)


def smooth(*top: float) -> np.ndarray:
    """A picture without edges up to `top`: (row, column), with several tops (row, column, 3)."""
    down, right = np.mgrid[:48, :64] / 64
    grey = (0.5 + 0.5 * np.sin(3 * down) * np.cos(2 * right))[..., None] * np.array(top)
    return np.rint(grey[..., 0] if len(top) == 1 else grey).astype(np.uint16)


def rgb_of(ybr: np.ndarray) -> np.ndarray:
    """Red, green and blue of full-range BT.601 luma and chroma (PS3.3 C.7.6.3.1.2)."""
    y, b, r = np.moveaxis(ybr.astype(float), -1, 0)
    green = y - 0.344136 * (b - 128) - 0.714136 * (r - 128)
    return np.stack([y + 1.402 * (r - 128), green, y + 1.772 * (b - 128)], axis=-1)


def stored(path: Path) -> np.ndarray:
    return stored_pixels(read_dataset(path), path.name)


def plain_cr(folder: Path, pixels: np.ndarray, bits: int, **elements: object) -> Path:
    dataset = image_dataset(pixels, CR_CLASS, "CR", BitsStored=bits, **elements)
    return save(dataset, folder / "plain.dcm")


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize(("dtype", "bits"), KINDS)
def test_lossless_streams_give_every_stored_value_back(
    tmp_path: Path, dtype: str, bits: int, syntax: str
) -> None:
    pixels = noise(dtype, bits)
    packed = transcode(plain_cr(tmp_path, pixels, bits), tmp_path / "a.dcm", syntax)
    assert read_dataset(packed).file_meta.TransferSyntaxUID == syntax
    read = stored(packed)
    assert read.dtype == pixels.dtype
    assert np.array_equal(read[0], pixels)


@pytest.mark.parametrize(
    ("syntax", "bits", "tolerance"),
    [
        *((syntax, 8, 4) for syntax in LOSSY),
        *((syntax, 12, 16) for syntax in LOSSY[1:]),
    ],
)
def test_lossy_streams_give_close_values(
    tmp_path: Path, syntax: str, bits: int, tolerance: int
) -> None:
    pixels = smooth(2**bits - 1).astype("u1" if bits == 8 else "u2")
    packed = transcode(plain_cr(tmp_path, pixels, bits), tmp_path / "a.dcm", syntax)
    error = stored(packed)[0].astype(int) - pixels
    assert np.abs(error).max() <= tolerance


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [*LOSSLESS, RLE])
def test_lossless_colours_are_the_stored_ones(tmp_path: Path, syntax: str, planar: int) -> None:
    pixels = noise("u1", 8, 20, 31, 3)
    dataset = image_dataset(pixels, SC_CLASS, "OT")
    packed = transcode(save(dataset, tmp_path / "plain.dcm"), tmp_path / "a.dcm", syntax)
    dataset = pydicom.dcmread(packed)
    dataset.PlanarConfiguration = 0 if syntax == RLE else planar  # no matter to the other streams
    assert np.array_equal(stored(save(dataset, packed, syntax))[0], pixels)


@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("YBR_FULL", {"subsampling": "444"}),
        ("YBR_FULL_422", {"subsampling": "422"}),
        ("RGB", {"colorspace": "RGB", "outcolorspace": "RGB"}),
    ],
)
def test_baseline_colours_are_those_that_the_header_says(
    tmp_path: Path, photometric: str, options: dict
) -> None:
    import imagecodecs

    rgb = smooth(200, 120, 60).astype("u1")
    dataset = image_dataset(rgb, SC_CLASS, "OT", PhotometricInterpretation=photometric)
    stream = imagecodecs.jpeg8_encode(rgb, 98, **options)
    read = stored(encapsulated(dataset, [stream], tmp_path / "a.dcm", JPEG_BASELINE))[0]
    if photometric != "RGB":
        assert np.abs(read.astype(int) - rgb).max() > 30  # as stored
        read = rgb_of(read)
    assert np.abs(read.astype(int) - rgb).max() <= 6


@pytest.mark.parametrize(
    "options",
    [
        {"has_bot": True},
        {"has_bot": False},
        {"has_bot": True, "fragments_per_frame": 3},
        {"has_bot": False, "fragments_per_frame": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_LS, JPEG_2000_LOSSLESS])
@pytest.mark.parametrize("count", [1, 4])
def test_frames_are_put_together_from_their_fragments(
    tmp_path: Path, count: int, syntax: str, options: dict
) -> None:
    frames = noise("u2", 12, count, 24, 33)
    dataset = image_dataset(frames[0], CR_CLASS, "CR", BitsStored=12, NumberOfFrames=count)
    streams = [encoded(frame, syntax, 12) for frame in frames]
    path = encapsulated(dataset, streams, tmp_path / "a.dcm", syntax, **options)
    assert np.array_equal(stored(path), frames)


def test_an_extended_offset_table_is_followed(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate_extended

    frames = noise("u2", 12, 3, 24, 33)
    dataset = image_dataset(frames[0], CR_CLASS, "CR", BitsStored=12, NumberOfFrames=3)
    streams = [encoded(frame, JPEG_LS, 12) for frame in frames]
    path = encapsulated(dataset, streams, tmp_path / "a.dcm", JPEG_LS)
    dataset = pydicom.dcmread(path)
    data, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
        streams
    )
    dataset.PixelData = data
    assert np.array_equal(stored(save(dataset, path, JPEG_LS)), frames)


@pytest.mark.parametrize("signed", [False, True])
def test_the_header_says_the_sign_whatever_jpeg_2000_says(tmp_path: Path, signed: bool) -> None:
    told, coded = ("i2", "u2") if signed else ("u2", "i2")
    pixels = noise(told, 16)
    dataset = image_dataset(pixels, CR_CLASS, "CR")
    stream = encoded(pixels.view(coded), JPEG_2000_LOSSLESS, 16)
    path = encapsulated(dataset, [stream], tmp_path / "a.dcm", JPEG_2000_LOSSLESS)
    assert np.array_equal(stored(path)[0], pixels)


def test_a_jpeg_2000_file_inside_is_read_though_dicom_forbids_it(tmp_path: Path) -> None:
    import imagecodecs

    pixels = noise()
    stream = imagecodecs.jpeg2k_encode(pixels, 0, codecformat="jp2", reversible=True)
    dataset = image_dataset(pixels, CR_CLASS, "CR", BitsStored=12)
    path = encapsulated(dataset, [stream], tmp_path / "a.dcm", JPEG_2000_LOSSLESS)
    assert np.array_equal(stored(path)[0], pixels)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.98])
@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY])
def test_a_stream_cut_short_is_refused_in_one_line(
    tmp_path: Path, syntax: str, share: float
) -> None:
    pixels = noise("u1", 8, 200, 200)
    stream = encoded(pixels, syntax, 8)
    dataset = image_dataset(pixels, CR_CLASS, "CR")
    short = stream[: int(len(stream) * share)]
    path = encapsulated(dataset, [short], tmp_path / "a.dcm", syntax)
    with pytest.raises(ValueError, match=r"^a\.dcm: its pixels cannot be decoded.*cut short"):
        stored(path)


@pytest.mark.parametrize("told", [1, 2, 4])
def test_a_wrong_number_of_frames_is_refused(tmp_path: Path, told: int) -> None:
    frames = noise("u2", 12, 3, 24, 33)
    dataset = image_dataset(frames[0], CR_CLASS, "CR", BitsStored=12, NumberOfFrames=told)
    streams = [encoded(frame, JPEG_LS, 12) for frame in frames]
    path = encapsulated(dataset, streams, tmp_path / "a.dcm", JPEG_LS)
    with pytest.raises(ValueError, match="frames"):
        stored(path)


def test_compressed_files_are_read_where_gdcm_cannot_be_imported(tmp_path: Path) -> None:
    """GDCM makes Slicer crash when it closes: nothing may need it."""
    plain = plain_cr(tmp_path, noise("u1", 8), 8)
    for number, syntax in enumerate([*LOSSLESS, *LOSSY, RLE]):
        transcode(plain, tmp_path / f"{number}.dcm", syntax)
    program = f"""
        import sys
        from pathlib import Path

        sys.modules["gdcm"] = None  # an import of it now fails
        from BoneXrayLib.dicom.dicom_files import read_dataset, stored_pixels

        for path in sorted(Path({str(tmp_path)!r}).iterdir()):
            stored_pixels(read_dataset(path), path.name)
        print(sys.modules["gdcm"], [m for m in sys.modules if m.startswith("_gdcm")])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", "[]"]
