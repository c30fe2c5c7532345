"""A CT laid out for projection, once: `prepare(parts)`; then any number of views of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..body import CoarseMask
from ..bone import Parts
from ..progress import IsCancelled
from .workers import in_blocks

if TYPE_CHECKING:
    from .blocks import Blocks
    from .grid import Grid

FINEST_SHIFT = 3
CELLS_ALONG = 64


@dataclass(frozen=True, eq=False)
class PackedVolume:
    """HU + 1000 of a box of voxels, 0 = air, with a rim of air; contiguous along the body.

    Attributes:
        values: (a, b, w) uint16, w the index axis nearest to the patient's long axis; the lower
            15 bits HU + 1000, the top bit set where the voxel is bone.
        order: which of the axes (i, j, k) a, b and w are.
        origin: index (i, j, k) of the voxel at values[1, 1, 1].
        shift: cells are 8 × 8 × 2^shift voxels.
        lowest: (cells) uint16, smallest value above 0 in each cell and the planes after it.
        highest: (cells) uint16, largest value.
        flagged: (cells) uint8, whether there is bone.
    """

    values: np.ndarray
    order: tuple[int, int, int]
    origin: tuple[int, int, int]
    shift: int
    lowest: np.ndarray
    highest: np.ndarray
    flagged: np.ndarray

    @cached_property
    def grid(self) -> Grid:
        """As the kernels take it."""
        from .grid import Grid

        a, b, w = self.values.shape
        bits = np.stack([_bits(self.highest > 0), _bits(self.flagged > 0)])
        return Grid(self.values.reshape(-1), (b * w, w, 1), (a, b, w), self.shift, bits)

    @cached_property
    def largest(self) -> int:
        """Its largest HU + 1000."""
        return int(self.highest.max())

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(a.nbytes for a in (self.values, self.lowest, self.highest, self.flagged))


@dataclass(frozen=True, eq=False)
class PreparedParts:
    """`Parts` ready to be projected many times; keeps no reference to them.

    Attributes:
        whole: everything; bone flagged where the parts are rest and one bone, each voxel wholly
            one of them.
        single: one packed box a bone where there are several, or voxels that are bone in part.
        ijk_to_ras: (4, 4) of the CT.
        names: of the parts, first the rest.
        couch_removed: where there are rest and one bone by its HU, so that `flag_bone` can set
            it anew: whether the couch was removed. None elsewhere.
        contrast: where contrast medium was looked for: where it is.
        contrast_removed: whether it was taken away from the bone.
    """

    whole: PackedVolume
    single: tuple[PackedVolume | None, ...]
    ijk_to_ras: np.ndarray
    names: tuple[str, ...]
    couch_removed: bool | None = None
    contrast: Blocks | None = None
    contrast_removed: bool = False

    @property
    def nbytes(self) -> int:
        """Memory it takes: about 1.03 times an int16 CT, plus the boxes of `single`."""
        return sum(p.nbytes for p in (self.whole, *self.single) if p is not None)


def prepare(
    parts: Parts,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> PreparedParts:
    """Lay parts out for projection: once per CT and bone window.

    HU are rounded to whole numbers and cut to -1000 … 31767.

    Raises:
        Cancelled: `is_cancelled()` became true between two slabs.
    """
    from scipy import ndimage

    from .packing import flag_parts

    bones = len(parts.names) - 1
    plain = bones == 1 and parts.fraction is None
    several = bones > 0 and not plain
    boxes = ndimage.find_objects(parts.part, max_label=bones) if several else []
    steps = 1 + len(boxes)

    def tell(fraction: float, step: int) -> None:
        if progress is not None:
            progress((step + fraction) / steps, "preparing the CT")

    order = axis_order(parts.ijk_to_ras)
    part = in_order(parts.part, order)
    values = pack_whole(in_order(parts.hu, order), None, None, lambda f: tell(f, 0), is_cancelled)
    if plain:
        in_blocks(lambda first, last: flag_parts(values, first, last, part), len(part), 16)
    whole = with_cells(values, order, (0, 0, 0), is_cancelled)
    single = []
    for n, box in enumerate(boxes, 1):
        single.append(None if box is None else _one_part(parts, box, n, is_cancelled))
        tell(1.0, n)
    return PreparedParts(whole, tuple(single), parts.ijk_to_ras, parts.names)


def axis_order(ijk_to_ras: np.ndarray) -> tuple[int, int, int]:
    """Axes (i, j, k) as (a, b, w): w nearest to the patient's long axis, b the faster of the rest.

    Detector columns of any view without tilt then run along w, contiguous in memory.
    """
    cosines = ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    along = int(np.argmax(np.abs(cosines[2])))
    fast, slow = (axis for axis in range(3) if axis != along)
    return slow, fast, along


def in_order(array: np.ndarray, order: tuple[int, int, int]) -> np.ndarray:
    """A view of an array (k, j, i) with the axes that `axis_order` names, (a, b, w)."""
    return array.transpose([2 - axis for axis in order])


def pack_whole(
    hu: np.ndarray,
    coarse: CoarseMask | None,
    labelled: np.ndarray | None,
    tell: Callable[[float], None] | None,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    """Packed values, none flagged, of a CT (a, b, w); outside `coarse` air, but for labels.

    Args:
        hu: (a, b, w) view.
        coarse: what is kept, its axes and block in that order, too; all when None.
        labelled: (a, b, w) view; what is above 0 is kept.
        tell: told how far it is.
        is_cancelled: asked between slabs.
    """
    from .packing import pack_ct

    none = np.zeros((0, 0, 0), np.uint8)
    kept, block = (none, (1, 1, 1)) if coarse is None else (coarse.mask, coarse.block)
    kept = np.ascontiguousarray(kept).view(np.uint8)
    places = tuple(
        np.minimum(np.arange(n) // b, max(size - 1, 0))
        for n, b, size in zip(hu.shape, block, kept.shape, strict=True)
    )
    labelled = none if labelled is None else labelled
    values = np.zeros(padded(hu.shape), np.uint16)
    in_blocks(
        lambda first, last: pack_ct(values, first, last, hu, kept, places, labelled),
        hu.shape[0],
        16,
        tell,
        is_cancelled,
    )
    return values


def with_cells(
    values: np.ndarray,
    order: tuple[int, int, int],
    origin: tuple[int, int, int],
    is_cancelled: IsCancelled | None = None,
) -> PackedVolume:
    """Packed values with what their cells hold."""
    from .packing import find_cells

    shift = FINEST_SHIFT
    while values.shape[2] > CELLS_ALONG << shift:
        shift += 1
    cells = (-(-values.shape[0] // 8), -(-values.shape[1] // 8), -(-values.shape[2] >> shift))
    lowest, highest = np.empty(cells, np.uint16), np.empty(cells, np.uint16)
    flagged = np.empty(cells, np.uint8)
    in_blocks(
        lambda first, last: find_cells(lowest, highest, flagged, first, last, values, shift),
        cells[0],
        4,
        None,
        is_cancelled,
    )
    return PackedVolume(values, order, origin, shift, lowest, highest, flagged)


def _one_part(
    parts: Parts, box: tuple[slice, ...], wanted: int, is_cancelled: IsCancelled | None
) -> PackedVolume:
    """Pack one part, which lies in `box` (slices of k, j, i)."""
    from .packing import pack_part

    order = axis_order(parts.ijk_to_ras)
    hu, part = (in_order(array[box], order) for array in (parts.hu, parts.part))
    fraction = np.zeros((0, 0, 0), np.uint8)
    if parts.fraction is not None:
        fraction = in_order(parts.fraction[box], order)
    values = np.zeros(padded(hu.shape), np.uint16)
    in_blocks(
        lambda first, last: pack_part(values, first, last, hu, part, wanted, fraction),
        hu.shape[0],
        16,
        None,
        is_cancelled,
    )
    return with_cells(values, order, (box[2].start, box[1].start, box[0].start), is_cancelled)


def _bits(cells: np.ndarray) -> np.ndarray:
    """One bit a cell along w: (a, b, w) bool -> (a, b) uint64."""
    return (cells.astype(np.uint64) << np.arange(cells.shape[2], dtype=np.uint64)).sum(axis=2)


def padded(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Room for a rim of air, one before and two after; no power of two along w.

    Columns that lie a power of two apart in memory would compete for the same cache lines.
    """
    along = -(-(shape[2] + 3) // 8) * 8
    if along % 128 == 0:
        along += 8
    return shape[0] + 3, shape[1] + 3, along
