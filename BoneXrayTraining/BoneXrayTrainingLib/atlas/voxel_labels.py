"""Surfaces of bones to labels of a CT's voxels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneXrayLib.volume import Volume

from ..mesh_ct.meshes import Mesh
from ..mesh_ct.voxels import fill, grid_around
from .surface import Sampler

BESIDE_MM = 1.5
"""Bone so near a surface is of it, though outside."""
GROW_MM = 5.0
"""Bone that is so far from all labels has none."""
FAINTER_HU = 100.0
"""Inside a surface bone may be so much below what counts as bone elsewhere: thin cortex."""
FINE_MM = 0.6
TOGETHER_MM = 1.5
"""Labels of voxels about so near count for one of bone, one standard deviation."""
Box = tuple[slice, ...]


def box_around(points: np.ndarray, sampler: Sampler, margin: float) -> Box | None:
    """The CT's voxels (k, j, i) around points (N, 3) RAS mm; None where there are none."""
    corners = np.stack([points.min(axis=0) - margin, points.max(axis=0) + margin])
    at = sampler.index(np.stack(np.meshgrid(*corners.T), axis=-1).reshape(-1, 3))
    low = np.maximum(np.floor(at.min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(at.max(axis=1)).astype(int) + 1, sampler.hu.shape)
    if (high - low < 2).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def voxel_labels(meshes: list[Mesh], volume: Volume, bone: float) -> np.ndarray:
    """Number of the bone in each voxel, (k, j, i) uint8, 0 = none, 1 = the first mesh.

    A voxel of bone is of the bone whose surface it lies deepest in, or nearest to; inside surfaces
    so are fainter voxels and what bone encloses. Bone that no surface reaches goes to what it grows
    on, and a voxel to the bone that most around it is of: where bones touch none reaches between
    others in threads. Each bone is one piece.
    """
    sampler = Sampler(volume)
    solid = volume.hu >= bone
    within = _enclosed(solid) | (volume.hu >= bone - FAINTER_HU)
    labels = np.zeros(solid.shape, dtype=np.uint8)
    nearest = np.full(solid.shape, BESIDE_MM, dtype=np.float32)
    for number, mesh in enumerate(meshes, start=1):
        box = box_around(mesh.vertices, sampler, 2 * BESIDE_MM)
        if box is None:
            continue
        beyond = _beyond(mesh, volume, box)
        closer = beyond < np.where(solid[box], nearest[box], np.minimum(nearest[box], 0.0))
        closer &= solid[box] | within[box]
        nearest[box][closer] = beyond[closer]
        labels[box][closer] = number
    labels = _cleaned(labels, len(meshes))
    cross = ndimage.generate_binary_structure(3, 1)
    unlabelled = labels == 0
    for _ in range(round(GROW_MM / min(volume.spacing_mm))):
        grown = ndimage.grey_dilation(labels, footprint=cross)
        labels = np.where(solid & (labels == 0), grown, labels)
    # Steps are longer where voxels are: through thick slices they lead too far.
    away = ndimage.distance_transform_edt(unlabelled, sampling=volume.spacing_mm[::-1])
    labels[away > GROW_MM] = 0
    return _cleaned(_voted(labels, len(meshes), volume.spacing_mm[::-1]), len(meshes))


def _enclosed(solid: np.ndarray) -> np.ndarray:
    """What a ring of bone encloses in some slice along any axis: spongy bone, marrow."""
    out = np.zeros_like(solid)
    for axis in range(3):
        plane = ndimage.generate_binary_structure(3, 1)
        plane[(slice(None),) * axis + ([0, 2],)] = False
        regions, count = ndimage.label(~solid, plane)
        open_ = np.zeros(count + 1, dtype=bool)
        open_[0] = True
        for other in {0, 1, 2} - {axis}:
            for end in (0, -1):
                open_[np.unique(regions.take(end, other))] = True
        out |= ~open_[regions]
    return out


def _beyond(mesh: Mesh, volume: Volume, box: Box) -> np.ndarray:
    """How far outside a mesh the voxels of a box lie [mm], negative inside."""
    k, j, i = np.mgrid[box].reshape(3, -1).astype(np.float32)
    matrix = volume.ijk_to_ras.astype(np.float32)
    ras = np.stack([i, j, k], axis=1) @ matrix[:3, :3].T + matrix[:3, 3]
    grid = grid_around(ras.min(axis=0) - FINE_MM, ras.max(axis=0) + FINE_MM, FINE_MM)
    inside = np.zeros(grid.shape, dtype=bool)
    found = fill(mesh, grid)
    if found is not None:
        inside[found[1]] = found[0]
    out = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    signed = (FINE_MM * (out - 0.5 * np.sign(out))).astype(np.float32)
    far = ndimage.map_coordinates(signed, grid.index(ras).T, order=1, mode="nearest")
    return far.reshape([s.stop - s.start for s in box])


def _voted(labels: np.ndarray, count: int, spacing: tuple[float, ...]) -> np.ndarray:
    """Each labelled voxel of the bone that has most around it; `spacing` (k, j, i) mm."""
    out, most = labels.copy(), np.zeros(labels.shape, dtype=np.float32)
    sigma = [TOGETHER_MM / step for step in spacing]
    around = [int(np.ceil(3 * each)) for each in sigma]
    for number, box in enumerate(ndimage.find_objects(labels, count), start=1):
        if box is None:
            continue
        wide = tuple(
            slice(max(side.start - more, 0), side.stop + more)
            for side, more in zip(box, around, strict=True)
        )
        own = (labels[wide] == number).astype(np.float32)
        votes = ndimage.gaussian_filter(own, sigma, mode="constant", truncate=3.0)
        wins = (votes > most[wide]) & (labels[wide] > 0)
        most[wide][wins] = votes[wins]
        out[wide][wins] = number
    return out


def _cleaned(labels: np.ndarray, count: int) -> np.ndarray:
    """Each bone's largest piece, filled with what it encloses."""
    out = np.zeros_like(labels)
    for number, box in enumerate(ndimage.find_objects(labels, count), start=1):
        if box is None:
            continue
        pieces, _ = ndimage.label(labels[box] == number)
        own = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
        own |= _enclosed(own)
        out[box][own & ((labels[box] == number) | (labels[box] == 0))] = number
    return out
