"""The shadow of a closed surface in an image: the share of each pixel that it covers."""

from __future__ import annotations

import numpy as np

from BoneXrayLib.geometry import Geometry

from ..mesh_ct.meshes import Mesh

FINER = 4
"""Lines, and places along each, that a pixel is looked at with."""


def silhouette(mesh: Mesh, geometry: Geometry) -> np.ndarray:
    """Share of each pixel that a mesh (RAS mm) covers, (rows, columns) float32, 0 to 1.

    Each triangle covers one stretch of every fine line it meets: where stretches begin and end is
    added up along the line. Exact along columns but for the fine places, along rows by samples.
    """
    rows, columns = (FINER * n for n in geometry.size)
    fine = (geometry.project_points(mesh.vertices) + 0.5) * FINER - 0.5
    corners = fine[mesh.faces]
    corners = np.take_along_axis(corners, corners[:, :, :1].argsort(axis=1), axis=1)
    top, middle, bottom = (corners[:, n] for n in range(3))
    first = np.clip(np.ceil(top[:, 0]), 0, rows).astype(int)
    last = np.clip(np.floor(bottom[:, 0]), -1, rows - 1).astype(int)
    counts = np.maximum(last - first + 1, 0)
    which = np.repeat(np.arange(len(corners)), counts)
    line = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + first[which]
    long = _at(top[which], bottom[which], line)
    upper = line < middle[which, 0]
    short = np.where(upper, _at(top[which], middle[which], line),
                     _at(middle[which], bottom[which], line))  # fmt: skip
    begin = np.clip(np.ceil(np.minimum(long, short)), 0, columns).astype(int)
    end = np.clip(np.floor(np.maximum(long, short)) + 1, 0, columns).astype(int)
    some = end > begin
    places = line[some] * (columns + 1)
    change = np.bincount(places + begin[some], minlength=rows * (columns + 1)) - np.bincount(
        places + end[some], minlength=rows * (columns + 1)
    )
    covered = np.cumsum(change.reshape(rows, columns + 1), axis=1)[:, :-1] > 0
    return covered.reshape(rows // FINER, FINER, -1, FINER).mean(axis=(1, 3)).astype(np.float32)


def _at(one: np.ndarray, other: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Column where sides (N, 2) to (N, 2) meet lines (N,); of a side along a line its end."""
    height = other[:, 0] - one[:, 0]
    share = np.where(height > 0, (line - one[:, 0]) / np.where(height > 0, height, 1.0), 1.0)
    return one[:, 1] + share * (other[:, 1] - one[:, 1])
