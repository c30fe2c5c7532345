"""Bones pulled apart: layers never below zero that add up to the image, whatever the model says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from small_model import write_small_model, write_small_separator

from BoneXrayLib.layers import Layers, SeparateConfig, separate
from BoneXrayLib.models import Model, verify_model
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.radiograph import DOMAINS, Radiograph
from BoneXrayLib.segmentation import Segmentation, segment
from BoneXrayLib.segments.structures import structure
from BoneXrayLib.separating.layer_questions import REACH, holds, mask_region, question_regions

SHAPE = (150, 110)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return verify_model(write_small_separator(tmp_path_factory.mktemp("models") / "separate"))


def disc(centre: tuple[float, float], radius: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    r, c = np.mgrid[: shape[0], : shape[1]]
    return (r - centre[0]) ** 2 + (c - centre[1]) ** 2 <= radius**2


DISCS = np.stack([disc((50, 50), 30), disc((90, 60), 30), disc((75, 85), 20)])


def image(rng: np.random.Generator, domain: str = "optical density") -> Radiograph:
    """Overlapping discs on soft tissue, with fine grain."""
    pixels = 0.5 + DISCS.sum(0) + 0.2 * rng.random(SHAPE)
    if domain == "display":
        pixels = 3000 * pixels - 900
    return Radiograph(pixels.astype(np.float32), domain)


def check_sum(found: Layers, masks_given: bool = True) -> None:
    pixels = found.radiograph.pixels
    whole = found.soft.astype(np.float64) + found.layers.sum(0, dtype=np.float64)
    assert abs(whole - pixels).max() <= 1e-5 * np.ptp(pixels)
    assert found.layers.min() >= 0
    assert found.soft.min() >= min(0, pixels.min())
    if masks_given:
        assert not found.layers[~found.masks].any()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_layers_are_never_below_zero_and_add_up_to_the_image(
    model: Model, rng: np.random.Generator, count: int, domain: str
) -> None:
    masks = DISCS[:count] if count else None
    found = separate(image(rng, domain), masks=masks, model=model)
    assert len(found.layers) == len(found.names) == (count or 2)
    assert found.layers.max(axis=(1, 2)).all(), "each bone has something"
    assert found.model == "small-separate 0.1"
    check_sum(found, masks_given=count > 0)


def test_what_is_no_bone_may_be_as_low_as_the_image_where_that_begins_below_zero() -> None:
    pixels = np.array([[-1000.0, -400.0, 300.0]], np.float32)
    layers = np.array([[[0.0, 500.0, 1200.0]]], np.float32)
    found = Layers(
        Radiograph(pixels, "display"), (structure("radius"),), layers, layers > 0, "a model"
    )
    assert found.soft.tolist() == [[-1000.0, -900.0, -900.0]]


def test_one_bone_has_all_that_bones_make_and_two_divide_it(
    model: Model, rng: np.random.Generator
) -> None:
    shown = image(rng)
    one = separate(shown, masks=DISCS[:1], model=model)
    two = separate(shown, masks=DISCS[:2], model=model)
    both = DISCS[0] & DISCS[1]
    inside = ndimage.binary_erosion(both, iterations=5)  # of masks at the working size, too
    assert inside.any()
    assert np.allclose(*two.layers[:, inside], rtol=1e-3), "the model prefers neither"
    share = one.layers[0] / shown.pixels
    assert share[disc((50, 50), 15)].max() <= 1
    assert share[disc((50, 50), 15)].min() > 0.3
    assert np.array_equal(two.overlap(), both)
    assert two.names == ("bone 1", "bone 2")


def test_fine_texture_goes_to_the_layers(model: Model, rng: np.random.Generator) -> None:
    """Shares are interpolated, not layers: grain finer than the network's pixels stays."""
    side = 512
    mask = disc((256, 256), 150, (side, side))
    grain = rng.normal(0, 0.05, (side, side))
    smooth = Radiograph((1 + mask).astype(np.float32), "optical density")
    grainy = Radiograph((1 + mask + grain).astype(np.float32), "optical density")
    layers = [separate(each, masks=mask[None], model=model).layers[0] for each in (smooth, grainy)]
    inside = disc((256, 256), 130, (side, side))
    seen = np.corrcoef((layers[1] - layers[0])[inside], grain[inside])[0, 1]
    assert seen > 0.95


def test_alone_and_faded_are_sums_of_layers(model: Model, rng: np.random.Generator) -> None:
    found = separate(image(rng), masks=DISCS, model=model)
    pixels, names = found.radiograph.pixels, found.names
    assert np.array_equal(found.faded({}), pixels)
    assert np.array_equal(found.faded(dict.fromkeys(names, 1.0)), pixels)
    assert np.array_equal(found.faded({1: 0.0}), pixels - found.layers[1])
    assert np.array_equal(found.faded({names[1]: 0.0}), found.faded({1: 0}))
    assert np.allclose(found.faded({0: 0.25, 2: 2.0}),
                       pixels - 0.75 * found.layers[0] + found.layers[2], atol=1e-5)  # fmt: skip
    for place, name in enumerate(names):
        assert np.allclose(found.alone(place), found.soft + found.layers[place], atol=1e-5)
        assert np.array_equal(found.alone(place), found.alone(name))
    with pytest.raises(ValueError, match=r"share of 0: got -0\.5; expected 0 to 2"):
        found.faded({0: -0.5})
    with pytest.raises(ValueError, match="bone: got 'femur'; expected one of bone 1, bone 2"):
        found.alone("femur")


def test_the_mirrored_image_has_mirrored_layers(model: Model, rng: np.random.Generator) -> None:
    shown = image(rng)
    turned = replace(shown, pixels=np.ascontiguousarray(shown.pixels[:, ::-1]))
    for masks in (DISCS, None):
        there = None if masks is None else np.ascontiguousarray(masks[..., ::-1])
        plain = separate(shown, masks=masks, model=model)
        mirrored = separate(turned, masks=there, model=model)
        # Where a box has an odd side, halves differ by rounding of its margin.
        assert np.allclose(plain.layers, mirrored.layers[..., ::-1], atol=0.02)


def test_a_bone_goes_to_the_layer_that_the_network_says(
    model: Model, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upper_takes_more(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        """A bone above the other ones has three quarters of what they share."""
        this, others = (np.nonzero(mask)[0].mean() for mask in channels[3:])
        share = np.full(channels.shape[1:], 0.75 if this < others else 0.25, np.float32)
        return np.stack([np.full_like(share, 0.5), share, share, share])

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", upper_takes_more)
    shown = image(rng)
    both = DISCS[0] & DISCS[1]
    for order in ([0, 1], [1, 0]):
        upper, lower = separate(shown, masks=DISCS[order], model=model).layers[np.argsort(order)]
        assert np.allclose(upper[both], 0.375 * shown.pixels[both])
        assert np.allclose(lower[both], 0.125 * shown.pixels[both])
        only = DISCS[1] & ~both
        assert np.allclose(lower[only], 0.5 * shown.pixels[only]), "alone it has all"


def test_without_masks_there_are_an_upper_and_a_lower_bone(
    model: Model, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def halves(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        assert not channels[3:].any(), "no masks were given"
        rows = np.linspace(0, 1, channels.shape[1], dtype=np.float32)[:, None]
        ones = np.ones(channels.shape[1:], np.float32)
        return np.stack([0.5 * ones, (1 - rows) * ones, (rows < 0.6) * ones, (rows > 0.4) * ones])

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", halves)
    found = separate(image(rng), model=model)
    assert found.names == ("upper bone", "lower bone")
    check_sum(found, masks_given=False)
    assert found.masks[0][:88].all()
    assert not found.masks[0][92:].any()
    assert np.allclose(found.layers.sum(0), 0.5 * found.radiograph.pixels)
    shared = found.overlap()
    assert np.nonzero(shared)[0].min() == pytest.approx(60, abs=2)
    assert np.allclose(found.layers[:, shared].sum(0), 0.5 * found.radiograph.pixels[shared])
    share = found.layers[1] / (0.5 * found.radiograph.pixels)
    assert abs(np.diff(share[:, 55])).max() < 0.02, "layers are not cut off where masks end"
    named = separate(image(rng), structures=(structure("tibia"), structure("talus")), model=model)
    assert named.names == ("tibia", "talus")


def test_a_bone_that_is_not_found_is_told(
    model: Model, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        ones = np.ones(channels.shape[1:], np.float32)
        return np.stack([0.5 * ones, 0.5 * ones, ones, 0 * ones])

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", one)
    found = separate(image(rng), model=model)
    assert found.warnings[0] == "lower bone was not found"
    assert not found.layers[1].any()
    check_sum(found, masks_given=False)


# -- what the network is shown --------------------------------------------------------------------
def test_bones_far_apart_are_asked_about_one_by_one_and_neighbours_together() -> None:
    shape = (600, 600)
    masks = np.zeros((4, *shape), bool)
    masks[:3] = [disc(at, 30, shape) for at in ((100, 100), (140, 110), (500, 500))]
    regions = question_regions(masks)
    assert list(regions) == [0, 1, 2], "the fourth is nowhere"
    boxes = [mask_region(mask) for mask in masks]
    assert regions[0] == regions[1]
    assert all(holds(regions[0], boxes[n]) for n in (0, 1))
    assert not holds(regions[0], boxes[2])
    rows, columns = regions[2]
    assert rows.stop - rows.start == columns.stop - columns.start
    assert 1.25 * 61 < rows.stop - rows.start < 1.35 * 61


def test_a_small_bone_over_a_long_one_is_shown_with_its_joint_only() -> None:
    masks = np.zeros((2, 1000, 300), bool)
    masks[0, :600, 100:200] = True
    masks[1, 560:620, 120:180] = True
    rows, _ = question_regions(masks)[1]
    assert 560 - rows.start < 2 * REACH * 60, "not the whole femur"
    assert rows.stop > 620
    assert question_regions(masks)[0][0].start == 0


def test_far_bones_change_no_layer_of_each_other(model: Model, rng: np.random.Generator) -> None:
    shape = (400, 400)
    pixels = (1 + rng.random(shape)).astype(np.float32)
    pixels[40:120, 40:120] += 1
    near = np.stack([disc((70, 70), 25, shape), disc((90, 90), 25, shape)])
    far = disc((320, 320), 40, shape)
    shown = Radiograph(pixels, "display")
    two = separate(shown, masks=near, model=model).layers
    three = separate(shown, masks=np.concatenate([near, far[None]]), model=model).layers
    assert np.array_equal(three[:2], two)


def test_it_says_how_far_it_is_and_can_be_stopped(model: Model, rng: np.random.Generator) -> None:
    told: list[float] = []
    separate(image(rng), masks=DISCS, model=model, progress=lambda part, _: told.append(part))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    with pytest.raises(Cancelled):
        separate(image(rng), masks=DISCS, model=model, is_cancelled=lambda: True)


# -- where masks come from ------------------------------------------------------------------------
def test_a_model_that_names_bones_gives_the_masks(
    model: Model, rng: np.random.Generator, tmp_path: Path
) -> None:
    gains = {"radius": 1.0, "ulna": 4.0, "lunate": 0.0}
    folder = write_small_model(tmp_path / "names", "names", "segment", gains)
    found = separate(image(rng), SeparateConfig(segment=str(folder)), model=model)
    assert found.names == ("radius", "ulna")
    check_sum(found)
    nothing = write_small_model(tmp_path / "nothing", "nothing", "segment", {"lunate": 0.0})
    with pytest.raises(ValueError, match=r"segment: nothing 0\.1 finds no bone here"):
        separate(image(rng), SeparateConfig(segment=str(nothing)), model=model)


def test_what_a_naming_warns_of_is_passed_on_with_where_its_options_are(
    model: Model, rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inverted = "looks inverted (--polarity)"

    def doubting(*given: Any, **more: Any) -> Segmentation:
        found = segment(*given, **more)
        return replace(found, warnings=(inverted, "is turned (--turn 90)"))

    monkeypatch.setattr("BoneXrayLib.layers.segment", doubting)
    monkeypatch.setattr("BoneXrayLib.layers.domain_warnings", lambda _: (inverted,))
    folder = write_small_model(tmp_path / "names", "names", "segment", {"radius": 1.0})
    found = separate(image(rng), SeparateConfig(segment=str(folder)), model=model)
    options = "these are options of run segment, whose masks --masks takes"
    assert found.warnings == (f"is turned (--turn 90); {options}", inverted), "each once"


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixel": 0.0}, "pixel: got 0.0; expected a positive length in mm"),
        ({"polarity": "up"}, "polarity: got 'up'; expected one of auto"),
        ({"masks": Path("m"), "segment": "s"}, "segment: got 's' beside masks; expected one of"),
    ],
)
def test_a_wrong_field_is_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SeparateConfig(**fields)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"masks": DISCS[:, 1:]},
            r"masks: bool of shape \(3, 149, 110\); expected bool",
        ),
        ({"masks": DISCS[0]}, r"masks: bool of shape \(150, 110\); expected"),
        ({"masks": DISCS.astype(np.uint8)}, "masks: uint8 of shape"),
        ({"masks": DISCS & False}, "masks: hold no bone; expected pixels of at least one"),
        ({"masks": DISCS, "structures": [structure("ulna")]}, "structures: 1 of 3 masks; expected"),
        ({"masks": DISCS[:2], "structures": [structure("ulna")] * 2}, "two are named 'ulna'"),
        ({"structures": [structure("ulna")] * 2}, "two are named 'ulna'"),
        ({"structures": [structure("ulna")]}, "structures: 1 without masks; expected two"),
    ],
)
def test_masks_and_names_that_do_not_fit_are_refused_in_one_line(
    model: Model, rng: np.random.Generator, given: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as told:
        separate(image(rng), model=model, **given)
    assert "\n" not in str(told.value)


def test_a_model_of_another_task_is_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    other = verify_model(write_small_model(tmp_path / "other"))
    with pytest.raises(ValueError, match="model: 'small' is for 'extract'; expected one for 'sep"):
        separate(image(rng), masks=DISCS, model=other)


def test_without_any_separator_it_says_how_to_get_one(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("BoneXrayLib.separating.layer_questions.list_models", lambda *_: [])
    with pytest.raises(ValueError, match=r"model: 'nowhere' is neither .*bone-xray train"):
        separate(image(rng), SeparateConfig(model="nowhere"), masks=DISCS)


def test_a_separator_must_answer_what_it_should(tmp_path: Path) -> None:
    write_small_model(tmp_path / "odd", "odd", "separate")
    with pytest.raises(ValueError, match=r"input\.masks is None; expected 2 for 'separate'"):
        verify_model(tmp_path / "odd")
    told = write_small_separator(tmp_path / "told", "told")
    card = json.loads((told / "card.json").read_text())
    card["input"]["mirror"] = "told"
    (told / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"input\.mirror is 'told'; expected another"):
        verify_model(told)
