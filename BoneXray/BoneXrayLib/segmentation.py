"""Bones of a radiograph by name: a mask each, and a pixel may belong to several.

The network sees what it sees for extraction, the whole image at its working size, and answers for
each bone with a share from 0 to 1 at every pixel. Bones that its card names are looked at closer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations, count
from typing import TYPE_CHECKING

import numpy as np

from .domain import domain_warnings
from .extraction import answers_both_ways, image_scale, shown_part, working_channels
from .framing import content
from .models import Model, find_model
from .progress import IsCancelled, Progress, part_of
from .radiograph import Radiograph
from .segments.closer_look import LARGER, closer_part, closer_weight
from .segments.mirror_images import (
    WAY_ROUND,
    WAYS,
    chosen,
    way_round_warnings,
    ways_that_count,
)
from .segments.segment_config import SegmentConfig
from .segments.share_masks import Look, masks_of_looks, whole_look
from .segments.structures import Structure, mirrored_order, structure_from_output
from .segments.turned_images import answers_upright, most_looks, turn_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LEAST_SIDE = 64
"""No image is shown to a network smaller than that [pixels], if it is not smaller itself."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Named bones of one radiograph.

    Attributes:
        radiograph: the input.
        structures: the bones, in the order of the masks, all of different names.
        masks: (bones, rows, columns) bool; bones overlap.
        model: name and version of the model that found them.
        warnings: what the image looks like if not like a radiograph (`domain_warnings`), if it is
            hardly told from its mirror image, and if it was taken for a turned one.

    Raises:
        ValueError: masks of another shape or kind, or one name twice.
    """

    radiograph: Radiograph
    structures: tuple[Structure, ...]
    masks: np.ndarray
    model: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.structures), *self.radiograph.pixels.shape)
        if self.masks.dtype != bool or self.masks.shape != expected:
            raise ValueError(
                f"masks: {self.masks.dtype} of shape {self.masks.shape}; expected bool {expected}"
            )
        check_names(self.structures)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the bones."""
        return tuple(s.name for s in self.structures)

    @property
    def area_unit(self) -> str:
        """mm² at the detector, or pixels² where nobody knows how large a pixel is."""
        return "pixels²" if self.radiograph.pixel_mm is None else "mm²"

    def areas(self) -> dict[str, float]:
        """Area of each bone's shadow in `area_unit`, 0 for one that was not found."""
        pixel = self._pixel_area()
        counts = (int(np.count_nonzero(mask)) for mask in self.masks)
        return {name: n * pixel for name, n in zip(self.names, counts, strict=True)}

    def overlaps(self) -> dict[tuple[str, str], float]:
        """Area that two bones share in `area_unit`, for each two that share any."""
        pixel, found = self._pixel_area(), {}
        named = zip(self.names, self.masks, strict=True)
        for (one, mask), (other, others) in combinations(named, 2):
            shared = int(np.count_nonzero(mask & others))
            if shared:
                found[one, other] = shared * pixel
        return found

    def _pixel_area(self) -> float:
        row_mm, column_mm = self.radiograph.pixel_mm or (1.0, 1.0)
        return row_mm * column_mm


def segment(
    radiograph: Radiograph,
    config: SegmentConfig | None = None,
    model: Model | None = None,
    model_folders: Sequence[str] = (),
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> Segmentation:
    """Name the bones of a radiograph.

    A model that tells left from right takes the image as it is hung, the patient's left on its
    right. One whose geometry says otherwise, as an AP view turned by 180°, is mirrored for it and
    back.

    Args:
        radiograph: any radiograph, bone bright.
        config: which model; `model` overrides it with a loaded one.
        model: a model found already.
        model_folders: where else to look for models.
        progress: told fraction and message.
        is_cancelled: asked before and during the network's run, and before each bone.
        runtime: "auto", or "torch" to run the weights with torch.

    Raises:
        ValueError: no such model, one of another task, or one whose card names no bones.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or SegmentConfig()
    model = model or find_model(config.model, "segment", model_folders)
    structures = model_structures(model)
    hung = _is_hung(radiograph) or not any(s.side for s in structures)
    part = content(radiograph.pixels, radiograph.domain, model.card.framing)
    shown, _ = shown_part(radiograph, part, is_mirrored=not hung)
    turns, most = count(), most_looks(config.turn, closer=bool(model.card.closer))
    order = [*mirrored_order(structures), *range(len(structures), len(model.card.outputs))]

    def ask(seen: np.ndarray, ways: tuple[bool, ...]) -> list[np.ndarray]:
        tell = part_of(part_of(progress, 0, 2), next(turns), most)
        found = answers_both_ways(model, seen, tell, is_cancelled, runtime, ways)
        return [a[order] if mirrors else a for a, mirrors in zip(found, ways, strict=True)]

    looks, doubts = _looks(shown, model, structures, config, ask)
    tell = part_of(progress, 1, 2)
    masks = np.zeros((len(structures), *radiograph.pixels.shape), bool)
    found = masks_of_looks(looks, structures, config, tell, is_cancelled)
    masks[:, *part] = found[:, :, :: 1 if hung else -1]
    warnings = (*domain_warnings(radiograph), *doubts)
    return Segmentation(radiograph, structures, masks, model.card.title, warnings)


def _looks(
    shown: Radiograph,
    model: Model,
    structures: tuple[Structure, ...],
    config: SegmentConfig,
    ask: Callable[[np.ndarray, tuple[bool, ...]], list[np.ndarray]],
) -> tuple[list[Look], tuple[str, ...]]:
    """What a network answers to an image and, where its card names bones, to these closer.

    Args:
        shown: the image.
        model, structures, config: as for `segment`.
        ask: the network's answers to channels, to their mirror image or to both.

    Returns:
        The looks, and warnings of what the network is in doubt about.
    """
    mirror, ways, size = model.card.mirror, WAYS[config.mirror], shown_size(shown, model)
    channels, larger = _channels(shown, size), None
    if model.card.closer and max(shown.pixels.shape) > size:
        larger = partial(_channels, shown, min(round(LARGER * size), max(shown.pixels.shape)))
    answers, degrees = answers_upright(
        lambda seen: ask(seen, ways), channels, config.turn, mirror, larger
    )
    doubts = (*way_round_warnings(answers, mirror), *turn_warnings(degrees, config.turn))
    whole = whole_look(chosen(answers, mirror), shown.pixels.shape)
    part = closer_part(whole, structures, model.card.closer, config.threshold)
    if part is None:
        return [whole], doubts
    near, clear = shown_part(shown, part)[0], ways_that_count(answers, ways, mirror)
    channels = _channels(near, shown_size(near, model))
    again, _ = answers_upright(lambda seen: ask(seen, clear), channels, str(degrees), mirror)
    shares = chosen(again, mirror)
    return [whole, Look(shares, part, closer_weight(whole, shares, part))], doubts


def _channels(shown: Radiograph, size: int) -> np.ndarray:
    return working_channels(shown, image_scale(shown.pixels, shown.domain), size)


def shown_size(shown: Radiograph, model: Model) -> int:
    """Longer side [pixels] at which a network is shown a part of a radiograph.

    Its card's working size; less where pixels are known to be finer then than its `finest_mm`:
    bones of half a patient would be twice as large as those it learned from.
    """
    most, finest = int(model.card.input["working_size"]), model.card.input.get("finest_mm")
    if finest is None or shown.pixel_mm is None:
        return most
    sides = (n * mm for n, mm in zip(shown.pixels.shape, shown.pixel_mm, strict=True))
    return min(most, max(LEAST_SIDE, round(max(sides) / finest)))


def _is_hung(radiograph: Radiograph) -> bool:
    """Whether nothing says that the patient's right is on the image's right."""
    return radiograph.geometry is None or not radiograph.geometry.is_from_behind


def model_structures(model: Model) -> tuple[Structure, ...]:
    """What a model's outputs are, in the network's order; without the one that tells mirror images.

    Raises:
        ValueError: one name twice, or an entry that is no structure.
    """
    outputs = model.card.outputs
    if model.card.mirror == "told":
        if len(outputs) < 2 or outputs[-1]["name"] != WAY_ROUND:
            raise ValueError(
                f"model {model.folder}: card.json: outputs: the last is {outputs[-1]['name']!r}; "
                f"expected {WAY_ROUND!r}, as input.mirror is 'told'"
            )
        outputs = outputs[:-1]
    try:
        found = tuple(structure_from_output(output) for output in outputs)
        check_names(found)
    except ValueError as error:
        raise ValueError(f"model {model.folder}: card.json: outputs: {error}") from None
    return found


def check_names(structures: tuple[Structure, ...]) -> None:
    """Refuse one name twice."""
    names = [s.name for s in structures]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"structures: two are named {twice!r}; expected different names")
