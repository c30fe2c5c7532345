"""Layers put together again, each faded or coloured: fast enough to follow a slider."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .layers import FADE_RANGE

BLOCK = 1 << 14
"""Pixels at a time: what is worked on stays in the processor's cache."""


def fade(
    image: np.ndarray, layers: Sequence[np.ndarray], shares: Sequence[float], out: np.ndarray
) -> None:
    """Fill `out` with the image, each layer in it `share` times as dense: 0 leaves it out.

    Args:
        image: (rows, columns).
        layers: of the same shape each, in the image's units.
        shares: one a layer, 0 to 2.
        out: (rows, columns) float32.

    Raises:
        ValueError: a share out of range, or arrays of different shapes.
    """
    _check(image.shape, layers, shares)
    moved = [(layer, s - 1) for layer, s in zip(layers, shares, strict=True) if s != 1]
    for rows in _blocks(image.shape):
        out[rows] = image[rows]
        for layer, by in moved:
            out[rows] += np.float32(by) * layer[rows]


def blend(
    layers: Sequence[np.ndarray],
    colours: Sequence[tuple[int, int, int]],
    shares: Sequence[float],
    window: tuple[float, float],
    out: np.ndarray,
) -> None:
    """Fill `out` with the layers as lights of a colour each, which add up.

    Were all colours white, it would be the faded image in its window.

    Args:
        layers: (rows, columns) each; together they are the image.
        colours: (red, green, blue) from 0 to 255 of each.
        shares: as for `fade`.
        window: what of the image's units is black, and what is white.
        out: (rows, columns, 3) uint8, in one piece of memory.

    Raises:
        ValueError: a share out of range, or arrays of different shapes.
    """
    _check(out.shape[:2], layers, shares)
    low, high = window
    scale = 1 / max(high - low, 1e-12)
    weights = np.array(colours, np.float32) * np.array(shares, np.float32)[:, None] * scale
    black = np.float32(-255 * low * scale)
    shown = [n for n, weight in enumerate(weights) if weight.any()]
    for rows in _blocks(out.shape[:2]):
        pixels = out[rows].reshape(-1, 3)  # a view: whole rows lie in one piece
        light = np.full((3, len(pixels)), black, np.float32)
        if shown:
            light += weights[shown].T @ np.stack([layers[n][rows].ravel() for n in shown])
        values = np.clip(light, 0, 255, out=light).astype(np.uint8)
        for channel in range(3):
            pixels[:, channel] = values[channel]


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, BLOCK // shape[1])
    return [slice(start, start + step) for start in range(0, shape[0], step)]


def _check(shape: tuple[int, ...], layers: Sequence[np.ndarray], shares: Sequence[float]) -> None:
    if len(layers) != len(shares):
        raise ValueError(f"shares: {len(shares)} of {len(layers)} layers; expected as many")
    for layer in layers:
        if layer.shape != shape:
            raise ValueError(f"layers: one is of shape {layer.shape}; expected {shape}")
    for share in shares:
        if not (np.isfinite(share) and FADE_RANGE[0] <= share <= FADE_RANGE[1]):
            raise ValueError(f"shares: got {share!r}; expected 0 to 2")
