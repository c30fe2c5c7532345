"""The patient without couch, board, head rest and blankets: a mask found on a coarse grid."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from .volume import Volume

logger = logging.getLogger(__name__)

COARSE_MM = 3.0
"""Working grid [mm]: 1.6 million voxels for a trunk, and still three voxels across a finger."""
TISSUE_HU = -300.0
"""Above it: fat, muscle, bone, plastic. Below: air, lung, foam, cloth, most of a wooden board."""
BONE_LIKE_HU = 180.0
LIMB_RADIUS_MM = 4.0
"""Opening radius that spares fingers (three voxels) and cuts couch shells."""
CORE_RADIUS_MM = 7.0
"""Erosion radius whose survivors are trunk, head, limbs, or a massive board."""
SLAB_HALF_THICKNESS_MM = 15.0
"""A piece without bone that is nowhere thicker than twice this is a board or a pad."""
MIN_PIECE_CM3 = 1.0
MIN_BOARD_MM = 80.0
"""A board is at least this long and wide; smaller lumps are parts of a body (an eye, a cheek)."""
INSIDE_RADIUS_MM = 8.0
"""Closing radius: what it encloses is inside the body (the thin bones of the nose)."""
LOOSE_PART_CM3 = 15.0
LOOSE_PART_MM = 65.0
"""Thin things on the body up to this volume and length (ears, nose tip, a child's finger) belong
to it; shells of a couch are larger or longer."""
FADED_HU = -750.0
FADED_BLOCKS = 3
"""How far tissue may fade out towards the edge of a cone beam's field (about 9 mm)."""


@dataclass(frozen=True, eq=False)
class CoarseMask:
    """A mask on blocks of voxels.

    Attributes:
        mask: (K, J, I) bool.
        block: voxels of the CT in one block along (k, j, i).
    """

    mask: np.ndarray
    block: tuple[int, int, int]

    def slab(self, k: int, shape: tuple[int, int, int]) -> np.ndarray:
        """Slice k of the mask on the full grid of `shape` (k, j, i), as (j, i) bool."""
        rows = np.minimum(np.arange(shape[1]) // self.block[1], self.mask.shape[1] - 1)
        columns = np.minimum(np.arange(shape[2]) // self.block[2], self.mask.shape[2] - 1)
        plane = self.mask[min(k // self.block[0], self.mask.shape[0] - 1)]
        return plane[rows][:, columns]


def body_mask(volume: Volume) -> np.ndarray:
    """Which voxels are the patient (air inside and a thin rim of air included), (k, j, i) bool.

    Everything outside is air, couch, board, head rest, cable or blanket. Several separate bodies
    (two hands, arms beside the trunk) are all kept. Where no patient is found, all is kept.
    """
    coarse = coarse_body(volume)
    mask = np.empty(volume.hu.shape, dtype=bool)
    for k in range(mask.shape[0]):
        mask[k] = coarse.slab(k, mask.shape)
    return mask


def coarse_body(volume: Volume) -> CoarseMask:
    """`body_mask` on the working grid.

    Thick pieces that hold bone, or are too thick for a board, are the patient; he is grown back
    through everything at least finger-thick, then gets his small thin parts (ears) again. What
    is left of the dense voxels is couch. Lung and bowel are filled in slice by slice.
    """
    from scipy import ndimage

    hu, block, spacing = _coarse_hu(volume)
    tissue = hu > TISSUE_HU
    depth = _depth_mm(tissue, spacing)
    core, board = _sort_pieces(hu, depth, spacing)
    if not core.any():
        if tissue.any():
            logger.warning("%s: no patient told apart from the couch; nothing removed", volume.name)
        return CoarseMask(np.ones(hu.shape, dtype=bool), block)
    thick = _grown(depth > LIMB_RADIUS_MM, tissue, LIMB_RADIUS_MM, spacing)
    board = _grown(board, tissue, CORE_RADIUS_MM + 2.0, spacing) & ~core
    body = ndimage.binary_propagation(core, mask=(thick & ~board) | core)
    body |= _filled(_closed(body, spacing), volume.ijk_to_ras) & tissue & ~board
    body, couch = _with_loose_parts(body, tissue & ~board, spacing)
    body = _filled(body, volume.ijk_to_ras)
    couch |= board
    beside_couch = ndimage.binary_dilation(couch)
    faded = ndimage.binary_dilation(
        body, iterations=FADED_BLOCKS, mask=body | ((hu > FADED_HU) & ~beside_couch)
    )
    # One block of rim keeps the skin's partial voxels, which lie below the tissue threshold.
    rim = ndimage.binary_dilation(faded, np.ones((3, 3, 3), dtype=bool))
    return CoarseMask(body | (rim & ~couch), block)


def _coarse_hu(volume: Volume) -> tuple[np.ndarray, tuple[int, int, int], np.ndarray]:
    """Block means of HU within -1000..200, (K, J, I) float32; the block; its size [mm]."""
    spacing = np.asarray(volume.spacing_mm)[::-1]
    fit = np.maximum(np.rint(COARSE_MM / spacing).astype(int), 1)
    block = np.minimum(fit, volume.hu.shape)
    count = np.array(volume.hu.shape) // block
    coarse = np.empty(count, dtype=np.float32)
    for k in range(count[0]):
        slab = volume.hu[k * block[0] : (k + 1) * block[0]]
        # Metal and carbon shells would otherwise swell over their whole block.
        slab = np.clip(slab[:, : count[1] * block[1], : count[2] * block[2]], -1000, 200)
        # Axis by axis, the long contiguous sums first: several times faster than all at once.
        lines = slab.sum(axis=0, dtype=np.float32).reshape(count[1], block[1], -1).sum(axis=1)
        coarse[k] = lines.reshape(count[1], count[2], block[2]).sum(axis=2) / block.prod()
    return coarse, (int(block[0]), int(block[1]), int(block[2])), spacing * block


def _depth_mm(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance [mm] of each voxel of a mask to the nearest voxel outside, float32.

    The mask is mirrored at the border of the grid, so that a body cut by it is thick there and a
    couch shell lying along it is still thin.
    """
    from .distances import distance_mm

    pad = [
        min(int(np.ceil(SLAB_HALF_THICKNESS_MM / mm)) + 1, n)
        for mm, n in zip(spacing, mask.shape, strict=True)
    ]
    padded = np.pad(mask, [(p, p) for p in pad], mode="symmetric")
    depth = distance_mm(padded, spacing, SLAB_HALF_THICKNESS_MM)
    inner = tuple(slice(p, p + n) for p, n in zip(pad, mask.shape, strict=True))
    return depth[inner].astype(np.float32)


def _grown(seed: np.ndarray, within: np.ndarray, radius: float, spacing: np.ndarray) -> np.ndarray:
    """The voxels of `within` at most `radius` [mm] away from the seed."""
    from .distances import distance_mm

    return within & (distance_mm(~seed, spacing, radius) <= radius)


def _sort_pieces(
    hu: np.ndarray, depth: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cores of the thick pieces: (of the patient, of boards and pads), both (K, J, I) bool."""
    from scipy import ndimage

    pieces, count = ndimage.label(depth > CORE_RADIUS_MM)
    numbers = np.arange(1, count + 1)
    volume_cm3 = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * spacing.prod() / 1000.0
    has_bone = ndimage.maximum(hu, pieces, numbers) >= BONE_LIKE_HU
    thickness = ndimage.maximum(depth, pieces, numbers)
    soft = ndimage.mean((hu > -200) & (hu < 150), pieces, numbers)
    is_patient = np.asarray((np.asarray(soft) > 0.3) & (volume_cm3 > MIN_PIECE_CM3))
    is_patient &= np.asarray(has_bone) | (np.asarray(thickness) > SLAB_HALF_THICKNESS_MM)
    is_board = ~is_patient & np.array(
        [_extents_mm(box, spacing)[1] >= MIN_BOARD_MM for box in ndimage.find_objects(pieces)],
        dtype=bool,
    )
    return np.append(False, is_patient)[pieces], np.append(False, is_board)[pieces]


def _extents_mm(box: tuple[slice, ...], spacing: np.ndarray) -> list[float]:
    """The three extents of a box [mm], the smallest first."""
    return sorted(float((b.stop - b.start) * mm) for b, mm in zip(box, spacing, strict=True))


def _closed(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Morphological closing with a ball of `INSIDE_RADIUS_MM`."""
    from .distances import distance_mm

    pad = [(int(np.ceil(INSIDE_RADIUS_MM / mm)) + 1,) * 2 for mm in spacing]
    # The edge is repeated, so that a body cut by the border stays solid there.
    padded = np.pad(mask, pad, mode="edge")
    wide = distance_mm(~padded, spacing, INSIDE_RADIUS_MM) <= INSIDE_RADIUS_MM
    closed = distance_mm(wide, spacing, INSIDE_RADIUS_MM) > INSIDE_RADIUS_MM
    inner = tuple(slice(p[0], p[0] + n) for p, n in zip(pad, mask.shape, strict=True))
    return closed[inner]


def _with_loose_parts(
    body: np.ndarray, tissue: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The body with the small thin parts that touch it, and what remains: the couch."""
    from scipy import ndimage

    near = ndimage.binary_dilation(body)
    body = body | (near & tissue)
    parts, count = ndimage.label(tissue & ~body)
    if count == 0:
        return body, np.zeros_like(body)
    sizes_cm3 = np.bincount(parts.ravel(), minlength=count + 1) * spacing.prod() / 1000.0
    touches = np.zeros(count + 1, dtype=bool)
    touches[np.unique(parts[ndimage.binary_dilation(body)])] = True
    small = sizes_cm3 <= LOOSE_PART_CM3
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        small[number] &= _extents_mm(box, spacing)[-1] <= LOOSE_PART_MM
    small[0] = touches[0] = False
    # Small parts apart from the body are neither: the rim may run over them.
    return body | (touches & small)[parts], (parts > 0) & ~small[parts]


def _filled(mask: np.ndarray, ijk_to_ras: np.ndarray) -> np.ndarray:
    """The mask with the holes of each axial slice filled: lungs are open at the end of a scan."""
    from scipy import ndimage

    along_table = np.abs(ijk_to_ras[2, :3]) / np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    axial = 2 - int(np.argmax(along_table))
    slices = np.moveaxis(mask, axial, 0)
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in slices])
    return np.ascontiguousarray(np.moveaxis(filled, 0, axial))
