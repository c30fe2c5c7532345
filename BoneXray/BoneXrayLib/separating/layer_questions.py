"""What a separator is asked: about one bone, within the region where it and its neighbours lie.

The network knows joints that fill what it is shown, so a bone in a large radiograph is shown with
its surroundings only. It answers at its working size; its shares are interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..extraction import Scale, answers_both_ways, shown_part, working_channels
from ..models import Model, find_model, list_models
from ..progress import IsCancelled, Progress
from ..radiograph import Radiograph
from ..resizing import resize
from ..segments.mirror_images import chosen

TASK = "separate"
BONES, THIS, MASK_THIS, MASK_OTHERS = range(4)
"""The network's answers: bones' share of the level, the share of these that is the bone asked
about, and what it takes that bone's mask and the other bones' to be."""
MARGIN = 0.15
"""Left around the bones of a question, as a share of the longer side."""
REACH = 1.0
"""How far from a bone, in its own longer sides, neighbours are shown: a patella with its joint, not
with the whole femur."""

Region = tuple[slice, slice]


def find_separator(name: str, model_folders: Sequence[str] = ()) -> Model:
    """The model of a name or in a folder; where none is installed the error says how to get one."""
    try:
        return find_model(name, TASK, model_folders)
    except ValueError as error:
        if list_models(model_folders, TASK):
            raise
        raise ValueError(
            f"{error}; make one by `bone-xray train` with task = {TASK!r} and `bone-xray export`"
        ) from None


def check_separator(model: Model) -> None:
    """Refuse a model of another task."""
    if model.card.task != TASK:
        raise ValueError(
            f"model: {model.card.name!r} is for {model.card.task!r}; expected one for {TASK!r}"
        )


def mask_region(mask: np.ndarray) -> Region | None:
    """Rows and columns that hold a mask (rows, columns), None for an empty one."""
    found = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    if not found[0].size:
        return None
    rows, columns = (slice(int(f[0]), int(f[-1]) + 1) for f in found)
    return rows, columns


def mask_regions(masks: np.ndarray) -> dict[int, Region]:
    """`mask_region` of each of masks (bones, rows, columns) that is there, by its place."""
    return {n: box for n, box in enumerate(map(mask_region, masks)) if box is not None}


def question_regions(masks: np.ndarray) -> dict[int, Region]:
    """What is shown for each bone of masks (bones, rows, columns) that is there.

    The box around the bone and the bones that overlap or nearly touch it (these as far as they are
    within `REACH`), made square and `MARGIN` wider, as far as the image reaches.
    """
    boxes, shape, found = mask_regions(masks), masks.shape[1:], {}
    for place, box in boxes.items():
        long = max(part.stop - part.start for part in box)
        near = _grown(box, round(MARGIN * long), shape)
        within = _grown(box, round(REACH * long), shape)
        shown = [box]
        for other, its_box in boxes.items():
            if other != place and masks[other][near].any():
                shown.append(_common(its_box, within))
        found[place] = _framed(shown, shape)
    return found


def holds(region: Region, part: Region) -> bool:
    """Whether a region holds all of another."""
    return all(r.start <= p.start and p.stop <= r.stop for r, p in zip(region, part, strict=True))


def ask(
    model: Model,
    radiograph: Radiograph,
    region: Region,
    masks: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> tuple[np.ndarray, Scale]:
    """The answers (4, rows, columns) at the working size to a region of a radiograph.

    Args:
        model: for "separate".
        radiograph: the whole of it.
        region: what the network is shown.
        masks: (rows, columns) bool of the region: the bone asked about, and all others.
        progress, is_cancelled, runtime: as `run_network` takes them.

    Returns:
        Shares 0 to 1, and the scale on which the region was shown.
    """
    part, scale = shown_part(radiograph, region)
    channels = working_channels(part, scale, model.card.input["working_size"])
    given = np.zeros((2, *channels.shape[1:]), np.float32)
    for place, mask in enumerate(masks or ()):
        given[place] = resize(mask, channels.shape[1:]) > 0.5
    channels = np.concatenate([channels, given])
    answers = answers_both_ways(model, channels, progress, is_cancelled, runtime)
    return chosen(answers, model.card.mirror), scale


def at_full_size(share: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A share (rows, columns) interpolated to `shape`, float32 from 0 to 1."""
    full = resize(share, shape)
    return np.clip(full, 0.0, 1.0, out=full)


def bone_amount(answer: np.ndarray, pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """What all bones of a question add to `pixels`, same shape and units, never below zero."""
    amount = at_full_size(answer[BONES], pixels.shape)
    above_base = pixels - np.float32(scale.base)
    amount *= np.maximum(above_base, 0.0, out=above_base)
    return amount


def _grown(region: Region, by: int, shape: tuple[int, ...]) -> Region:
    rows, columns = (
        slice(max(0, part.start - by), min(count, part.stop + by))
        for part, count in zip(region, shape, strict=True)
    )
    return rows, columns


def _common(one: Region, other: Region) -> Region:
    rows, columns = (
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return rows, columns


def _framed(boxes: list[Region], shape: tuple[int, ...]) -> Region:
    """The square around boxes, a margin wider, as far as the image reaches."""
    ends = [
        (min(b[axis].start for b in boxes), max(b[axis].stop for b in boxes)) for axis in (0, 1)
    ]
    long = max(high - low for low, high in ends)
    side = long + 2 * round(MARGIN * long)
    found = []
    for (low, high), count in zip(ends, shape, strict=True):
        start = low - (side - (high - low)) // 2
        found.append(slice(max(0, start), min(count, start + side)))
    return found[0], found[1]
