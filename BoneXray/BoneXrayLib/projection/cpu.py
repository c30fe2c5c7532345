"""Line integrals on the CPU: Joseph's method, one gather a ray, all parts in one pass.

P. M. Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE TMI 1(3),
1982: step from plane to plane of the grid axis the ray runs along most, interpolate bilinearly
within each plane, weigh by the path between planes. Here every corner voxel adds to the part it
belongs to, so that the parts sum to the whole by construction, and voxels, not interpolated
values, carry thresholds and labels.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(inline="always")
def _clip_range(at: float, slope: float, low: float, high: float, span: tuple) -> tuple:
    """Narrow `span` (first, last) of a parameter to where at + slope · t lies in [low, high]."""
    first, last = span
    if abs(slope) < 1e-12:
        if at < low or at > high:
            return 1.0, 0.0
        return first, last
    a = (low - at) / slope
    b = (high - at) / slope
    return max(first, min(a, b)), min(last, max(a, b))


@njit(inline="always")
def _add(sums, hu, part, fraction, has_fraction, k, j, i, weight):  # noqa: ANN001, ANN202
    """Add one voxel's μ (in units of μ_water / 1000) times `weight` to the part it belongs to."""
    value = np.float64(hu[k, j, i]) + 1000.0
    if value > 0.0:
        value *= weight
        owner = part[k, j, i]
        if has_fraction and owner > 0:
            kept = value * (fraction[k, j, i] / 255.0)
            sums[owner] += kept
            sums[0] += value - kept
        else:
            sums[owner] += value


@njit(inline="always")
def _voxel(axis, plane, u, v):  # noqa: ANN001, ANN202
    """(k, j, i) of a plane along `axis` (0 = i, 1 = j, 2 = k) and the two other indices."""
    if axis == 0:
        return v, u, plane
    if axis == 1:
        return v, plane, u
    return plane, v, u


@njit(inline="always")
def _ray(sums, hu, part, fraction, has_fraction, start, ray, metric):  # noqa: ANN001, ANN202
    """Integrate one ray from index `start` along `ray` (both (i, j, k)) into `sums`."""
    counts = (hu.shape[2], hu.shape[1], hu.shape[0])
    axis = 0
    if abs(ray[1]) > abs(ray[axis]):
        axis = 1
    if abs(ray[2]) > abs(ray[axis]):
        axis = 2
    # the two other axes, the one that varies fastest in memory first
    p = 1 if axis == 0 else 0
    q = 1 if axis == 2 else 2
    span = _clip_range(start[p], ray[p], -1.0, float(counts[p]), (0.0, 1.0))
    span = _clip_range(start[q], ray[q], -1.0, float(counts[q]), span)
    span = _clip_range(start[axis], ray[axis], -0.5, counts[axis] - 0.5, span)
    if span[0] >= span[1]:
        return
    one, two = start[axis] + span[0] * ray[axis], start[axis] + span[1] * ray[axis]
    first = max(0, int(np.ceil(min(one, two))))
    last = min(counts[axis] - 1, int(np.floor(max(one, two))))
    length = 0.0
    for a in range(3):
        for b in range(3):
            length += ray[a] * metric[a, b] * ray[b]
    step = np.sqrt(length) / abs(ray[axis])
    slope_p, slope_q = ray[p] / ray[axis], ray[q] / ray[axis]
    for plane in range(first, last + 1):
        u = start[p] + (plane - start[axis]) * slope_p
        v = start[q] + (plane - start[axis]) * slope_q
        u0, v0 = int(np.floor(u)), int(np.floor(v))
        fu, fv = u - u0, v - v0
        for dv in range(2):
            vv = v0 + dv
            if vv < 0 or vv >= counts[q]:
                continue
            wv = step * (fv if dv else 1.0 - fv)
            for du in range(2):
                uu = u0 + du
                if uu < 0 or uu >= counts[p]:
                    continue
                k, j, i = _voxel(axis, plane, uu, vv)
                weight = wv * (fu if du else 1.0 - fu)
                _add(sums, hu, part, fraction, has_fraction, k, j, i, weight)


@njit(parallel=True, cache=True, fastmath=True, nogil=True)
def project_rows(out, first_row, last_row, hu, part, fraction, has_fraction, rays_start, rays_end,
                 metric):  # noqa: ANN001, ANN201
    """Fill out[:, first_row:last_row] with the parts' integrals of (HU + 1000)⁺ [HU · mm].

    out (parts, rows, columns) float32; hu, part and fraction (k, j, i); rays_* and metric as in
    `VoxelRays`. `fraction` is read only where `has_fraction`.
    """
    for r in prange(first_row, last_row):
        sums = np.zeros(out.shape[0])
        start = np.empty(3)
        ray = np.empty(3)
        for c in range(out.shape[2]):
            for a in range(3):
                start[a] = rays_start[0, a] + r * rays_start[1, a] + c * rays_start[2, a]
                end = rays_end[0, a] + r * rays_end[1, a] + c * rays_end[2, a]
                ray[a] = end - start[a]
            sums[:] = 0.0
            _ray(sums, hu, part, fraction, has_fraction, start, ray, metric)
            for n in range(out.shape[0]):
                out[n, r, c] = sums[n]
