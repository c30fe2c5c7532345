"""Which way up an image is: a network's answers to it turned by quarters, and which count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .mirror_images import chosen, rightness, sureness

if TYPE_CHECKING:
    from collections.abc import Callable

    Look = Callable[[np.ndarray], list[np.ndarray]]

TURNS = ("auto", "0", "90", "180", "270")
"""How far an image is turned clockwise from upright [degrees]: found out, or as told."""
UPRIGHT, CLEARER = 1.75, 0.2
"""Of a network that tells mirror images: `rightness` from which an image is upright without a look
at it turned, and by how much it has to be more, of 2 at most, for an image to be taken for a turned
one. Of 15 images of wrists and whole hands that a network (segment-wrist 0.8.0) had learned from,
or like those, it was 1.66 to 1.95 upright, at most 1.45 a quarter or a half turn off; of six of a
wrist unlike those that another had learned from 1.50 to 1.89, turned at most 0.15 more."""
SURE, TURNED, SURER = 0.86, 0.8, 0.035
"""Of others: `sureness`, 1 at most, from which an image is upright without a look at it turned,
what a turned one has to reach at least, for of what a network does not know it may be surer turned,
and by how much it has to be more. Of 25 images of two chests, two pelves and a real radiograph it
was 0.80 to 0.91 upright, turned 0.04 to 0.31 less, at most 0.86; of six of a pelvis that a network
of the same kind knew nothing of 0.74 to 0.86, turned at most 0.79 (segment-trunk 0.6.0)."""


def most_looks(turn: str, closer: bool = False) -> int:
    """How often a network looks at the most, larger and closer ones included where there are."""
    return (len(TURNS) - 1 if turn == "auto" else 1) + 2 * closer


def answers_upright(
    look: Look,
    channels: np.ndarray,
    turn: str,
    mirror: str,
    larger: Callable[[], np.ndarray] | None = None,
) -> tuple[list[np.ndarray], int]:
    """The answers to an image that stands upright, turned back, and how far it was turned.

    Networks learn from upright images, and are less sure of turned ones.

    Args:
        look: the answers (outputs, rows, columns) to channels and, maybe, to their mirror image.
        channels: (channels, rows, columns) of the image as it is.
        turn: one of `TURNS`.
        mirror: how the network goes about mirror images, as its card says.
        larger: the same image larger, for where the network is unsure of it: it may be too small.

    Returns:
        Answers in the image's own place, and degrees clockwise.
    """

    def turned(degrees: int, shown: np.ndarray = channels) -> list[np.ndarray]:
        quarters = degrees // 90
        seen = np.ascontiguousarray(np.rot90(shown, quarters, (1, 2)))
        return [np.ascontiguousarray(np.rot90(a, -quarters, (1, 2))) for a in look(seen)]

    def score(answers: list[np.ndarray]) -> float:
        return max(map(rightness, answers)) if tells else sureness(chosen(answers, mirror))

    tells = mirror == "told"
    enough, least, more = (UPRIGHT, 0.0, CLEARER) if tells else (SURE, TURNED, SURER)
    stated = 0 if turn == "auto" else int(turn)
    upright = turned(stated)
    if larger is not None and score(upright) < enough:
        again = turned(stated, larger())
        upright = again if score(again) >= enough else upright
    if turn != "auto" or (reached := score(upright)) >= enough:
        return upright, stated
    others = {degrees: turned(degrees) for degrees in map(int, TURNS[2:])}
    degrees = max(others, key=lambda one: score(others[one]))
    if score(others[degrees]) < max(least, reached + more):
        return upright, 0
    return others[degrees], degrees


def turn_warnings(degrees: int, turn: str) -> tuple[str, ...]:
    """A warning where an image was found to be turned, in words that follow "it"."""
    if turn != "auto" or not degrees:
        return ()
    return (
        f"was taken for one that is turned by {degrees} degrees clockwise: look at the bones, or "
        "say how it is turned (--turn 0, 90, 180 or 270; in the panel, Turned)",
    )
