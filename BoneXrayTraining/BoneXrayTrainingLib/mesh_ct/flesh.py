"""Soft tissue around bones: how thick it is on every side, skin, fat, muscle, vessels, tendons."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.attenuation import AIR_HU

from .patient import Bone, Patient
from .texture import Texture, between
from .voxels import Grid, bone_labels, grid_around

COARSE_VOXELS = 1.2e6
SKIN_MM = 1.6
SKIN_HU = 25.0
TUBES = 14
"""Vessels and tendons along the limb."""


@dataclass(frozen=True, eq=False)
class Envelope:
    """The limb on a coarse grid.

    Attributes:
        grid: coarse voxels.
        below_skin: (k, j, i) float32, mm below the skin, negative outside.
        depth: (k, j, i) float32, mm from the skin to the bone hereabouts.
    """

    grid: Grid
    below_skin: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class Region:
    """What of a limb is made, and how.

    Attributes:
        span: height of its ends [RAS mm]; None is the whole limb.
        room_mm: beside the skin, for what is worn.
        evened_mm: how far along the limb its outline is smoothed, beyond what flesh asks for.
    """

    span: tuple[float, float] | None = None
    room_mm: float = 0.0
    evened_mm: float = 0.0


def envelope(
    bones: list[Bone],
    patient: Patient,
    texture: Texture,
    keep: tuple[float, float] = (0.0, 1.0),
    region: Region | None = None,
) -> Envelope:
    """Where the skin is, from the depths of soft tissue that the nearest bone asks for.

    Args:
        bones: in their places.
        patient: how stout.
        texture: for an uneven outline.
        keep: part of the limb to make, as fractions of its length from below.
        region: what to make instead of the whole limb; `keep` is then a part of that.
    """
    region = region or Region()
    if not 0.0 <= keep[0] < keep[1] <= 1.0:
        raise ValueError(f"crop: k from {keep[0]:g} to {keep[1]:g}; expected two of 0 to 1, rising")
    grid = _around(bones, patient, keep, region)
    labels = bone_labels([b.mesh for b in bones], grid, gap=False)
    for number, bone in enumerate(bones, start=1):
        at = np.rint(grid.index(bone.mesh.vertices)).astype(int)
        at = at[((at >= 0) & (at < grid.shape)).all(axis=1)]
        labels[tuple(at.T)] = number
    if not labels.any():
        raise ValueError(f"crop: k from {keep[0]:g} to {keep[1]:g} of the limb holds no bone")
    spacing = [grid.spacing] * 3
    away, nearest = ndimage.distance_transform_edt(
        labels == 0, sampling=spacing, return_indices=True
    )
    wanted = _wanted_depth(bones, labels, nearest, grid) * np.float32(patient.flesh)
    smooth = float(np.clip(0.35 * np.median(wanted[away < wanted]), 3.0, 14.0)) / grid.spacing
    evened = region.evened_mm / grid.spacing
    depth = ndimage.gaussian_filter(wanted, (smooth + evened, smooth, smooth), mode="nearest")
    outline = away - depth * (1 + 0.04 * texture.over(grid.shape, 8.0 / grid.spacing))
    even = (smooth / 2 + evened, smooth / 2, smooth / 2)
    body = ndimage.gaussian_filter(outline.astype(np.float32), even, mode="nearest")
    signed = _signed_distance(body < 0, grid.spacing, 2.0 if evened else 0.7)
    return Envelope(grid, signed, depth)


def _around(bones: list[Bone], patient: Patient, keep: tuple[float, float], region: Region) -> Grid:
    """A coarse grid with room for the soft tissue; a limb that goes on is cut at its last bone."""
    low = np.min([b.mesh.vertices.min(axis=0) for b in bones], axis=0)
    high = np.max([b.mesh.vertices.max(axis=0) for b in bones], axis=0)
    room = 1.15 * patient.flesh * max(max(b.kind.middle + b.kind.proximal) for b in bones) + 4.0
    room += region.room_mm
    low[:2] -= room
    high[:2] += room
    lowest = min(bones, key=lambda b: b.mesh.vertices[:, 2].min())
    low[2] -= 4.0 * lowest.kind.tip * patient.flesh + (4.0 if lowest.kind.tip else 1.0)
    caps = [b.mesh.vertices[:, 2].max() for b in bones if b.capped]
    high[2] = min(caps) - 1.5 if caps else high[2] + 1.0
    if region.span is not None:
        low[2], high[2] = max(low[2], region.span[0]), min(high[2], region.span[1])
    bottom, length = low[2], high[2] - low[2]
    if length <= 0:
        raise ValueError("mesh.region: no wrist where metacarpals end; expected a limb that hangs "
                         "down (mesh.axes)")  # fmt: skip
    low[2], high[2] = bottom + keep[0] * length, bottom + keep[1] * length
    volume = float(np.prod(high - low))
    return grid_around(low, high, max(1.6, (volume / COARSE_VOXELS) ** (1 / 3)))


def _wanted_depth(
    bones: list[Bone], labels: np.ndarray, nearest: np.ndarray, grid: Grid
) -> np.ndarray:
    """Soft tissue [mm] that the bone nearest to each voxel asks for in that direction."""
    out = np.zeros(labels.shape, dtype=np.float32)
    owner = labels[tuple(nearest)]
    for number, bone in enumerate(bones, start=1):
        here = np.nonzero(owner == number)
        if not len(here[0]):
            continue
        foot = np.stack([n[here] for n in nearest], axis=1)[:, ::-1].astype(np.float32)
        off = np.stack(here, axis=1)[:, ::-1].astype(np.float32) - foot
        off /= np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-6)
        beside, front, up = (off @ bone.frame.T.astype(np.float32)).T
        height = (bone.mesh.vertices @ bone.frame[2]).astype(np.float32)
        at = (foot * grid.spacing + grid.origin) @ bone.frame[2]
        kind = bone.kind
        # Of a bone that is cut off only its lower end is there.
        whole = max(float(np.ptp(height)), kind.length if bone.capped else 1.0)
        share = np.clip((at - height.min()) / whole, 0.0, 1.0)
        sides = np.stack([kind.distal, kind.middle, kind.proximal])
        ant, post, med, lat = (np.interp(share, (0.08, 0.5, 0.85), s) for s in sides.T)
        level = (
            np.where(front > 0, ant, post) * front**2 + np.where(beside > 0, lat, med) * beside**2
        )
        beyond = np.where((up < 0) & (kind.tip > 0), kind.tip, (ant + post + med + lat) / 4)
        out[here] = level + beyond * up**2
    return out


def _signed_distance(inside: np.ndarray, spacing: float, smooth: float) -> np.ndarray:
    """Distance to the border of a mask [mm], negative outside, smooth; a cut edge is no border."""
    within = ndimage.distance_transform_edt(inside, sampling=[spacing] * 3)
    out = ndimage.distance_transform_edt(~inside, sampling=[spacing] * 3)
    signed = np.where(inside, within - spacing / 2, spacing / 2 - out).astype(np.float32)
    return ndimage.gaussian_filter(signed, smooth, mode="nearest")


def cropped(limb: Envelope, margin_mm: float = 3.0) -> Envelope:
    """Without the air beside the limb; along its length nothing is dropped."""
    spans: list[slice] = [slice(None)]
    for axis in (1, 2):
        along = np.flatnonzero((limb.below_skin > -margin_mm).any(axis=(0, 3 - axis)))
        spans.append(slice(int(along[0]), int(along[-1]) + 1))
    cut = tuple(spans)
    start = np.array([cut[2].start, cut[1].start, 0])
    below = np.ascontiguousarray(limb.below_skin[cut])
    grid = dataclasses.replace(
        limb.grid, origin=limb.grid.origin + start * limb.grid.spacing, shape=below.shape
    )
    return Envelope(grid, below, limb.depth[cut])


def soft_tissue(
    limb: Envelope, fine: Grid, patient: Patient, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Hounsfield units without bones on the fine grid, (k, j, i) float32; air outside."""
    grid, below = limb.grid, limb.below_skin
    broad = texture.over(grid.shape, 5.0 / grid.spacing)
    # Where there is much flesh most of it is muscle.
    thin = np.minimum(limb.depth, 18.0)
    fat = patient.fat * (thin + 0.35 * (limb.depth - thin))
    layer = SKIN_MM + fat * (1 + 0.25 * broad)
    muscle = np.clip((below - layer) / 2.5 + 0.5, 0.0, 1.0)
    strands = texture.over(grid.shape, 1.6 / grid.spacing)
    seams = np.exp(-((strands / 0.16) ** 2)) * np.clip(limb.depth / 30.0, 0.15, 1.0)
    units = patient.fat_hu + 6 * broad
    units += muscle * (patient.muscle - patient.fat_hu + 5 * strands - 70 * seams)
    hu = finer(units, grid, fine)
    skin = finer(below, grid, fine)
    hu[skin < SKIN_MM] = SKIN_HU
    _draw_tubes(hu, skin, fine, rng)
    hu[skin < 0] = AIR_HU
    return hu


def finer(field: np.ndarray, coarse: Grid, fine: Grid) -> np.ndarray:
    """A coarse field between its voxels, on the fine grid, (k, j, i) float32; by lines."""
    axes = (2, 1, 0)
    return between(field, [(fine.coordinates(a) - coarse.origin[a]) / coarse.spacing for a in axes])


def _draw_tubes(hu: np.ndarray, skin: np.ndarray, grid: Grid, rng: np.random.Generator) -> None:
    """Vessels and tendons: winding tubes along the limb, where there is room below the skin."""
    count = grid.shape[0]
    every = max(1, round(1.5 / grid.spacing))
    for _ in range(TUBES):
        tendon = rng.random() < 0.5
        units = rng.uniform(70, 100) if tendon else rng.uniform(35, 60)
        radius = rng.uniform(0.8, 2.2) / grid.spacing
        first = sorted(rng.uniform(0, count, 2))
        turn, side = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.9)
        wind = rng.normal(0.0, 0.2, 2) / 80.0
        for k in range(int(first[0]), int(first[1]), every):
            body = skin[k, ::6, ::6] > 0
            if not body.any():
                continue
            j, i = (np.flatnonzero(body.any(axis=1 - a))[[0, -1]] * 6.0 for a in (0, 1))
            angle = turn + wind[0] * k * grid.spacing
            reach = side + wind[1] * k * grid.spacing
            centre = (
                (j.sum() + reach * np.ptp(j) * np.sin(angle)) / 2,
                (i.sum() + reach * np.ptp(i) * np.cos(angle)) / 2,
            )
            _draw_disk(hu, skin, grid, k, every, centre, radius, units)


def _draw_disk(
    hu: np.ndarray,
    skin: np.ndarray,
    grid: Grid,
    k: int,
    thick: int,
    centre: tuple[float, float],
    radius: float,
    units: float,
) -> None:
    reach = int(np.ceil(radius)) + 1
    low = [max(0, int(c) - reach) for c in centre]
    box = (
        slice(k, k + thick),
        slice(low[0], int(centre[0]) + reach + 1),
        slice(low[1], int(centre[1]) + reach + 1),
    )
    part = hu[box]
    if not part.size:
        return
    j = np.arange(part.shape[1])[:, None] + low[0] - centre[0]
    i = np.arange(part.shape[2])[None, :] + low[1] - centre[1]
    inside = np.clip(radius + 0.5 - np.hypot(j, i), 0.0, 1.0) * (skin[box] > 2.0)
    part += (units - part) * inside
