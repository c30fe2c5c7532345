"""Answers to an image and to its mirror image: which of them counts."""

from __future__ import annotations

import numpy as np

MAY_BE = 0.3
"""Share from which a bone may be there."""
WAY_ROUND = "right way round"
"""Name of a network's last output, where the card's mirror is "told"."""


def chosen(plain: np.ndarray, mirrored: np.ndarray, mirror: str) -> np.ndarray:
    """What of the answers to an image and its mirror image counts, as the card says.

    A network that knows one hand finds little of the other: the surer answer finds more. Better
    is one that was taught to tell: its last answer, 1 where the image is the right way round, is
    left out of what is returned. Of a bone unlike those it learned from it may tell wrongly what
    it finds surely, so that both have a say.
    """
    if mirror == "mean":
        return (plain + mirrored) / 2
    if mirror == "told":
        return max(plain, mirrored, key=_rightness)[:-1]
    is_surer = mirror == "surer" and _sureness(mirrored) > _sureness(plain)
    return mirrored if is_surer else plain


def _rightness(shares: np.ndarray) -> float:
    """How much speaks for an answer (bones + 1, rows, columns), what it tells and its sureness."""
    return float(shares[-1].mean()) + _sureness(shares[:-1])


def _sureness(shares: np.ndarray) -> float:
    """Mean share where a bone may be, mean over bones (bones, rows, columns); 0 for none found.

    How large a bone is found says nothing: a network fills the wrong hand as well, but less surely.
    """
    may_be = shares > MAY_BE
    counts = np.maximum(may_be.sum(axis=(1, 2)), 1)
    return float(((shares * may_be).sum(axis=(1, 2)) / counts).mean())
