"""The plain form of the projector, that the fast kernels must agree with: Joseph's method.

P. M. Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE TMI 1(3),
1982: step from plane to plane of the grid axis the ray runs along most, interpolate bilinearly
within each plane, weigh by the path between planes. Here every corner voxel adds to the part it
belongs to, so that the parts sum to the whole by construction, and voxels, not interpolated
values, carry thresholds and labels.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..attenuation import MU_WATER_70KEV
from ..bone import Parts
from ..geometry import Geometry
from .rays import voxel_rays


def project_reference(
    parts: Parts, geometry: Geometry, mu_water: float = MU_WATER_70KEV
) -> np.ndarray:
    """What `project` returns, one ray after the other: slow, and plain to read."""
    rays = voxel_rays(geometry, parts.ijk_to_ras)
    out = np.zeros((len(parts.names), *geometry.size), dtype=np.float32)
    none = np.zeros(1, dtype=np.uint8)
    fraction = none if parts.fraction is None else parts.fraction
    flat = [np.ascontiguousarray(a).reshape(-1) for a in (parts.hu, parts.part, fraction)]
    counts = parts.hu.shape[::-1]
    has_fraction = parts.fraction is not None
    project_rows(out, *flat, has_fraction, counts, rays.start, rays.end, rays.metric)
    return out * np.float32(mu_water / 1000.0)


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
def _add(sums, hu, part, fraction, has_fraction, at, weight):
    """Add voxel `at`'s (HU + 1000)⁺ times `weight` to the part it belongs to."""
    value = max(np.float32(hu[at]) + np.float32(1000.0), np.float32(0.0)) * weight
    owner = part[at]
    if has_fraction and owner > 0:
        kept = value * (fraction[at] * np.float32(1.0 / 255.0))
        sums[owner] += kept
        sums[0] += value - kept
    else:
        sums[owner] += value


@njit(inline="always")
def _step_mm(ray, metric, axis):
    """Length [mm] of the ray between two planes of `axis`."""
    squared = 0.0
    for a in range(3):
        for b in range(3):
            squared += ray[a] * metric[a, b] * ray[b]
    return np.sqrt(squared) / abs(ray[axis])


@njit(inline="always")
def _ray(sums, hu, part, fraction, has_fraction, counts, start, ray, metric):
    """Integrate one ray from index `start` along `ray` (both (i, j, k)) into `sums`.

    hu, part and fraction are flat (k, j, i) arrays of `counts` (i, j, k) voxels.
    """
    axis = 0
    if abs(ray[1]) > abs(ray[axis]):
        axis = 1
    if abs(ray[2]) > abs(ray[axis]):
        axis = 2
    # the two other axes, the one that varies fastest in memory first
    p = 1 if axis == 0 else 0
    q = 1 if axis == 2 else 2
    strides = (1, counts[0], counts[0] * counts[1])
    span = _clip_range(start[p], ray[p], -1.0, float(counts[p]), (0.0, 1.0))
    span = _clip_range(start[q], ray[q], -1.0, float(counts[q]), span)
    span = _clip_range(start[axis], ray[axis], -0.5, counts[axis] - 0.5, span)
    if span[0] >= span[1]:
        return
    one, two = start[axis] + span[0] * ray[axis], start[axis] + span[1] * ray[axis]
    first = max(0, int(np.ceil(min(one, two))))
    last = min(counts[axis] - 1, int(np.floor(max(one, two))))
    step = np.float32(_step_mm(ray, metric, axis))
    slope_p, slope_q = ray[p] / ray[axis], ray[q] / ray[axis]
    whole = np.float32(1.0)
    for plane in range(first, last + 1):
        u = start[p] + (plane - start[axis]) * slope_p
        v = start[q] + (plane - start[axis]) * slope_q
        u0, v0 = int(np.floor(u)), int(np.floor(v))
        fu, fv = np.float32(u - u0), np.float32(v - v0)
        at = plane * strides[axis] + u0 * strides[p] + v0 * strides[q]
        low, high = step * (whole - fv), step * fv
        left, right = u0 >= 0 and u0 < counts[p], u0 + 1 >= 0 and u0 + 1 < counts[p]
        if v0 >= 0 and v0 < counts[q]:
            if left:
                _add(sums, hu, part, fraction, has_fraction, at, low * (whole - fu))
            if right:
                _add(sums, hu, part, fraction, has_fraction, at + strides[p], low * fu)
        if v0 + 1 >= 0 and v0 + 1 < counts[q]:
            at += strides[q]
            if left:
                _add(sums, hu, part, fraction, has_fraction, at, high * (whole - fu))
            if right:
                _add(sums, hu, part, fraction, has_fraction, at + strides[p], high * fu)


@njit(cache=True, fastmath=True, nogil=True)
def project_rows(out, hu, part, fraction, has_fraction, counts, starts, ends, metric):
    """Fill out with the parts' integrals of (HU + 1000)⁺ [HU · mm].

    out (parts, rows, columns) float32; hu, part and fraction flat (k, j, i) arrays of `counts`
    (i, j, k) voxels; starts, ends and metric as in `VoxelRays`. `fraction` is read only where
    `has_fraction`.
    """
    for r in range(out.shape[1]):
        sums = np.zeros(out.shape[0])
        start = np.empty(3)
        ray = np.empty(3)
        for c in range(out.shape[2]):
            for a in range(3):
                start[a] = starts[0, a] + r * starts[1, a] + c * starts[2, a]
                end = ends[0, a] + r * ends[1, a] + c * ends[2, a]
                ray[a] = end - start[a]
            sums[:] = 0.0
            _ray(sums, hu, part, fraction, has_fraction, counts, start, ray, metric)
            for n in range(out.shape[0]):
                out[n, r, c] = sums[n]
