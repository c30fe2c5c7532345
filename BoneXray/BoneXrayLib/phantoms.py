"""Solids whose line integrals are known exactly, and a synthetic limb: tests need no patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .volume import Volume


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """A homogeneous ellipsoid: centre and semi-axes in RAS mm, turned by `rotation` (3, 3)."""

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    value: float
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))

    @property
    def reach(self) -> float:
        """Beyond this distance from the centre [mm] it is 0."""
        return max(self.semi_axes)

    def at(self, points: np.ndarray) -> np.ndarray:
        """Value at RAS points (..., 3): `value` inside, 0 outside."""
        unit = self._unit(points)
        return np.where(np.einsum("...i,...i", unit, unit) <= 1.0, self.value, 0.0)

    def line_integrals(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Exact integrals [value · mm] from sources to targets, both (..., 3) RAS mm.

        Chord of a line in the unit sphere: with a = o·d, b = |d|², c = |o|² - 1 the roots of
        b t² + 2 a t + c = 0 are where it enters and leaves.
        """
        start, end = np.broadcast_arrays(sources, targets)
        origin, ray = self._unit(start), (end - start) @ self.rotation / np.asarray(self.semi_axes)
        a = (origin * ray).sum(-1)
        b = (ray**2).sum(-1)
        c = (origin**2).sum(-1) - 1.0
        root = np.sqrt(np.maximum(a * a - b * c, 0.0))
        enter, leave = np.clip((-a - root) / b, 0, 1), np.clip((-a + root) / b, 0, 1)
        return self.value * (leave - enter) * np.linalg.norm(end - start, axis=-1)

    def _unit(self, points: np.ndarray) -> np.ndarray:
        return (points - np.asarray(self.centre)) @ self.rotation / np.asarray(self.semi_axes)


@dataclass(frozen=True, eq=False)
class GaussianBlob:
    """A smooth blob value · exp(-|x - centre|² / (2 σ²)); RAS mm."""

    centre: tuple[float, float, float]
    sigma: float
    value: float
    reach = np.inf

    def at(self, points: np.ndarray) -> np.ndarray:
        """Value at RAS points (..., 3)."""
        distance = ((points - np.asarray(self.centre)) ** 2).sum(-1)
        return self.value * np.exp(-0.5 * distance / self.sigma**2)

    def line_integrals(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Integrals [value · mm] along whole lines, both (..., 3) RAS mm.

        √(2π) σ · value · exp(-d² / (2 σ²)) with d the distance from the centre to the line; exact
        as long as both ends lie far (more than some 6 σ) outside the blob.
        """
        start, end = np.broadcast_arrays(sources, targets)
        ray = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
        to_centre = np.asarray(self.centre) - start
        squared = (to_centre**2).sum(-1) - (to_centre * ray).sum(-1) ** 2
        peak = np.sqrt(2 * np.pi) * self.sigma * self.value
        return peak * np.exp(-0.5 * squared / self.sigma**2)


def sample_on_grid(
    solids: list, shape: tuple[int, int, int], ijk_to_ras: np.ndarray, oversample: int = 1
) -> np.ndarray:
    """Sum of the solids' mean values in each voxel, (k, j, i) float32.

    Each voxel is averaged over `oversample`³ points, which is what a scanner's partial volume does.
    """
    k, j, i = (np.arange(n, dtype=np.float64) for n in shape)
    offsets = (np.arange(oversample) + 0.5) / oversample - 0.5
    out = np.zeros(shape, dtype=np.float32)
    across = np.cross(ijk_to_ras[:3, 0], ijk_to_ras[:3, 1])
    across /= np.linalg.norm(across)
    for slab in range(shape[0]):
        total = np.zeros(shape[1:])
        for dk in offsets:
            corner = ijk_to_ras[:3, 2] * (k[slab] + dk) + ijk_to_ras[:3, 3]
            near = [s for s in solids if abs((np.asarray(s.centre) - corner) @ across) <= s.reach]
            for dj in offsets:
                for di in offsets:
                    jj, ii = np.meshgrid(j + dj, i + di, indexing="ij")
                    kk = np.full_like(ii, k[slab] + dk)
                    points = np.stack([ii, jj, kk], -1) @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]
                    total += sum(solid.at(points) for solid in near)
        out[slab] = total / oversample**3
    return out


def synthetic_limb(spacing_mm: float = 1.5) -> Volume:
    """A limb with two long bones and a joint, in Hounsfield units: a first CT that needs no data.

    Soft tissue 40 HU, cortex 1200 HU, marrow and trabecular bone 250 HU, air -1000 HU; about
    100 × 100 × 200 mm, long axis along S.
    """
    long, wide = round(200.0 / spacing_mm), round(110.0 / spacing_mm)
    shape = (long, wide, wide)
    ijk_to_ras = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    ijk_to_ras[:3, 3] = [-(n - 1) / 2 * spacing_mm for n in shape[::-1]]
    solids = [Ellipsoid((0, 0, 0), (45, 42, 220), 1040.0)]
    for x, y, radius in ((-12.0, 4.0, 13.0), (16.0, -8.0, 7.0)):
        for centre, half in ((52.0, 46.0), (-52.0, 46.0)):
            solids.append(Ellipsoid((x, y, centre), (radius, radius, half), 1160.0))
            marrow = (radius - 3.0, radius - 3.0, half - 4.0)
            solids.append(Ellipsoid((x, y, centre), marrow, -950.0))
    hu = sample_on_grid(solids, shape, ijk_to_ras, oversample=2) - 1000.0
    return Volume(np.rint(hu).astype(np.int16), ijk_to_ras, name="synthetic limb")
