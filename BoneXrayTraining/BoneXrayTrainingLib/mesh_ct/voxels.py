"""Triangles to voxels: which voxel centres lie inside the surface of a bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .meshes import Mesh

LARGEST_HOLE = 0.2
"""Share of a surface that may be missing: holes up to it are closed by a fan of triangles."""
NUDGE = (3.1e-4, 7.3e-4)
"""Rays start this far off the voxel centres [voxels], so that none meets an edge."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels along the patient's axes.

    Attributes:
        origin: (3,) RAS mm of the first voxel's centre.
        spacing: of all three axes [mm].
        shape: voxels along (k, j, i), that is S, A, R.
    """

    origin: np.ndarray
    spacing: float
    shape: tuple[int, int, int]

    @property
    def ijk_to_ras(self) -> np.ndarray:
        """(4, 4) float64."""
        matrix = np.diag([self.spacing] * 3 + [1.0])
        matrix[:3, 3] = self.origin
        return matrix

    def index(self, ras: np.ndarray) -> np.ndarray:
        """Places (N, 3) RAS mm as (k, j, i), not rounded."""
        return ((ras - self.origin) / self.spacing)[:, ::-1]

    def coordinates(self, axis: int) -> np.ndarray:
        """RAS mm of the voxel centres along R (0), A (1) or S (2)."""
        return self.origin[axis] + self.spacing * np.arange(self.shape[2 - axis])


def grid_around(low: np.ndarray, high: np.ndarray, spacing: float) -> Grid:
    """The grid whose outer faces hold a box, its lower corner kept."""
    count = np.maximum(2, np.ceil((high - low) / spacing - 1e-6)).astype(int)
    return Grid(low + spacing / 2, spacing, (int(count[2]), int(count[1]), int(count[0])))


def closed(mesh: Mesh) -> Mesh:
    """The mesh with each hole closed by a fan around the hole's middle.

    Raises:
        ValueError: more than `LARGEST_HOLE` of its surface is missing.
    """
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, 1:], mesh.faces[:, ::2]]))
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    rims = edges[counts % 2 == 1]
    if not len(rims):
        return mesh
    size = len(mesh.vertices)
    links = coo_array((np.ones(len(rims)), (rims[:, 0], rims[:, 1])), shape=(size, size))
    _, of_vertex = connected_components(links, directed=False)
    holes, of_rim = np.unique(of_vertex[rims[:, 0]], return_inverse=True)
    middle = np.stack([mesh.vertices[rims[of_rim == n]].mean((0, 1)) for n in range(len(holes))])
    fans = np.column_stack([rims, size + of_rim])
    vertices = np.concatenate([mesh.vertices, middle])
    missing = _area(vertices, fans) / (_area(vertices, mesh.faces) + _area(vertices, fans))
    if missing > LARGEST_HOLE:
        raise ValueError(
            f"mesh: {mesh.name} is open, {missing:.0%} of its surface is missing; expected a "
            f"closed surface or holes up to {LARGEST_HOLE:.0%}"
        )
    return Mesh(mesh.name, vertices, np.concatenate([mesh.faces, fans]))


def _area(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def fill(
    mesh: Mesh, grid: Grid, rounded: bool = True
) -> tuple[np.ndarray, tuple[slice, slice, slice]] | None:
    """Voxels inside a closed mesh, bool, and the box (k, j, i) of the grid they are of.

    Rays along the three axes are counted in and out; two of three decide. A mesh of large
    triangles is rounded off unless not `rounded`. None where the mesh lies beside the grid.
    """
    at = grid.index(mesh.vertices)
    margin = 2
    low = np.maximum(np.floor(at.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(at.max(axis=0)).astype(int) + margin + 1, grid.shape)
    if (high <= low).any():
        return None
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    votes = np.zeros(tuple(high - low), dtype=np.uint8)
    for axis in range(3):
        order = [a for a in range(3) if a != axis] + [axis]
        turned = np.ascontiguousarray((at - low)[:, order])
        crossings = np.zeros([votes.shape[a] for a in order], dtype=np.uint8)
        _cross(turned, mesh.faces, crossings, NUDGE[0], NUDGE[1])
        inside = np.bitwise_xor.accumulate(crossings, axis=2)
        votes += np.moveaxis(inside, 2, axis)
    mask = votes >= 2
    edge = edge_length(mesh) / grid.spacing
    if edge > 3.0 and rounded:
        mask = ndimage.gaussian_filter(mask.astype(np.float32), 0.15 * edge) > 0.5
    return mask, box


def edge_length(mesh: Mesh) -> float:
    """The median edge of a mesh [mm]."""
    ends = mesh.vertices[mesh.faces[:, :2]]
    return float(np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)))


@njit(cache=True, nogil=True)
def _cross(vertices, faces, crossings, nudge_p, nudge_q):  # pragma: no cover - compiled
    """Mark, on rays along the last axis, the first voxel behind each crossing of a triangle."""
    rows, columns, depth = crossings.shape
    for face in range(len(faces)):
        a, b, c = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
        doubled = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(doubled) < 1e-12:
            continue
        first_p = max(0, int(np.ceil(min(a[0], b[0], c[0]) - nudge_p)))
        last_p = min(rows - 1, int(np.floor(max(a[0], b[0], c[0]) - nudge_p)))
        first_q = max(0, int(np.ceil(min(a[1], b[1], c[1]) - nudge_q)))
        last_q = min(columns - 1, int(np.floor(max(a[1], b[1], c[1]) - nudge_q)))
        for p in range(first_p, last_p + 1):
            for q in range(first_q, last_q + 1):
                x, y = p + nudge_p, q + nudge_q
                to_b = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / doubled
                to_c = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / doubled
                if to_b < 0.0 or to_c < 0.0 or to_b + to_c > 1.0:
                    continue
                at = a[2] + to_b * (b[2] - a[2]) + to_c * (c[2] - a[2])
                n = max(0, int(np.ceil(at)))
                if n < depth:
                    crossings[p, q, n] ^= 1


def bone_labels(meshes: list[Mesh], grid: Grid, gap: bool = True) -> np.ndarray:
    """Number of the bone in each voxel, (k, j, i) uint8, 0 = none, 1 = the first mesh.

    A voxel inside two bones belongs to none, and bones that touch are parted by a voxel on each
    side where `gap` is asked for, so that joints stay open.
    """
    labels = np.zeros(grid.shape, dtype=np.uint8)
    twice = np.zeros(grid.shape, dtype=bool)
    for number, mesh in enumerate(meshes, start=1):
        found = fill(mesh, grid)
        if found is None:
            continue
        mask, box = found
        view = labels[box]
        twice[box] |= mask & (view > 0)
        view[mask] = number
    labels[twice] = 0
    if gap:
        _part(labels)
    return labels


def _part(labels: np.ndarray) -> None:
    """Set to 0, in place, every voxel beside one of another bone."""
    touching = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        one, other = [slice(None)] * 3, [slice(None)] * 3
        one[axis], other[axis] = slice(1, None), slice(None, -1)
        a, b = labels[tuple(one)], labels[tuple(other)]
        meet = (a != b) & (a > 0) & (b > 0)
        touching[tuple(one)] |= meet
        touching[tuple(other)] |= meet
    labels[touching] = 0
