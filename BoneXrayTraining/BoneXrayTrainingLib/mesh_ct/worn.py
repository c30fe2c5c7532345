"""What is worn on a limb: a cast, a ring, a bracelet or a watch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .flesh import Envelope, finer
from .meshes import MeshConfig
from .patient import Bone
from .texture import Texture
from .voxels import Grid

COTTON_HU = (-930.0, -820.0)
METALS = {"titanium": 11000.0, "steel": 30000.0, "gold": 32000.0}
"""Hounsfield units at about 70 keV; gold has far more than a CT's 16 bits hold."""
RING_FINGERS = ("2proxph", "3proxph", "4proxph", "5proxph", "thumbprox")
LARGEST_HU = 32000.0


@dataclass(frozen=True)
class Cast:
    """Wrapped around cotton: the whole way round, or a slab on one side.

    Attributes:
        material: plaster or fibreglass.
        hu: its Hounsfield units.
        thickness, cotton: of the shell and of what is below it [mm].
        slab: share of the limb's depth that it covers, from the front or (negative) the back; 0 is
            all around.
        ends: where it begins and ends, as shares of the volume's height; beyond 0 and 1 is never.
    """

    material: str
    hu: float
    thickness: float
    cotton: float
    slab: float
    ends: tuple[float, float]

    @property
    def room_mm(self) -> float:
        return 1.3 * self.thickness + self.cotton + 2.0


@dataclass(frozen=True)
class Band:
    """Around a finger or the wrist, along the skin.

    Attributes:
        name: ring, bracelet or watch.
        hu: its Hounsfield units.
        width, thickness: [mm].
        place: ring: bone it is on; else the height in the volume, 0 to 1.
        tilt: of its plane [degrees].
    """

    name: str
    hu: float
    width: float
    thickness: float
    place: str | float
    tilt: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Worn:
    """All that one patient wears."""

    cast: Cast | None = None
    bands: tuple[Band, ...] = ()

    @property
    def room_mm(self) -> float:
        """Room that it needs beside the skin."""
        bands = [2.0 * b.thickness + 6.0 for b in self.bands]
        return max([0.0, *bands, self.cast.room_mm if self.cast else 0.0])

    @property
    def names(self) -> tuple[str, ...]:
        cast = (f"{self.cast.material} cast",) if self.cast else ()
        return (*cast, *(band.name for band in self.bands))


def draw_worn(rng: np.random.Generator, config: MeshConfig) -> Worn:
    """What a patient wears; nothing is drawn where nothing is asked for."""
    cast, bands = None, []
    if config.casts and rng.random() < config.casts:
        cast = _draw_cast(rng)
    if config.rings and rng.random() < config.rings:
        metal = METALS[str(rng.choice(list(METALS)))]
        finger = str(rng.choice(RING_FINGERS))
        bands.append(Band("ring", metal, rng.uniform(2, 6), rng.uniform(1.2, 2.2), finger))
    if config.rings and cast is None and rng.random() < config.rings:
        bands.append(_draw_bracelet(rng))
    return Worn(cast, tuple(bands))


def _draw_cast(rng: np.random.Generator) -> Cast:
    plaster = bool(rng.random() < 0.6)
    slab = float(rng.choice([0.0, 0.0, 0.45, -0.45])) if plaster else 0.0
    return Cast(
        "plaster" if plaster else "fibreglass",
        float(rng.uniform(300, 800) if plaster else rng.uniform(100, 350)),
        float(rng.uniform(4, 8) if plaster else rng.uniform(2.5, 5)),
        float(rng.uniform(2, 6)),
        slab,
        (float(rng.uniform(-0.2, 0.15)), float(rng.uniform(0.9, 1.4))),
    )


def _draw_bracelet(rng: np.random.Generator) -> Band:
    tilt = (float(rng.normal(0, 8)), float(rng.normal(0, 8)))
    place = float(rng.uniform(0.62, 0.9))
    if rng.random() < 0.5:
        metal = METALS[str(rng.choice(list(METALS)))]
        return Band("bracelet", metal, rng.uniform(1.5, 5), rng.uniform(1, 2), place, tilt)
    return Band("watch", rng.uniform(50, 300), rng.uniform(12, 20), rng.uniform(2, 3), place, tilt)


def put_on(
    hu: np.ndarray, worn: Worn, limb: Envelope, grid: Grid, bones: list[Bone], texture: Texture
) -> None:
    """Write what is worn into the air around the skin of `hu` (k, j, i), in place."""
    if worn.cast is None and not worn.bands:
        return
    outside = -finer(limb.below_skin, limb.grid, grid)
    if worn.cast is not None:
        _put_cast(hu, worn.cast, outside, grid, texture)
    for band in worn.bands:
        _put_band(hu, band, outside, grid, bones)


def _put_cast(
    hu: np.ndarray, cast: Cast, outside: np.ndarray, grid: Grid, texture: Texture
) -> None:
    count, deep = hu.shape[0], hu.shape[1]
    first, last = (int(np.clip(e, 0, 1) * count) for e in cast.ends)
    uneven = texture.over(hu.shape, 14.0 / grid.spacing)
    lumps = texture.over(hu.shape, 1.2 / grid.spacing)
    body = np.flatnonzero((outside < 0).any(axis=(0, 2)))
    edge = body[0] + (body[-1] - body[0]) * (1 - abs(cast.slab)) if cast.slab else 0
    rows = np.arange(deep) if cast.slab >= 0 else body[0] + body[-1] - np.arange(deep)
    covered = rows >= edge
    for k in range(first, last):
        away = outside[k] - cast.cotton * (1 + 0.2 * uneven[k])
        # Each turn of the bandage leaves a step.
        turn = 0.06 * np.sign(np.sin(2 * np.pi * k * grid.spacing / 38.0))
        thick = cast.thickness * (1 + 0.12 * uneven[k] + turn)
        shell = np.clip(away / grid.spacing + 0.5, 0, 1)
        shell *= np.clip((thick - away) / grid.spacing + 0.5, 0, 1) * covered[:, None]
        cotton = (outside[k] > 0) & (away <= 0) & covered[:, None]
        hu[k][cotton] = sum(COTTON_HU) / 2 + 30 * lumps[k][cotton]
        hu[k] += (cast.hu * (1 + 0.1 * lumps[k]) - hu[k]) * shell


def _put_band(
    hu: np.ndarray, band: Band, outside: np.ndarray, grid: Grid, bones: list[Bone]
) -> None:
    found = _centre_of(band, grid, bones, outside)
    if found is None:
        return
    centre, axis, reach = found
    k, j, i = (grid.coordinates(a).astype(np.float32) for a in (2, 1, 0))
    rise = np.abs(axis[2]) * band.width + reach * np.hypot(axis[0], axis[1]) + 2.0
    rows = np.flatnonzero(np.abs(k - centre[2]) < rise)
    if not len(rows):
        return
    part = slice(rows[0], rows[-1] + 1)
    away = outside[part]
    x, y, z = i[None, None, :] - centre[0], j[None, :, None] - centre[1], k[part, None, None]
    z = z - centre[2]
    along = x * axis[0] + y * axis[1] + z * axis[2]
    beside = np.sqrt(np.maximum(x**2 + y**2 + z**2 - along**2, 0))
    inside = (np.abs(along) < band.width / 2) & (beside < reach)
    inside &= (away > -0.3) & (away < band.thickness)
    hu[part][inside] = band.hu
    if band.name == "watch":
        flat = (np.hypot(x, along) < 17.0) & (y < 0) & (away > band.thickness)
        hu[part][flat & (away < band.thickness + 7.0) & (beside < reach)] = METALS["steel"] / 3


def _centre_of(
    band: Band, grid: Grid, bones: list[Bone], outside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Middle of a band, the direction through it, and how far it may be from the middle [mm]."""
    if isinstance(band.place, str):
        bone = next((b for b in bones if b.mesh.name == band.place), None)
        if bone is None:
            return None
        vertices = bone.mesh.vertices
        _, _, axes = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)
        along = (vertices - vertices.mean(axis=0)) @ axes[0]
        low = along * np.sign(axes[0][2]) > 0
        middle = (vertices.mean(axis=0) + 0.5 * vertices[low].mean(axis=0)) / 1.5
        return middle, axes[0], 16.0
    k = int(band.place * (outside.shape[0] - 1))
    inside = np.argwhere(outside[k] < 0)
    if not len(inside):
        return None
    j, i = (inside.min(axis=0) + inside.max(axis=0)) / 2
    centre = grid.origin + grid.spacing * np.array([i, j, k])
    tilt = np.radians(band.tilt)
    axis = np.array([np.sin(tilt[0]), np.sin(tilt[1]), 1.0])
    return centre, axis / np.linalg.norm(axis), 90.0
