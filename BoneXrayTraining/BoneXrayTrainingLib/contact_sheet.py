"""The best, the median and the worst image of an evaluation: input, truth, model, error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneXrayLib.comparison import side_by_side, stacked, to_8bit
from BoneXrayLib.display import display_window

HEIGHT = 320
RANKS = ("best", "median", "worst")


@dataclass(frozen=True, eq=False)
class Example:
    """One image to show; arrays (rows, columns), optical density.

    Attributes:
        title: which one it is: rank, CT, view.
        score: of the model, in words.
    """

    title: str
    score: str
    input: np.ndarray
    truth: np.ndarray
    answer: np.ndarray


def ranked(scores: list[float]) -> dict[str, int]:
    """Which of the images are best, median and worst: rank -> index, each image once."""
    order = [int(n) for n in np.argsort(-np.asarray(scores), kind="stable")]
    places = {"best": 0, "worst": len(order) - 1, "median": (len(order) - 1) // 2}
    found: dict[str, int] = {}
    for rank, place in places.items():
        if order[place] not in found.values():
            found[rank] = order[place]
    return {rank: found[rank] for rank in RANKS if rank in found}


def contact_sheet(examples: list[Example]) -> np.ndarray:
    """A row of four labelled pictures for each example, (rows, columns, 3) uint8.

    Truth and model are shown alike: black 0, white the truth's 99.5th percentile. The error is
    model minus truth on that scale: red where the model shows too much bone, blue too little,
    white none.
    """
    return stacked([_row(example) for example in examples])


def _row(example: Example) -> np.ndarray:
    truth, answer = (to_8bit(image, example.truth) for image in (example.truth, example.answer))
    error = answer.astype(np.float64) - truth
    span = max(float(np.percentile(np.abs(error), 99.5)), 1.0)
    images = [example.input, np.rint(truth).astype(np.uint8), np.rint(answer).astype(np.uint8),
              diverging(error / span)]  # fmt: skip
    titles = [f"{example.title}: input", "truth: bones alone", f"model: {example.score}",
              f"error: red too much, blue too little, full colour {span:.0f} of 255"]  # fmt: skip
    windows = [display_window(example.input), None, None, None]
    return side_by_side(images, titles, HEIGHT, windows)


def diverging(values: np.ndarray) -> np.ndarray:
    """-1 blue, 0 white, +1 red; (rows, columns) to (rows, columns, 3) uint8."""
    strength = np.clip(np.abs(values), 0, 1)[..., np.newaxis]
    red, blue = np.array([178.0, 24.0, 43.0]), np.array([33.0, 102.0, 172.0])
    colour = np.where((values > 0)[..., np.newaxis], red, blue)
    return np.rint(255 + strength * (colour - 255)).astype(np.uint8)
