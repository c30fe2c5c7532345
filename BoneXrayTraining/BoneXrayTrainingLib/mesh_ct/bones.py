"""Hounsfield units of a bone: a cortex that is thick on the shaft, spongy ends, marrow between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.distances import distance_mm

from .patient import Bone, Patient
from .texture import Texture
from .voxels import Grid

BINS = 24
LONG = 1.9
"""A bone this many times longer than wide has a shaft."""
DEEPEST_MM = 9.0
"""Thicker than any cortex."""


@dataclass(frozen=True, eq=False)
class Profile:
    """A bone along its own length.

    Attributes:
        middle: (3,) RAS mm.
        axis: (3,) unit vector, the bone's length.
        places: (BINS,) mm along the axis.
        radius: (BINS,) mm.
        shaft: (BINS,) 1 on the shaft, 0 at the spongy ends.
        thin: cortex where there is no shaft [mm].
    """

    middle: np.ndarray
    axis: np.ndarray
    places: np.ndarray
    radius: np.ndarray
    shaft: np.ndarray
    thin: float


def profile_of(bone: Bone) -> Profile:
    """Radius and shaft along a bone, from its vertices."""
    vertices = bone.mesh.vertices
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    _, _, axes = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)
    widths = np.ptp((vertices - middle) @ axes.T, axis=0)
    axis = axes[0] * np.sign(axes[0] @ bone.frame[2] or 1.0)
    along = (vertices - middle) @ axis
    edges = np.linspace(along.min(), along.max(), BINS + 1)
    places = (edges[1:] + edges[:-1]) / 2
    radius = _radii(vertices, axis, along, edges)
    narrow = float(radius[BINS // 5 : -BINS // 5].min())
    shaft = np.zeros(BINS)
    if widths[0] > LONG * widths[1]:
        above = np.inf if bone.capped else edges[-1] - places
        to_end = np.minimum(places - edges[0], above)
        shaft = _smoothstep((1.9 - radius / narrow) / 0.7)
        shaft *= _smoothstep((to_end - narrow) / (2.2 * narrow))
    thin = float(np.clip(0.055 * _inner_radius(bone), 0.45, 1.5))
    return Profile(middle, axis, places, radius, shaft, thin)


def _radii(
    vertices: np.ndarray, axis: np.ndarray, along: np.ndarray, edges: np.ndarray
) -> np.ndarray:
    """Mean distance of the surface from the middle of each slice of a bone, (BINS,)."""
    of_vertex = np.clip(np.digitize(along, edges) - 1, 0, BINS - 1)
    flat = vertices - along[:, None] * axis
    radius = np.full(BINS, np.nan)
    for n in range(BINS):
        own = flat[of_vertex == n]
        if len(own) >= 4:
            around = (own.min(axis=0) + own.max(axis=0)) / 2
            radius[n] = np.linalg.norm(own - around, axis=1).mean()
    known = np.flatnonzero(np.isfinite(radius))
    radius = np.interp(np.arange(BINS), known, radius[known])
    return ndimage.gaussian_filter1d(radius, 0.7, mode="nearest")


def _inner_radius(bone: Bone) -> float:
    """Three times volume over surface [mm]: the radius of a sphere, half as thick as a plate."""
    a, b, c = (bone.mesh.vertices[bone.mesh.faces[:, n]] for n in range(3))
    normal = np.cross(b - a, c - a)
    volume = abs(float(np.einsum("ij,ij->", a - a.mean(axis=0), normal))) / 6
    return 3 * volume / (float(np.linalg.norm(normal, axis=1).sum()) / 2)


def paint_bones(
    hu: np.ndarray,
    labels: np.ndarray,
    bones: list[Bone],
    grid: Grid,
    patient: Patient,
    texture: Texture,
) -> None:
    """Write the Hounsfield units of all bones into `hu` (k, j, i), where `labels` says they are."""
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        # A rim of one voxel around, but not beyond the grid: there a bone goes on uncut.
        wide = tuple(
            slice(max(0, s.start - 1), min(n, s.stop + 1))
            for s, n in zip(box, labels.shape, strict=True)
        )
        mask = labels[wide] == number
        inside = np.nonzero(mask)
        spacing = np.full(3, grid.spacing)
        depth = distance_mm(mask, spacing, DEEPEST_MM)[inside] - grid.spacing / 2
        start = [s.start for s in wide]
        places = tuple(p + s for p, s in zip(inside, start, strict=True))
        along = _along(places, grid, profile := profile_of(bones[number - 1]))
        hu[places] = _units(along, np.maximum(depth, 0.0), places, profile, patient, texture, grid)


def _along(places: tuple[np.ndarray, ...], grid: Grid, profile: Profile) -> np.ndarray:
    """Place of each voxel along its bone [mm]."""
    k, j, i = (p.astype(np.float32) * np.float32(grid.spacing) for p in places)
    start = float((grid.origin - profile.middle) @ profile.axis)
    a, b, c = profile.axis.astype(np.float32)
    return start + a * i + b * j + c * k


def _units(
    along: np.ndarray,
    depth: np.ndarray,
    places: tuple[np.ndarray, ...],
    profile: Profile,
    patient: Patient,
    texture: Texture,
    grid: Grid,
) -> np.ndarray:
    """Hounsfield units of the voxels of one bone, `depth` mm below its surface."""
    shaft = np.interp(along, profile.places, profile.shaft).astype(np.float32)
    radius = np.interp(along, profile.places, profile.radius).astype(np.float32)
    fine = texture.at(places, max(0.7 / grid.spacing, 0.5))
    broad = texture.at(places, 4.0 / grid.spacing)
    thick = shaft * patient.cortex_share * radius * (1 + 0.15 * broad)
    thick += (1 - shaft) * profile.thin * patient.thin * (1 + 0.2 * broad)
    compact = patient.cortex * (0.65 + 0.35 * shaft) * (1 + 0.05 * fine)
    spongy = patient.trabecular * (0.9 + 0.6 * np.exp(-depth / 3.5))
    spongy *= np.exp(np.clip(patient.grain * fine + 0.1 * broad, -1.0, 1.0))
    hollow = patient.marrow + 12 * broad
    inner = spongy + (hollow - spongy) * _smoothstep(1.3 * shaft)
    in_cortex = np.clip((thick - depth) / grid.spacing + 0.5, 0.0, 1.0)
    return inner + (compact - inner) * in_cortex


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)
