"""What a geometry looks like: the rays of its pixels, its detector and its beam. RAS, mm.

All of it is drawn from the same ray, so that what is shown is what is projected: a pyramid for the
cone beam, a box for the parallel beam, a wedge along the table for the localizer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import Geometry

FACES = ((0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
"""Sides of a `Beam` as indices of its points."""
_AROUND = ((0, 1), (1, 2), (2, 3), (3, 0))
EDGES = (*((n, n + 4) for n in range(4)), *((a + 4, b + 4) for a, b in _AROUND), *_AROUND)
"""Edges of a `Beam`: the corner rays, the detector's frame, the frame where the rays start."""
BOX_EDGES = tuple((a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit)
"""Edges of `box_corners`."""


@dataclass(frozen=True, eq=False)
class Beam:
    """Outline of a beam.

    Attributes:
        starts: (4, 3) where the rays of the detector's corners start; one point for the cone.
        corners: (4, 3) outer corners of the detector: top left, top right, bottom right, bottom
            left, as the image hangs.
    """

    starts: np.ndarray
    corners: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """(8, 3) starts, then corners; what `FACES` and `EDGES` count."""
        return np.concatenate([self.starts, self.corners])


def beam_outline(geometry: Geometry) -> Beam:
    """The beam that falls on the whole detector, up to the outer edges of its pixels."""
    rows, columns = geometry.size
    edges = [(-0.5, -0.5), (-0.5, columns - 0.5), (rows - 0.5, columns - 0.5), (rows - 0.5, -0.5)]
    rays = np.array([pixel_ray(geometry, row, column) for row, column in edges])
    return Beam(rays[:, 0], rays[:, 1])


def pixel_ray(geometry: Geometry, row: float, column: float) -> tuple[np.ndarray, np.ndarray]:
    """Start and end (3,) of the ray that falls on (row, column); whole numbers are pixel centres.

    The end lies on the detector, inside its edges or not.
    """
    middle = (np.asarray(geometry.size) - 1) / 2
    down, right = (np.array([row, column]) - middle) * geometry.pixel_mm
    end = geometry.centre + down * geometry.row_axis + right * geometry.column_axis
    if geometry.beam == "cone":
        return geometry.source.copy(), end
    if geometry.beam == "localizer":
        along = (geometry.centre - geometry.source) @ geometry.row_axis + down
        return geometry.source + along * geometry.row_axis, end
    return end - (geometry.centre - geometry.source), end


def inside_grid(
    start: np.ndarray, end: np.ndarray, ijk_to_ras: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """The piece of a ray that lies within the voxels of a CT, or None where it passes by.

    Args:
        start: (3,) RAS [mm].
        end: (3,) RAS [mm].
        ijk_to_ras: (4, 4) of the CT, oblique or not.
        shape: voxels along k, j, i.
    """
    ras_to_ijk = np.linalg.inv(ijk_to_ras)
    first, last = ((ras_to_ijk @ [*point, 1.0])[:3] for point in (start, end))
    step = np.where(first == last, 1e-12, last - first)  # along a face: in or out, never 0 / 0
    upper = np.asarray(shape[::-1]) - 0.5
    crossings = np.sort(np.stack([(-0.5 - first) / step, (upper - first) / step]), axis=0)
    enters, leaves = max(0.0, crossings[0].max()), min(1.0, crossings[1].min())
    if enters >= leaves:
        return None
    return start + enters * (end - start), start + leaves * (end - start)


def box_corners(ijk_to_ras: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(8, 3) outer corners of a CT's voxels in RAS [mm]; `BOX_EDGES` joins them."""
    ends = [(-0.5, n - 0.5) for n in shape[::-1]]
    ijk = [(ends[0][n & 1], ends[1][n >> 1 & 1], ends[2][n >> 2], 1.0) for n in range(8)]
    return (np.array(ijk) @ ijk_to_ras.T)[:, :3]
