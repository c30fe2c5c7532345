"""Answers to an image and to its mirror image: which of them counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MIRRORS = ("auto", "no", "yes")
"""Whether the mirror image is what a model is to go by: as its answers to both say, or as told."""
WAYS = {"auto": (False, True), "no": (False,), "yes": (True,)}
"""Whether what a model is shown is mirrored, for each of these."""
CLEAR = 0.1
"""Least difference, of two numbers from 0 to 1 each, by which one way round is told from the other.
Of twelve images of a wrist that a network had not learned from it chose wrongly in one, a lateral,
where they differed by less than 0.01; in another lateral it was 0.04, elsewhere 0.2 and more."""
DOUBTFUL = (
    "is hardly told from its mirror image by the model: look at the bones, or say which it is "
    "(--mirror no or yes; in the panel, Mirrored)"
)
"""As `domain_warnings` says what an image looks like: after "it"."""
MAY_BE = 0.3
"""Share from which a bone may be there."""
WAY_ROUND = "right way round"
"""Name of a network's last output, where the card's mirror is "told"."""


def chosen(answers: Sequence[np.ndarray], mirror: str) -> np.ndarray:
    """What of the answers to an image and its mirror image, or of one of both, counts.

    A network that knows one hand finds little of the other: the surer answer finds more. Better
    is one that was taught to tell: its last answer, 1 where the image is the right way round, is
    left out of what is returned. Of a bone unlike those it learned from it may tell wrongly what
    it finds surely, so that both have a say.
    """
    if mirror == "mean":
        return sum(answers[1:], answers[0]) / len(answers)
    if mirror == "told":
        return max(answers, key=rightness)[:-1]
    return max(answers, key=_sureness) if mirror == "surer" else answers[0]


def ways_that_count(
    answers: Sequence[np.ndarray], ways: tuple[bool, ...], mirror: str
) -> tuple[bool, ...]:
    """Which of the ways that answers are to `chosen` goes by."""
    if mirror == "mean" or len(ways) < 2:
        return ways
    how_sure = {"told": rightness, "surer": _sureness}.get(mirror)
    if how_sure is None:
        return ways[:1]
    return (max(zip(answers, ways, strict=True), key=lambda one: how_sure(one[0]))[1],)


def way_round_warnings(answers: Sequence[np.ndarray], mirror: str) -> tuple[str, ...]:
    """A warning where a network that was taught to tell which way round an image is hardly does."""
    if mirror != "told" or len(answers) < 2:
        return ()
    plain, mirrored = (rightness(answer) for answer in answers)
    return (DOUBTFUL,) if abs(plain - mirrored) < CLEAR else ()


def rightness(shares: np.ndarray) -> float:
    """How much speaks for an answer (bones + 1, rows, columns), what it tells and its sureness."""
    return float(shares[-1].mean()) + _sureness(shares[:-1])


def sureness(shares: np.ndarray) -> float:
    """Mean share of all pixels where a bone of (bones, rows, columns) may be; 0 for none."""
    may_be = shares > MAY_BE
    return float((shares * may_be).sum() / max(int(may_be.sum()), 1))


def _sureness(shares: np.ndarray) -> float:
    """Mean share where a bone may be, mean over bones (bones, rows, columns); 0 for none found.

    How large a bone is found says nothing: a network fills the wrong hand as well, but less surely.
    """
    may_be = shares > MAY_BE
    counts = np.maximum(may_be.sum(axis=(1, 2)), 1)
    return float(((shares * may_be).sum(axis=(1, 2)) / counts).mean())
