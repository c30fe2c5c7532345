"""How places in an image change with places in space, and geometries moved as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..geometry import Geometry


def rays_through(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """Directions (N, 3) of the rays through RAS points (N, 3), away from the source; any length."""
    if geometry.beam == "parallel":
        return np.broadcast_to(geometry.centre - geometry.source, points.shape)
    rays = points - geometry.source
    if geometry.beam == "localizer":
        rays = rays - (rays @ geometry.row_axis)[:, None] * geometry.row_axis
    return rays


def projection_slopes(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """(N, 2, 3): by how many pixels (row, column) the image of points (N, 3) moves per mm."""
    normal = geometry.normal
    distance = (geometry.centre - geometry.source) @ normal
    axes = np.stack([geometry.row_axis, geometry.column_axis])
    if geometry.beam == "parallel":
        ray = geometry.centre - geometry.source
        slopes = axes - np.outer(axes @ ray / distance, normal)
        slopes = np.broadcast_to(slopes, (len(points), 2, 3))
    else:
        away = points - geometry.source
        depth = away @ normal
        along = (away @ axes.T) / depth[:, None]
        slopes = axes - along[:, :, None] * normal
        slopes = slopes * (distance / depth)[:, None, None]
        if geometry.beam == "localizer":
            slopes[:, 0] = geometry.row_axis
    return slopes / np.asarray(geometry.pixel_mm)[:, None]


def pixels_per_mm(geometry: Geometry) -> float:
    """Pixels that a millimetre across the rays is long at the isocentre."""
    return geometry.magnification / float(np.sqrt(np.prod(geometry.pixel_mm)))


def moved_back(geometry: Geometry, turn: np.ndarray, shift: np.ndarray) -> Geometry:
    """The geometry that sees points x as `geometry` sees turn (x - i) + i + shift, i its isocentre.

    Args:
        geometry: before.
        turn: (3, 3) rotation.
        shift: (3,) mm.
    """
    pivot = geometry.isocentre

    def back(point: np.ndarray) -> np.ndarray:
        return (point - pivot - shift) @ turn + pivot

    return replace(
        geometry,
        source=back(geometry.source),
        centre=back(geometry.centre),
        isocentre=back(geometry.isocentre),
        column_axis=geometry.column_axis @ turn,
        row_axis=geometry.row_axis @ turn,
    )
