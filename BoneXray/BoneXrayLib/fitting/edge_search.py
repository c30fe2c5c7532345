"""The boundary that an image itself shows near an outline that a network found.

A network's pixel is about a millimetre, and where it is in doubt its outline is farther off than
that; the image knows the boundary finer. It is looked for along the outline's normals, as the
projected boundary of H. Kim et al., ICTC 2019, searches the true one: where brightness falls
steepest, of what lies side by side together, the nearer the likelier.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage, sparse
from scipy.spatial import KDTree

from .contour import Contour
from .image_contour import ImageContour

BLUR_MM = 0.5
"""Of the image before its slope is taken, one standard deviation."""
OWN_BLUR_MM = 0.57
"""Of a radiograph itself, so that `STEEPEST` explains where simulated ones are steepest (measured:
0.58 mm within the silhouette)."""
STEEPEST = 0.765
"""Where a ray has passed the limb of a round bone by x it has gone a way ~ sqrt(x) through it; the
slope of that, blurred by a Gaussian, is largest at 0.765 of its standard deviation inside."""
STEP_MM = 0.25
REACH = 2.0
"""Standard deviations of the search that are looked at on either side."""
ALONG_MM = 4.0
"""Over which an outline is off by the same, one standard deviation."""
BESIDE = 2.5
"""Standard deviations within which places count as side by side."""
TURN_MM = 6.0
"""Distance that counts as much as normals at an angle of 60 degrees."""
OF_BONE = 0.75
"""Share of the search that is looked through from a fitted bone: it is nearer than a network."""
BELONGS_MM = 6.0
"""What is farther from the outline that was found belongs to something else."""
ROUNDS = 2
"""The second starts from the better outline of the first, with the same normals."""


def at_edges(
    contour: ImageContour, pixels: np.ndarray, px_per_mm: float, search_mm: float
) -> ImageContour:
    """An outline drawn to the edges of its image.

    Args:
        contour: whose inner side is known; any other is given back as it is.
        pixels: (rows, columns), bone bright.
        px_per_mm: pixels of a millimetre at the bone.
        search_mm: how far off the outline is, one standard deviation; 0 leaves it where it is.
    """
    if not contour.is_signed or search_mm <= 0:
        return contour
    smooth = ndimage.gaussian_filter(np.asarray(pixels, np.float32), BLUR_MM * px_per_mm)
    beside = _beside(contour, px_per_mm)
    points, has_edge = contour.points, np.ones(len(contour.points), bool)
    for _ in range(ROUNDS):
        away = _steepest(smooth, points, contour.normals, beside, px_per_mm, search_mm)
        has_edge &= np.isfinite(away)
        points = points + contour.normals * (px_per_mm * np.nan_to_num(away))[:, None]
    points = points + STEEPEST * np.hypot(BLUR_MM, OWN_BLUR_MM) * px_per_mm * contour.normals
    return replace(contour, points=np.where(has_edge[:, None], points, contour.points))


def edges_of_bone(
    contour: Contour, found: ImageContour, pixels: np.ndarray, px_per_mm: float, search_mm: float
) -> ImageContour:
    """The image's edges along the contour of a bone that was fitted to an outline.

    Where the network was wrong by more than an edge was looked for, the bone may lead to it.

    Args:
        contour: of the fitted bone.
        found: the outline that it was fitted to; given back where no edge is near.
        pixels, px_per_mm, search_mm: as for `at_edges`.
    """
    if not found.is_signed or search_mm <= 0 or not len(contour.pixels):
        return found
    apart, nearest = KDTree(found.points).query(contour.pixels)
    start = replace(
        found, points=contour.pixels, normals=contour.normals, lengths=contour.lengths,
        sureness=found.sureness[nearest],
    )  # fmt: skip
    there = at_edges(start, pixels, px_per_mm, OF_BONE * search_mm)
    moved = np.linalg.norm(there.points - start.points, axis=1)
    most = REACH * OF_BONE * search_mm * px_per_mm
    kept = (moved > 0) & (moved < most) & (apart < BELONGS_MM * px_per_mm)
    if not kept.any():
        return found
    return replace(
        there, points=there.points[kept], normals=there.normals[kept],
        lengths=there.lengths[kept], sureness=there.sureness[kept],
    )  # fmt: skip


def _beside(contour: ImageContour, px_per_mm: float) -> sparse.csr_array:
    """(N, N) sparse: how much a place's slopes count at another, each row of sum one."""
    places = np.hstack([contour.points / px_per_mm, TURN_MM * contour.normals])
    tree = KDTree(places)
    pairs = tree.query_pairs(BESIDE * ALONG_MM, output_type="ndarray")
    apart = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    weights = np.tile(np.exp(-0.5 * (apart / ALONG_MM) ** 2), 2)
    both = np.vstack([pairs, pairs[:, ::-1]]).T
    count = len(places)
    near = sparse.csr_array((weights, (both[0], both[1])), (count, count)) + sparse.eye_array(count)
    return sparse.csr_array(near / near.sum(axis=1)[:, None])


def _steepest(
    smooth: np.ndarray,
    points: np.ndarray,
    normals: np.ndarray,
    beside: sparse.csr_array,
    px_per_mm: float,
    search_mm: float,
) -> np.ndarray:
    """How far out of the bone (N,) mm the image falls steepest; NaN where it does not fall."""
    reach = REACH * search_mm
    at = np.arange(-reach - STEP_MM, reach + 1.5 * STEP_MM, STEP_MM)
    places = points[:, None] + normals[:, None] * (px_per_mm * at)[:, None]
    profiles = ndimage.map_coordinates(smooth, places.reshape(-1, 2).T, order=1, mode="nearest")
    falls = -np.gradient(beside @ profiles.reshape(len(points), -1), STEP_MM, axis=1)[:, 1:-1]
    at = at[1:-1]
    likely = np.maximum(falls, 0.0) * np.exp(-0.5 * (at / search_mm) ** 2)
    return np.where(likely.max(axis=1) > 0, at[likely.argmax(axis=1)], np.nan)
