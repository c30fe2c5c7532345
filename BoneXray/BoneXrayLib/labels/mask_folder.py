"""A folder with one mask for each structure, as TotalSegmentator writes `segmentations`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import one_line
from ..progress import Progress
from ..volume_files import ImageFile, image_stem, is_image_file, read_image_file
from .name_tables import names_like

MOST_SHARED = 0.01
"""Part of a mask that may lie in another, too, as where both were resampled; more is an error."""
MOST_MASKS = 65535


def mask_files(folder: Path) -> list[Path]:
    """The image files right in a folder, in order of their names; hidden ones are left out."""
    inside = (p for p in folder.iterdir() if not p.name.startswith("."))
    return sorted(p for p in inside if p.is_file() and is_image_file(p))


def read_mask_folder(
    folder: Path, progress: Progress | None = None, structures: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Labels (k, j, i) uint8 or uint16, ijk_to_ras (4, 4) mm, and names: those of the files.

    Structures are numbered from 1 in order of their files; empty masks have a number and no voxel.
    A voxel of two masks is the first one's.

    Args:
        folder: of masks on one grid, each 0 and one other value.
        progress: told of each mask before it is read.
        structures: patterns of the names of those to read, with * and ?; all when empty.

    Raises:
        ValueError: no or too many masks, a file that is none, two grids, masks that overlap, or a
            pattern that fits no name.
    """
    files = mask_files(folder)
    if not 1 <= len(files) <= MOST_MASKS:
        raise ValueError(
            f"{folder.name} holds {len(files)} image files; expected a mask for each structure"
        )
    names = {number: one_line(image_stem(p.name), 80) for number, p in enumerate(files, start=1)}
    wanted = set(names_like(dict.fromkeys(names.values()), structures))
    read = [(number, file) for number, file in enumerate(files, start=1) if names[number] in wanted]

    def image_of(file: Path, done: int) -> ImageFile:
        if progress is not None:
            progress(done / len(read), f"reading {file.name} ({done + 1} of {len(read)})")
        return read_image_file(file)

    first = image_of(read[0][1], 0)
    labels = np.zeros(first.array.shape, np.uint8 if len(files) < 256 else np.uint16)
    for done, (number, file) in enumerate(read):
        image = image_of(file, done) if done else first
        _check_grid(image, first, file, read[0][1])
        _add(labels, number, _mask(image.array, file), names)
    return labels, first.ijk_to_ras, names


def _check_grid(image: ImageFile, first: ImageFile, file: Path, first_file: Path) -> None:
    same = image.array.shape == first.array.shape
    if not (same and np.allclose(image.ijk_to_ras, first.ijk_to_ras, atol=1e-3)):
        raise ValueError(
            f"{file.name} lies on another grid than {first_file.name}; expected one for all masks"
        )


def _mask(array: np.ndarray, file: Path) -> np.ndarray:
    other = array.max() or array.min()
    mask = array == other if other else np.zeros(array.shape, bool)
    if not (mask | (array == 0)).all():
        raise ValueError(
            f"{file.name} holds values {array.min()} to {array.max()}; expected a mask, 0 and one "
            "other"
        )
    return mask


def _add(labels: np.ndarray, number: int, mask: np.ndarray, names: dict[int, str]) -> None:
    """Write a structure into the labels (k, j, i) where there is none yet."""
    taken = labels[mask]
    shared = np.bincount(taken)[1:]
    for other in np.flatnonzero(shared) + 1:
        voxels = shared[other - 1]
        if voxels > MOST_SHARED * min(len(taken), np.count_nonzero(labels == other)):
            raise ValueError(
                f"masks {names[int(other)]!r} and {names[number]!r} overlap in {voxels} voxels; "
                "expected masks apart from each other"
            )
    labels[mask & (labels == 0)] = number
