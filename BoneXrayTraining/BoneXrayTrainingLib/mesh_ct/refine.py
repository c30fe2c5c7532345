"""Coarse surfaces made fine at equal volume, and a joint surface that fits."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from .contacts import Field, field_of
from .meshes import Mesh
from .patient import Bone
from .voxels import edge_length, fill, grid_around

SLIT_MM = 4.0
"""Narrower slits in a coarse surface are closed."""
ROUNDED = 0.18
"""How far facets are rounded, relative to their edges."""
FACET_MM = 1.8
"""Cartilage of both sides: the gap between a radius and the carpals that lie in its facets."""
FACET_REACH_MM = (5.0, 10.0)
"""The radius is fitted to a carpal as near as the first, and left alone beyond the second."""
FACETS = ("scaphoid", "lunate")


def refined(mesh: Mesh, edge_mm: float) -> Mesh:
    """A mesh of large triangles as a smooth one of the same volume; a fine one as it is.

    Coarse surfaces tend to be torn, folded or doubled, too: the solid inside is made anew from
    voxels, slits closed, facets rounded, and gets a surface with a vertex in each voxel it crosses
    (surface nets: Gibson, MICCAI 1998).
    """
    coarse = edge_length(mesh)
    if edge_mm <= 0 or coarse < 2 * edge_mm:
        return mesh
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    room = SLIT_MM + coarse
    grid = grid_around(low - room, high + room, edge_mm)
    found = fill(mesh, grid, rounded=False)
    if found is None:
        return mesh
    solid = np.zeros(grid.shape, dtype=bool)
    solid[found[1]] = found[0]
    across = max(1, round(SLIT_MM / 2 / edge_mm))
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(solid, iterations=across))
    smooth = _rounded(solid.astype(np.float32), coarse / edge_mm)
    count = int(solid.sum())
    level = float(np.partition(smooth.ravel(), smooth.size - count)[smooth.size - count])
    places, faces = _surface_net(smooth, min(max(level, 0.05), 0.95))
    return Mesh(mesh.name, places[:, ::-1] * edge_mm + grid.origin, faces)


def _rounded(solid: np.ndarray, coarse: float) -> np.ndarray:
    """The solid (k, j, i) without the edges of facets that are `coarse` voxels long.

    On a shaft along k, where triangles are longest, they are evened out along it, too.
    """
    smooth = ndimage.gaussian_filter(solid, ROUNDED * coarse)
    there = np.flatnonzero(solid.any(axis=(1, 2)))
    if len(there) < 3 * max(np.ptp(np.flatnonzero(solid.any(axis=a))) for a in ((0, 1), (0, 2))):
        return smooth
    k = np.arange(len(solid))
    to_end = np.minimum(k - there[0], there[-1] - k) / coarse
    shaft = _smoothstep((to_end - 3.0) / 2.0).astype(np.float32)[:, None, None]
    return smooth + shaft * (ndimage.gaussian_filter1d(smooth, coarse, axis=0) - smooth)


def _surface_net(field: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The closed surface field = level: vertices (N, 3) in voxels (k, j, i), triangles (M, 3).

    A vertex is the mean of where a cell's edges cross the level; each such edge joins the vertices
    of the four cells around it.
    """
    inside = field > level
    size = inside.size
    total, crossed = np.zeros((size, 3)), np.zeros(size)
    quads = []
    for axis in range(3):
        at = [slice(1, -1)] * 3
        at[axis] = slice(1, -2)
        after = list(at)
        after[axis] = slice(2, -1)
        changes = np.argwhere(inside[tuple(at)] != inside[tuple(after)]) + 1
        a = field[tuple(changes.T)]
        ends = changes + np.eye(3, dtype=int)[axis]
        places = changes.astype(float)
        places[:, axis] += (level - a) / (field[tuple(ends.T)] - a)
        one, two = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        cells = [
            np.ravel_multi_index(tuple((changes - back).T), inside.shape)
            for back in (0 * one, one, one + two, two)
        ]
        for cell in cells:
            for column in range(3):
                total[:, column] += np.bincount(cell, places[:, column], size)
            crossed += np.bincount(cell, minlength=size)
        quad = np.stack(cells, axis=1)
        leaves = inside[tuple(changes.T)]
        quads.append(np.where(leaves[:, None], quad, quad[:, ::-1]))
    used = np.flatnonzero(crossed)
    number = np.zeros(size, dtype=np.int64)
    number[used] = np.arange(len(used))
    a, b, c, d = number[np.concatenate(quads)].T
    faces = np.concatenate([np.stack(f, axis=1) for f in ((c, b, a), (d, c, a))])
    return total[used] / crossed[used, None], faces


def fitted_radius(bones: list[Bone]) -> list[Bone]:
    """The bones with a radius whose end follows scaphoid, lunate and the ulna's head.

    Space around each of them is drawn towards it or away, so that what lies within
    `FACET_REACH_MM` comes to lie about `FACET_MM` off; its order is kept, nothing folds.
    """
    named = {b.mesh.name: b for b in bones}
    if "radius" not in named:
        return bones
    vertices = named["radius"].mesh.vertices
    reach = FACET_REACH_MM[1]
    box = (vertices.min(axis=0) - reach, vertices.max(axis=0) + reach)
    found = (field_of(named[n], box, 0.8, reach) for n in FACETS if n in named)
    vertices = _drawn_to(vertices, [field for field in found if field is not None])
    head = field_of(named["ulna"], box, 0.8, reach) if "ulna" in named else None
    if head is not None:
        above = vertices[:, 2] - named["ulna"].mesh.vertices[:, 2].min()
        vertices = _drawn_to(vertices, [head], 1 - _smoothstep((above - 10.0) / 8.0))
    radius = dataclasses.replace(named["radius"], mesh=named["radius"].mesh.moved(vertices))
    return [radius if b.mesh.name == "radius" else b for b in bones]


def _drawn_to(
    vertices: np.ndarray, fields: list[Field], part: np.ndarray | float = 1.0
) -> np.ndarray:
    """Vertices drawn towards the nearest of some bones, or away from it; a ridge parts facets."""
    away, way = np.full(len(vertices), np.inf), np.zeros((len(vertices), 3))
    for field in fields:
        here = np.where(field.holds(vertices), field.at(vertices), np.inf)
        nearer = here < away
        away[nearer], way[nearer] = here[nearer], field.slope(vertices[nearer])
    far = (away - FACET_REACH_MM[0]) / (FACET_REACH_MM[1] - FACET_REACH_MM[0])
    share = 0.9 * (1 - _smoothstep(far)) * part
    by = np.where(share > 0, share * (np.minimum(away, FACET_REACH_MM[1]) - FACET_MM), 0.0)
    return vertices - by[:, None] * way


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)
