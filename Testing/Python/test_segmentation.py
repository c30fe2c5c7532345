"""Bones by name: masks at the image's own size, tidy, measured, and left is left in a mirror."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_model import write_small_model

from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.models import Model, verify_model
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.resizing import resize
from BoneXrayLib.segmentation import (
    LEAST_SIDE,
    Segmentation,
    SegmentConfig,
    model_structures,
    segment,
    shown_size,
)
from BoneXrayLib.segments.mask_pieces import tidy
from BoneXrayLib.segments.mirror_images import WAY_ROUND, chosen, way_round_warnings
from BoneXrayLib.segments.share_masks import masks_of_looks, whole_look
from BoneXrayLib.segments.structures import structure

ULNA, RIBS, HIP, SPINE = (
    structure(name) for name in ("ulna", "ribs left", "hip bone left", "vertebrae")
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Three bones: where it is bright, where it is half as bright, and nowhere."""
    folder = tmp_path_factory.mktemp("models") / "small-segment"
    gains = {"radius": 1.0, "ulna": 4.0, "lunate": 0.0}
    return verify_model(write_small_model(folder, "small-segment", "segment", gains))


def ellipse(shape: tuple[int, int], pixel_mm: tuple[float, float] | None = None) -> Radiograph:
    """A bright hill: its value falls from 1 in the middle to 0."""
    r, c = np.mgrid[: shape[0], : shape[1]]
    far = ((r - shape[0] / 2) / shape[0]) ** 2 + ((c - shape[1] / 2) / shape[1]) ** 2
    return Radiograph(np.clip(1 - 5 * far, 0, 1).astype(np.float32), "display", pixel_mm)


def test_each_bone_has_a_mask_of_the_images_size_and_bones_may_overlap(model: Model) -> None:
    found = segment(ellipse((151, 97)), model=model)
    assert found.masks.shape == (3, 151, 97)
    assert found.masks.dtype == bool
    assert found.names == ("radius", "ulna", "lunate")
    radius, ulna, lunate = found.masks
    assert radius.any()
    assert not (radius & ~ulna).any(), "what is bright enough for one is so for the other"
    assert np.count_nonzero(ulna) > 1.5 * np.count_nonzero(radius)
    assert not lunate.any()
    assert found.model == "small-segment 0.1"


def test_half_of_a_patient_is_shown_at_half_the_size_where_pixels_are_known(model: Model) -> None:
    card = dataclasses.replace(model.card, input={**model.card.input, "working_size": 256,
                                                  "finest_mm": 1.5})  # fmt: skip
    known = dataclasses.replace(model, card=card)
    sizes = {rows: shown_size(ellipse((rows, 200), (1.0, 1.0)), known) for rows in (600, 300, 210)}
    assert sizes == {600: 256, 300: 200, 210: 140}
    assert shown_size(ellipse((300, 200), (0.5, 1.0)), known) == 133, "the longer side in mm"
    assert shown_size(ellipse((30, 20), (1.0, 1.0)), known) == LEAST_SIDE
    assert shown_size(ellipse((300, 200)), known) == 256, "of an unknown pixel size"
    assert shown_size(ellipse((300, 200), (1.0, 1.0)), model) == model.card.input["working_size"]


def test_a_mask_ends_where_the_share_passes_the_threshold(model: Model) -> None:
    image = ellipse((200, 160))
    span = np.percentile(image.pixels, 99)
    for threshold in (0.25, 0.5, 0.8):
        found = segment(image, SegmentConfig(threshold=threshold), model=model)
        expected = np.minimum((image.pixels / span) ** 2, 1) > threshold
        differ = np.count_nonzero(found.masks[0] ^ expected)
        edge = 2 * np.sqrt(np.pi * expected.sum())
        assert differ < 1.0 * edge, "off by more than a pixel of the image all around"


def test_the_boxes_change_no_mask(rng: np.random.Generator) -> None:
    shares = resize(rng.random((9, 7), dtype=np.float32), (40, 32))[None]
    for shape in ((40, 32), (131, 117), (23, 19)):
        config = SegmentConfig(threshold=0.7, clean=False)
        masks = masks_of_looks([whole_look(shares, shape)], (ULNA,), config)
        assert np.array_equal(masks[0], resize(shares[0], shape) > 0.7)


def test_bones_stay_where_they_are_at_any_size(model: Model) -> None:
    for shape in ((64, 48), (37, 101), (500, 340), (1, 9)):
        pixels = np.zeros(shape, np.float32)
        pixels[:, : max(1, shape[1] // 4)] = 1.0
        radius = segment(Radiograph(pixels), model=model).masks[0]
        wide = np.count_nonzero(radius, axis=1)
        assert abs(wide - shape[1] / 4).max() <= max(1.0, shape[1] / 64)
        assert radius[:, 0].all()


def test_left_and_right_are_the_patients_in_the_mirrored_image_too(
    model: Model, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"femur left": 1.0, "sacrum": 1.0, "femur right": 1.0}
    folder = tmp_path_factory.mktemp("models") / "sides"
    sided = verify_model(write_small_model(folder, "sides", "segment", gains))

    def by_place(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        """The patient's left is on the image's right."""
        rows, columns = channels.shape[1:]
        ramp = np.tile(np.linspace(0, 1, columns, dtype=np.float32), (rows, 1))
        return np.stack([ramp, np.full_like(ramp, 0.3), 1 - ramp])

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", by_place)
    left, sacrum, right = segment(ellipse((30, 60)), model=sided).masks
    assert left[:, 31:].all()
    assert not left[:, :29].any()
    assert np.array_equal(right, left[:, ::-1])
    assert not sacrum.any()
    without_sides = segment(ellipse((30, 60)), model=model).masks
    assert np.array_equal(without_sides[0], without_sides[0][:, ::-1]), "one bone: both answers"


def one_handed(model: Model, channels: np.ndarray, **_: object) -> np.ndarray:
    """Finds the radius at the image's left and the ulna at its right, and is sure of any image."""
    half = np.arange(channels.shape[2]) < channels.shape[2] // 2
    answer = np.where(half, 1.0, 0.0)[None, None] * np.ones((2, channels.shape[1], 1))
    answer[1] = 1.0 - answer[1]
    return np.concatenate([answer, np.full_like(answer[:1], 0.8)]).astype(np.float32)


@pytest.fixture
def teller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that cannot tell which way round an image is."""
    gains = {"radius": 1.0, "ulna": 1.0, WAY_ROUND: 1.0}
    folder = write_small_model(tmp_path / "teller", "teller", "segment", gains)
    card = json.loads((folder / "card.json").read_text())
    card["input"]["mirror"] = "told"
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr("BoneXrayLib.extraction.run_network", one_handed)
    return verify_model(folder)


def test_an_image_that_may_be_of_either_hand_is_said_to_be_and_may_be_stated(teller: Model) -> None:
    image = ellipse((40, 60))
    asked = segment(image, model=teller)
    assert any("mirror" in warning for warning in asked.warnings)
    plain, mirrored = (
        segment(image, SegmentConfig(mirror=word), model=teller) for word in ("no", "yes")
    )
    assert plain.masks[0, :, :25].all()
    assert not plain.masks[0, :, 35:].any()
    assert np.array_equal(mirrored.masks, plain.masks[:, :, ::-1])
    assert not any("mirror" in w for found in (plain, mirrored) for w in found.warnings)


def test_a_mirror_that_is_none_of_the_three_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mirror: got 'left'; expected one of auto, no, yes"):
        SegmentConfig(mirror="left")


def test_areas_and_overlaps_are_in_square_millimetres(model: Model) -> None:
    found = segment(ellipse((120, 80), (0.5, 0.25)), model=model)
    areas = found.areas()
    assert found.area_unit == "mm²"
    assert areas["radius"] == np.count_nonzero(found.masks[0]) * 0.125
    assert areas["lunate"] == 0
    assert found.overlaps() == {("radius", "ulna"): areas["radius"]}
    unknown = segment(ellipse((120, 80)), model=model)
    assert unknown.area_unit == "pixels²"
    assert unknown.areas()["radius"] == np.count_nonzero(unknown.masks[0])


def test_the_same_image_in_finer_pixels_has_the_same_areas(model: Model) -> None:
    coarse = segment(ellipse((128, 96), (1.0, 1.0)), model=model).areas()
    fine = segment(ellipse((512, 384), (0.25, 0.25)), model=model).areas()
    assert fine["radius"] == pytest.approx(coarse["radius"], rel=0.02)


# -- tidy masks -----------------------------------------------------------------------------------
def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    r, c = np.mgrid[: shape[0], : shape[1]]
    return (r - centre[0]) ** 2 + (c - centre[1]) ** 2 <= radius**2


def test_of_one_bone_the_largest_piece_stays_without_holes() -> None:
    bone = disc((80, 80), (30, 30), 20)
    mask = bone & ~disc((80, 80), (30, 30), 6) | disc((80, 80), (65, 65), 7)
    assert np.array_equal(tidy(mask, ULNA), bone)
    assert np.array_equal(tidy(bone, ULNA), bone)


def test_a_bone_cut_in_two_keeps_both_parts_and_loses_the_specks() -> None:
    bone = disc((80, 80), (40, 40), 25)
    cut = bone.copy()
    cut[38:42] = False
    mask = cut | disc((80, 80), (5, 5), 2)
    assert np.array_equal(tidy(mask, ULNA, speck=20), cut)


def test_ribs_keep_all_their_pieces_and_the_spaces_between_them() -> None:
    ring = disc((80, 80), (40, 40), 30) & ~disc((80, 80), (40, 40), 24)
    rib = np.zeros((80, 80), bool)
    rib[2:5, 10:40] = True
    hole, speck = ring.copy(), np.zeros((80, 80), bool)
    hole[40, 66:69] = False
    speck[76, 76] = True
    assert np.array_equal(tidy(hole | rib | speck, RIBS, speck=9), ring | rib)


def test_of_the_spine_stays_what_lies_in_a_row() -> None:
    spine, arm = np.zeros((300, 200), bool), np.zeros((300, 200), bool)
    for row in (10, 44, 78, 136):  # one is not seen
        spine[row : row + 30, 80:110] = True
    arm[40:160, 185:198] = True
    assert np.array_equal(tidy(spine | arm, SPINE, speck=9), spine)
    assert np.array_equal(tidy(spine | arm, RIBS, speck=9), spine | arm)
    assert not tidy(spine, SPINE, speck=1e4).any()


def test_the_foramen_of_a_hip_bone_stays_open() -> None:
    hip = disc((80, 80), (40, 40), 30) & ~disc((80, 80), (50, 40), 8)
    assert np.array_equal(tidy(hip, HIP, speck=9), hip)


@pytest.mark.parametrize("found", [ULNA, RIBS, HIP, SPINE])
def test_tidying_twice_changes_nothing_more(found: object, rng: np.random.Generator) -> None:
    mask = resize(rng.random((12, 12), dtype=np.float32), (90, 90)) > 0.5
    once = tidy(mask, found, speck=30)  # type: ignore[arg-type]
    assert once.any()
    assert np.array_equal(tidy(once, found, speck=30), once)  # type: ignore[arg-type]
    assert not tidy(np.zeros((9, 9), bool), found).any()  # type: ignore[arg-type]


def test_untidied_masks_are_what_the_network_said(model: Model) -> None:
    pixels = ellipse((160, 160)).pixels
    pixels[76:84, 76:84] = 0
    image = Radiograph(pixels)
    plain = segment(image, SegmentConfig(clean=False), model=model).masks[0]
    tidied = segment(image, model=model).masks[0]
    assert not plain[80, 80]
    assert tidied[80, 80]
    assert not (plain & ~tidied).any()


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixel": -1.0}, "pixel: got -1.0; expected a positive length in mm"),
        ({"polarity": "up"}, "polarity: got 'up'; expected one of auto"),
        ({"threshold": 0.0}, "threshold: got 0.0; expected above 0 and below 1"),
        ({"threshold": float("nan")}, "threshold: got nan"),
    ],
)
def test_a_wrong_field_is_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentConfig(**fields)


def test_a_model_of_another_task_or_without_names_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("models")
    write_small_model(folder / "bones")
    with pytest.raises(ValueError, match="is for 'extract'; expected one for 'segment'"):
        segment(ellipse((32, 32)), SegmentConfig(model=str(folder / "bones")))
    twice = verify_model(write_small_model(folder / "twice", "twice", "segment", {"ulna": 1.0}))
    twice.card.outputs.append({"name": "ulna"})
    with pytest.raises(ValueError, match="outputs: structures: two are named 'ulna'"):
        model_structures(twice)


def test_masks_must_be_the_radiographs() -> None:
    image = ellipse((16, 16))
    with pytest.raises(ValueError, match=r"masks: bool of shape \(1, 8, 8\); expected bool"):
        Segmentation(image, (ULNA,), np.zeros((1, 8, 8), bool), "m")
    with pytest.raises(ValueError, match="masks: uint8"):
        Segmentation(image, (ULNA,), np.zeros((1, 16, 16), np.uint8), "m")


def test_it_can_be_stopped_and_tells_how_far_it_is(model: Model) -> None:
    told: list[float] = []
    with pytest.raises(Cancelled):
        segment(ellipse((32, 32)), model=model, is_cancelled=lambda: True)

    def after(count: int) -> Callable[[], bool]:
        return lambda: sum(t >= 0.5 for t in told) > count

    with pytest.raises(Cancelled):
        segment(ellipse((32, 32)), model=model, is_cancelled=after(1),
                progress=lambda fraction, _: told.append(fraction))  # fmt: skip
    told.clear()
    segment(ellipse((32, 32)), model=model, progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_an_image_that_looks_inverted_brings_a_warning(model: Model, limb: object) -> None:
    from BoneXrayLib.drr import DrrConfig, simulate

    drr = simulate(limb, DrrConfig(size=(96, 72), pixel=2.5))  # type: ignore[arg-type]
    upside = Radiograph(drr.full.max() - drr.full)
    assert "inverted" in segment(upside, model=model).warnings[0]


def test_a_view_from_behind_is_hung_for_a_model_that_knows_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"femur left": 1.0, "femur right": 1.0}
    model = verify_model(write_small_model(tmp_path / "sides", "sides", "segment", gains))

    def by_side(_: Model, channels: np.ndarray, *rest: object) -> tuple[np.ndarray, np.ndarray]:
        """Left is what is bright on the right half."""
        bright, middle = channels[0], channels.shape[2] // 2
        left, right = bright.copy(), bright.copy()
        left[:, :middle], right[:, middle:] = 0, 0
        return np.stack([left, right]), np.stack([right, left])

    monkeypatch.setattr("BoneXrayLib.segmentation.answers_both_ways", by_side)
    hill = ellipse((64, 64)).pixels
    geometry = {
        turn: make_geometry(GeometryConfig(rotate=(turn, 0.0), size=hill.shape), np.zeros(3))
        for turn in (0.0, 180.0)
    }
    assert [g.is_from_behind for g in geometry.values()] == [False, True]
    front, back = (
        segment(Radiograph(hill, "optical density", geometry=each), model=model)
        for each in geometry.values()
    )
    assert np.nonzero(front.masks[0])[1].min() >= 31, "left is on the right, as hung"
    assert np.nonzero(back.masks[0])[1].max() <= 32, "and on the left from behind"


def test_of_a_network_that_knows_one_hand_the_surer_answer_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_small_model(tmp_path / "hand", "hand", "segment", {"lunate": 1.0})
    card = json.loads((folder / "card.json").read_text())

    def of_right_hands(_: Model, channels: np.ndarray, *rest: object) -> tuple:
        """Sure where the left half is bright; the second answer is to the mirror image."""
        bright, middle = channels[:1], channels.shape[2] // 2
        plain, mirrored = bright.copy(), bright.copy()
        plain[..., middle:], mirrored[..., :middle] = 0, 0
        return plain, mirrored

    monkeypatch.setattr("BoneXrayLib.segmentation.answers_both_ways", of_right_hands)
    left_hand = ellipse((64, 64)).pixels
    left_hand[:, :40] = 0
    found = {}
    for mirror in ("mean", "surer", "none"):
        card["input"]["mirror"] = mirror
        (folder / "card.json").write_text(json.dumps(card))
        masks = segment(Radiograph(left_hand, "display"), model=verify_model(folder)).masks
        found[mirror] = np.count_nonzero(masks)
    assert found["none"] == 0
    assert found["surer"] > found["mean"]
    card["input"]["mirror"] = "told"
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="outputs: the last is 'lunate'; expected 'right way"):
        segment(Radiograph(left_hand, "display"), model=verify_model(folder))
    card["input"]["mirror"] = "both"
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"input.mirror is 'both'; expected mean or surer or told"):
        verify_model(folder)


def test_a_network_that_tells_mirror_images_decides_which_answer_counts() -> None:
    plain, mirrored = np.full((3, 8, 8), 0.6), np.full((3, 8, 8), 0.9)
    plain[2], mirrored[2] = 0.95, 0.1
    assert chosen((plain[:2], mirrored[:2]), "surer").max() == 0.9
    assert chosen((plain, mirrored), "told").max() == 0.6
    assert chosen((mirrored, plain), "told").shape == (2, 8, 8)
    assert chosen((mirrored,), "told").max() == 0.9, "the only one"
    assert not way_round_warnings((plain, mirrored), "told")
    assert not way_round_warnings((mirrored,), "told")


def test_where_a_network_hardly_tells_mirror_images_the_surer_answer_counts() -> None:
    plain, mirrored = np.full((3, 8, 8), 0.6), np.full((3, 8, 8), 0.9)
    plain[2], mirrored[2] = 0.82, 0.8
    assert chosen((plain, mirrored), "told").max() == 0.9
    assert chosen((mirrored, plain), "told").max() == 0.9
    mirrored[:2] = 0.63
    assert way_round_warnings((plain, mirrored), "told")
    assert not way_round_warnings((plain, mirrored), "surer"), "sureness alone says too little"
