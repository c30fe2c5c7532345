"""A leg that needs no data: femur and tibia of spheres, cones and shafts, as meshes in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from surfaces import turned_surface

from BoneXrayTrainingLib.legs.config import LegsConfig
from BoneXrayTrainingLib.mesh_ct.meshes import MeshConfig
from BoneXrayTrainingLib.sources import CtSource

CONFIG = LegsConfig(
    patients=2, regions={"leg": 0.5, "knee": 0.5}, voxel={"leg": 3.0, "knee": 2.5}, shape=0.0
)
HEAD = np.array([-42.0, 12.0, 405.0])
"""Middle of the femoral head over the middle of the knee, RAS mm."""
HEAD_RADIUS = 23.0


def femur() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces: two condyles, and a shaft that bends inwards and ends in a ball."""
    top = HEAD[2] + HEAD_RADIUS
    z = np.concatenate([np.linspace(0.0, 384.0, 110), np.linspace(386.0, top, 28)])
    wide = 14.0 + 18.0 * np.exp(-((z / 38.0) ** 2))
    wide *= np.sqrt(np.clip(1 - (1 - np.minimum(z / 16.0, 1)) ** 2, 0, 1))
    ball = np.sqrt(np.clip(HEAD_RADIUS**2 - (z - HEAD[2]) ** 2, 0, None))
    wide = np.where(z > 385.0, ball, wide)
    mesh = turned_surface("femur", np.column_stack([z, wide]), (0.0, 0.0, 0.0))
    v = mesh.vertices
    # Ends wider than deep, a notch between the condyles.
    near = np.exp(-((v[:, 2] / 40.0) ** 2))
    v = v * np.column_stack([1 + 0.35 * near, 1 + 0.1 * near, np.ones(len(v))])
    v[:, 2] += 9.0 * np.exp(-((v[:, 0] / 8.0) ** 2)) * (v[:, 2] < 25.0)
    v[:, 2] -= 2.0 * (v[:, 0] < 0) * near
    bend = np.clip((v[:, 2] - 335.0) / 48.0, 0.0, 1.0)
    bend = bend**2 * (3 - 2 * bend)
    v[:, 0] += 40.0 * np.exp(-(((v[:, 2] - 368.0) / 10.0) ** 2)) * (v[:, 0] > 4.0)
    return v + bend[:, None] * (HEAD * (1, 1, 0)), mesh.faces


def tibia() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces: wide and flat on top, a malleolus at the medial lower end."""
    z = np.linspace(0.0, 370.0, 110)
    low, high = z, 370.0 - z
    wide = 12.0 + 22.0 * np.exp(-((high / 40.0) ** 2)) + 9.0 * np.exp(-((low / 30.0) ** 2))
    wide *= np.sqrt(np.clip(1 - (1 - np.minimum(np.minimum(low, high) / 8.0, 1)) ** 2, 0, 1))
    mesh = turned_surface("tibia", np.column_stack([z, wide]), (0.0, 0.0, -376.0))
    v = mesh.vertices
    v[:, 2] -= 12.0 * np.exp(-(((v[:, 0] + 18.0) / 9.0) ** 2)) * (v[:, 2] < -340.0)
    v[:, 1] += 7.0 * np.exp(-(((v[:, 2] + 45.0) / 12.0) ** 2)) * (v[:, 1] > 8.0)
    return v, mesh.faces


def leg_source(folder: Path) -> CtSource:
    """A file of both bones in a folder, as a source."""
    arrays = {}
    for name, (vertices, faces) in (("femur", femur()), ("tibia", tibia())):
        arrays |= {f"{name}.vertices": vertices, f"{name}.faces": faces}
    np.savez(folder / "leg.npz", **arrays)
    return CtSource(path="leg.npz", patient="made-up", licence="MIT", mesh=MeshConfig(axes="RAS"))
