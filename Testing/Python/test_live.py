"""A CT kept ready: what comes at once agrees with what comes when the hand rests."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib import live
from BoneXrayLib.bone import Parts
from BoneXrayLib.drr import DrrConfig, exposure_geometry, simulate
from BoneXrayLib.live import LiveCt
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.projection import project
from BoneXrayLib.thinning import preview_geometry
from BoneXrayLib.volume import Volume

SMALL = {"size": (96, 80), "pixel": 3.0}


@pytest.fixture(scope="module")
def limb() -> Volume:
    """Its bones denser from one end to the other, so that each window holds another part."""
    limb = synthetic_limb(3.0)
    along = np.linspace(0.3, 1.0, len(limb.hu))[:, None, None]
    hu = np.where(limb.hu > 100, limb.hu * along + 100, limb.hu).round().astype(np.int16)
    return Volume(hu, limb.ijk_to_ras, limb.name)


@pytest.fixture
def ready(limb: Volume) -> LiveCt:
    kept = LiveCt(limb)
    kept.preview(DrrConfig(**SMALL))
    kept.sort(DrrConfig(**SMALL))
    return kept


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2) / np.mean(other**2)))


def test_what_is_kept_changes_no_radiograph(limb: Volume) -> None:
    kept = LiveCt(limb)
    for choice in (
        {},
        {"view": "LAT-L"},
        {"view": "LAT-L", "hu": (350.0, 800.0)},
        {"preset": "soft-ramp"},
        {"preset": "400-800"},
        {"remove_couch": False, "rotate": (20.0, 10.0)},
        {},
    ):
        config = DrrConfig(**SMALL, **choice)
        seen, alone = kept.simulate(config), simulate(limb, config)
        assert list(seen.layers) == list(alone.layers)
        for name, layer in alone.layers.items():
            np.testing.assert_array_equal(seen.layers[name], layer, err_msg=f"{choice} {name}")


def test_labelled_bones_are_kept_apart(limb: Volume) -> None:
    labels = np.zeros(limb.hu.shape, np.uint8)
    labels[limb.hu > 300] = 1
    labels[: len(labels) // 2][labels[: len(labels) // 2] == 1] = 2
    kept = LiveCt(limb, labels, {1: "upper", 2: "lower"})
    config = DrrConfig(**SMALL)
    assert list(kept.coarse(config).layers) == ["rest", "upper", "lower"]
    seen = kept.preview(config)
    np.testing.assert_array_equal(seen.bone, simulate(limb, config, labels, {1: "a", 2: "b"}).bone)
    assert not kept.can_sort(config)


def test_the_first_coarse_image_is_the_same_view_in_larger_pixels(limb: Volume) -> None:
    config = DrrConfig(view="LAO", size=(480, 400), pixel=0.6)
    kept = LiveCt(limb)
    first = kept.coarse(config)
    kept.preview(config)
    later, exact = kept.coarse(config), kept.simulate(config)
    assert first.full.shape == later.full.shape == (192, 160)
    blocks = exact.full.reshape(96, 5, 80, 5).mean((1, 3))
    for coarse, limit in ((first, 0.2), (later, 0.05)):
        assert error(coarse.full.reshape(96, 2, 80, 2).mean((1, 3)), blocks) < limit


def test_a_large_detector_is_shown_in_larger_pixels_until_it_is_made(limb: Volume) -> None:
    geometry = preview_geometry(DrrConfig(size=(2048, 1024), pixel=0.2), limb, live.FULL_SIDE)
    assert geometry.size == (1024, 512)
    assert geometry.pixel_mm == (0.4, 0.4)


@pytest.mark.parametrize("window", [(100, np.inf), (303, np.inf), (451, 599), (400, 799)])
def test_the_bone_of_a_moved_window_is_exact(ready: LiveCt, window: tuple[float, float]) -> None:
    hu, config = ready.volume.hu, DrrConfig(**SMALL, hu=window)
    inside = ((hu >= window[0]) & (hu <= window[1])).astype(np.uint8)
    literal = Parts(hu, ready.volume.ijk_to_ras, inside, None, ("rest", "bone"))
    wanted = project(literal, exposure_geometry(config, ready.volume))[1]
    assert wanted.max() > 0.3
    assert error(ready.bone_now(config), wanted) < 1e-5


def test_a_window_that_begins_in_soft_tissue_is_left_to_the_exact_preview(ready: LiveCt) -> None:
    assert ready.bone_now(DrrConfig(**SMALL, hu=(20.0, np.inf))) is None
    assert ready.bone_now(DrrConfig(**SMALL, hu=(-1000.0, 50.0))) is None


def test_a_window_over_all_is_the_whole_image(ready: LiveCt) -> None:
    config = DrrConfig(**SMALL, hu=(-1000.0, np.inf))
    assert error(ready.bone_now(config), ready.preview(config).full) < 1e-5


@pytest.mark.parametrize(
    "other",
    [{"view": "PA"}, {"rotate": (1.0, 0.0)}, {"preset": "soft-ramp"}, {"remove_couch": False},
     {"preset": "400-800"}, {"shift": (1.0, 0.0)}],
)  # fmt: skip
def test_a_sorted_view_answers_for_no_other_view(ready: LiveCt, other: dict) -> None:
    assert ready.bone_now(DrrConfig(**SMALL)) is not None
    assert ready.bone_now(DrrConfig(**SMALL, **other)) is None


def test_the_couch_is_gone_from_the_first_coarse_image_too(limb: Volume) -> None:
    hu = np.pad(limb.hu, ((0, 0), (0, 30), (0, 0)), constant_values=-1000)
    hu[:, -6:-3] = 100
    bedded = Volume(hu, limb.ijk_to_ras, "bedded")
    with_couch = DrrConfig(view="LAT-L", remove_couch=False, size=(192, 192), pixel=2.0)
    config = DrrConfig(view="LAT-L", size=(192, 192), pixel=2.0)
    exact, coarse = simulate(bedded, config).full, LiveCt(bedded).coarse(config).full
    couch = simulate(bedded, with_couch).full - exact > 0.3
    assert couch.sum() > 500
    assert coarse[couch & (exact == 0)].max() < 0.05
