"""What detectors do to an image, and that the target stays what bone adds to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from BoneXrayTrainingLib.pairs import TISSUES
from BoneXrayTrainingLib.sampling.appearance import add_noise, blur, collimate, expose, respond
from BoneXrayTrainingLib.sampling.augmentation import (
    BONE,
    LEAN,
    AugmentationConfig,
    TrainingImage,
    add_contrast,
    add_lumps,
    augment,
    frame,
    smooth_field,
    vary_densities,
)

torch.set_num_threads(1)
CONFIG = AugmentationConfig(crop=48, scale=(0.9, 1.3))
DENSITY = dataclasses.replace(CONFIG, display_share=0.0)
DISPLAY = dataclasses.replace(CONFIG, display_share=1.0)
SEEDS = range(16)


@pytest.fixture(scope="module")
def layers() -> np.ndarray:
    """A round limb of fat and lean with one bone, (tissues, 64, 64) optical density."""
    r, c = np.mgrid[:64, :64] - 31.5
    out = np.zeros((len(TISSUES), 64, 64), np.float16)
    out[1] = 0.2 * (np.hypot(r, c) < 26)
    out[2] = np.sqrt(np.maximum(0, 24**2 - c**2)) / 24
    out[BONE] = 0.8 * (np.abs(c) < 7)
    return out


def made(layers: np.ndarray, config: AugmentationConfig, seed: int) -> TrainingImage:
    return augment(layers, 1.0, config, np.random.default_rng(seed))


def both(layers: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    tissues = torch.from_numpy(layers.astype(np.float32))
    return tissues.sum(0), tissues.sum(0) - tissues[BONE]


def test_the_same_seed_gives_the_same_image(layers: np.ndarray) -> None:
    for config in (DENSITY, DISPLAY):
        first, again = made(layers, config, 5), made(layers, config, 5)
        assert torch.equal(first.image, again.image)
        assert torch.equal(first.target, again.target)
        assert not torch.equal(first.image, made(layers, config, 6).image)


def test_bone_never_takes_away_and_adds_no_more_than_is_there(
    layers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "BoneXrayTrainingLib.sampling.augmentation.add_noise", lambda image, *_: image
    )
    for seed in SEEDS:
        image = made(layers, DENSITY, seed)
        assert image.target.min() >= 0
        assert (image.target <= image.image + 1e-5).all()
        assert made(layers, DISPLAY, seed).target.min() >= 0


def test_contrast_medium_makes_blood_denser_and_never_bone(
    layers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    blood = TISSUES.index("heart")
    filled = torch.from_numpy(layers.astype(np.float32))
    filled[blood] = 0.5
    for hu, gain in ((90.0, 0.0), (450.0, 0.2)):
        monkeypatch.setattr("BoneXrayTrainingLib.sampling.augmentation.CONTRAST_HU", (hu, hu))
        for seed in SEEDS:
            out = add_contrast(filled, np.random.default_rng(seed))
            assert out[blood].mean() >= (1 + gain) * 0.5 - 0.02
            assert torch.equal(out[BONE], filled[BONE])


def test_lumps_are_soft_tissue_within_the_patient(layers: np.ndarray) -> None:
    tissues = torch.from_numpy(layers.astype(np.float32))
    grown = 0
    for seed in SEEDS:
        added = add_lumps(tissues, 2.0, np.random.default_rng(seed)) - tissues
        assert added.min() >= 0
        assert not added[:LEAN].any()
        assert not added[LEAN + 1 :].any()
        assert not added[:, tissues.sum(0) == 0].any()
        finer = add_lumps(tissues, 1.0, np.random.default_rng(seed)) - tissues
        assert (finer <= added + 1e-6).all(), "a smaller lump is not as deep"
        grown += bool(added[LEAN].max() > 0.02)
    assert grown > len(SEEDS) / 2
    assert made(layers, dataclasses.replace(DENSITY, lump_share=1.0), 3).target.min() >= 0


def test_display_images_never_hold_contrast_medium(
    layers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("contrast medium in a display image")

    monkeypatch.setattr("BoneXrayTrainingLib.sampling.augmentation.add_contrast", fail)
    for seed in SEEDS:
        made(layers, dataclasses.replace(DISPLAY, contrast_share=1.0), seed)


def test_where_there_is_no_bone_the_target_is_zero(layers: np.ndarray) -> None:
    boneless = layers.copy()
    boneless[BONE] = 0
    for seed in SEEDS:
        for config in (DENSITY, DISPLAY):
            assert made(boneless, config, seed).target.abs().max() < 1e-5


def test_optical_density_stays_additive_when_framed_and_varied(layers: np.ndarray) -> None:
    tissues = torch.from_numpy(layers.astype(np.float32))
    for seed in range(5):
        framed, _ = frame(tissues, 1.0, CONFIG, np.random.default_rng(seed))
        whole, _ = frame(tissues.sum(0)[None], 1.0, CONFIG, np.random.default_rng(seed))
        assert torch.allclose(framed.sum(0), whole[0], atol=1e-5)
        assert (vary_densities(framed, CONFIG, np.random.default_rng(seed)) >= 0).all()


def test_the_target_is_the_bone_layer_itself_in_optical_density(
    layers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "BoneXrayTrainingLib.sampling.augmentation.add_noise", lambda image, *_: image
    )
    image = made(layers, DENSITY, 2)
    rng = np.random.default_rng(2)
    framed, pixel_mm = frame(torch.from_numpy(layers.astype(np.float32)), 1.0, DENSITY, rng)
    tissues = vary_densities(framed, DENSITY, rng)
    assert torch.allclose(image.target, tissues[BONE], atol=1e-6)
    assert torch.allclose(image.image, tissues.sum(0))
    assert image.pixel_mm in (None, pixel_mm)


def test_the_pixel_grows_with_the_scale(layers: np.ndarray) -> None:
    tissues = torch.from_numpy(layers.astype(np.float32))
    config = dataclasses.replace(CONFIG, scale=(1.25, 1.25))
    framed, pixel_mm = frame(tissues, 0.8, config, np.random.default_rng(1))
    assert pixel_mm == pytest.approx(1.0)
    assert framed.shape == (len(TISSUES), 48, 48)


def test_a_response_keeps_equal_densities_equal_and_denser_not_darker(
    layers: np.ndarray,
) -> None:
    total, without = both(layers)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("BoneXrayTrainingLib.sampling.appearance.sharpen", lambda level, _: level)
            full, bare = respond(torch.stack([total, without]), rng)
        order = torch.argsort(total.ravel())
        assert torch.diff(full.ravel()[order]).min() >= -1e-6
        same = total == without
        assert torch.allclose(full[same], bare[same], atol=1e-6)
        assert (full - bare).min() >= -1e-6


def test_the_target_of_a_display_image_is_what_bone_adds_under_the_response(
    layers: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "BoneXrayTrainingLib.sampling.augmentation"
    monkeypatch.setattr(f"{module}.add_noise", lambda image, *_: image)
    monkeypatch.setattr(f"{module}.expose", lambda total, bare, *_: torch.stack([total, bare]))
    monkeypatch.setattr(f"{module}.respond", lambda pair, _: (pair[0] ** 2, pair[1] ** 2))
    monkeypatch.setattr(f"{module}.collimate", lambda image, target, _: (image, target))
    rng = np.random.default_rng(4)
    framed, _ = frame(torch.from_numpy(layers.astype(np.float32)), 1.0, DISPLAY, rng)
    tissues = vary_densities(framed, DISPLAY, rng)
    image = made(layers, DISPLAY, 4)
    without = tissues.sum(0) - tissues[BONE]
    assert image.domain == "display"
    assert torch.allclose(image.image - image.target, without**2, atol=1e-5)


def test_scatter_lowers_the_density_most_where_it_is_high(layers: np.ndarray) -> None:
    total, without = both(layers)
    lowered = []
    for seed in SEEDS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("BoneXrayTrainingLib.sampling.appearance.blur", lambda image, _: image)
            lowered.append(total - expose(total, without, np.random.default_rng(seed))[0])
    for loss in lowered:
        assert loss.min() >= -1e-6
    scattered = [loss for loss in lowered if loss.max() > 1e-3]
    assert 0 < len(scattered) < len(lowered)


def test_a_blur_keeps_a_constant_and_the_mean_of_a_spot() -> None:
    spot = torch.zeros(1, 33, 33)
    spot[0, 16, 16] = 1.0
    soft = blur(spot, 1.5)
    assert soft.sum() == pytest.approx(1.0, abs=1e-5)
    assert soft[0, 16, 16] < 0.2
    assert torch.allclose(blur(torch.full((2, 16, 16), 3.0), 2.0), torch.tensor(3.0), atol=1e-5)


def test_noise_has_no_mean_and_chance_zero_adds_none(layers: np.ndarray) -> None:
    total, _ = both(layers)
    assert add_noise(total, np.random.default_rng(0), 0.0) is total
    noise = add_noise(total, np.random.default_rng(0), 1.0) - total
    assert noise.std() > 0
    assert abs(noise.mean()) < 0.2 * noise.std()


def test_grain_and_blur_stay_within_what_is_asked_for(layers: np.ndarray) -> None:
    total, without = both(layers)
    for seed in SEEDS:
        noise = add_noise(total, np.random.default_rng(seed), 1.0, (0.01, 0.02)) - total
        assert 0.004 < noise.std() / total.std() < 0.025
    edges = []
    for soft in ((0.1, 0.1), (1.5, 1.5)):
        taken = [expose(total, without, np.random.default_rng(seed), soft)[0] for seed in SEEDS]
        edges.append(float(np.mean([each.diff(dim=-1).square().mean() for each in taken])))
    assert edges[1] < edges[0]


def test_a_blur_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"augmentation\.blur"):
        AugmentationConfig(blur=(0.0, 1.0))


def test_shutters_and_markers_are_no_bone(layers: np.ndarray) -> None:
    total, without = both(layers)
    target, brightest = total - without, []
    for seed in SEEDS:
        image, kept = collimate(total, target, np.random.default_rng(seed))
        changed = image != total
        assert (kept[changed] == 0).all()
        assert ((kept == target) | (kept == 0)).all()
        brightest.append(float(image.max() / total.max()))
    assert min(brightest) == 1.0
    assert max(brightest) > 1.05, "some are brighter than all they hide"
    assert torch.equal(total, both(layers)[0]), "the arguments stay as they were"


def test_a_smooth_field_is_smooth(rng: np.random.Generator) -> None:
    field = smooth_field(rng, 64, 4, 2)
    assert field.shape == (2, 64, 64)
    assert torch.diff(field, dim=-1).abs().max() < 0.35 * field.std()
