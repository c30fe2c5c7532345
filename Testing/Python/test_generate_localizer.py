"""Localizers: registered by their own header, paired with the bones of their CT, or simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_writing import CT_CLASS, image_dataset, save, write_ct
from small_data_set import limb_source, small_data_set, write_limbs

from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.generation.config import GenerateConfig, GenerateSource, LocalizerConfig
from BoneXrayTrainingLib.generation.localizer import read_localizer
from BoneXrayTrainingLib.generation.replay import replay
from BoneXrayTrainingLib.generation.run import generate, planned
from BoneXrayTrainingLib.generation.store import PairStore
from BoneXrayTrainingLib.pairs import PairConfig

FRAME = "1.2.826.0.1.77"
CENTRE = np.array([12.8, 15.6, 60.0])  # of the CT, LPS mm
FRONT = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
SIDE, PIXEL = 128, 0.5
DISTANCES = {"DistanceSourceToDetector": 1040.0, "DistanceSourceToPatient": 570.0}


def write_localizer(path: Path, pixels: np.ndarray | None = None, **elements: object) -> Path:
    """A frontal localizer whose image plane goes through the CT's middle; 64 mm a side."""
    corner = CENTRE + (SIDE - 1) / 2 * PIXEL * np.array([-1.0, 0.0, 1.0])
    pixels = (
        np.arange(SIDE * SIDE, dtype=np.int16).reshape(SIDE, SIDE) if pixels is None else pixels
    )
    defaults = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "FrameOfReferenceUID": FRAME,
        "ImagePositionPatient": corner.tolist(),
        "PixelSpacing": [PIXEL, PIXEL],
        **FRONT,
        **DISTANCES,
    }
    return save(image_dataset(pixels, CT_CLASS, "CT", **(defaults | elements)), path)


def lps(*point: float) -> np.ndarray:
    """A point of the CT's middle plus `point`, LPS, as RAS."""
    return (CENTRE + point) * [-1, -1, 1]


def test_a_point_in_the_image_plane_falls_on_the_pixel_that_the_header_says(tmp_path: Path) -> None:
    geometry = read_localizer(write_localizer(tmp_path / "l.dcm"), LocalizerConfig()).geometry
    row, column = geometry.project_points(lps(10.0, 0.0, -7.0)[None])[0]
    middle = (SIDE - 1) / 2
    assert (row, column) == pytest.approx((middle + 7 / PIXEL, middle + 10 / PIXEL))


@pytest.mark.parametrize(("tube", "scale"), [("near", 570 / 470), ("far", 570 / 670)])
def test_what_is_nearer_to_the_tube_is_spread_across_but_not_along_the_table(
    tmp_path: Path, tube: str, scale: float
) -> None:
    file = write_localizer(tmp_path / "l.dcm")
    geometry = read_localizer(file, LocalizerConfig(tube=tube)).geometry
    in_front = lps(10.0, -100.0, -7.0)  # 100 mm before the plane; the image is seen from there
    row, column = geometry.project_points(in_front[None])[0]
    middle = (SIDE - 1) / 2
    assert row == pytest.approx(middle + 7 / PIXEL)
    assert column == pytest.approx(middle + scale * 10 / PIXEL)


def test_a_localizer_stored_lying_down_is_stood_up(tmp_path: Path) -> None:
    standing = read_localizer(write_localizer(tmp_path / "s.dcm"), LocalizerConfig())
    pixels = np.arange(SIDE * SIDE, dtype=np.int16).reshape(SIDE, SIDE)
    lying = write_localizer(
        tmp_path / "l.dcm", pixels.T.copy(), ImageOrientationPatient=[0, 0, -1, 1, 0, 0]
    )
    found = read_localizer(lying, LocalizerConfig(tube="far"))
    assert np.array_equal(found.pixels, standing.pixels)
    points = np.array([lps(10, 0, -7), lps(-5, 20, 13)])
    assert found.geometry.project_points(points) == pytest.approx(
        standing.geometry.project_points(points)
    )


def test_a_header_without_distances_asks_for_them(tmp_path: Path) -> None:
    file = write_localizer(tmp_path / "l.dcm", DistanceSourceToPatient=None)
    with pytest.raises(ValueError, match=r"misses .*DistanceSourceToPatient; set localizer\.dist"):
        read_localizer(file, LocalizerConfig())
    geometry = read_localizer(file, LocalizerConfig(distances=(1000.0, 500.0))).geometry
    assert geometry.magnification == pytest.approx(2.0)


def phantom(points: np.ndarray) -> np.ndarray:
    """HU at LPS points: a water cylinder along the body with a bone off its axis."""
    from_axis = np.linalg.norm(points[..., :2] - CENTRE[:2], axis=-1)
    from_bone = np.linalg.norm(points - CENTRE - np.array([6.0, -5.0, 4.0]), axis=-1)
    return np.where(from_bone < 6, 900.0, np.where(from_axis < 20, 0.0, -1000.0))


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT series, and the localizer of it: what its geometry gives, in whole numbers."""
    root = tmp_path_factory.mktemp("scan")
    heights = [float(z) for z in np.arange(0.0, 60.0, 2.0)]
    origin = (CENTRE[0] - 25.2, CENTRE[1] - 25.2, CENTRE[2] - 29.0)
    write_ct(
        root / "ct", phantom, heights, origin=origin, shape=(64, 64), FrameOfReferenceUID=FRAME
    )
    write_localizer(root / "empty.dcm")
    config = GenerateConfig(
        pairing="localizer",
        dtype="float32",
        draws=1,
        ct=(GenerateSource("ct", "p", "MIT"),),
        data_root=str(root),
        localizer=LocalizerConfig(files=("empty.dcm",)),
    )
    generate(config, root / "first", workers=1)
    store = PairStore(root / "first")
    first, last, left, right = store.record(0)["localizer_box"]
    seen = np.zeros((SIDE, SIDE), np.int16)
    seen[first:last, left:right] = np.rint(1000 * store.array(0, "full"))
    write_localizer(root / "real.dcm", seen)
    return root


def of_scan(root: Path, output: str, **localizer: object) -> PairStore:
    config = GenerateConfig(
        pairing="localizer",
        dtype="float32",
        draws=3,
        ct=(GenerateSource("ct", "p", "MIT"),),
        data_root=str(root),
        localizer=LocalizerConfig(files=("real.dcm",), **localizer),
    )
    generate(config, root / output, workers=1)
    return PairStore(root / output)


def agreement(store: PairStore, number: int) -> float:
    seen, full = (store.array(number, name) for name in ("input", "full"))
    return float(np.corrcoef(seen.ravel(), full.ravel())[0, 1])


def test_a_real_localizer_lies_on_the_radiograph_of_its_ct(scanned: Path) -> None:
    store = of_scan(scanned, "registered")
    assert len(store) == 1, "without a movement to draw, more would be the same again"
    record = store.record(0)
    assert record["input"] == "real localizer"
    assert record["drawn"]["draw"] is None
    assert agreement(store, 0) > 0.9999
    assert replay(record, scanned).differing == ()
    bone = store.array(0, "bone")
    assert bone.max() == pytest.approx(12 * 1.9 * 0.01937, rel=0.1), "a ball of 12 mm and 900 HU"


def test_a_movement_between_localizer_and_ct_is_drawn_recorded_and_seen(scanned: Path) -> None:
    store = of_scan(scanned, "moved", misregistration=(5.0, 5.0))
    assert len(store) == 3
    for number in range(3):
        record = store.record(number)
        assert np.linalg.norm(record["drawn"]["shift_mm"]) == pytest.approx(5.0)
        assert agreement(store, number) < 0.999
        assert replay(record, scanned).differing == ()


def test_a_localizer_that_belongs_to_no_ct_is_refused_in_one_line(scanned: Path) -> None:
    write_localizer(scanned / "other.dcm", FrameOfReferenceUID="1.2.3.9")
    config = GenerateConfig(
        pairing="localizer",
        ct=(GenerateSource("ct", "p", "MIT"),),
        data_root=str(scanned),
        localizer=LocalizerConfig(files=("real.dcm", "other.dcm")),
    )
    with pytest.raises(ValueError, match=r"^localizer: other\.dcm belongs to none of the CTs"):
        planned(config, scanned / "none")


def test_a_localizer_that_looks_past_its_ct_leaves_that_ct_out(scanned: Path) -> None:
    write_localizer(scanned / "past.dcm", ImagePositionPatient=[0.0, 15.6, 900.0])
    config = GenerateConfig(
        pairing="localizer",
        ct=(GenerateSource("ct", "p", "MIT"),),
        data_root=str(scanned),
        localizer=LocalizerConfig(files=("past.dcm",)),
    )
    with pytest.raises(ValueError, match=r"past\.dcm looks past the CT"):
        generate(config, scanned / "past", workers=1)


def test_a_ct_without_a_localizer_gets_simulated_ones_that_move_as_drawn(
    limb: Volume, tmp_path: Path
) -> None:
    root = write_limbs(tmp_path / "cts", limb, "a")
    config = small_data_set(
        root,
        tmp_path / "set",
        "a",
        pairing="localizer",
        dtype="float32",
        pairs=PairConfig(size=64, field_of_view=(1.2, 1.25), off_centre=0.1),
        arrays=("input", "full", "input_layers", "layers"),
        localizer=LocalizerConfig(misregistration=(0.0, 8.0)),
        ct=(limb_source("a"),),
    )
    generate(config, workers=1)
    store = PairStore(config.output)
    for number in range(len(store)):
        record = store.record(number)
        assert record["drawn"]["draw"]["beam"] == "localizer"
        seen, full = (store.array(number, n) for n in ("input", "full"))
        assert store.array(number, "input_layers").sum(0) == pytest.approx(seen, abs=1e-5)
        # The whole limb is in view, so that it weighs about the same wherever it moves.
        assert not np.array_equal(seen, full)
        assert 0.5 < seen.sum() / full.sum() < 2.0
        assert replay(record, root).differing == ()
    with pytest.raises(ValueError, match="pairs localizer; expected pairing drr"):
        store.pair(0)
