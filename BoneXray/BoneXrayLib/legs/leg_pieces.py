"""Which pieces of a mask are one long bone: white borders beside a leg look like shafts, too."""

from __future__ import annotations

import numpy as np

NEAR = 3.0
"""A landmark at most so many pixels of the mask off a piece lies on it."""
LONG = 2.0
"""A piece longer than this many times its width tells which way the bone runs."""


def of_one_bone(mask: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The bone's main piece and those in line with it, as where a plate or an edge cuts it in two.

    The main piece is the largest that a landmark of the bone lies on, the largest of all where
    none does. Another belongs to the bone if a landmark lies on it, or if it meets the strip that
    the main piece makes when it is drawn out along its long axis.

    Args:
        mask: (rows, columns) bool.
        landmarks: (N, 2) places of the bone's landmarks, row and column in the mask; N may be 0.

    Returns:
        (rows, columns) bool, a new array.
    """
    from scipy import ndimage

    pieces, count = ndimage.label(mask, np.ones((3, 3), int))  # corners touch
    if count < 2:
        return mask.copy()
    places = [np.argwhere(pieces == number + 1) for number in range(count)]
    marked = [_is_near(place, landmarks) for place in places]
    main = max(range(count), key=lambda number: (marked[number], len(places[number])))
    strip = _strip(places[main])
    kept = [
        number == main or marked[number] or (strip is not None and _meets(strip, places[number]))
        for number in range(count)
    ]
    return np.array([False, *kept])[pieces]


def _is_near(places: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether one of the landmarks lies on the piece or at most NEAR pixels off it."""
    return any(float(np.hypot(*(places - mark).T).min()) <= NEAR for mark in landmarks)


def _strip(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """A piece's middle, the unit vector across its long axis, its half width; None if not long."""
    middle = places.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov((places - middle).T) + np.eye(2) / 12.0)
    if spread[1] < LONG**2 * spread[0]:
        return None
    return middle, axes[:, 0], float(np.sqrt(3.0 * spread[0]))


def _meets(strip: tuple[np.ndarray, np.ndarray, float], places: np.ndarray) -> bool:
    """Whether a piece has a pixel within the strip."""
    middle, across, half = strip
    return bool(np.abs((places - middle) @ across).min() <= half)
