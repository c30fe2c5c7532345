"""The occluding contour of a surface: where rays touch it, and which of it bounds its shadow.

Where the normal, interpolated along an edge of the mesh, turns from towards the source to away from
it, a ray touches. To first order the image's contour moves with the surface there, so a contour
point is held as a share between two vertices. X-rays go through: inner contours (condyles one
behind the other, the lesser trochanter) are contours, too, but do not bound the mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage, sparse

from ..geometry import Geometry
from .point_projection import projection_slopes, rays_through

CELL_MM = 1.5
"""Cells in which the shadow is drawn to tell outer from inner contours."""
MOST_CELLS = 1500
"""A side."""
MOST_PARTS = 24
"""Into which a triangle's side is cut for the shadow."""


@dataclass(frozen=True, eq=False)
class Contour:
    """Points (N) of a surface where rays touch it.

    Attributes:
        pairs: (N, 2) int, the vertices they lie between.
        share: (N,) of the second of them.
        pixels: (N, 2) row and column in the image.
        slopes: (N, 2, 3) of the projection, pixels per mm.
        normals: (N, 2) unit vectors in the image, out of the surface.
        lengths: (N,) pixels of contour that a point stands for.
        is_outer: (N,) whether it bounds the shadow.
    """

    pairs: np.ndarray
    share: np.ndarray
    pixels: np.ndarray
    slopes: np.ndarray
    normals: np.ndarray
    lengths: np.ndarray
    is_outer: np.ndarray

    def taken(self, kept: np.ndarray) -> Contour:
        """Some of the points, by mask or number."""
        return Contour(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def between(self, values: np.ndarray) -> np.ndarray:
        """Values (..., V, K) of the vertices at the points, (..., N, K)."""
        first, second = values[..., self.pairs[:, 0], :], values[..., self.pairs[:, 1], :]
        return first + self.share[:, None] * (second - first)


@dataclass(frozen=True, eq=False)
class Surface:
    """The triangles of a mesh, and what follows from them alone.

    Attributes:
        faces: (F, 3), counter-clockwise from outside.
        count: number of vertices.
    """

    faces: np.ndarray
    count: int

    @cached_property
    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (E, 2) of each edge, and each triangle's edges (F, 3)."""
        sides = np.sort(
            np.concatenate([self.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
        )
        edges, number = np.unique(sides, axis=0, return_inverse=True)
        return edges, number.reshape(3, -1).T

    @cached_property
    def _around(self) -> sparse.csr_array:
        """(V, F): 1 where a vertex is of a triangle."""
        at = self.faces.ravel(), np.repeat(np.arange(len(self.faces)), 3)
        return sparse.csr_array((np.ones(self.faces.size), at), (self.count, len(self.faces)))

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) outward, weighted by the area of the triangles around, of any length."""
        first, second, third = (vertices[self.faces[:, n]] for n in range(3))
        return self._around @ np.cross(second - first, third - first)

    def contour(self, vertices: np.ndarray, geometry: Geometry) -> Contour:
        """Where rays touch the surface of vertices (V, 3) RAS mm."""
        normals = self.normals(vertices)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = normals / np.maximum(lengths, 1e-12)
        facing = np.einsum("nc,nc->n", normals, rays_through(geometry, vertices))
        edges, of_face = self.edges
        ends = facing[edges]
        turns = (ends[:, 0] < 0) != (ends[:, 1] < 0)
        pairs, ends = edges[turns], ends[turns]
        share = ends[:, 0] / (ends[:, 0] - ends[:, 1])
        points = (
            vertices[pairs[:, 0]] * (1 - share)[:, None] + vertices[pairs[:, 1]] * share[:, None]
        )
        slopes = projection_slopes(geometry, points)
        normal = normals[pairs[:, 0]] * (1 - share)[:, None] + normals[pairs[:, 1]] * share[:, None]
        flat = _image_normals(slopes, normal)
        pixels = geometry.project_points(points)
        length = _lengths(pixels, turns, of_face)
        shadow = Shadow.of(self.faces[(facing[self.faces] < 0).any(axis=1)],
                           geometry.project_points(vertices), geometry)  # fmt: skip
        return Contour(pairs, share, pixels, slopes, flat, length, shadow.ends_at(pixels, flat))


@dataclass(frozen=True, eq=False)
class Shadow:
    """The pixels that a surface covers, in cells.

    Attributes:
        cells: (rows, columns) bool.
        first: (row, column) in pixels of the corner of cell (0, 0).
        cell: side in pixels.
    """

    cells: np.ndarray
    first: np.ndarray
    cell: np.ndarray

    @classmethod
    def of(cls, faces: np.ndarray, pixels: np.ndarray, geometry: Geometry) -> Shadow:
        """Of triangles whose vertices are at pixels (V, 2)."""
        cell = CELL_MM * geometry.magnification / np.asarray(geometry.pixel_mm)
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        cell = np.maximum(cell, (high - low) / MOST_CELLS)
        first = low - 4 * cell
        cells = np.zeros(np.ceil((high - first) / cell).astype(int) + 4, bool)
        corners = (pixels[faces] - first) / cell
        sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        # Steps of 2/3 of a cell leave no cell within a triangle without a point.
        parts = np.clip(np.ceil(sides * 1.5), 1, MOST_PARTS).astype(int)
        for count in np.unique(parts):
            shares = _barycentric(int(count))
            places = (shares @ corners[parts == count]).reshape(-1, 2)
            cells[tuple(places.astype(int).T)] = True
        return cls(ndimage.binary_fill_holes(cells, np.ones((3, 3))), first, cell)

    def ends_at(self, pixels: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """(N,) whether just outside of pixels (N, 2), along normals, nothing is covered."""
        free = np.ones(len(pixels), bool)
        for step in (1.6, 2.4):
            at = ((pixels - self.first) / self.cell + step * normals).astype(int)
            at = np.clip(at, 0, np.array(self.cells.shape) - 1)
            free &= ~self.cells[tuple(at.T)]
        return free


def _image_normals(slopes: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Image normals (N, 2) of the tangent planes of normals (N, 3), which hold the rays.

    A line's normal m in the image is that of the plane n of its rays: slopesᵀ m is along n.
    """
    square = np.einsum("nic,njc->nij", slopes, slopes)
    found = np.linalg.solve(square, np.einsum("nic,nc->ni", slopes, normals)[..., None])[..., 0]
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def _lengths(pixels: np.ndarray, turns: np.ndarray, of_face: np.ndarray) -> np.ndarray:
    """Half of the pieces on both sides of each point; a triangle that turns has two of them."""
    number = np.cumsum(turns) - 1
    pieces = of_face[turns[of_face].sum(axis=1) == 2]
    ends = number[pieces[turns[pieces]].reshape(-1, 2)]
    half = np.linalg.norm(pixels[ends[:, 0]] - pixels[ends[:, 1]], axis=1) / 2
    return np.bincount(ends.ravel(), np.repeat(half, 2), len(pixels))


def _barycentric(count: int) -> np.ndarray:
    """(P, 3) shares of the corners on a lattice with `count` steps a side."""
    a, b = np.mgrid[0 : count + 1, 0 : count + 1]
    kept = a + b <= count
    a, b = a[kept], b[kept]
    return np.column_stack([a, b, count - a - b]) / count
