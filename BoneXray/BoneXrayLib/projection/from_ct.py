"""A CT straight into packed form, without arrays of parts; and a new bone window on what is there.

`prepare_ct` gives what `prepare(make_parts(…))` gives, bit for bit. Bone is decided on packed
values, so on HU rounded to whole numbers; a mask of the bone is the top bit of those values and
takes no memory of its own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..body import CoarseMask, coarse_body
from ..bone import BoneConfig, numbered_parts
from ..progress import IsCancelled, Progress, raise_if_cancelled
from ..volume import Volume
from .flagging import ROWS_A_BLOCK, drop_unflagged_parts, flag, flag_labelled, set_window
from .prepared import (
    PackedVolume,
    PreparedParts,
    axis_order,
    in_order,
    pack_whole,
    padded,
    with_cells,
)
from .workers import in_blocks

if TYPE_CHECKING:
    from .blocks import Blocks


def prepare_ct(
    volume: Volume,
    config: BoneConfig | None = None,
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    body: CoarseMask | None = None,
    contrast: CoarseMask | None = None,
) -> PreparedParts:
    """Lay a CT out for projection, divided into the rest and its bones.

    The same as `prepare(make_parts(…))` in a third of its memory: beside the CT only what is
    returned, for bone by a hard HU window. Labels need one more byte a voxel meanwhile; several of
    them, and bone by a soft ramp, also a packed box around each bone, which stays.

    Args:
        volume: the CT.
        config: window or preset, couch, which labels; the default preset when None.
        labels: (k, j, i) integers on the CT's grid, as `make_parts` takes them.
        label_names: {value: name}.
        progress: told how far it is.
        is_cancelled: asked between steps and slabs.
        body: the patient without couch, where it was found before; else `coarse_body` finds it.
        contrast: contrast medium, where it was found before; else `coarse_contrast` finds it.

    Raises:
        ValueError: labels that do not fit the CT or the config, more than 255 of them.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or BoneConfig()
    tell = progress or (lambda fraction, message: None)
    part, names = numbered_parts(volume, config, labels, label_names)
    matrix, order = volume.ijk_to_ras, axis_order(volume.ijk_to_ras)
    tell(0.0, "finding the patient")
    if config.removes_couch and body is None:
        body = coarse_body(volume)
    coarse = _turned(body, order) if body is not None and config.removes_couch else None
    blood = _contrast(volume, config, coarse and body, contrast) if part is None else None
    raise_if_cancelled(is_cancelled)
    parts = None if part is None else in_order(part, order)
    values = pack_whole(
        in_order(volume.hu, order),
        coarse,
        parts,
        lambda fraction: tell(0.5 + 0.3 * fraction, "preparing the CT"),
        is_cancelled,
    )
    shares = np.full(32768, 255, np.uint8)
    if part is None or config.labels_within_hu:
        shares = flag(values, config, matrix, blood, is_cancelled)
    tell(0.9, "preparing the CT")
    single = _divide(values, order, part, len(names) - 1, shares, config, is_cancelled)
    whole = with_cells(values, order, (0, 0, 0), is_cancelled)
    tell(1.0, "preparing the CT")
    by_hu = part is None and not single
    removed = config.removes_couch if by_hu else None
    without = blood is not None and config.removes_contrast
    return PreparedParts(whole, tuple(single), matrix, names, removed, blood, without)


def _divide(
    values: np.ndarray,
    order: tuple[int, int, int],
    part: np.ndarray | None,
    count: int,
    shares: np.ndarray,
    config: BoneConfig,
    is_cancelled: IsCancelled | None,
) -> list[PackedVolume | None]:
    """Flag the one bone in packed `values`, or box several bones, and bones by shares, apart."""
    parts = None if part is None else in_order(part, order)
    if parts is not None and config.labels_within_hu:
        drop_unflagged_parts(parts, values)
    if count > 1 or shares[shares > 0].min(initial=255) < 255:
        single = _boxes(values, order, part, count, shares, is_cancelled)
        set_window(values, 1, 0)
        return single
    if parts is not None:
        flag_labelled(values, parts)
    return []


def can_flag(prepared: PreparedParts, config: BoneConfig) -> bool:
    """Whether `flag_bone` can give these parts that window; else `prepare_ct` has to."""
    is_known = prepared.contrast is not None or not config.removes_contrast
    return prepared.couch_removed is config.removes_couch and not config.is_soft and is_known


def flag_bone(
    prepared: PreparedParts,
    config: BoneConfig,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> PreparedParts:
    """What `prepare_ct` gives for another bone window, made of what it gave before, in place.

    The values are shared, so no second copy of the CT is made and `prepared` is of no use
    afterwards: project from what is returned, and let no projection of `prepared` run meanwhile.
    After `Cancelled` call it again before projecting anything.

    Args:
        prepared: rest and one bone by HU, of `prepare_ct` or of this function.
        config: the new window; its couch must be that of `prepared`.
        progress: told how far it is.
        is_cancelled: asked between steps and slabs.

    Raises:
        ValueError: `can_flag` says no.
        Cancelled: `is_cancelled()` became true.
    """
    from .sparse import keep_list

    if not can_flag(prepared, config):
        raise ValueError(
            f"config: preset {config.preset!r} with couch removed: {config.removes_couch}; "
            "expected a hard HU window, couch and contrast medium as prepared, without labels"
        )
    tell = progress or (lambda fraction, message: None)
    tell(0.0, "finding the bones")
    whole = prepared.whole
    flag(whole.values, config, prepared.ijk_to_ras, prepared.contrast, is_cancelled)
    tell(0.8, "finding the bones")
    packed = with_cells(whole.values, whole.order, whole.origin, is_cancelled)
    without = config.removes_contrast
    if without == prepared.contrast_removed:
        keep_list(whole, packed)
    tell(1.0, "bones found")
    return dataclasses.replace(prepared, whole=packed, contrast_removed=without)


def _turned(coarse: CoarseMask, order: tuple[int, int, int]) -> CoarseMask:
    """The mask with its axes in packed order."""
    a, b, w = (coarse.block[2 - axis] for axis in order)
    return CoarseMask(in_order(coarse.mask, order), (a, b, w))


def _contrast(
    volume: Volume, config: BoneConfig, body: CoarseMask | None, found: CoarseMask | None
) -> Blocks | None:
    """Where contrast medium is, in packed axes; None where it is not asked for."""
    from ..contrast import coarse_contrast
    from .blocks import blocks_of

    if not config.removes_contrast:
        return None
    found = found or coarse_contrast(volume, body)
    return blocks_of(_turned(found, axis_order(volume.ijk_to_ras)))


def _boxes(
    values: np.ndarray,
    order: tuple[int, int, int],
    part: np.ndarray | None,
    bones: int,
    shares: np.ndarray,
    is_cancelled: IsCancelled | None,
) -> list[PackedVolume | None]:
    """One packed box a bone: where `part` (k, j, i) has its number, or flagged when None."""
    from scipy import ndimage

    from .packing import pack_shares

    boxes = ndimage.find_objects(part, max_label=bones) if part is not None else [_flagged(values)]
    found: list[PackedVolume | None] = []
    for number, box in enumerate(boxes, 1):
        if box is None:
            found.append(None)
            continue
        # In packed order, and there from the first voxel on, not the rim.
        at = box if part is None else tuple(box[2 - axis] for axis in order)
        whole = values[tuple(slice(s.start + 1, s.stop + 1) for s in at)]
        chosen = np.zeros((0, 0, 0), np.uint8) if part is None else in_order(part[box], order)
        packed = np.zeros(padded(whole.shape), np.uint16)

        def work(first: int, last: int, packed=packed, whole=whole, chosen=chosen, n=number):
            pack_shares(packed, first, last, whole, chosen, n, shares)

        in_blocks(work, len(whole), ROWS_A_BLOCK, None, is_cancelled)
        start = dict(zip(order, (s.start for s in at), strict=True))
        origin = (start[0], start[1], start[2])
        found.append(with_cells(packed, order, origin, is_cancelled))
    return found


def _flagged(values: np.ndarray) -> tuple[slice, ...] | None:
    """The box (a, b, w) around all that is flagged, counted without the rim."""
    from .packing import FLAG

    met = [np.zeros(n, bool) for n in values.shape]
    for a, plane in enumerate(values):
        bone = plane >= FLAG
        met[0][a] = bone.any()
        met[1] |= bone.any(axis=1)
        met[2] |= bone.any(axis=0)
    if not met[0].any():
        return None
    places = [np.flatnonzero(axis) - 1 for axis in met]
    return tuple(slice(int(p[0]), int(p[-1]) + 1) for p in places)
