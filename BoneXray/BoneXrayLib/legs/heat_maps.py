"""Places out of heat maps and ellipses out of masks, finer than a pixel, with their doubt.

A heat map that was trained to be a Gaussian where its landmark lies is, where the landmark may be
here or there, the mean of such Gaussians: the spread of the one over that of the other is the
landmark's own, and what is missing of its sum how likely the landmark is not there at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..leg_features import EllipseFeature

REACH = 4.0
"""Sigmas around the maximum that count."""
BEYOND = 7.0
"""And for the covariance: a landmark in doubt is spread wider."""
FAINT = 0.01
"""What is below this share of the maximum is no part of the peak."""
LEAST_PX = 0.25
"""No landmark is found more exactly."""
ROUNDS = 8
LEAST_EDGE = 12
"""Pixels of outline that a circle is fitted to at least."""


@dataclass(frozen=True, eq=False)
class Peak:
    """A landmark as a heat map has it, in pixels of the map.

    Attributes:
        row, column: the mean place around the maximum.
        covariance: (2, 2) of (row, column), pixels².
        presence: how likely it is in the image, 0 to 1.
    """

    row: float
    column: float
    covariance: np.ndarray
    presence: float


def read_peak(share: np.ndarray, sigma: float) -> Peak:
    """The peak of a heat map (rows, columns) of shares; `sigma` of one that is sure [pixels]."""
    start = np.array(np.unravel_index(int(np.argmax(share)), share.shape), dtype=float)
    at = start
    for _ in range(ROUNDS):
        places, weights = _around(share, at, REACH * sigma)
        at = (places * weights[:, None]).sum(0) / max(float(weights.sum()), 1e-12)
    off = np.minimum(start, np.array(share.shape) - 1 - start).min()
    if off < 3.0 * sigma:
        # Cut off by the image's border, where the mean is drawn inwards.
        at = _symmetric(share, start, sigma, at)
    places, weights = _around(share, at, REACH * sigma)
    ideal = np.exp(-0.5 * ((places - at) ** 2).sum(1) / sigma**2).sum()
    presence = float(np.clip(weights.sum() / max(float(ideal), 1e-12), 0.0, 1.0))
    return Peak(float(at[0]), float(at[1]), _covariance(share, at, sigma), presence)


def _around(share: np.ndarray, at: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 2) within `reach` of one, and their shares (N,); faint ones left out."""
    low = np.maximum(np.floor(at - reach).astype(int), 0)
    high = np.minimum(np.ceil(at + reach).astype(int) + 1, share.shape)
    rows, columns = np.mgrid[low[0] : high[0], low[1] : high[1]]
    places = np.stack([rows.ravel(), columns.ravel()], axis=1)
    weights = share[low[0] : high[0], low[1] : high[1]].ravel().astype(float)
    if not weights.size:
        return np.zeros((0, 2)), np.zeros(0)
    near = (np.linalg.norm(places - at, axis=1) <= reach) & (weights >= FAINT * weights.max())
    return places[near], weights[near]


def _symmetric(
    share: np.ndarray, start: np.ndarray, sigma: float, otherwise: np.ndarray
) -> np.ndarray:
    """The middle of a Gaussian fitted to the logarithm around a maximum; it may be cut off."""
    places, weights = _around(share, start, 2.5 * sigma)
    keep = weights > 0
    places, weights = places[keep] - start, weights[keep]
    if len(weights) < 6:
        return otherwise
    system = np.column_stack([np.ones(len(places)), places, (places**2).sum(1)])
    scaled = system * weights[:, None]
    _, down, right, bend = np.linalg.lstsq(scaled, np.log(weights) * weights)[0]
    if bend > -0.1 / sigma**2:
        return otherwise
    shift = -np.array([down, right]) / (2 * bend)
    return start + np.clip(shift, -1.5 * sigma, 1.5 * sigma)


def _covariance(share: np.ndarray, at: np.ndarray, sigma: float) -> np.ndarray:
    """Spread of a peak beyond that of a sure one, at least `LEAST_PX` in any direction."""
    places, weights = _around(share, at, BEYOND * sigma)
    away = places - at
    spread = (away * weights[:, None]).T @ away / max(float(weights.sum()), 1e-12)
    values, vectors = np.linalg.eigh(spread - sigma**2 * np.eye(2))
    return (vectors * np.maximum(values, LEAST_PX**2)) @ vectors.T


def ellipse_of_disc(share: np.ndarray, threshold: float = 0.5) -> EllipseFeature | None:
    """The ellipse whose disc a map (rows, columns) of shares shows, in its pixels; None without.

    Of a uniform disc x = m + F u the second moments are F Fᵀ / 4. A disc that the border cuts is
    taken for a circle and fitted to its outline.
    """
    from scipy import ndimage

    pieces, count = ndimage.label(share > threshold)
    if not count:
        return None
    areas = np.bincount(pieces.ravel())[1:]
    disc = pieces == 1 + int(np.argmax(areas))
    inner = ndimage.binary_erosion(disc, border_value=1)
    edge = np.argwhere(disc & ~inner)
    if len(edge) < LEAST_EDGE:
        return None
    places = np.argwhere(disc)
    if (places == 0).any() or (places == np.array(share.shape) - 1).any():
        return _circle(edge)
    around = ndimage.binary_dilation(disc, iterations=2) & (share > FAINT)
    places, weights = np.argwhere(around), share[around].astype(float)
    middle = (places * weights[:, None]).sum(0) / weights.sum()
    away = places - middle
    form = 4.0 * (away * weights[:, None]).T @ away / weights.sum()
    values, vectors = np.linalg.eigh(form)
    angle = float(np.arctan2(vectors[0, 1], vectors[1, 1]) % np.pi)
    b, a = np.sqrt(values)
    return EllipseFeature(float(middle[0]), float(middle[1]), float(a), float(b), angle)


def _circle(edge: np.ndarray) -> EllipseFeature | None:
    """The circle through the outermost pixels (N, 2) of a disc."""
    middle = edge.mean(axis=0)
    around = edge - middle
    system = np.column_stack([2.0 * around, np.ones(len(edge))])
    row, column, rest = np.linalg.lstsq(system, (around**2).sum(1))[0]
    squared = rest + row**2 + column**2
    if squared <= 1.0:
        return None
    # The pixels lie half a pixel inside the outline.
    radius = float(np.sqrt(squared)) + 0.5
    return EllipseFeature(float(row + middle[0]), float(column + middle[1]), radius, radius, 0.0)
