"""CT volumes: Hounsfield units on a grid in the patient's RAS frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Volume:
    """A CT in Hounsfield units.

    Attributes:
        hu: (k, j, i) int16 or float32, Hounsfield units, all finite.
        ijk_to_ras: (4, 4) float64, maps (i, j, k, 1) voxel centres to patient RAS in mm. Any
            invertible affine: oblique and left-handed grids are fine.
        name: what nodes and files made from it are called after.
        notes: what the reader noticed and did, one sentence each.

    Raises:
        ValueError: what is not such a volume, in one line.
    """

    hu: np.ndarray
    ijk_to_ras: np.ndarray
    name: str = "CT"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.hu, np.ndarray) or self.hu.ndim != 3:
            shape = np.shape(self.hu)
            raise ValueError(f"hu: shape {shape}; expected a 3-D array (k, j, i)")
        if self.hu.dtype not in (np.int16, np.float32):
            raise ValueError(f"hu: dtype {self.hu.dtype}; expected int16 or float32")
        if min(self.hu.shape) < 2:
            raise ValueError(
                f"hu: shape {self.hu.shape}; expected at least 2 voxels along each axis"
            )
        if self.hu.dtype == np.float32 and not np.isfinite(self.hu).all():
            raise ValueError("hu: holds NaN or infinity; expected finite Hounsfield units")
        object.__setattr__(self, "ijk_to_ras", checked_affine(self.ijk_to_ras, "ijk_to_ras"))
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along (i, j, k) in mm."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def corners_ras(self) -> np.ndarray:
        """The 8 outer corners of the grid (half a voxel beyond the outer voxel centres), (8, 3) RAS mm."""
        k, j, i = self.hu.shape
        ends = [(-0.5, n - 0.5) for n in (i, j, k)]
        ijk = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(8, 3)
        return ijk @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    @property
    def centre_ras(self) -> np.ndarray:
        """The middle of the grid, (3,) RAS mm: the default isocentre."""
        return self.corners_ras.mean(axis=0)


def volume_from_array(
    hu: np.ndarray, ijk_to_ras: np.ndarray, name: str = "CT", notes: tuple[str, ...] = ()
) -> Volume:
    """A `Volume` from any real array (k, j, i) of Hounsfield units.

    Integral values that fit are kept as int16, everything else as float32.

    Raises:
        ValueError: complex or non-numeric dtype, and what `Volume` refuses.
    """
    return Volume(compact_hu(np.asarray(hu)), np.asarray(ijk_to_ras), name, tuple(notes))


def compact_hu(hu: np.ndarray) -> np.ndarray:
    """The same values as int16 when they are integral and fit, else as float32.

    Raises:
        ValueError: complex or non-numeric dtype, NaN or infinity.
    """
    if hu.dtype == np.int16:
        return hu
    if hu.dtype.kind not in "biuf":
        raise ValueError(f"hu: dtype {hu.dtype}; expected real numbers, one per voxel")
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        raise ValueError("hu: holds NaN or infinity; expected finite Hounsfield units")
    fits = hu.size > 0 and hu.min() >= -32768 and hu.max() <= 32767
    if fits and (hu.dtype.kind != "f" or np.array_equal(hu, np.rint(hu))):
        return hu.astype(np.int16)
    return hu.astype(np.float32)


def checked_affine(matrix: np.ndarray, argument: str) -> np.ndarray:
    """The matrix as (4, 4) float64, or a ValueError that names `argument`."""
    affine = np.array(matrix, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError(f"{argument}: shape {affine.shape}; expected a finite 4 x 4 matrix")
    if not np.allclose(affine[3], (0, 0, 0, 1)):
        raise ValueError(f"{argument}: last row {affine[3].tolist()}; expected (0, 0, 0, 1)")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < 1e-6:
        text = ", ".join(f"{mm:g}" for mm in spacing)
        raise ValueError(f"{argument}: voxel spacing ({text}) mm; expected all above 0")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-4:
        raise ValueError(f"{argument}: its axes lie in one plane; expected an invertible matrix")
    return affine
