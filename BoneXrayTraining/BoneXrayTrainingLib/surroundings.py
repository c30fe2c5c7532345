"""A limb without what lies beside it in the CT: what is near its labelled bones, air elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage

from BoneXrayLib.volume import Volume

AIR_HU = -1000


def cut_near(volume: Volume, labels: np.ndarray, near_mm: float) -> tuple[Volume, np.ndarray]:
    """The CT within `near_mm` of its labels (k, j, i), and the labels, cut to the box of both.

    For a hand on a belly, or a leg beside the other: what touches it is not to be in its
    radiographs.

    Raises:
        ValueError: no voxel is labelled.
    """
    if not labels.any():
        raise ValueError("near: no voxel is labelled; expected labelled bones to keep near")
    spacing = volume.spacing_mm[::-1]
    reach = [int(np.ceil(near_mm / mm)) for mm in spacing]
    spans = []
    for axis, more in enumerate(reach):
        there = np.flatnonzero(labels.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(max(0, int(there[0]) - more), int(there[-1]) + more + 1))
    cut = tuple(spans)
    away = ndimage.distance_transform_edt(labels[cut] == 0, sampling=spacing)
    hu = volume.hu[cut].copy()
    hu[away > near_mm] = AIR_HU
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [s.start for s in cut[::-1]]
    return dataclasses.replace(volume, hu=hu, ijk_to_ras=matrix), labels[cut].copy()
