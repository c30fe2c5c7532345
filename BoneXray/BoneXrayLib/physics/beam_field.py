"""Lead in the beam: the collimator's border and the letter that says the patient's side."""

from __future__ import annotations

import itertools

import numpy as np

from ..geometry import Geometry

LEAD_GRAMS = 2.3
"""2 mm of lead [g/cm²], for border and letter."""
LETTER_MM = 14.0
"""Height of the letter: that of usual lead markers, our choice."""
STROKE = 0.2
"""Width of a stroke in heights of the letter."""
INSET = 0.04
"""Distance of the letter from the border, in sides of the image."""

_STROKES: dict[str, list[tuple[tuple[float, float], ...]]] = {
    "L": [((0.0, 0.0), (1.0, 0.0), (1.0, 0.55))],
    "R": [
        ((1.0, 0.0), (0.0, 0.0), (0.0, 0.38), (0.1, 0.52), (0.4, 0.52), (0.52, 0.38), (0.52, 0.0)),
        ((0.52, 0.25), (1.0, 0.55)),
    ],
}
"""Lines through (down, right), in heights of the letter."""


def lead_in_beam(geometry: Geometry, collimation_mm: float, marker: str) -> np.ndarray | None:
    """Lead [g/cm²] that border and letter put in front of each pixel; None where there is none.

    Args:
        geometry: gives pixels, size and which side of the image is the patient's right.
        collimation_mm: width of the border at the detector.
        marker: "L", "R", "none", or "auto": the letter of `side_letter`.

    Returns:
        (rows, columns) float32.

    Raises:
        ValueError: a border that leaves nothing of the image.
    """
    rows, columns = geometry.size
    border = [collimation_mm / p for p in geometry.pixel_mm]
    if 2 * border[0] >= rows or 2 * border[1] >= columns:
        raise ValueError(
            f"collimation: got {collimation_mm:g} mm; expected less than half the detector"
        )
    lead = np.zeros((rows, columns), np.float32)
    down, right = np.arange(rows) + 0.5, np.arange(columns) + 0.5
    covered = np.minimum(down, rows - down)[:, None] < border[0]
    covered = covered | (np.minimum(right, columns - right)[None, :] < border[1])
    lead[covered] = LEAD_GRAMS
    letter, on_right = side_letter(geometry, marker)
    if letter:
        _put_letter(lead, letter, on_right, border, geometry.pixel_mm)
    return lead if lead.any() else None


def side_letter(geometry: Geometry, marker: str) -> tuple[str, bool]:
    """The letter, and whether it stands on the right of the image; an empty text for none.

    In frontal and oblique views it stands on its own side of the patient, "auto" is R. In lateral
    views "auto" is the side next to the detector.
    """
    if marker == "none":
        return "", False
    right_of_patient = float(geometry.column_axis[0])
    if abs(right_of_patient) < 0.5:
        beside = float((geometry.centre - geometry.source)[0])
        return marker if marker != "auto" else ("R" if beside > 0 else "L"), True
    letter = "R" if marker == "auto" else marker
    return letter, (right_of_patient > 0) == (letter == "R")


def _put_letter(
    lead: np.ndarray,
    letter: str,
    on_right: bool,
    border: list[float],
    pixel_mm: tuple[float, float],
) -> None:
    rows, columns = lead.shape
    height = [LETTER_MM / p for p in pixel_mm]
    top = border[0] + INSET * rows + STROKE * height[0]
    width = 0.55 * height[1]
    left = border[1] + INSET * columns + STROKE * height[1]
    if on_right:
        left = columns - left - width
    down = (np.arange(rows) + 0.5 - top) / height[0]
    right = (np.arange(columns) + 0.5 - left) / height[1]
    near = np.full(lead.shape, np.inf)
    for line in _STROKES[letter]:
        for one, other in itertools.pairwise(line):
            near = np.minimum(near, _distance(down[:, None], right[None, :], one, other))
    lead[near < STROKE / 2] = LEAD_GRAMS


def _distance(
    down: np.ndarray, right: np.ndarray, one: tuple[float, ...], other: tuple[float, ...]
) -> np.ndarray:
    """Distance of each pixel to the line from one point to another."""
    along = (other[0] - one[0], other[1] - one[1])
    length = along[0] ** 2 + along[1] ** 2
    part = ((down - one[0]) * along[0] + (right - one[1]) * along[1]) / length
    part = np.clip(part, 0.0, 1.0)
    return np.hypot(down - one[0] - part * along[0], right - one[1] - part * along[1])
