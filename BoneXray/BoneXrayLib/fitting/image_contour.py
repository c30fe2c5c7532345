"""The outline that was found in an image, as places with normals, finer than a pixel.

Of a mask it is where its share passes one half; of an edge map its ridge; a line is taken as drawn.
What lies along the image's border is none of the bone's: the bone goes on beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..leg_features import Box, LegFeatures

SMOOTHING_PX = 0.7
"""Of maps: half-tone steps of a mask of 0 and 1 would else be corners."""
BORDER_PX = 3.0
LEAST_SLOPE = 0.02
"""Of a mask's share, per pixel of its map: what is flatter is no outline."""
SHARP_SLOPE = 0.38
"""A share that falls so fast knows its outline; where it falls slower, as that of a network does
under the pelvis, the outline's error is larger by the inverse."""
LEAST_RIDGE = 0.25
"""Of an edge's share."""


@dataclass(frozen=True, eq=False)
class ImageContour:
    """Places of an outline in the image.

    Attributes:
        points: (N, 2) row and column.
        normals: (N, 2) unit vectors, out of the bone where `is_signed`.
        lengths: (N,) pixels of outline that a place stands for.
        sureness: (N,) 0 to 1, the inverse square of a place's error over that of a sharp outline.
        is_signed: whether the inner side is known.
        low, high: (row, column) limits of where an outline could have been found.
    """

    points: np.ndarray
    normals: np.ndarray
    lengths: np.ndarray
    sureness: np.ndarray
    is_signed: bool
    low: np.ndarray
    high: np.ndarray

    @property
    def box(self) -> Box:
        """(row0, column0, row1, column1) around the places."""
        (row0, column0), (row1, column1) = self.points.min(axis=0), self.points.max(axis=0)
        return float(row0), float(column0), float(row1), float(column1)

    def covers(self, pixels: np.ndarray) -> np.ndarray:
        """(N,) whether places (N, 2) are where an outline could have been found."""
        return np.all((pixels >= self.low) & (pixels <= self.high), axis=1)

    def thinned(self, most: int, rng: np.random.Generator) -> ImageContour:
        """At most so many of the places, of the same length together."""
        count = len(self.points)
        if count <= most:
            return self
        kept = np.sort(rng.permutation(count)[:most])
        lengths = self.lengths[kept] * (self.lengths.sum() / self.lengths[kept].sum())
        return ImageContour(self.points[kept], self.normals[kept], lengths, self.sureness[kept],
                            self.is_signed, self.low, self.high)  # fmt: skip


def image_contour(features: LegFeatures, size: tuple[int, int]) -> ImageContour | None:
    """The outline of features in an image of `size` (rows, columns); None where there is none."""
    if features.outline is None:
        return None
    last = np.asarray(size, dtype=np.float64) - 1
    if features.outline_kind == "line":
        points, normals, lengths = _of_line(np.asarray(features.outline, dtype=np.float64))
        sureness = np.ones(len(points))
        low, high = np.full(2, BORDER_PX), last - BORDER_PX
    else:
        share = np.asarray(features.outline, dtype=np.float64)
        found = _of_mask(share) if features.outline_kind == "mask" else _of_edge(share)
        sureness = found[3]
        step, first = np.asarray(features.outline_step), np.asarray(features.outline_first)
        points, normals, lengths = found[0] * step + first, found[1] / step, found[2]
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        lengths = lengths * float(np.sqrt(np.prod(step)))
        border = np.maximum(BORDER_PX, 2 * step)
        low = np.maximum(border, first + 2 * step)
        high = np.minimum(last - border, first + (np.array(share.shape) - 3) * step)
    kept = ((points >= low) & (points <= high)).all(axis=1)
    if not kept.any():
        return None
    is_signed = features.outline_kind == "mask"
    return ImageContour(
        points[kept], normals[kept], lengths[kept], sureness[kept], is_signed, low, high
    )


Found = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Places, normals, lengths and sureness."""


def _of_mask(share: np.ndarray) -> Found:
    """Where the share passes one half between two pixels."""
    smooth = ndimage.gaussian_filter(share, SMOOTHING_PX, mode="nearest")
    slope = np.stack(np.gradient(smooth), axis=-1)
    inside = smooth >= 0.5
    places, slopes = [], []
    for axis in (0, 1):
        here = [slice(None), slice(None)]
        here[axis] = slice(None, -1)
        row, column = np.nonzero(inside[tuple(here)] != np.roll(inside, -1, axis)[tuple(here)])
        row_to, column_to = row + (axis == 0), column + (axis == 1)
        value, value_to = smooth[row, column], smooth[row_to, column_to]
        part = (0.5 - value) / (value_to - value)
        place = np.column_stack([row, column]).astype(np.float64)
        place[:, axis] += part
        places.append(place)
        slopes.append(
            slope[row, column] * (1 - part)[:, None] + slope[row_to, column_to] * part[:, None]
        )
    points, slopes = np.concatenate(places), np.concatenate(slopes)
    steep = np.linalg.norm(slopes, axis=1)
    kept = steep > LEAST_SLOPE
    normals = -slopes[kept] / steep[kept, None]
    sureness = np.minimum(1.0, steep[kept] / SHARP_SLOPE) ** 2
    # A line of normal n crosses |n_row| + |n_column| lines of the grid a pixel.
    return points[kept], normals, 1.0 / np.abs(normals).sum(axis=1), sureness


def _of_edge(share: np.ndarray) -> Found:
    """A map's ridge: highest across itself within a pixel."""
    orders = {"r": (1, 0), "c": (0, 1), "rr": (2, 0), "rc": (1, 1), "cc": (0, 2)}
    smooth = ndimage.gaussian_filter(share, 1.0, mode="nearest")
    d = {k: ndimage.gaussian_filter(share, 1.0, order=o, mode="nearest") for k, o in orders.items()}
    bend = np.stack([np.stack([d["rr"], d["rc"]], -1), np.stack([d["rc"], d["cc"]], -1)], -2)
    row, column = np.nonzero(smooth > LEAST_RIDGE * smooth.max())
    values, vectors = np.linalg.eigh(bend[row, column])
    across, curve = vectors[:, :, 0], values[:, 0]
    slope = np.column_stack([d["r"][row, column], d["c"][row, column]])
    step = -np.einsum("nc,nc->n", slope, across) / np.minimum(curve, -1e-9)
    offset = step[:, None] * across
    kept = (curve < -np.abs(values[:, 1])) & (np.abs(offset) <= 0.5).all(axis=1)
    points = np.column_stack([row, column])[kept] + offset[kept]
    return points, across[kept], 1.0 / np.abs(across[kept]).max(axis=1), np.ones(len(points))


def _of_line(line: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places every pixel along a line, with normals and lengths."""
    steps = np.diff(line, axis=0)
    long = np.linalg.norm(steps, axis=1)
    steps, starts, long = steps[long > 0], line[:-1][long > 0], long[long > 0]
    counts = np.maximum(np.ceil(long), 1).astype(int)
    piece = np.repeat(np.arange(len(long)), counts)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    points = starts[piece] + steps[piece] * ((number + 0.5) / counts[piece])[:, None]
    normals = np.column_stack([-steps[:, 1], steps[:, 0]]) / long[:, None]
    return points, normals[piece], (long / counts)[piece]
