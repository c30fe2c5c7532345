"""NIfTI, NRRD and MetaImage files: arrays with their place in the patient's RAS frame."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .files import one_line
from .nifti_check import check_nifti
from .packed_sums import check_sums

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
LARGEST_SIDE = 16384
LARGEST_VOXELS = 2**32

#: ITK and DICOM count +x to the patient's left and +y to the back; RAS the other way.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class ImageFile:
    """What a file holds.

    Attributes:
        array: (k, j, i), or (k, j, i, component) for a vector image.
        ijk_to_ras: (4, 4) mm.
        keys: the header's own fields.
    """

    array: np.ndarray
    ijk_to_ras: np.ndarray
    keys: dict[str, str]


def is_image_file(path: Path) -> bool:
    """Whether the name ends like a file that `read_image_file` reads."""
    return path.name.lower().endswith(SUFFIXES)


def image_stem(name: str) -> str:
    """A file's name without the ending that says what kind of image it is."""
    endings = sorted((s for s in SUFFIXES if name.lower().endswith(s)), key=len)
    return name[: -len(endings[-1])] if endings else name


def read_image_file(path: Path, components: bool = False) -> ImageFile:
    """One 3-D image (a 2-D one becomes a single slice k = 0).

    Args:
        path: a file named like `SUFFIXES`.
        components: accept several values a voxel.

    Raises:
        ValueError: not readable, damaged, a time series, several values a voxel, complex,
            oversized.
    """
    import SimpleITK as sitk

    sitk.ProcessObject.GlobalWarningDisplayOff()
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if path.name.lower().endswith((".nii", ".nii.gz")):
            check_nifti(path)
        _check_header(path, reader, components)
        image = reader.Execute()
        if image.GetDimension() == 4:
            image = image[..., 0]
    except RuntimeError as error:
        reason = one_line(str(error).rsplit("\n", 1)[-1] or error, 120)
        raise ValueError(f"{path.name}: not a readable image file ({reason})") from error
    array = _array(image)
    check_sums(path, array)
    return ImageFile(array, _ijk_to_ras(image), _keys(reader))


def _check_header(path: Path, reader: Any, components: bool) -> None:
    """Refuse by the header, before anything large is read."""
    import SimpleITK as sitk

    size, count = reader.GetSize(), reader.GetNumberOfComponents()
    text = " x ".join(str(n) for n in size)
    if len(size) > 4 or (len(size) == 4 and size[3] != 1):
        raise ValueError(
            f"{path.name}: {text} values, a time series or list; expected one 3-D image"
        )
    if reader.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise ValueError(f"{path.name}: complex values; expected one real number per voxel")
    if count != 1 and not components:
        raise ValueError(f"{path.name}: {count} values per voxel (colour?); expected one")
    if max(size) > LARGEST_SIDE or np.prod(size, dtype=np.float64) * count > LARGEST_VOXELS:
        raise ValueError(f"{path.name}: {text} voxels; expected at most {LARGEST_SIDE} a side")
    if not np.isfinite([*reader.GetSpacing(), *reader.GetOrigin()]).all():
        raise ValueError(
            f"{path.name}: spacing {reader.GetSpacing()}; expected finite numbers [mm]"
        )


def _array(image: Any) -> np.ndarray:
    import SimpleITK as sitk

    array = sitk.GetArrayFromImage(image)
    return array[np.newaxis] if image.GetDimension() == 2 else array


def _ijk_to_ras(image: Any) -> np.ndarray:
    dimension = image.GetDimension()
    ijk_to_lps = np.eye(4)
    axes = np.reshape(image.GetDirection(), (dimension, dimension)) * image.GetSpacing()
    ijk_to_lps[:dimension, :dimension] = axes
    ijk_to_lps[:dimension, 3] = image.GetOrigin()
    return LPS_TO_RAS @ ijk_to_lps


def _keys(reader: Any) -> dict[str, str]:
    """The header's text fields; those that are no text (damaged or binary) are left out."""
    keys = {}
    for key in reader.GetMetaDataKeys():
        with suppress(TypeError, UnicodeError, RuntimeError):
            keys[key] = reader.GetMetaData(key)
    return keys


def write_image_file(
    path: Path, array: np.ndarray, ijk_to_ras: np.ndarray, keys: dict[str, str] | None = None
) -> None:
    """Write (k, j, i) values as the format of the path's suffix, compressed.

    The matrix must have right angles (ITK's formats hold nothing else).
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    ijk_to_lps = LPS_TO_RAS @ ijk_to_ras
    spacing = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((ijk_to_lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    for key, value in (keys or {}).items():
        image.SetMetaData(key, value)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = one_line(str(error).rsplit("\n", 1)[-1] or error, 120)
        raise ValueError(f"path: {path} cannot be written ({reason})") from error
