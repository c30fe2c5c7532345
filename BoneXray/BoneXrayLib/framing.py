"""What of a radiograph a network is shown, and how large: the patient, not the air around."""

from __future__ import annotations

import numpy as np

from .resizing import resize

FRAMINGS = ("whole", "content")
"""The whole image, or without the air around the patient where the image tells it from him."""
AIR, AIR_PERCENTILE = 0.03, 99.0
"""Air is what reaches this share of a high percentile of optical density; noise stays below."""
LEAST_SHARE = 0.01
"""Rows and columns with less of the patient than this are air."""
LEAST_SIDE = 32
MARGIN = 0.02
"""Left around the patient, as a share of his longer side."""


def content(pixels: np.ndarray, domain: str, framing: str) -> tuple[slice, slice]:
    """Rows and columns to show a network.

    Only optical density tells air (0) from what is there; a display image is shown whole.

    Args:
        pixels: (rows, columns), bone bright.
        domain: "optical density" or "display".
        framing: one of `FRAMINGS`.
    """
    whole = slice(0, pixels.shape[0]), slice(0, pixels.shape[1])
    if framing == "whole" or domain != "optical density":
        return whole
    there = pixels > AIR * np.percentile(pixels, AIR_PERCENTILE)
    spans = [np.flatnonzero(there.mean(axis=axis) > LEAST_SHARE) for axis in (1, 0)]
    if not all(span.size for span in spans):
        return whole
    margin = round(MARGIN * max(int(span[-1] - span[0]) for span in spans))
    found = []
    for span, count in zip(spans, pixels.shape, strict=True):
        low, high = int(span[0]) - margin, int(span[-1]) + 1 + margin
        missing = max(0, LEAST_SIDE - (high - low))
        low, high = low - missing // 2, high + missing - missing // 2
        found.append(slice(max(0, low), min(count, high)))
    return found[0], found[1]


def to_working_size(pixels: np.ndarray, working_size: int) -> tuple[np.ndarray, float]:
    """The image with its longer side at `working_size`, and how many pixels became one."""
    factor = max(pixels.shape) / working_size
    shape = tuple(max(1, round(n / factor)) for n in pixels.shape)
    return resize(pixels, shape), factor
