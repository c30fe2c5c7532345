"""Coarse surfaces made fine: Loop's subdivision at equal volume, and a joint surface that fits."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.sparse import coo_array, csr_array

from .contacts import Field, field_of
from .meshes import Mesh
from .patient import Bone
from .voxels import edge_length, fill, grid_around

MOST_LEVELS = 3
FACET_MM = 1.8
"""Cartilage of both sides: the gap between a radius and the carpals that lie in its facets."""
FACET_REACH_MM = (5.0, 10.0)
"""The radius is fitted to a carpal as near as the first, and left alone beyond the second."""
FACETS = ("scaphoid", "lunate")


def refined(mesh: Mesh, edge_mm: float) -> Mesh:
    """A mesh of large triangles as a smooth one of the same volume; a fine one as it is.

    Loop's subdivision (University of Utah, 1987) draws a surface inwards. The vertices are moved
    outwards first, by the share of their way in that keeps the volume.
    """
    levels = int(np.ceil(np.log2(edge_length(mesh) / edge_mm) - 0.25))
    if edge_mm <= 0 or levels < 1:
        return mesh
    smooth, faces = _loop(mesh.faces, len(mesh.vertices))
    for _ in range(min(levels, MOST_LEVELS) - 1):
        more, faces = _loop(faces, smooth.shape[0])
        smooth = more @ smooth
    start = mesh.vertices
    outwards = start - (smooth @ start)[: len(start)]

    def fine(share: float) -> Mesh:
        return Mesh(mesh.name, smooth @ (start + share * outwards), faces)

    wanted = _volume(mesh)
    volumes = [_volume(fine(share)) for share in (0.0, 1.0)]
    share = (wanted - volumes[0]) / max(volumes[1] - volumes[0], 1e-6 * wanted)
    return fine(float(np.clip(share, 0.0, 1.3)))


def _loop(faces: np.ndarray, count: int) -> tuple[csr_array, np.ndarray]:
    """One subdivision: (new vertices, old vertices) weights, and the new faces."""
    corners = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    edges, of_corner = np.unique(np.sort(corners, axis=1), axis=0, return_inverse=True)
    of_corner = of_corner.reshape(-1)
    number = np.arange(len(edges))
    faces_at = np.bincount(of_corner)
    degree = np.bincount(edges.ravel(), minlength=count).astype(float)
    beta = 0.625 - (0.375 + 0.25 * np.cos(2 * np.pi / np.maximum(degree, 1))) ** 2
    beta /= np.maximum(degree, 1)
    old = np.arange(count)
    a, b = edges.T
    rows = [old, a, b, count + number, count + number, count + of_corner]
    columns = [old, b, a, a, b, opposite]
    eighths = np.full(len(edges), 0.375)
    weights = [1 - degree * beta, beta[a], beta[b], eighths, eighths, 0.25 / faces_at[of_corner]]
    matrix = coo_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count + len(edges), count),
    )
    one, two, three = count + of_corner.reshape(3, -1)
    a, b, c = faces.T
    new = [(a, one, three), (one, b, two), (three, two, c), (one, two, three)]
    return csr_array(matrix), np.concatenate([np.stack(f, axis=1) for f in new])


def _volume(mesh: Mesh) -> float:
    """By voxels: triangles may look either way."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    grid = grid_around(low - 1.0, high + 1.0, 1.2)
    found = fill(dataclasses.replace(mesh), grid, rounded=False)
    return float(found[0].sum()) * grid.spacing**3 if found is not None else 0.0


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
