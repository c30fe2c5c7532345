"""Which packed voxels are bone: the top bit of each, set in place and on all processors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..bone import BoneConfig
from ..progress import IsCancelled
from .prepared import axis_order
from .workers import in_blocks

if TYPE_CHECKING:
    from .blocks import Blocks

ROWS_A_BLOCK = 16


def flag(
    values: np.ndarray,
    config: BoneConfig,
    ijk_to_ras: np.ndarray,
    contrast: Blocks | None,
    is_cancelled: IsCancelled | None,
) -> np.ndarray:
    """Flag the bone by HU, without specks; returns its weight by packed value, (32768,) uint8."""
    from ..specks import remove_pieces
    from .packing import FLAG, LARGEST

    shares = config.weight_of(np.arange(LARGEST + 1) - 1000)
    within = np.flatnonzero(shares)
    low, high = (int(within[0]), int(within[-1])) if within.size else (1, 0)
    set_window(values, low, high, is_cancelled)
    if contrast is not None and config.removes_contrast:
        unflag_blocks(values, contrast, is_cancelled)
    if config.speck_mm3 > 0:
        spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)[list(axis_order(ijk_to_ras))]
        remove_pieces(
            values,
            tuple(spacing),
            config.speck_mm3,
            rim=1,
            bone=FLAG,
            left=LARGEST,
            spread=lambda work, count, block: in_blocks(work, count, block, None, is_cancelled),
        )
    return shares


def unflag_blocks(values: np.ndarray, blocks: Blocks, is_cancelled: IsCancelled | None) -> None:
    from .blocks import NOWHERE, unflag

    if blocks is not NOWHERE:
        work = lambda first, last: unflag(values, first, last, blocks)  # noqa: E731
        in_blocks(work, len(values), ROWS_A_BLOCK, None, is_cancelled)


def set_window(
    values: np.ndarray, low: int, high: int, is_cancelled: IsCancelled | None = None
) -> None:
    from .packing import flag_window

    in_blocks(
        lambda first, last: flag_window(values, first, last, low, high),
        len(values),
        ROWS_A_BLOCK,
        None,
        is_cancelled,
    )


def drop_unflagged_parts(parts: np.ndarray, values: np.ndarray) -> None:
    from .packing import drop_unflagged

    in_blocks(
        lambda first, last: drop_unflagged(parts, first, last, values), len(parts), ROWS_A_BLOCK
    )


def flag_labelled(values: np.ndarray, parts: np.ndarray) -> None:
    from .packing import flag_parts

    in_blocks(lambda first, last: flag_parts(values, first, last, parts), len(parts), ROWS_A_BLOCK)
