"""All bones of a limb as one set of vertices, and the edges of bone in the CT beside them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from BoneXrayLib.volume import Volume

from ..mesh_ct.meshes import Mesh

LONGEST_EDGE_MM = 2.5
STEP_MM = 0.5
BESIDE_MM = 1.0
"""An edge is seen by what lies this far inside and outside of it."""
LEAST_STEP_HU = 60.0
FULL_STEP_HU = 350.0
AIR_HU = -400.0
UNEVEN_HU = 40.0
"""Spongy bone rises and dips by as much."""
REBOUND = 1.0
"""What a rise on the way to an edge takes from the fall there."""
FACING_MM = 6.0
MOST_VERTICES = 400
"""Vertices of a bone whose edges are looked for."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Vertices (N, 3) RAS mm of all bones, faces (M, 3), and the bone (N,) each is of, from 0."""

    vertices: np.ndarray
    faces: np.ndarray
    owner: np.ndarray
    names: tuple[str, ...]

    def moved(self, vertices: np.ndarray) -> Surface:
        """The same triangles elsewhere."""
        return dataclasses.replace(self, vertices=vertices)

    def meshes(self) -> list[Mesh]:
        """The bones one by one."""
        of_face = self.owner[self.faces[:, 0]]
        starts = np.searchsorted(self.owner, np.arange(len(self.names)))
        return [
            Mesh(name, self.vertices[self.owner == n], self.faces[of_face == n] - starts[n])
            for n, name in enumerate(self.names)
        ]

    def normals(self) -> np.ndarray:
        """Unit vectors (N, 3) outwards."""
        a, b, c = (self.vertices[self.faces[:, n]] for n in range(3))
        cross = np.cross(b - a, c - a)
        count = len(self.vertices)
        normals = np.zeros((count, 3))
        for corner in range(3):
            for axis in range(3):
                normals[:, axis] += np.bincount(self.faces[:, corner], cross[:, axis], count)
        # A closed surface has a positive volume where its triangles look outwards.
        of_face = self.owner[self.faces[:, 0]]
        totals = np.stack([np.bincount(self.owner, v) for v in self.vertices.T], axis=1)
        middles = totals / np.bincount(self.owner)[:, None]
        volumes = np.bincount(of_face, np.einsum("ij,ij->i", a - middles[of_face], cross))
        normals *= np.where(volumes < 0, -1.0, 1.0)[self.owner][:, None]
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)

    def some(self) -> np.ndarray:
        """Numbers of some vertices spread over each bone, those that the fit looks at."""
        picks = []
        for n in range(len(self.names)):
            own = np.flatnonzero(self.owner == n)
            # Neighbours in a mesh often have numbers nearby, so that each n-th one is spread well.
            picks.append(own[:: max(1, len(own) // MOST_VERTICES)])
        return np.concatenate(picks)


def surface_of(meshes: list[Mesh]) -> Surface:
    """Meshes as one surface, large triangles cut into small ones."""
    fine = [_refined(mesh) for mesh in meshes]
    sizes = [len(mesh.vertices) for mesh in fine]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return Surface(
        np.concatenate([mesh.vertices for mesh in fine]),
        np.concatenate([m.faces + s for m, s in zip(fine, starts, strict=True)]),
        np.repeat(np.arange(len(fine)), sizes),
        tuple(mesh.name for mesh in fine),
    )


def _refined(mesh: Mesh) -> Mesh:
    """Triangles halved along all edges until most edges are short."""
    vertices, faces = mesh.vertices, mesh.faces
    for _ in range(4):
        ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]))
        lengths = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
        if np.quantile(lengths, 0.75) <= LONGEST_EDGE_MM:
            break
        edges, of_edge = np.unique(ends, axis=0, return_inverse=True)
        ab, bc, ca = (len(vertices) + of_edge.reshape(3, -1)).astype(np.int64)
        vertices = np.concatenate([vertices, vertices[edges].mean(axis=1)])
        a, b, c = faces.T
        corners = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        faces = np.concatenate([np.stack(one, axis=1) for one in corners])
    return Mesh(mesh.name, vertices, faces)


class Sampler:
    """Hounsfield units at places in the patient."""

    def __init__(self, volume: Volume) -> None:
        self.hu = volume.hu.astype(np.float32)
        self.ras_to_ijk = np.linalg.inv(volume.ijk_to_ras)

    def index(self, ras: np.ndarray) -> np.ndarray:
        """Places (..., 3) RAS mm as (3, ...) k, j, i."""
        ijk = ras @ self.ras_to_ijk[:3, :3].T + self.ras_to_ijk[:3, 3]
        return np.moveaxis(ijk[..., ::-1], -1, 0)

    def __call__(self, ras: np.ndarray) -> np.ndarray:
        """Values (...), linear between voxels; NaN outside the CT."""
        at = self.index(ras)
        return ndimage.map_coordinates(self.hu, at, order=1, cval=np.nan)

    def inside(self, ras: np.ndarray) -> np.ndarray:
        """Whether places (N, 3) lie in the CT, (N,) bool."""
        at = self.index(ras)
        last = np.array(self.hu.shape)[:, None] - 1
        return np.all((at >= 0) & (at <= last), axis=0)


def edges(
    points: np.ndarray, normals: np.ndarray, sampler: Sampler, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Way (N,) [mm] of each point (N, 3) along its normal to the CT's edge of bone, and its weight.

    The edge is where the values fall most from inside to outside, the nearer the likelier; the
    weight, 0 to 1, grows with the fall. Where the values rise again on the way there, another
    bone begins, whose far side would be the wrong edge.
    """
    beside = round(BESIDE_MM / STEP_MM)
    half = round(reach / STEP_MM)
    way = np.arange(-half - beside, half + beside + 1) * STEP_MM
    profile = sampler(points[:, None] + way[:, None] * normals[:, None])
    # Bone doesn't border on air: there the CT's field of view ends.
    profile[profile < AIR_HU] = np.nan
    fall = profile[:, : -2 * beside] - profile[:, 2 * beside :]
    fall -= REBOUND * _rises(profile, way >= -BESIDE_MM)[:, beside:-beside]
    way = way[beside:-beside]
    score = np.nan_to_num(fall, nan=0.0) * (1.0 - 0.5 * (way / (reach + STEP_MM)) ** 2)
    best = np.clip(score.argmax(axis=1), 1, len(way) - 2)
    below, found, above = (score[np.arange(len(best)), best + n] for n in (-1, 0, 1))
    # The top of a parabola through three places lies between the steps.
    bend = np.maximum(2 * found - below - above, 1e-3)
    between = STEP_MM * np.clip(0.5 * (above - below) / bend, -0.5, 0.5)
    weights = np.clip((found - LEAST_STEP_HU) / (FULL_STEP_HU - LEAST_STEP_HU), 0.0, 1.0)
    return np.where(weights > 0, way[best] + between, 0.0), weights


def _rises(profile: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """How far each profile (N, T) has come back up after a dip, from where it is counted.

    A rise without a fall before it, from marrow to cortex, is none.
    """
    rises = np.zeros_like(profile)
    first = int(np.flatnonzero(counted)[0])
    peak = profile[:, first].copy()
    lowest, back = peak.copy(), np.zeros_like(peak)
    for n in range(first + 1, profile.shape[1]):
        now = profile[:, n]
        lowest = np.fmin(lowest, now)
        fell = peak - lowest > UNEVEN_HU
        back = np.fmax(back, np.where(fell, now - lowest, 0.0))
        new = (now > peak) & ~fell
        lowest, peak = np.where(new, now, lowest), np.where(new, now, peak)
        rises[:, n] = back
    return rises


def room(surface: Surface, normals: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How far [mm] each chosen vertex is from the bone that faces it, negative inside it.

    Infinite where none does.
    """
    free = np.full(len(chosen), np.inf)
    points, owners = surface.vertices[chosen], surface.owner[chosen]
    for n in range(len(surface.names)):
        own = np.flatnonzero(surface.owner == n)
        vertices = surface.vertices[own]
        low, high = vertices.min(axis=0) - FACING_MM, vertices.max(axis=0) + FACING_MM
        near = np.flatnonzero((owners != n) & ((points > low) & (points < high)).all(axis=1))
        if not len(near):
            continue
        away, at = KDTree(vertices).query(points[near])
        gap = np.einsum("ij,ij->i", points[near] - vertices[at], normals[own[at]])
        facing = np.einsum("ij,ij->i", normals[chosen[near]], normals[own[at]]) < -0.2
        facing &= away < FACING_MM
        free[near] = np.minimum(free[near], np.where(facing, gap, np.inf))
    return free
