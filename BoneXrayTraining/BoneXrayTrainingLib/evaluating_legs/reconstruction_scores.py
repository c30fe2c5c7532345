"""How near a rebuilt bone comes to the true one: surfaces, volumes, landmarks, lengths, angles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from BoneXrayLib.legs.leg_measures import OF_FEMUR, OF_TIBIA
from BoneXrayLib.reconstruction import Reconstruction

from ..legs.landmarks import Marks
from ..mesh_ct.meshes import Mesh
from ..mesh_ct.voxels import fill, grid_around
from ..shape_building.alignment import Similarity, fitted
from ..shape_building.surface import Cloud, cloud_of, surface_distances

VOXEL_MM = 1.5
EDGE_MM = 2.5
"""Points of surfaces lie about so far apart; between them a surface is flat."""
ROUNDS = 15
FAR = 3.0
"""Gaps from which on they count less, in medians."""
STEP = 2
"""Of the points of surfaces each so many-th one is measured."""
LENGTHS = {"femur": OF_FEMUR["femoral length"], "tibia": OF_TIBIA["tibial length"]}
NECK = OF_FEMUR["neck-shaft angle"]


@dataclass(frozen=True)
class Nearness:
    """Of a rebuilt bone to the true one; NaN where there is nothing to compare."""

    mean_mm: float
    """Mean distance of the points of either surface to the other one."""
    p95_mm: float
    """Its 95th percentile."""
    dice: float
    landmark_mm: float
    """Median distance over the landmarks."""
    head_mm: float
    """Distance of the middles of the femoral head."""


@dataclass(frozen=True)
class Scores:
    """Of one fit.

    Attributes:
        placed: where the fit put the bone.
        shape: after the rigid move that brings it nearest to the true one.
        radius_mm, length_mm, angle_deg: absolute errors of the femoral head's radius, the bone's
            length and the neck-shaft angle.
    """

    placed: Nearness
    shape: Nearness
    radius_mm: float
    length_mm: float
    angle_deg: float


def scores(found: Reconstruction, mesh: Mesh, marks: Marks) -> Scores:
    """A fit against the true surface, landmarks and spheres, in one frame."""
    truth = cloud_of(mesh, EDGE_MM)
    surface = cloud_of(Mesh(found.bone, found.vertices, found.faces), EDGE_MM)
    move = nearest_move(found, truth, marks)
    here = Similarity(np.eye(3), np.zeros(3))
    placed, shape = (
        _nearness(found, _moved(surface, way), mesh, truth, marks, way) for way in (here, move)
    )
    return Scores(placed, shape, *measure_errors(found, marks))


def nearest_move(found: Reconstruction, truth: Cloud, marks: Marks) -> Similarity:
    """The rigid move that brings a rebuilt bone nearest to the true surface.

    From landmarks, then by the distances along the surface's normals (Y. Chen and G. Medioni, Image
    and Vision Computing 10 (1992) 145); what is far off counts less.
    """
    names = [name for name in found.landmarks if name in marks.points]
    move = fitted(
        np.array([found.landmarks[n] for n in names]), np.array([marks.points[n] for n in names])
    )
    for _ in range(ROUNDS):
        here = move.of(found.vertices)
        _, at = truth.nearest(here)
        normals = truth.normals[at]
        gaps = ((truth.points[at] - here) * normals).sum(axis=1)
        limit = FAR * np.median(np.abs(gaps)) + 1e-6
        weights = 1.0 / (1.0 + (gaps / limit) ** 2)
        middle = here.mean(axis=0)
        system = np.column_stack([np.cross(here - middle, normals), normals])
        square = (system * weights[:, None]).T @ system
        # A bone may be all but round: what nothing holds stays.
        square += 1e-6 * np.diag(np.diag(square))
        step = np.linalg.solve(square, system.T @ (weights * gaps))
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        shift = turn @ (move.shift - middle) + middle + step[3:]
        move = Similarity(turn @ move.rotation, shift)
    return move


def measure_errors(found: Reconstruction, marks: Marks) -> tuple[float, float, float]:
    """Absolute errors of head radius [mm], length [mm] and neck-shaft angle [degrees]."""
    head, true_head = found.spheres.get("head"), marks.rounds.get("head")
    radius = angle = math.nan
    if head is not None and true_head is not None:
        radius = abs(head.radius - true_head.radius)
    points = dict(marks.points)
    length = LENGTHS[found.bone][1]
    if found.bone == "femur":
        angle = abs(NECK[1](found.landmarks) - NECK[1](points))
    return radius, abs(length(found.landmarks) - length(points)), angle


def _moved(surface: Cloud, way: Similarity) -> Cloud:
    points = way.of(surface.points)
    return Cloud(points, surface.normals @ way.rotation.T, surface.border, KDTree(points))


def _nearness(
    found: Reconstruction,
    surface: Cloud,
    mesh: Mesh,
    truth: Cloud,
    marks: Marks,
    move: Similarity,
) -> Nearness:
    away = surface_distances(surface, truth, STEP)
    names = [name for name in found.landmarks if name in marks.points]
    at = move.of(np.array([found.landmarks[n] for n in names]))
    apart = np.linalg.norm(at - np.array([marks.points[n] for n in names]), axis=1)
    head, true_head = found.spheres.get("head"), marks.rounds.get("head")
    head_mm = math.nan
    if head is not None and true_head is not None:
        head_mm = float(np.linalg.norm(move.of(head.centre[None])[0] - true_head.centre))
    moved = Mesh(found.bone, move.of(found.vertices), found.faces)
    return Nearness(
        float(away.mean()), float(np.quantile(away, 0.95)), volume_dice(moved, mesh),
        float(np.median(apart)), head_mm,
    )  # fmt: skip


def volume_dice(one: Mesh, other: Mesh, voxel_mm: float = VOXEL_MM) -> float:
    """Dice of the voxels within two closed surfaces."""
    both = np.concatenate([one.vertices, other.vertices])
    grid = grid_around(both.min(axis=0) - voxel_mm, both.max(axis=0) + voxel_mm, voxel_mm)
    masks = []
    for mesh in (one, other):
        mask = np.zeros(grid.shape, bool)
        filled = fill(mesh, grid, rounded=False)
        if filled is not None:
            mask[filled[1]] = filled[0]
        masks.append(mask)
    total = int(masks[0].sum()) + int(masks[1].sum())
    return 2.0 * int((masks[0] & masks[1]).sum()) / total if total else math.nan
