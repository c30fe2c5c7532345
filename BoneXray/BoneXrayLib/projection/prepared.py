"""A CT laid out for projection, once: `prepare(parts)`; then any number of views of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..bone import Parts
from ..progress import IsCancelled
from .workers import in_blocks

if TYPE_CHECKING:
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
    """

    whole: PackedVolume
    single: tuple[PackedVolume | None, ...]
    ijk_to_ras: np.ndarray
    names: tuple[str, ...]

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

    bones = len(parts.names) - 1
    plain = bones == 1 and parts.fraction is None
    several = bones > 0 and not plain
    boxes = ndimage.find_objects(parts.part, max_label=bones) if several else []
    steps = 1 + len(boxes)

    def tell(fraction: float, step: int) -> None:
        if progress is not None:
            progress((step + fraction) / steps, "preparing the CT")

    whole = _packed(parts, None, 0, plain, lambda f: tell(f, 0), is_cancelled)
    single = [
        None
        if box is None
        else _packed(parts, box, n, False, lambda f, n=n: tell(f, n), is_cancelled)
        for n, box in enumerate(boxes, 1)
    ]
    return PreparedParts(whole, tuple(single), parts.ijk_to_ras, parts.names)


def axis_order(ijk_to_ras: np.ndarray) -> tuple[int, int, int]:
    """Axes (i, j, k) as (a, b, w): w nearest to the patient's long axis, b the faster of the rest.

    Detector columns of any view without tilt then run along w, contiguous in memory.
    """
    cosines = ijk_to_ras[:3, :3] / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    along = int(np.argmax(np.abs(cosines[2])))
    fast, slow = (axis for axis in range(3) if axis != along)
    return slow, fast, along


def _packed(
    parts: Parts,
    box: tuple[slice, ...] | None,
    wanted: int,
    flags: bool,
    tell: Callable[[float], None],
    is_cancelled: IsCancelled | None,
) -> PackedVolume:
    """Pack the voxels in `box` (slices of k, j, i): all of them, or one part."""
    from .packing import find_cells, pack_slabs

    order = axis_order(parts.ijk_to_ras)
    box = box or tuple(slice(0, n) for n in parts.hu.shape)
    none = np.zeros((0, 0, 0), np.uint8)
    turned = tuple(2 - axis for axis in order)

    def view(array: np.ndarray | None) -> np.ndarray:
        return none if array is None else array[box].transpose(turned)

    hu = view(parts.hu)
    part = view(parts.part) if flags or wanted else none
    fraction = view(parts.fraction) if wanted else none
    values = np.zeros(_padded(hu.shape), np.uint16)
    in_blocks(
        lambda first, last: pack_slabs(values, first, last, hu, part, wanted, fraction),
        hu.shape[0],
        16,
        lambda f: tell(0.8 * f),
        is_cancelled,
    )
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
        lambda f: tell(0.8 + 0.2 * f),
        is_cancelled,
    )
    origin = tuple(s.start for s in box[::-1])
    return PackedVolume(values, order, origin, shift, lowest, highest, flagged)


def _bits(cells: np.ndarray) -> np.ndarray:
    """One bit a cell along w: (a, b, w) bool -> (a, b) uint64."""
    return (cells.astype(np.uint64) << np.arange(cells.shape[2], dtype=np.uint64)).sum(axis=2)


def _padded(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Room for a rim of air, one before and two after; no power of two along w.

    Columns that lie a power of two apart in memory would compete for the same cache lines.
    """
    along = -(-(shape[2] + 3) // 8) * 8
    if along % 128 == 0:
        along += 8
    return shape[0] + 3, shape[1] + 3, along
