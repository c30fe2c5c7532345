"""Contrast medium among the bones: blood, kidneys and bowel that pass a bone threshold.

No learning, three observations. Enhanced blood is even, bone is rough. Every straight way out of
a bone passes its cortex, which is brighter than the marrow; the ways out of a vessel only get
darker. And blood runs on without a step in HU, while something darker lies between it and bone.
So: even cores without a brighter rim are seeds of contrast medium, thin dense sheets and marrow
behind a rim are seeds of bone, and all other bright blocks go to the seed they are joined to with
the least change of HU on the way.
"""

from __future__ import annotations

import logging

import numpy as np

from .body import CoarseMask
from .contrast_lung import lung_vessels
from .volume import Volume

logger = logging.getLogger(__name__)

BLOCK_MM = 1.5
"""Working grid: a cortex is still one block, noise is down to a half or a third."""
BRIGHT_HU = 150.0
"""Blocks below are neither: a way from contrast medium to bone does not lead through them."""
CORE_HU = (160.0, 700.0)
EVEN_HU, EVEN_SHARE, EVEN_NOISE, EVEN_MOST_HU = 35.0, 0.08, 1.5, 50.0
"""Even is a standard deviation below the greatest of this, of this share of the mean, and of this
many times what soft tissue has; but never above the last."""
SOFT_HU = (0.0, 100.0)
LEAST_PIECE_CM3 = 0.5
"""Smaller even cores may be cartilage."""
LEAST_CORE_CM3 = 1.0
"""With less even blood than this (a vessel of 11 mm over 10 mm) a CT counts as not enhanced."""
RIM_HU, RIM_SHARE, TISSUE_HU = 60.0, 0.2, 50.0
"""A rim is brighter by this much, or by this share, than the place the way began at."""
RIM_MM = 4.5
"""The rim is what a way passes last; a jet of contrast medium lies further inside."""
WAY_MM = 60.0
RIMLESS_SHARE, RIMMED_SHARE = 0.2, 0.5
"""Below and above: share of the ways that pass a rim, for vessels and for bone."""
SOLID_HU, SOLID_MM = 200.0, 3.5
DENSE_HU, DENSE_MM = 800.0, 2.5
"""Thicker than twice this and of such HU: undiluted contrast medium, metal or a femur's cortex."""
NEAR_MM = 6.0
DENSE_NEAR_MM, DENSE_PART, UNDILUTED_CM3 = 4.0, 0.5, 150.0
"""A bright piece this much of which lies this near to dense blocks may be a vein; a skull is too
large for one."""
CORTEX_HU = 600.0
STEP_HU = 3.0
"""What a step to the next block costs besides the change of HU."""
ISLAND_CM3, ISLAND_PART = 20.0, 0.3
"""A smaller piece of bone with this share of its rim in blood is none."""
DIRECTIONS = 42


def coarse_contrast(volume: Volume, body: CoarseMask | None = None) -> CoarseMask:
    """Where contrast medium is, on blocks of about 1.5 mm; nowhere in a CT without.

    To be applied to the voxels that a threshold took for bone: blocks at the edge of a vessel
    hold other tissue too. Calcified walls of vessels go with them or stay, as they lie. Metal
    stays unless it lies in contrast medium: a valve, a lead in a vein.

    Args:
        volume: the CT.
        body: the patient, as `coarse_body` finds it; what is outside is neither.
    """
    from .contrast_kernels import dilated, eroded, shared_out

    mean, top, block = _coarse_hu(volume, body)
    size_mm = np.asarray(volume.spacing_mm)[::-1] * block
    blood, bone = _cores(mean, size_mm)
    if blood.sum() * size_mm.prod() / 1000 < LEAST_CORE_CM3:
        return CoarseMask(np.zeros(mean.shape, dtype=bool), block)
    dense = eroded(mean > DENSE_HU, _ball(DENSE_MM, size_mm))
    solid, rimmed = _solids(mean, size_mm)
    near = dilated(solid | dense | blood, _ball(NEAR_MM, size_mm))
    bone |= ((mean > CORTEX_HU) | rimmed) & ~near & ~_undiluted(mean, dense, size_mm)
    in_lung = lung_vessels(mean, top, size_mm, _steps(size_mm))
    owner = np.where(blood | in_lung, np.uint8(1), np.where(bone, np.uint8(2), np.uint8(0)))
    shared_out(mean, mean > BRIGHT_HU, owner, STEP_HU)
    blood, bone = owner == 1, owner == 2
    blood, bone = _without_islands(blood, bone, size_mm)
    beside = _ball(np.sqrt(3.0), np.ones(3))
    # Voxels at the edge of a vessel lie in blocks that are too dark to belong to anyone.
    blood |= dilated(blood, beside) & ~dilated(bone, beside)
    logger.info("%s: contrast medium in %.0f cm3", volume.name, blood.sum() * size_mm.prod() / 1e3)
    return CoarseMask(blood, block)


def remove_contrast(weight: np.ndarray, volume: Volume, body: CoarseMask | None = None) -> None:
    """Set to 0, in place, a weight (k, j, i) uint8 of bone where contrast medium is."""
    contrast = coarse_contrast(volume, body)
    for n in np.flatnonzero(contrast.mask.any(axis=(1, 2))):
        for k in range(n * contrast.block[0], min((n + 1) * contrast.block[0], len(weight))):
            weight[k][contrast.slab(k, weight.shape)] = 0


def _coarse_hu(
    volume: Volume, body: CoarseMask | None
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Mean and greatest HU of each block, (K, J, I) int16, air outside the body; the block."""
    from .contrast_kernels import block_means

    fit = [max(1, round(BLOCK_MM / mm)) for mm in volume.spacing_mm[::-1]]
    block = (fit[0], fit[1], fit[2])
    mean, top = block_means(volume.hu, block, -1000.0, 3071.0)
    if body is not None:
        for n in range(len(mean)):
            inside = body.slab(n * block[0], volume.hu.shape)[:: block[1], :: block[2]]
            mean[n][~inside] = -1000
            top[n][~inside] = -1000
    return mean, top, block


def _ball(radius_mm: float, size_mm: np.ndarray) -> np.ndarray:
    """Offsets (n, 3) of the blocks within a radius, the nearest first, itself left out."""
    reach = np.floor(radius_mm / size_mm).astype(int)
    offsets = np.argwhere(np.ones(2 * reach + 1)) - reach
    distance = np.linalg.norm(offsets * size_mm, axis=1)
    order = np.argsort(distance, kind="stable")
    chosen = order[(distance[order] <= radius_mm) & (distance[order] > 0)]
    return np.ascontiguousarray(offsets[chosen])


def _steps(size_mm: np.ndarray) -> np.ndarray:
    """Evenly spread directions (n, 3), one step of `BLOCK_MM` in blocks."""
    n = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - 2 * n / DIRECTIONS, np.pi * (1 + 5**0.5) * n
    around = np.sqrt(1 - height**2)
    return np.stack([height, around * np.sin(turn), around * np.cos(turn)], 1) * BLOCK_MM / size_mm


def _rim_shares(mean: np.ndarray, points: np.ndarray, size_mm: np.ndarray) -> np.ndarray:
    from .contrast_kernels import rim_shares

    # Across coarse blocks a rim is out of focus: it takes two of them.
    rim_mm = max(RIM_MM, 2 * float(size_mm.mean()))
    limits = (int(WAY_MM / BLOCK_MM), int(rim_mm / BLOCK_MM), RIM_HU, RIM_SHARE, TISSUE_HU)
    return rim_shares(mean, np.ascontiguousarray(points), _steps(size_mm), limits)


def _cores(mean: np.ndarray, size_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Even cores (without a brighter rim: blood; behind one: marrow), both (K, J, I) bool."""
    from scipy import ndimage

    from .contrast_kernels import dilated, eroded, spread

    hu = (mean > CORE_HU[0]) & (mean < CORE_HU[1])
    even = hu.copy()
    even[hu] = spread(mean, hu)[hu] < np.maximum(_even_hu(mean), EVEN_SHARE * mean[hu])
    cross = _ball(1.0, np.ones(3))
    pieces, count = ndimage.label(dilated(eroded(even, cross), cross))
    points = np.argwhere(pieces)
    number = pieces[tuple(points.T)]
    # A few hundred blocks judge a heart as well as all of them.
    chosen = np.arange(len(points)) % 4 == 0
    some = np.bincount(number[chosen], minlength=count + 1)
    chosen |= (some == 0)[number]
    shares = _rim_shares(mean, points[chosen], size_mm)
    total = np.bincount(number[chosen], weights=shares, minlength=count + 1)
    share = total / np.maximum(np.bincount(number[chosen], minlength=count + 1), 1)
    cm3 = np.bincount(number, minlength=count + 1) * size_mm.prod() / 1000
    rimless = (share < RIMLESS_SHARE) & (cm3 > LEAST_PIECE_CM3)
    return _picked(pieces, rimless), _picked(pieces, share > RIMMED_SHARE)


def _picked(pieces: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where the wanted pieces are; indexing with all of `pieces` would take four times as much."""
    mask = pieces > 0
    mask[mask] = wanted[pieces[mask]]
    return mask


def _even_hu(mean: np.ndarray) -> float:
    """Standard deviation [HU] up to which a place is even: more where soft tissue is noisy."""
    from .contrast_kernels import spread

    some = np.zeros(mean.shape, dtype=bool)
    some[1::3, 1::3, 1::3] = True
    some &= (mean > SOFT_HU[0]) & (mean < SOFT_HU[1])
    noise = spread(mean, some)[some]
    noise = noise[np.isfinite(noise)]
    often = EVEN_NOISE * float(np.median(noise)) if noise.size else 0.0
    return min(max(EVEN_HU, often), EVEN_MOST_HU)


def _solids(mean: np.ndarray, size_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thick bright regions: (those without a rim, those with), (K, J, I) bool."""
    from scipy import ndimage

    from .contrast_kernels import eroded

    thick = eroded(mean > SOLID_HU, _ball(SOLID_MM, size_mm))
    points = np.argwhere(thick)
    points = points[(points % 2).sum(axis=1) == 0]
    half = tuple((np.array(mean.shape) + 1) // 2)
    total, count = np.zeros(half, np.float32), np.zeros(half, np.float32)
    at = tuple((points // 2).T)
    total[at], count[at] = _rim_shares(mean, points, size_mm), 1
    total, count = ndimage.uniform_filter(total, 3), ndimage.uniform_filter(count, 3)
    known = count > 1e-4
    share = np.where(known, total / np.maximum(count, 1e-4), 0.4)
    where = np.nonzero(thick)
    found = share[tuple(w // 2 for w in where)]
    rimless, rimmed = np.zeros_like(thick), np.zeros_like(thick)
    rimless[where] = found < 0.3
    rimmed[where] = found > RIMMED_SHARE
    return rimless, rimmed


def _undiluted(mean: np.ndarray, dense: np.ndarray, size_mm: np.ndarray) -> np.ndarray:
    """Bright pieces that are mostly very dense and thick, (K, J, I) bool: veins, and some bone."""
    from scipy import ndimage

    from .contrast_kernels import dilated

    pieces, count = ndimage.label(mean > CORTEX_HU)
    size = np.bincount(pieces[pieces > 0], minlength=count + 1)
    thick = np.bincount(pieces[dilated(dense, _ball(DENSE_NEAR_MM, size_mm))], minlength=count + 1)
    undiluted = (thick > DENSE_PART * size) & (size * size_mm.prod() < UNDILUTED_CM3 * 1000)
    return _picked(pieces, undiluted)


def _without_islands(
    blood: np.ndarray, bone: np.ndarray, size_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Blood and bone, the small pieces of bone that lie in blood given to it."""
    from scipy import ndimage

    from .contrast_kernels import dilated

    cross = _ball(1.0, np.ones(3))
    pieces, count = ndimage.label(bone)
    rim = bone & dilated(~bone, cross)
    size = np.bincount(pieces[bone], minlength=count + 1) * size_mm.prod() / 1000
    edge = np.bincount(pieces[rim], minlength=count + 1)
    touching = np.bincount(pieces[rim & dilated(blood, cross)], minlength=count + 1)
    island = (touching > ISLAND_PART * edge) & (size < ISLAND_CM3)
    islands = _picked(pieces, island)
    return blood | islands, bone & ~islands
