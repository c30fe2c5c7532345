"""The entries to projection: parts and a geometry in, one image of line integrals a part out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..attenuation import MU_WATER_70KEV, check_mu_water
from ..bone import Parts
from ..geometry import Geometry
from ..progress import IsCancelled
from .prepared import PackedVolume, PreparedParts, prepare
from .rays import VoxelRays, packed_lines, structure, voxel_rays
from .workers import in_blocks

COLUMNS_A_BLOCK = 16


def project(
    parts: Parts,
    geometry: Geometry,
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> np.ndarray:
    """Line integrals of μ (optical density, no unit) of each part, (parts, rows, columns) float32.

    Order as `parts.names`: the rest first, then the bones. Their sum is the whole radiograph.
    Voxels outside the grid are air. Only what lies between source and detector counts. For several
    views of the same parts, `prepare` them once and call `project_prepared`.

    Raises:
        ValueError: `mu_water` is not a positive number.
        Cancelled: `is_cancelled()` became true between two blocks of columns.
    """
    check_mu_water(mu_water)

    def later(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.5 * fraction, message)

    def last(fraction: float, message: str) -> None:
        if progress is not None:
            progress(0.5 + 0.5 * fraction, message)

    prepared = prepare(parts, later, is_cancelled)
    return project_prepared(prepared, geometry, mu_water, last, is_cancelled)


def project_prepared(
    prepared: PreparedParts,
    geometry: Geometry,
    mu_water: float = MU_WATER_70KEV,
    progress: Callable[[float, str], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> np.ndarray:
    """`project` for parts that are prepared already; as `project` otherwise."""
    check_mu_water(mu_water)
    rays = voxel_rays(geometry, prepared.ijk_to_ras)
    gain = mu_water / 1000.0
    out = np.empty((len(prepared.names), *geometry.size), np.float32)
    steps = 1 + len(prepared.single)

    def tell(fraction: float, step: int) -> None:
        if progress is not None:
            progress((step + fraction) / steps, "projecting")

    if not prepared.single:
        bones = (False, True)[: len(out)]
        project_packed(prepared.whole, rays, bones, gain, out, lambda f: tell(f, 0), is_cancelled)
    else:
        whole = out[:1]
        project_packed(
            prepared.whole, rays, (False,), gain, whole, lambda f: tell(f, 0), is_cancelled
        )
        for n, packed in enumerate(prepared.single, 1):
            out[n] = 0.0
            if packed is not None:
                one = out[n : n + 1]
                project_packed(
                    packed, rays, (False,), gain, one, lambda f, n=n: tell(f, n), is_cancelled
                )
    for bone in out[1:]:
        out[0] -= bone
    # What rounding leaves of a rest that is nothing may lie below it.
    np.maximum(out[0], 0.0, out=out[0])
    return out


def project_bone(
    prepared: PreparedParts,
    geometry: Geometry,
    mu_water: float = MU_WATER_70KEV,
    is_cancelled: IsCancelled | None = None,
) -> np.ndarray:
    """Line integrals of all bones together, without the rest: (rows, columns) float32."""
    check_mu_water(mu_water)
    rays = voxel_rays(geometry, prepared.ijk_to_ras)
    out = np.zeros((1, *geometry.size), np.float32)
    if not prepared.single:
        project_packed(prepared.whole, rays, (True,), mu_water / 1000.0, out, None, is_cancelled)
        return out[0]
    one = np.empty_like(out)
    for packed in prepared.single:
        if packed is not None:
            project_packed(packed, rays, (False,), mu_water / 1000.0, one, None, is_cancelled)
            out += one
    return out[0]


def project_packed(
    packed: PackedVolume,
    rays: VoxelRays,
    bones: tuple[bool, ...],
    gain: float,
    out: np.ndarray,
    tell: Callable[[float], None] | None,
    is_cancelled: IsCancelled | None,
) -> None:
    """Fill out (channels, rows, columns) float32: line integrals [(HU + 1000) · mm · gain].

    bones (channels,): everything, or only what is flagged as bone.
    """
    from .gather import project_any
    from .level import project_level
    from .separable import project_separable

    lines = packed_lines(rays, packed.order, packed.origin)
    grid = packed.grid
    chosen = np.asarray(bones)
    kind = structure(lines, rays.size)

    def work(first: int, last: int) -> None:
        if kind == "separable":
            scale = 65535.0 / max(packed.largest, 1)
            project_separable(out, first, last, grid, lines, chosen, scale, gain)
        elif kind == "level":
            project_level(out, first, last, grid, lines, chosen, gain)
        else:
            project_any(out, first, last, grid, lines, chosen, gain)

    in_blocks(work, rays.size[1], COLUMNS_A_BLOCK, tell, is_cancelled)
