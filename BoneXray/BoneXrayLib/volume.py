"""CT volumes: Hounsfield units on a grid in the patient's RAS frame.

The one place where DICOM's and ITK's LPS becomes RAS. Label maps for a CT are read by `read_labels`
and brought onto its grid by `resample_labels`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .dicom.dicom_files import is_dicom
from .dicom.dicom_series import find_slices
from .dicom.slice_stack import stack_slices
from .files import existing_path, naming, one_line, plain_stem
from .label_maps import read_labels, resample_labels
from .progress import IsCancelled, Progress
from .volume_files import LPS_TO_RAS, is_image_file, read_image_file

__all__ = [
    "Volume",
    "checked_affine",
    "read_labels",
    "read_volume",
    "resample_labels",
    "volume_from_array",
]

logger = logging.getLogger(__name__)

#: Coldest and warmest plausible tissue: a CT holds air or at least fat below, bone or metal above.
FAT_HU, AIR_HU = -20.0, -200.0


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
        """The grid's 8 outer corners (half a voxel beyond the voxel centres), (8, 3) RAS mm."""
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


def compact_hu(hu: np.ndarray, argument: str = "hu") -> np.ndarray:
    """The same values as int16 when they are integral and fit, else as float32.

    Raises:
        ValueError: complex or non-numeric dtype, NaN or infinity.
    """
    if hu.dtype == np.int16:
        return hu
    if hu.dtype.kind not in "biuf":
        raise ValueError(f"{argument}: dtype {hu.dtype}; expected real numbers, one per voxel")
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        raise ValueError(f"{argument}: holds NaN or infinity; expected finite Hounsfield units")
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


def read_volume(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    series: str | int | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Volume:
    """Read a CT: a DICOM folder, a list of DICOM files, or a NIfTI, NRRD or MetaImage file.

    DICOM slices are sorted by position, rescaled to Hounsfield units, and a tilted gantry, uneven
    or missing slices are resampled to a rectangular grid; what was noticed is in `Volume.notes`
    (and logged). Localizers and other images in the folder are left out.

    Args:
        source: folder, file or list of files.
        series: number or UID of the DICOM series where the folder holds several CTs.
        progress: told the fraction done.
        is_cancelled: asked between slices.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: not a CT in Hounsfield units, in one line that says why.
    """
    with naming("ct"):
        return _said(_read(source, None if series is None else str(series), progress, is_cancelled))


def _read(
    source: str | os.PathLike | Iterable[str | os.PathLike],
    series: str | None,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
) -> Volume:
    if isinstance(source, (str, os.PathLike)):
        path = existing_path(source, "ct")
        if path.is_file() and is_image_file(path):
            return _from_image_file(path)
        if path.is_file() and not is_dicom(path):
            raise ValueError(
                f"ct: {path.name}; expected a folder of DICOM slices or a .nii.gz, .nrrd, .mha file"
            )
        files, name = (path, path.name) if path.is_dir() else ([path], path.stem)
    else:
        files, name = [Path(p) for p in source], "CT"
    slices, title, notes = find_slices(files, series)
    hu, ijk_to_lps = stack_slices(slices, notes, progress, is_cancelled)
    notes += check_hounsfield(hu, name)
    return Volume(hu, LPS_TO_RAS @ ijk_to_lps, title or name, tuple(notes))


def _from_image_file(path: Path) -> Volume:
    image = read_image_file(path)
    if min(image.array.shape) < 2:
        size = " x ".join(str(n) for n in image.array.shape[::-1])
        raise ValueError(f"ct: {path.name} is one slice ({size}); expected a volume")
    hu = compact_hu(image.array, f"ct: {path.name}")
    notes = check_hounsfield(hu, path.name)
    return Volume(hu, image.ijk_to_ras, plain_stem(path), tuple(notes))


def check_hounsfield(hu: np.ndarray, name: str) -> list[str]:
    """Notes on a volume's values.

    Raises:
        ValueError: values that cannot be Hounsfield units: none below 0 (raw detector values,
            MR, labels), or a range too small for tissue (normalised images).
    """
    low, high = float(hu.min()), float(hu.max())
    if low >= FAT_HU or high - low < 200 or high < -500:
        raise ValueError(
            f"ct: {name} holds values {low:g} to {high:g}, no Hounsfield units; "
            "expected air near -1000, fat near -100, water 0, bone above 200"
        )
    if low > AIR_HU:
        return [f"no air in the volume (lowest {low:g} HU): its Hounsfield units cannot be checked"]
    return []


def _said(volume: Volume) -> Volume:
    for note in volume.notes:
        logger.warning("%s: %s", volume.name, one_line(note, 400))
    return volume
