"""Which way up an image is: found where a network knows upright ones only, or as stated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_model import write_small_model

from BoneXrayLib import segmentation
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segmentation import SegmentConfig, segment
from BoneXrayLib.segments.mirror_images import WAY_ROUND
from BoneXrayLib.segments.turned_images import (
    CLEARER,
    SURE,
    SURER,
    TURNED,
    TURNS,
    answers_upright,
    most_looks,
    turn_warnings,
)

ROWS, COLUMNS = 48, 32


def upright() -> np.ndarray:
    """An image of one bright place on top, left of the middle."""
    pixels = np.full((ROWS, COLUMNS), 0.2, np.float32)
    pixels[4:14, 6:12] = 1.0
    return pixels


class Knows:
    """Answers as a network does that learned upright images: elsewhere it is sure of little."""

    def __init__(self, unsure: float = 0.5, sure: float = 0.97) -> None:
        self.unsure, self.sure, self.asked = unsure, sure, 0

    def __call__(self, channels: np.ndarray) -> list[np.ndarray]:
        self.asked += 1
        return [self.answer(channels[0])]

    def answer(self, pixels: np.ndarray) -> np.ndarray:
        bone = (pixels > 0.6).astype(np.float32)
        row, column = np.argwhere(bone).mean(axis=0) / pixels.shape
        is_upright = row < 0.4 and column < 0.5 and pixels.shape[0] > pixels.shape[1]
        sure = self.sure if is_upright else self.unsure
        return np.stack([sure * bone, np.full(pixels.shape, sure, np.float32)])


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turned_image_is_stood_up_and_its_answer_turned_back(degrees: int) -> None:
    shown, look = np.rot90(upright(), -(degrees // 90)), Knows()
    (answer,), found = answers_upright(look, shown[None], "auto", "told")
    assert found == degrees
    assert look.asked == (1 if degrees == 0 else 4)
    assert answer.shape == (2, *shown.shape)
    assert np.array_equal(answer[0] > 0.5, shown > 0.6)
    stated = Knows()
    (again,), said = answers_upright(stated, shown[None], str(degrees), "told")
    assert (said, stated.asked) == (degrees, 1)
    assert np.array_equal(again, answer)


def test_without_a_clearly_better_answer_an_image_stays_as_it_is() -> None:
    shown = np.rot90(upright(), 2)
    look = Knows(unsure=0.97 - 0.4 * CLEARER)
    assert answers_upright(look, shown[None], "auto", "told")[1] == 0


@pytest.mark.parametrize(("sure", "unsure", "found"), [
    (0.97, 0.5, 180),
    (SURE + 0.01, SURE - SURER, 180),
    (SURE + 0.01, SURE - 0.5 * SURER, 0),  # hardly more
    (TURNED + 0.01, 0.5, 180),
    (TURNED - 0.01, 0.4, 0),  # a network that is sure of neither
])  # fmt: skip
def test_a_network_that_does_not_tell_mirror_images_goes_by_how_sure_it_is(
    sure: float, unsure: float, found: int
) -> None:
    shown = np.rot90(upright(), 2)
    look = Knows(unsure, sure)
    assert answers_upright(look, shown[None], "auto", "none")[1] == found
    assert answers_upright(look, upright()[None], "auto", "none")[1] == 0


@pytest.mark.parametrize("word", ["auto", "0", "180"])
def test_bones_lie_where_the_turned_image_has_them_and_a_warning_says_so(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"radius": 1.0, WAY_ROUND: 1.0}
    folder = write_small_model(tmp_path / "teller", "teller", "segment", gains)
    card = json.loads((folder / "card.json").read_text())
    card["input"]["mirror"] = "told"
    (folder / "card.json").write_text(json.dumps(card))
    model = find_model(str(folder), "segment")
    network = Knows()

    def answers(_model: Model, channels: np.ndarray, tell: Any, *_: object) -> list[np.ndarray]:
        tell(1.0, "asked")
        plain = network(channels)[0]
        return [plain, 0.5 * network(channels[..., ::-1])[0][..., ::-1]]

    monkeypatch.setattr(segmentation, "answers_both_ways", answers)
    pixels = np.rot90(upright(), 2).copy()
    shares: list[float] = []
    found = segment(
        Radiograph(pixels, "display"),
        SegmentConfig(turn=word),
        model=model,
        progress=lambda share, message: shares.append(share),
    )
    assert shares == sorted(shares), "it never goes back"
    assert network.asked == 2 * most_looks(word)
    warned = [w for w in found.warnings if "turned by 180 degrees clockwise" in w]
    assert bool(warned) == (word == "auto")
    truth = pixels > 0.6
    overlap = 2 * (found.masks[0] & truth).sum() / (found.masks[0].sum() + truth.sum())
    assert overlap > 0.85 if word != "0" else overlap < 0.85


def test_only_what_was_found_out_is_warned_of() -> None:
    assert turn_warnings(180, "auto")
    assert not turn_warnings(0, "auto")
    assert not turn_warnings(180, "180")


def test_a_turn_that_is_none_is_refused() -> None:
    assert SegmentConfig().turn in TURNS
    with pytest.raises(ValueError, match=r"turn: got '45'; expected one of auto, 0, 90, 180, 270"):
        SegmentConfig(turn="45")
