"""Answers to an image and to its mirror image: which of them counts."""

from __future__ import annotations

import numpy as np

MAY_BE = 0.3
"""Share from which a bone may be there."""


def chosen(plain: np.ndarray, mirrored: np.ndarray, mirror: str) -> np.ndarray:
    """What of the answers to an image and its mirror image counts, as the card says.

    A network that knows one hand finds little of the other: the surer answer finds more.
    """
    if mirror == "mean":
        return (plain + mirrored) / 2
    is_surer = mirror == "surer" and _sureness(mirrored) > _sureness(plain)
    return mirrored if is_surer else plain


def _sureness(shares: np.ndarray) -> float:
    """Mean share where a bone may be, mean over bones (bones, rows, columns); 0 for none found.

    How large a bone is found says nothing: a network fills the wrong hand as well, but less surely.
    """
    may_be = shares > MAY_BE
    counts = np.maximum(may_be.sum(axis=(1, 2)), 1)
    return float(((shares * may_be).sum(axis=(1, 2)) / counts).mean())
