"""What a network answers, read as landmarks, ellipses, boxes and outlines of a leg."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_model import write_small_model

from BoneXrayLib.framing import to_working_size
from BoneXrayLib.leg_features import EllipseFeature
from BoneXrayLib.legs import leg_detection, leg_looks
from BoneXrayLib.legs.heat_maps import ellipse_of_disc, read_peak
from BoneXrayLib.legs.leg_channels import FIRST_MASK, FIRST_TOLD, OUTPUTS, POINTS, SIGMA
from BoneXrayLib.legs.leg_detection import DetectConfig, check_outputs, detect, read_looks, told
from BoneXrayLib.legs.leg_looks import Look, as_look, joined, squares
from BoneXrayLib.legs.leg_pieces import of_one_bone
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.radiograph import Radiograph
from BoneXrayTrainingLib.sampling.leg_images import disc, heat_map, leg_target
from BoneXrayTrainingLib.sampling.leg_views import LegTruth

ROWS, COLUMNS = 900, 320
"""A whole leg, a pixel about a millimetre."""
NEAR_ENDS = {
    "head_centre": 60.0, "neck_centre": 75.0, "greater_trochanter": 62.0, "plafond_centre": 840.0,
    "medial_malleolus": 850.0,
}  # fmt: skip
"""Rows of landmarks at hip and ankle; the others are at the knee."""


@pytest.mark.parametrize(("right", "side"), [(0.02, "left"), (0.98, "right")])
def test_the_side_of_a_view_that_was_said_is_told_whatever_view_the_network_sees(
    right: float, side: str
) -> None:
    look = Look(np.zeros((1, 4, 4)), np.zeros(2), np.ones(2), told=(0.45, right))
    assert told(look, DetectConfig(view="AP")) == (side, "AP", ())


def whole_leg(is_right: bool = True, is_frontal: bool = True) -> LegTruth:
    """Landmarks down the middle of an image of a leg."""
    rng = np.random.default_rng(1)
    points = np.zeros((len(POINTS), 2))
    for number, (bone, name) in enumerate(POINTS):
        row = 440.0 if bone == "femur" else 470.0
        row = NEAR_ENDS.get(name, row)
        points[number] = row + 10 * rng.random(), 110 + 100 * rng.random()
    ellipses = {
        "head": EllipseFeature(60.0, 150.0, 24.2, 23.9, 0.4),
        "medial_condyle": EllipseFeature(430.5, 140.2, 21.0, 20.7, 1.0),
        "lateral_condyle": EllipseFeature(431.0, 181.0, 20.3, 20.0, 0.0),
    }
    return LegTruth(points, ellipses, is_frontal, is_right)


def masks_of_leg() -> torch.Tensor:
    masks = torch.zeros((2, ROWS, COLUMNS))
    masks[0, 40:455, 130:190] = 1.0
    masks[1, 465:845, 125:195] = 1.0
    return masks


def ideal(truth: LegTruth, part: tuple[slice, slice], working_size: int) -> Look:
    """What a network without error answers to a part of the image."""
    shape = part[0].stop - part[0].start, part[1].stop - part[1].start
    small, _ = to_working_size(np.zeros(shape, np.float32), working_size)
    step = np.array(shape) / small.shape
    low = np.array([part[0].start, part[1].start])

    def into(at: np.ndarray) -> np.ndarray:
        return (np.asarray(at) - low + 0.5) / step - 0.5

    ellipses = {
        name: EllipseFeature(*into([e.row, e.column]), e.a / step[0], e.b / step[0], e.angle)
        for name, e in truth.ellipses.items()
    }  # fmt: skip
    seen = LegTruth(into(truth.points), ellipses, truth.is_frontal, truth.is_right)
    masks = masks_of_leg()[:, part[0], part[1]]
    masks = torch.nn.functional.interpolate(masks[None], small.shape, mode="area")[0]
    target = leg_target(seen, masks, torch.ones(small.shape, dtype=torch.bool))
    told = float(truth.is_frontal), float(truth.is_right)
    return dataclasses.replace(as_look(target.numpy()[:FIRST_TOLD], part, shape), told=told)


def radiograph() -> Radiograph:
    pixels = np.random.default_rng(0).random((ROWS, COLUMNS)).astype(np.float32)
    return Radiograph(pixels, "display", (1.0, 1.0), name="leg")


def found_in(truth: LegTruth, config: DetectConfig | None = None, working: int = 288):
    """The detection of an ideal network that looks at the whole, then closer."""
    whole = (slice(0, ROWS), slice(0, COLUMNS))
    looks = [ideal(truth, whole, working)]
    looks += [ideal(truth, part, working) for part in squares(looks[0], (ROWS, COLUMNS))]
    return read_looks(radiograph(), looks, config or DetectConfig(), "ideal 1"), looks


@pytest.mark.parametrize("at", [(31.3, 40.8), (30.0, 40.5), (2.2, 33.4), (62.6, 0.4), (61.5, 62.9)])
def test_the_peak_of_a_heat_map_is_where_it_was_put_even_at_the_border(at: tuple) -> None:
    peak = read_peak(heat_map(np.array(at), (64, 64)), SIGMA)
    assert np.hypot(peak.row - at[0], peak.column - at[1]) < 0.05
    assert peak.presence == pytest.approx(1.0, abs=0.03)


def test_a_landmark_in_doubt_has_the_covariance_and_the_presence_of_its_doubt() -> None:
    """The mean of Gaussians about many places, one time in five none: as a trained map is."""
    rng = np.random.default_rng(7)
    spread = np.array([[6.0, 2.0], [2.0, 2.5]])
    places = rng.multivariate_normal([40.0, 40.0], spread, 3000)
    share = 0.8 * np.mean([heat_map(at, (80, 80)) for at in places], axis=0)
    peak = read_peak(share, SIGMA)
    assert np.allclose(peak.covariance, spread, atol=0.8)
    # The window sees what is within four sigmas of a sure one.
    assert 0.7 < peak.presence < 0.82
    sure = read_peak(heat_map(np.array([40.0, 40.0]), (80, 80)), SIGMA)
    assert np.trace(sure.covariance) < 0.05 * np.trace(peak.covariance)


def test_an_ellipse_comes_back_from_its_disc() -> None:
    given = EllipseFeature(40.3, 52.8, 17.5, 14.2, 0.7)
    found = ellipse_of_disc(disc(given, (96, 100)))
    assert found is not None
    assert np.allclose(found, given, atol=0.1)
    assert ellipse_of_disc(np.zeros((20, 20))) is None


def test_a_disc_that_the_border_cuts_is_taken_for_a_circle() -> None:
    given = EllipseFeature(4.0, 52.8, 17.5, 17.5, 0.0)
    found = ellipse_of_disc(disc(given, (96, 100)))
    assert found is not None
    assert np.allclose(found[:4], given[:4], atol=0.5)


def test_an_ideal_network_gives_back_all_landmarks_discs_and_boxes() -> None:
    truth = whole_leg()
    detection, looks = found_in(truth)
    assert len(looks) > 3
    for (bone, name), at in zip(POINTS, truth.points, strict=True):
        point = detection.of(bone).points[name]
        assert np.hypot(point.row - at[0], point.column - at[1]) < 0.3, (bone, name)
        assert np.linalg.eigvalsh(point.covariance)[0] > 0
    femur, tibia = detection.of("femur"), detection.of("tibia")
    for name, ellipse in truth.ellipses.items():
        assert np.allclose(femur.ellipses[name][:4], ellipse[:4], atol=0.5), name
    assert np.allclose(femur.box, (39.5, 129.5, 454.5, 189.5), atol=1.0)
    assert np.allclose(tibia.box, (464.5, 124.5, 844.5, 194.5), atol=1.0)
    assert (detection.side, detection.view, detection.messages) == ("right", "AP", ())


def test_in_a_lateral_image_no_condyle_is_told_from_the_other() -> None:
    truth = whole_leg(is_frontal=False)
    femur = found_in(truth)[0].of("femur")
    assert set(femur.ellipses) == {"head"}
    assert np.allclose(femur.ellipses["head"][:4], truth.ellipses["head"][:4], atol=0.5)


def test_a_square_beyond_what_the_first_look_saw_counts_where_both_are() -> None:
    """The first look is at what of the image is shown; squares are cut at the image's border."""
    truth = whole_leg()
    part = (slice(100, ROWS), slice(60, 260))
    first = ideal(truth, part, 288)
    beyond = [ideal(truth, (slice(0, 300), slice(0, 300)), 288),
              ideal(truth, (slice(0, 80), slice(0, 80)), 288)]  # fmt: skip
    alone = joined([first])
    both = joined([first, *beyond])
    rows = both.first[0] + both.step[0] * np.arange(both.shares.shape[1])
    columns = both.first[1] + both.step[1] * np.arange(both.shares.shape[2])
    assert rows[0] > 99
    assert rows[-1] < ROWS
    femur = both.shares[0][np.argmin(np.abs(rows - 200.0))]
    assert np.interp(0.5, femur[columns < 160], columns[columns < 160]) == pytest.approx(
        129.5, abs=1
    )
    assert both.step.max() <= alone.step.max()


def test_a_closer_look_finds_landmarks_better_than_the_whole_image_alone() -> None:
    truth = whole_leg()
    closer, looks = found_in(truth, working=96)
    alone = read_looks(radiograph(), looks[:1], DetectConfig(), "ideal 1")

    def worst(detection) -> float:
        return max(
            np.trace(detection.of(bone).points[name].covariance)
            for bone, name in POINTS if name in detection.of(bone).points
        )  # fmt: skip

    assert worst(closer) < worst(alone) / 4


def test_the_outline_lies_where_the_mask_does_in_the_image() -> None:
    detection, _ = found_in(whole_leg())
    femur = detection.of("femur")
    rows, columns = (
        first + step * np.arange(n)
        for first, step, n in zip(
            femur.outline_first, femur.outline_step, femur.outline.shape, strict=True
        )
    )
    middle = femur.outline[np.argmin(np.abs(rows - 250.0))]
    left = np.interp(0.5, middle[columns < 160], columns[columns < 160])
    assert left == pytest.approx(129.5, abs=0.7)


def test_a_white_border_beside_a_leg_is_no_part_of_its_bone() -> None:
    whole = (slice(0, ROWS), slice(0, COLUMNS))
    look = ideal(whole_leg(), whole, 288)
    with_border = look.shares.copy()
    with_border[FIRST_MASK + 1, 150:270, 90:] = 1.0  # wide enough to stay, and to be the larger one
    found = [
        read_looks(radiograph(), [dataclasses.replace(look, shares=shares)], DetectConfig(), "1")
        for shares in (look.shares, with_border)
    ]
    without, tibia = (detection.of("tibia") for detection in found)
    assert tibia.box == without.box
    assert np.array_equal(tibia.outline, without.outline)


def test_a_bone_cut_in_two_keeps_what_lies_in_line() -> None:
    mask = np.zeros((200, 120), bool)
    mask[10:80, 50:62] = mask[90:180, 52:64] = True
    beside = mask.copy()
    beside[20:190, 100:115] = True
    none = np.empty((0, 2))
    # The bar is the larger piece: only a landmark tells which is the bone.
    assert np.array_equal(of_one_bone(mask, none), mask)
    assert np.array_equal(of_one_bone(beside, np.array([[178.0, 58.0]])), mask)
    assert np.array_equal(of_one_bone(beside, none), beside & ~mask)


def test_of_a_joint_a_further_piece_counts_where_a_landmark_lies_on_it() -> None:
    """The main piece is as wide as it is long: it does not tell which way the bone runs."""
    mask = np.zeros((100, 100), bool)
    mask[60:95, 40:75] = mask[5:25, 45:60] = True
    main = mask & (np.arange(100)[:, None] > 40)
    assert np.array_equal(of_one_bone(mask, np.array([[70.0, 50.0]])), main)
    assert np.array_equal(of_one_bone(mask, np.array([[70.0, 50.0], [10.0, 43.0]])), mask)


def test_the_side_of_a_lateral_image_is_not_told_but_asked_for() -> None:
    detection, _ = found_in(whole_leg(is_frontal=False))
    assert detection.view == "LAT"
    assert detection.messages == ("side: a lateral image does not tell; taken as right, say which",)
    told, _ = found_in(whole_leg(is_frontal=False), DetectConfig(side="left"))
    assert (told.side, told.messages) == ("left", ())
    assert all(found.side == "left" for found in told.features)


def test_view_and_side_in_doubt_are_said_to_be() -> None:
    truth = whole_leg()
    look = ideal(truth, (slice(0, ROWS), slice(0, COLUMNS)), 288)
    look = dataclasses.replace(look, told=(0.55, 0.55))
    detection = read_looks(radiograph(), [look], DetectConfig(), "ideal 1")
    assert [m.split(":")[0] for m in detection.messages] == ["view", "side"]
    assert "55%" in detection.messages[0]


def test_an_image_without_a_leg_says_so() -> None:
    shares = np.full((FIRST_TOLD, 60, 60), 0.01, np.float32)
    look = as_look(shares, (slice(0, 240), slice(0, 240)), (240, 240))
    detection = read_looks(radiograph(), [look], DetectConfig(), "ideal 1")
    assert detection.features == ()
    assert detection.messages == ("no femur or tibia found; expected a radiograph of one leg",)


def test_a_model_of_other_outputs_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = write_small_model(tmp_path / "other", "other", task="features")
    with pytest.raises(ValueError, match=r"outputs: 1 from 'bone share' on; expected the 26"):
        detect(radiograph(), DetectConfig(model=str(folder)))


def leg_model(folder: Path) -> Model:
    """A model whose outputs are a leg's features by name."""
    folder = write_small_model(folder / "leg", "leg", task="features")
    card = json.loads((folder / "card.json").read_text())
    card["outputs"] = [{"name": name} for name in OUTPUTS]
    (folder / "card.json").write_text(json.dumps(card))
    return find_model(str(folder), "features")


@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.parametrize("frontal", [1.0, 0.2])
@pytest.mark.parametrize("side", ["auto", "said"])
def test_of_a_left_leg_the_network_is_shown_the_mirror_image(
    is_left: bool, side: str, frontal: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network here knows legs whose left half of the image is the brighter one.

    A frontal image that it takes for a lateral one is told to be frontal.
    """
    pixels = np.full((64, 64), 0.2, np.float32)
    pixels[:, :30] = 0.8
    pixels = pixels[:, ::-1].copy() if is_left else pixels
    shown = []

    def answer(_model: Model, channels: np.ndarray, **_: object) -> np.ndarray:
        shown.append(channels)
        found = np.zeros((len(OUTPUTS), *channels.shape[1:]), np.float32)
        third = channels.shape[2] // 3
        bright = channels[0, :, :third].mean() > channels[0, :, -third:].mean()
        found[0] = heat_map(np.array([30.0, 12.0]), channels.shape[1:]) * bright
        found[FIRST_TOLD], found[FIRST_TOLD + 1] = frontal, float(bright)
        return found

    monkeypatch.setattr(leg_looks, "run_network", answer)
    asked = side if side == "auto" else ("left" if is_left else "right")
    part = (slice(0, 64), slice(0, 64))
    is_frontal = None if frontal > 0.5 else True
    image = Radiograph(pixels, "display")
    look = leg_looks.looked(leg_model(tmp_path), image, part, asked, is_frontal=is_frontal)
    assert len(shown) == (2 if side == "auto" else 1)
    assert look.told == pytest.approx((frontal, 0.0 if is_left else 1.0))
    step = look.step[1]
    column = (12.0 + 0.5) * step - 0.5
    expected = 63.0 - column if is_left else column
    assert look.peaks[0].column == pytest.approx(expected, abs=0.3)


def test_detection_shows_the_network_the_image_and_looks_closer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, truth, parts = leg_model(tmp_path), whole_leg(), []

    def answer(model: Model, radiograph: Radiograph, part: tuple, *_: object) -> Look:
        parts.append(part)
        return ideal(truth, part, 288)

    monkeypatch.setattr(leg_detection, "looked", answer)
    detection = detect(radiograph(), model=model)
    assert parts[0] == (slice(0, ROWS), slice(0, COLUMNS))
    assert len(parts) > 3
    assert detection.model == "leg 0.1"
    parts.clear()
    detect(radiograph(), DetectConfig(closer=False), model=model)
    assert len(parts) == 1
    check_outputs(model)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"side": "both"}, "side: got 'both'; expected one of auto, right, left"),
        ({"view": "PA"}, "view: got 'PA'; expected one of auto, AP, LAT"),
        ({"presence": 1.0}, "presence: got 1.0; expected above 0 and below 1"),
        ({"pixel": -1.0}, "pixel: got -1.0; expected a positive length in mm"),
    ],
)
def test_a_wrong_setting_is_named(entry: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectConfig(**entry)
