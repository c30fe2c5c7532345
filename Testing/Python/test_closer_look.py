"""A closer look at bones that are small in an image: where, how it counts, and that it is one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from small_model import write_small_model

from BoneXrayLib.models import Model, verify_model
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segmentation import SegmentConfig, segment
from BoneXrayLib.segments.closer_look import CLOSER, MARGIN, closer_part, closer_weight
from BoneXrayLib.segments.mirror_images import WAY_ROUND, ways_that_count
from BoneXrayLib.segments.share_masks import Look, masks_of_looks, whole_look
from BoneXrayLib.segments.structures import structure
from BoneXrayLib.segments.turned_images import UPRIGHT, answers_upright, most_looks

LUNATE, CAPITATE, ULNA = (structure(name) for name in ("lunate", "capitate", "ulna"))
ROUGH = SegmentConfig(clean=False)


def shares_of(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A bone for each box (rows and columns from, to)."""
    shares = np.zeros((len(boxes), *shape), np.float32)
    for share, (top, bottom, left, right) in zip(shares, boxes, strict=True):
        share[top:bottom, left:right] = 0.9
    return shares


# -- where to look --------------------------------------------------------------------------------
def test_what_is_shown_is_the_box_of_the_named_bones_and_some_around_it() -> None:
    shares = shares_of((20, 26, 20, 24), (22, 30, 22, 27), (30, 64, 0, 48))
    look = whole_look(shares, (640, 480))  # ten pixels of the image for one of the network's
    part = closer_part(look, (LUNATE, CAPITATE, ULNA), ("lunate", "capitate"), 0.5)
    margin = MARGIN * 100
    assert part == (
        slice(round(200 - margin), round(300 + margin)),
        slice(round(200 - margin), round(270 + margin)),
    )
    assert closer_part(look, (LUNATE, CAPITATE, ULNA), (), 0.5) is None, "of no bones"


def test_it_ends_where_the_image_ends_and_is_none_where_that_is_hardly_closer() -> None:
    bones = (LUNATE, CAPITATE)
    corner = closer_part(
        whole_look(shares_of((0, 6, 0, 6), (0, 6, 40, 42)), (64, 480)), bones, ["lunate"], 0.5
    )
    assert corner is not None
    assert [one.start for one in corner] == [0, 0]
    for side, is_closer in ((20, True), (27, False)):
        there = shares_of((32 - side // 2, 32 - side // 2 + side, 5, 20), (1, 2, 1, 2))
        part = closer_part(whole_look(there, (64, 48)), bones, ["lunate"], 0.5)
        assert (part is not None) is is_closer
        assert (side * (1 + 2 * MARGIN) < CLOSER * 64) is is_closer


def test_stray_pieces_do_not_draw_it_off_and_too_few_bones_do_not_make_it() -> None:
    shares = shares_of((20, 28, 20, 28), (0, 0, 0, 0), (0, 0, 0, 0))
    shares[0, 60, 45] = 0.9
    bones = (LUNATE, CAPITATE, ULNA)
    look = whole_look(shares, (64, 48))
    part = closer_part(look, bones, ("lunate", "capitate"), 0.5)
    assert part is not None
    assert part[0].stop < 40
    assert closer_part(look, bones, ("lunate", "capitate", "ulna"), 0.5) is None, "one of three"
    assert closer_part(look, bones, ("capitate", "ulna"), 0.5) is None, "none"


# -- what it counts -------------------------------------------------------------------------------
def test_a_look_counts_by_the_pixels_it_has_of_a_place() -> None:
    first = whole_look(np.zeros((1, 64, 48), np.float32), (640, 480))
    part = (slice(0, 320), slice(0, 240))
    assert closer_weight(first, np.zeros((1, 64, 48)), part) == pytest.approx(4 / 5)
    assert closer_weight(first, np.zeros((1, 32, 24)), part) == pytest.approx(1 / 2)


def test_masks_are_of_the_mean_of_both_looks_where_there_are_two() -> None:
    first = whole_look(shares_of((0, 32, 0, 48)), (64, 48))
    inside = np.full((1, 20, 20), 0.05, np.float32)
    part = (slice(10, 30), slice(10, 30))
    for weight, is_bone in ((0.3, True), (0.7, False)):
        (mask,) = masks_of_looks([first, Look(inside, part, weight)], (ULNA,), ROUGH)
        assert mask[part].all() if is_bone else not mask[part].any()
        mask[part] = True
        assert np.array_equal(mask, first.shares[0] > 0.5), "elsewhere nothing changes"


def test_a_bone_that_only_the_closer_look_finds_has_its_mask() -> None:
    nothing = whole_look(np.zeros((1, 8, 6), np.float32), (64, 48))
    part = (slice(30, 46), slice(20, 36))
    near = Look(shares_of((4, 12, 4, 12), shape=(16, 16)), part, 0.8)
    (mask,) = masks_of_looks([nothing, near], (ULNA,), ROUGH)
    expected = np.zeros((64, 48), bool)
    expected[34:42, 24:32] = True
    assert np.array_equal(mask, expected)


def test_the_way_round_that_counts_is_that_of_the_answer_that_counts() -> None:
    sure, unsure = (np.full((2, 8, 8), value, np.float32) for value in (0.9, 0.4))
    ways = (False, True)
    assert ways_that_count([sure, unsure], ways, "told") == (False,)
    assert ways_that_count([unsure, sure], ways, "told") == (True,)
    assert ways_that_count([unsure, sure], ways, "surer") == (True,)
    assert ways_that_count([unsure, sure], ways, "mean") == ways
    assert ways_that_count([unsure, sure], ways, "none") == (False,)
    assert ways_that_count([unsure], (True,), "told") == (True,)


# -- what is unsure is looked at larger -----------------------------------------------------------
class NeedsSize:
    """Answers surely to what has as many rows, and is upright: bright above."""

    def __init__(self, rows: int) -> None:
        self.rows, self.seen = rows, []

    def __call__(self, channels: np.ndarray) -> list[np.ndarray]:
        self.seen.append(channels.shape[1:])
        is_sure = channels.shape[1] >= self.rows and channels[0, 0].mean() > channels[0, -1].mean()
        share = 0.95 if is_sure else 0.4
        return [np.stack([share * channels[0], np.full(channels.shape[1:], share)])]


def upright(rows: int) -> np.ndarray:
    pixels = np.zeros((1, rows, rows), np.float32)
    pixels[:, : rows // 2] = 1.0
    return pixels


@pytest.mark.parametrize("turn", ["auto", "0"])
def test_what_a_network_is_unsure_of_it_is_shown_larger_before_it_is_turned(turn: str) -> None:
    look = NeedsSize(64)
    (answer,), degrees = answers_upright(look, upright(32), turn, "told", lambda: upright(64))
    assert (answer.shape[1:], degrees) == ((64, 64), 0)
    assert look.seen == [(32, 32), (64, 64)]
    assert UPRIGHT < 2 * 0.95
    sure = NeedsSize(32)
    assert answers_upright(sure, upright(32), turn, "told", lambda: upright(64))[1] == 0
    assert len(sure.seen) == 1, "what it is sure of is not asked again"


def test_where_larger_does_not_help_the_image_is_turned_as_before() -> None:
    look = NeedsSize(32)
    shown = np.ascontiguousarray(np.rot90(upright(32), 2, (1, 2)))
    larger = np.ascontiguousarray(np.rot90(upright(64), 2, (1, 2)))
    (answer,), degrees = answers_upright(look, shown, "auto", "told", lambda: larger)
    assert (answer.shape[1:], degrees) == ((32, 32), 180)
    assert len(look.seen) == 5 < most_looks("auto", closer=True)


# -- the whole way --------------------------------------------------------------------------------
@pytest.fixture
def near_sighted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Outlines a lunate well where that is an eighth of the image wide, else roughly."""
    gains = {"lunate": 1.0, WAY_ROUND: 1.0}
    folder = write_small_model(tmp_path / "near", "near", "segment", gains)
    card = json.loads((folder / "card.json").read_text())
    card["input"] |= {"mirror": "told", "closer": ["lunate"], "working_size": 64}
    (folder / "card.json").write_text(json.dumps(card))

    def answer(_: Model, channels: np.ndarray, **__: object) -> np.ndarray:
        bright = channels[0] > 0.8
        there = np.argwhere(bright)
        wide = np.ptp(there[:, 1]) + 1 if len(there) else 0
        is_large = wide > 0.12 * channels.shape[2]
        rows, columns = there.T if len(there) else (np.zeros(1, int),) * 2
        lunate = bright * np.float32(0.9)
        if not is_large:  # about where it is
            lunate[rows.min() - 2 : rows.max() + 3, columns.min() - 2 : columns.max() + 3] = 0.9
        told = np.full(bright.shape, 0.95 if columns.mean() < channels.shape[2] / 2 else 0.1)
        return np.stack([lunate, told]).astype(np.float32)

    monkeypatch.setattr("BoneXrayLib.extraction.run_network", answer)
    return verify_model(folder)


def hand(is_mirrored: bool = False) -> Radiograph:
    """A small bright bone left of the middle of a large image."""
    pixels = np.full((320, 256), 0.2, np.float32)
    pixels[100:120, 80:96] = 1.0
    return Radiograph(pixels[:, :: -1 if is_mirrored else 1].copy(), "display")


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_small_bone_is_outlined_as_sharply_as_a_large_one(
    near_sighted: Model, is_mirrored: bool
) -> None:
    image = hand(is_mirrored)
    without = dataclasses.replace(near_sighted.card, input={
        k: v for k, v in near_sighted.card.input.items() if k != "closer"})  # fmt: skip
    plain = segment(image, model=dataclasses.replace(near_sighted, card=without)).masks[0]
    closer = segment(image, model=near_sighted)
    truth = image.pixels > 0.5
    assert np.count_nonzero(plain ^ truth) > 1.0 * truth.sum()
    assert np.count_nonzero(closer.masks[0] ^ truth) < 0.25 * truth.sum()


def test_it_tells_how_far_it_is_with_a_closer_look_too(near_sighted: Model) -> None:
    told: list[float] = []
    segment(hand(), model=near_sighted, progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0
