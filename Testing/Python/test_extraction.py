"""Bones out of a radiograph: within the image, in its units, at its size."""

from __future__ import annotations

import numpy as np
import pytest
from small_model import write_small_model

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.extraction import (
    ExtractConfig,
    Extraction,
    enhance,
    extract,
    image_scale,
    input_channels,
)
from BoneXrayLib.models import Model, verify_model
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.volume import Volume

DENSITY, DISPLAY = "optical density", "display"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Answers with the square of its first channel, at 64 pixels."""
    return verify_model(write_small_model(tmp_path_factory.mktemp("models") / "small"))


@pytest.fixture(scope="module")
def limb_radiograph(limb: Volume) -> Radiograph:
    drr = simulate(limb, DrrConfig(size=(96, 72), pixel=2.5))
    return drr.radiograph(drr.full, "full")


@pytest.fixture(scope="module")
def found(limb_radiograph: Radiograph, model: Model) -> Extraction:
    return extract(limb_radiograph, model=model)


def picture(shape: tuple[int, int], domain: str = DISPLAY) -> Radiograph:
    r, c = np.mgrid[: shape[0], : shape[1]]
    bright = np.exp(-(((c - shape[1] / 2) / (shape[1] / 6)) ** 2)) + 0.2 * r / shape[0]
    return Radiograph((100 * bright + 20).astype(np.float32), domain)


def test_bone_is_never_negative_nor_above_the_image(found: Extraction) -> None:
    assert found.bone.dtype == np.float32
    assert found.bone.shape == found.radiograph.pixels.shape
    assert found.bone.min() >= 0
    assert (found.bone <= found.radiograph.pixels).all()
    assert found.bone.max() > 0.5, "optical density keeps its units"
    assert found.model == "small 0.1"


def test_the_image_without_its_bones_and_the_bones_make_the_image(found: Extraction) -> None:
    image = found.radiograph.pixels
    assert found.enhanced(-1.0) + found.bone == pytest.approx(image, abs=1e-5)
    assert np.array_equal(found.enhanced(0.0), image)
    assert found.enhanced(1.0) == pytest.approx(image + found.bone, abs=1e-5)
    assert found.enhanced(-1.0).min() >= -1e-6


@pytest.mark.parametrize("value", [-1.01, 2.01, float("nan"), float("inf")])
def test_an_enhancement_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"enhance: got .*; expected -1 to 2"):
        enhance(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32), value)
    with pytest.raises(ValueError, match="enhance: got"):
        ExtractConfig(enhance=value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixel": 0.0}, "pixel: got 0.0; expected a positive length in mm"),
        ({"pixel": float("nan")}, "pixel: got nan"),
        ({"polarity": "upside down"}, "polarity: got 'upside down'; expected one of auto"),
    ],
)
def test_a_wrong_field_is_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExtractConfig(**fields)


def test_the_scale_and_offset_of_a_display_image_do_not_matter(model: Model) -> None:
    plain = picture((80, 60))
    other = Radiograph(7.0 * plain.pixels - 300.0)
    bone, scaled = (extract(radiograph, model=model).bone for radiograph in (plain, other))
    assert bone.max() > 10
    assert scaled == pytest.approx(7.0 * bone, rel=1e-3, abs=0.05)


def test_optical_density_starts_at_zero_and_tells_the_network_its_span() -> None:
    pixels = picture((40, 40), DENSITY).pixels / 50
    scale = image_scale(pixels, DENSITY)
    assert scale.base == 0.0
    channels = input_channels(pixels, scale, DENSITY, 0.8)
    assert channels[0] * scale.span == pytest.approx(pixels, rel=1e-5)
    assert channels[1] == pytest.approx(scale.span / 5)
    assert channels[2] == pytest.approx(0.4)


def test_the_corner_of_a_limb_in_air_is_at_most_ten_spans_bright() -> None:
    pixels = np.abs(np.random.default_rng(2).normal(0.0, 1e-4, (200, 200))).astype(np.float32)
    pixels[:15, :15] = 3.0  # less than the share of pixels that may lie above the span
    assert pixels.max() / image_scale(pixels, DENSITY).span == pytest.approx(10.0)
    pixels[:40, :40] = 3.0
    assert image_scale(pixels, DENSITY).span == pytest.approx(3.0)


def test_what_is_not_known_is_zero_for_the_network() -> None:
    pixels = picture((40, 40)).pixels
    channels = input_channels(pixels, image_scale(pixels, DISPLAY), DISPLAY, None)
    assert not channels[1:].any()
    huge = input_channels(pixels, image_scale(pixels, DISPLAY), DISPLAY, 50.0)
    assert huge[2] == pytest.approx(2.0), "pixels of more than 4 mm count as 4 mm"


def test_twice_the_optical_density_gives_twice_the_bone(model: Model) -> None:
    thin = picture((64, 64), DENSITY)
    thick = Radiograph(2 * thin.pixels, DENSITY)
    bones = [extract(radiograph, model=model).bone for radiograph in (thin, thick)]
    assert bones[1] == pytest.approx(2 * bones[0], rel=1e-4)


@pytest.mark.parametrize("shape", [(37, 101), (101, 37), (64, 64), (65, 63), (200, 31), (1, 9)])
@pytest.mark.parametrize("domain", [DENSITY, DISPLAY])
def test_any_shape_keeps_its_shape(model: Model, shape: tuple[int, int], domain: str) -> None:
    bone = extract(picture(shape, domain), model=model).bone
    assert bone.shape == shape
    assert np.isfinite(bone).all()


def test_the_bones_stay_where_they_are_when_resized(model: Model) -> None:
    radiograph = picture((151, 99))
    bone = extract(radiograph, model=model).bone
    columns = (bone.sum(0) * np.arange(99)).sum() / bone.sum()
    assert columns == pytest.approx(99 / 2, abs=0.5)
    assert np.allclose(bone, extract(Radiograph(radiograph.pixels[:, ::-1].copy()), model=model)
                       .bone[:, ::-1], atol=0.5)  # fmt: skip


@pytest.mark.parametrize("level", [0.0, 5.0, -3.0])
@pytest.mark.parametrize("domain", [DENSITY, DISPLAY])
def test_an_even_image_is_answered_with_numbers(model: Model, level: float, domain: str) -> None:
    even = Radiograph(np.full((32, 32), level, np.float32), domain)
    bone = extract(even, model=model).bone
    assert np.isfinite(bone).all()
    assert bone.min() >= 0


def test_a_pixel_size_reaches_the_network_at_its_working_size(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []

    def network(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        seen.append(channels)
        return np.zeros((1, *channels.shape[1:]), np.float32)

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", network)
    pixels = picture((128, 96)).pixels
    extract(Radiograph(pixels, DISPLAY, (0.5, 0.5)), model=model)
    assert seen[0].shape == (3, 64, 48)
    assert seen[0][2] == pytest.approx(0.5), "1 mm, as two pixels became one"


def test_a_mirrored_radiograph_gives_mirrored_bones_whatever_the_network_prefers(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leans_to_the_right(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        return 0.5 * channels[:1] * np.linspace(0.0, 1.0, channels.shape[2], dtype=np.float32)

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", leans_to_the_right)
    image = picture((50, 61))
    image.pixels[10:20, 5:15] += 40.0
    turned = Radiograph(np.ascontiguousarray(image.pixels[:, ::-1]), image.domain)
    one, other = (extract(r, model=model).bone for r in (image, turned))
    assert other == pytest.approx(one[:, ::-1], abs=1e-3)
    assert one.max() > 1.0


def test_extraction_can_be_stopped_and_an_unknown_model_is_named(model: Model) -> None:
    with pytest.raises(Cancelled):
        extract(picture((32, 32)), model=model, is_cancelled=lambda: True)
    with pytest.raises((ValueError, FileNotFoundError), match="nowhere"):
        extract(picture((32, 32)), ExtractConfig(model="nowhere"))


def test_a_model_is_found_by_its_folder_and_by_its_name(model: Model) -> None:
    by_folder = extract(picture((32, 32)), ExtractConfig(model=str(model.folder)))
    by_name = extract(
        picture((32, 32)), ExtractConfig(model="small"), model_folders=[str(model.folder.parent)]
    )
    assert np.array_equal(by_folder.bone, by_name.bone)


def test_the_uncertainty_is_asked_for_and_changes_no_bone(
    limb_radiograph: Radiograph, model: Model, found: Extraction
) -> None:
    asked = extract(limb_radiograph, ExtractConfig(uncertainty=True), model=model)
    again = extract(limb_radiograph, ExtractConfig(uncertainty=True), model=model)
    assert found.uncertainty is None
    assert np.array_equal(asked.bone, found.bone)
    assert asked.uncertainty.dtype == np.float32
    assert asked.uncertainty.shape == found.bone.shape
    assert np.array_equal(asked.uncertainty, again.uncertainty)


def test_answers_that_agree_are_certain_and_those_that_hang_on_the_size_are_not(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_wide_as_asked(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        share = np.full((1, *channels.shape[1:]), 0.5, np.float32)
        left = channels.shape[2] // 2
        share[..., :left] = max(channels.shape[1:]) / 128
        return share[..., ::-1] if channels[0, 0, 0] > channels[0, 0, -1] else share

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", as_wide_as_asked)
    ramp = np.tile(np.linspace(1.0, 2.0, 60, dtype=np.float32), (60, 1))
    image = Radiograph(ramp, DENSITY)
    sigma = extract(image, ExtractConfig(uncertainty=True), model=model).uncertainty
    assert sigma[:, 35:].max() < 0.02
    shares = np.array([43, 64, 85]) / 128
    assert sigma[:, :20] == pytest.approx(np.std(shares) * ramp[:, :20], rel=0.05)
    doubled = extract(Radiograph(2 * ramp, DENSITY), ExtractConfig(uncertainty=True), model=model)
    assert doubled.uncertainty == pytest.approx(2 * sigma, rel=1e-4, abs=1e-6)


def test_an_image_that_looks_inverted_is_extracted_with_a_warning(
    limb_radiograph: Radiograph, model: Model
) -> None:
    pixels = limb_radiograph.pixels
    upright = extract(Radiograph(pixels), model=model)
    inverted = extract(Radiograph(pixels.max() - pixels), model=model)
    assert upright.warnings == ()
    assert "inverted" in inverted.warnings[0]
    assert inverted.bone.shape == pixels.shape
