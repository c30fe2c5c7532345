"""Smoothly deformed copies of a patient: more shapes of chest than there are chest CTs."""

from __future__ import annotations

import dataclasses

import numpy as np
from numba import njit, prange
from scipy import ndimage

from BoneXrayLib.bone import Parts

KNOT_MM = 90.0
"""Distance of the random displacements between which the deformation is smooth."""
FINE = 6
"""Linear steps of the displacement field between two knots."""


def deformed(parts: Parts, rng: np.random.Generator, spread_mm: float) -> Parts:
    """A copy whose tissues are moved by a smooth random field.

    Each voxel takes HU and part of the nearest voxel at its displaced place, so that the two stay
    true to each other.

    Args:
        parts: the patient.
        rng: source of the displacements.
        spread_mm: their standard deviation along R, A and S each.
    """
    spacing = np.linalg.norm(parts.ijk_to_ras[:3, :3], axis=0)[::-1]
    extent = np.array(parts.hu.shape) * spacing
    knots = np.maximum(2, np.rint(extent / KNOT_MM).astype(int)) + 3
    field = np.stack([_smooth(rng.normal(0.0, spread_mm / mm, knots)) for mm in spacing])
    hu, part = np.empty_like(parts.hu), np.empty_like(parts.part)
    _pull(parts.hu, parts.part, field.astype(np.float32), hu, part)
    return dataclasses.replace(parts, hu=hu, part=part)


def _smooth(knots: np.ndarray) -> np.ndarray:
    fine = ndimage.zoom(knots, FINE, order=3, mode="nearest")
    return fine * (knots.std() / max(float(fine.std()), 1e-9))


@njit(parallel=True, cache=True)
def _pull(hu, part, field, hu_out, part_out):  # pragma: no cover - compiled
    planes, rows, columns = hu.shape
    fk = (field.shape[1] - 1.001) / max(planes - 1, 1)
    fj = (field.shape[2] - 1.001) / max(rows - 1, 1)
    fi = (field.shape[3] - 1.001) / max(columns - 1, 1)
    for k in prange(planes):
        ck = int(k * fk)
        wk = k * fk - ck
        for j in range(rows):
            cj = int(j * fj)
            wj = j * fj - cj
            for i in range(columns):
                ci = int(i * fi)
                wi = i * fi - ci
                at = np.empty(3, np.float32)
                for axis in range(3):
                    value = 0.0
                    for a in range(2):
                        for b in range(2):
                            weight = (wk if a else 1 - wk) * (wj if b else 1 - wj)
                            line = field[axis, ck + a, cj + b]
                            value += weight * ((1 - wi) * line[ci] + wi * line[ci + 1])
                    at[axis] = value
                kk = min(max(round(k + at[0]), 0), planes - 1)
                jj = min(max(round(j + at[1]), 0), rows - 1)
                ii = min(max(round(i + at[2]), 0), columns - 1)
                hu_out[k, j, i] = hu[kk, jj, ii]
                part_out[k, j, i] = part[kk, jj, ii]
