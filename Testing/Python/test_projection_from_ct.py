"""A CT packed straight: the same as by way of its parts, in less memory; windows set anew."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from BoneXrayLib.bone import BoneConfig, make_parts
from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import (
    PreparedParts,
    can_flag,
    flag_bone,
    prepare,
    prepare_ct,
    project_prepared,
)
from BoneXrayLib.volume import Volume

WINDOWS = {
    "bone": BoneConfig(),
    "400-800": BoneConfig("400-800"),
    "cortical": BoneConfig("cortical"),
    "own": BoneConfig(hu=(150.5, 900.0)),
    "all": BoneConfig(hu=(-2000.0, math.inf)),
    "none": BoneConfig(hu=(5000.0, 6000.0)),
    "with couch": BoneConfig(remove_couch=False),
    "soft-ramp": BoneConfig("soft-ramp"),
    "soft, none": BoneConfig("soft-ramp", hu=(5000.0, math.inf)),
}
AXES = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (1, 2, 0)}


def body(axes: str = "axial", kind: type = np.int16) -> tuple[Volume, np.ndarray]:
    """A trunk with spine and ribs, specks and noise, on a couch; and labels of the bones."""
    k, j, i = np.ogrid[0:24, 0:70, 0:90]
    rng = np.random.default_rng(5)
    hu = np.full((24, 70, 90), -1020.0)
    trunk = ((j - 30) / 24) ** 2 + ((i - 45) / 36) ** 2 + 0 * k < 1
    hu[trunk] = rng.normal(40, 60, hu.shape)[trunk]
    spine = (j - 42) ** 2 + (i - 45) ** 2 + 0 * k < 40
    rib = (abs((j - 30) ** 2 / 500 + (i - 45) ** 2 / 1150 - 0.8) < 0.06) & (k % 10 < 4)
    labels = np.where(spine, 3, np.where(rib, 7, 0)).astype(np.uint16)
    labels[12:16, 60:64, 40:50] = 9
    hu[labels > 0] = rng.normal(500, 300, hu.shape)[labels > 0]
    hu[:, 58:61, 10:80] = 350
    matrix = np.diag([3.0, 3.0, 3.0, 1.0])
    turned = np.ascontiguousarray(np.transpose(hu, AXES[axes]))
    # Column n of the matrix belongs to array axis 2 - n.
    matrix[:3, :3] = matrix[:3, :3][:, [2 - AXES[axes][2 - n] for n in range(3)]]
    volume = Volume((np.rint(turned) if kind is np.int16 else turned).astype(kind), matrix)
    return volume, np.ascontiguousarray(np.transpose(labels, AXES[axes]))


def assert_identical(one: PreparedParts, two: PreparedParts) -> None:
    """The same to the bit."""
    assert one.names == two.names
    assert [p is None for p in one.single] == [p is None for p in two.single]
    for a, b in zip((one.whole, *one.single), (two.whole, *two.single), strict=True):
        if a is None or b is None:
            continue
        assert (a.order, a.origin, a.shift) == (b.order, b.origin, b.shift)
        for name in ("values", "lowest", "highest", "flagged"):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("window", WINDOWS)
def test_a_ct_is_prepared_as_by_way_of_its_parts(window: str) -> None:
    config = WINDOWS[window]
    for kind in (np.int16, np.float32):
        volume, _ = body(kind=kind)
        parts = make_parts(volume, config)
        assert (parts.part.max() > 0) == ("none" not in window)
        assert_identical(prepare_ct(volume, config), prepare(parts))


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("within", [False, True])
def test_labels_are_prepared_as_by_way_of_their_parts(within: bool, axes: str) -> None:
    volume, labels = body(axes)
    names = {3: "spine", 7: "ribs", 9: "a pad"}
    for preset in ("bone", "soft-ramp"):
        config = BoneConfig(preset, labels_within_hu=within)
        for called in (names, dict.fromkeys(names, "bones")):
            expected = prepare(make_parts(volume, config, labels, called))
            assert_identical(prepare_ct(volume, config, labels, called), expected)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_new_window_is_as_if_prepared_with_it(kind: type) -> None:
    volume, _ = body(kind=kind)
    prepared = prepare_ct(volume, BoneConfig())
    values = prepared.whole.values
    for window in ("cortical", "own", "none", "all", "bone"):
        prepared = flag_bone(prepared, WINDOWS[window])
        assert prepared.whole.values is values
        assert_identical(prepared, prepare_ct(volume, WINDOWS[window]))


def test_a_new_window_shows_in_the_radiograph() -> None:
    volume, _ = body()
    prepared = prepare_ct(volume, BoneConfig())
    geometry = make_geometry(GeometryConfig(size=(60, 80), pixel=6.0), volume.centre_ras)
    images = [project_prepared(prepared, geometry)]
    images.append(project_prepared(flag_bone(prepared, BoneConfig("cortical")), geometry))
    assert 0 < images[1][1].sum() < 0.9 * images[0][1].sum()
    assert images[1].sum(axis=0) == pytest.approx(images[0].sum(axis=0), abs=1e-4)


def test_a_window_that_needs_the_ct_again_is_refused() -> None:
    volume, labels = body()
    prepared = prepare_ct(volume, BoneConfig())
    assert can_flag(prepared, WINDOWS["cortical"])
    for window in ("400-800", "with couch", "soft-ramp"):
        assert not can_flag(prepared, WINDOWS[window])
        with pytest.raises(ValueError, match="config: preset"):
            flag_bone(prepared, WINDOWS[window])
    assert can_flag(prepare_ct(volume, WINDOWS["400-800"]), WINDOWS["with couch"])
    by_label = prepare_ct(volume, BoneConfig(), labels, {3: "bone", 7: "bone", 9: "bone"})
    assert not can_flag(by_label, BoneConfig())
    assert not can_flag(prepare(make_parts(volume)), BoneConfig())


def test_preparing_a_ct_can_be_cancelled_and_tells_its_progress() -> None:
    volume, _ = body()
    told: list[float] = []
    prepare_ct(volume, progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
    asked: list[int] = []
    for patience in (0, 3):
        asked.clear()
        with pytest.raises(Cancelled):
            prepare_ct(volume, is_cancelled=lambda p=patience: asked.append(1) or len(asked) > p)
    prepared = prepare_ct(volume)
    with pytest.raises(Cancelled):
        flag_bone(prepared, WINDOWS["cortical"], is_cancelled=lambda: True)
    again = flag_bone(prepared, WINDOWS["cortical"])
    assert_identical(again, prepare_ct(volume, WINDOWS["cortical"]))


@pytest.mark.parametrize("window", ["bone", "400-800", "cortical", "own"])
def test_preparing_takes_little_more_memory_than_its_result(window: str) -> None:
    hu = np.full((160, 160, 160), -1000, np.int16)
    hu[20:140, 30:130, 30:130] = 30
    hu[20:140, 90:110, 70:90] = 700
    hu[:, 140:144, 20:140] = 200
    volume = Volume(hu, np.diag([0.8, 0.8, 0.8, 1.0]))
    prepare_ct(volume, WINDOWS[window])
    tracemalloc.start()
    try:
        prepared = prepare_ct(volume, WINDOWS[window])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1.35 * hu.nbytes
    assert prepared.whole.flagged.any()
