"""Rays in voxel coordinates: every beam shape is an affine function of (row, column)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..geometry import Geometry

STRAIGHT = 1e-6
"""Voxels a ray may be off over the whole detector and still count as straight."""


@dataclass(frozen=True, eq=False)
class VoxelRays:
    """Start and end of the ray of pixel (r, c), in voxel indices (i, j, k).

    start = start_origin + r · start_row + c · start_column, the end likewise. Cone: all rays start
    at one point; localizer: the start follows the row; parallel: it follows row and column.
    `metric` (3, 3) turns an index vector into its squared length in mm².
    """

    start: np.ndarray
    """(3, 3): origin, step a row, step a column."""
    end: np.ndarray
    """(3, 3): origin, step a row, step a column."""
    metric: np.ndarray
    size: tuple[int, int]


def voxel_rays(geometry: Geometry, ijk_to_ras: np.ndarray) -> VoxelRays:
    """Express the rays of `geometry` in the voxel grid that `ijk_to_ras` (4, 4) places."""
    ras_to_ijk = np.linalg.inv(ijk_to_ras)
    linear = ras_to_ijk[:3, :3]

    def to_index(point: np.ndarray) -> np.ndarray:
        return linear @ point + ras_to_ijk[:3, 3]

    row_step = geometry.row_axis * geometry.pixel_mm[0]
    column_step = geometry.column_axis * geometry.pixel_mm[1]
    corner = geometry.detector_points_corner()
    none = np.zeros(3)
    if geometry.beam == "cone":
        first, source_row, source_column = geometry.source, none, none
    elif geometry.beam == "localizer":
        first, source_row, source_column = geometry.sources()[0, 0], row_step, none
    else:
        first = corner - (geometry.centre - geometry.source)
        source_row, source_column = row_step, column_step
    return VoxelRays(
        start=np.stack([to_index(first), linear @ source_row, linear @ source_column]),
        end=np.stack([to_index(corner), linear @ row_step, linear @ column_step]),
        metric=ijk_to_ras[:3, :3].T @ ijk_to_ras[:3, :3],
        size=geometry.size,
    )


class Lines(NamedTuple):
    """`VoxelRays` in the axes (a, b, w) of a packed volume, for the kernels."""

    start: np.ndarray
    end: np.ndarray
    metric: np.ndarray


def packed_lines(rays: VoxelRays, order: tuple[int, ...], origin: tuple[int, ...]) -> Lines:
    """Express rays in a box packed in axis `order` from voxel `origin` (i, j, k), rim included."""
    axes = list(order)
    shift = np.zeros((3, 3))
    shift[0] = 1.0 - np.asarray(origin, dtype=np.float64)
    start, end = (np.ascontiguousarray((ends + shift)[:, axes]) for ends in (rays.start, rays.end))
    return Lines(start, end, np.ascontiguousarray(rays.metric[np.ix_(axes, axes)]))


def structure(lines: Lines, size: tuple[int, int]) -> str:
    """How the rays lie to the grid, which decides the kernel.

    "separable": the rays of a detector column meet every plane of the grid in one line along w.
    "level": besides, every ray keeps its w. "any": neither.
    """
    rows, columns = size
    start, end = lines.start, lines.end
    if np.abs([start[1, :2], end[1, :2]]).max() * rows > STRAIGHT:
        return "any"
    rise = np.abs((end - start)[:, 2]) * [1, rows, columns]
    return "level" if rise.max() < STRAIGHT else "separable"
