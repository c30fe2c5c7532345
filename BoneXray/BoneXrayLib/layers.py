"""Overlapping bones pulled apart: what each adds to a radiograph, and what is left without them.

The network answers with shares, and shares of what is there add up to what is there:

    layer of a bone = level · bones · this          soft = image - all layers

with the level, the image above its base; `bones`, the share of it that bones make; and `this`, the
share of these that is the bone asked about. So no layer is below zero, their sum is the image, and
each has its fine texture, because the shares are interpolated to the image's size, not the layers.

With masks, one question is asked for each bone (`layer_questions.py` says what is shown). At a
pixel of several bones, what they make together is the mean of the answers to the questions that
showed the whole of one of them, and they divide it as `this` of each says. Outside its mask a
bone's layer is 0. Without masks the whole image is one question about a joint that stands upright:
the bone above and the one below. Their layers then fade out beyond the masks that were found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .domain import domain_warnings
from .models import Model
from .progress import IsCancelled, Progress, part_of
from .radiograph import Radiograph
from .segmentation import SegmentConfig, check_names, segment
from .segments.mask_files import read_masks
from .segments.structures import Structure, structure
from .separating.layer_questions import check_separator, find_separator
from .separating.layer_shares import layers_of_masks, layers_without_masks
from .separating.separate_config import SeparateConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UPPER, LOWER = "upper bone", "lower bone"
UPRIGHT: dict[str, tuple[int, int, int]] = {UPPER: (240, 150, 50), LOWER: (80, 180, 240)}
"""The bones of an upright joint, and their colours (red, green, blue)."""
FADE_RANGE = (0.0, 2.0)
NAME_FIRST = "these are options of run segment, whose masks --masks takes"
"""Follows what naming bones warns of: pulling apart has not its options."""


@dataclass(frozen=True, eq=False)
class Layers:
    """A radiograph as a sum of its bones and the rest, all in the radiograph's own units.

    Attributes:
        radiograph: the input.
        structures: the bones, in the order of layers and masks, all of different names.
        layers: (bones, rows, columns) float32, what each bone adds; never below zero.
        masks: (bones, rows, columns) bool; bones overlap. Layers are 0 outside masks that were
            given, and fade out around masks that were found.
        model: name and version of the model that separated them.
        warnings: what was not found, or what the image looks like if not like a radiograph.

    Raises:
        ValueError: layers or masks of another shape or kind, or one name twice.
    """

    radiograph: Radiograph
    structures: tuple[Structure, ...]
    layers: np.ndarray
    masks: np.ndarray
    model: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.structures), *self.radiograph.pixels.shape)
        for name, kind in (("layers", np.float32), ("masks", bool)):
            array = getattr(self, name)
            if array.dtype != kind or array.shape != expected:
                raise ValueError(
                    f"{name}: {array.dtype} of shape {array.shape}; "
                    f"expected {np.dtype(kind)} {expected}"
                )
        check_names(self.structures)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the bones."""
        return tuple(s.name for s in self.structures)

    @property
    def soft(self) -> np.ndarray:
        """What is no bone, (rows, columns) float32: the image without all layers."""
        soft = self.faded(dict.fromkeys(self.names, 0.0))
        # Rounding must not leave less than nothing where bone is all there is. Other images may
        # begin below 0: a localizer's HU.
        pixels = self.radiograph.pixels
        is_density = self.radiograph.domain == "optical density"
        least = np.minimum(pixels, 0) if is_density else min(0.0, float(pixels.min()))
        return np.maximum(soft, least, out=soft)

    def alone(self, bone: int | str) -> np.ndarray:
        """The image as if the other bones were not there: soft + one layer."""
        place = self._place(bone)
        return self.faded({name: 0.0 for n, name in enumerate(self.names) if n != place})

    def overlap(self) -> np.ndarray:
        """Where two bones or more are, (rows, columns) bool."""
        seen, several = np.zeros_like(self.masks[0]), np.zeros_like(self.masks[0])
        for mask in self.masks:
            several |= seen & mask
            seen |= mask
        return several

    def faded(self, shares: Mapping[str, float] | Mapping[int, float]) -> np.ndarray:
        """The image with bones of another density: 0 leaves one out, 1 is as it is, up to 2.

        Args:
            shares: by name or place of the bone; those not named stay as they are.
        """
        image = self.radiograph.pixels.copy()
        for bone, share in shares.items():
            if not (np.isfinite(share) and FADE_RANGE[0] <= share <= FADE_RANGE[1]):
                raise ValueError(f"share of {bone}: got {share!r}; expected 0 to 2")
            if share != 1:
                image += np.float32(share - 1) * self.layers[self._place(bone)]
        return image

    def _place(self, bone: int | str) -> int:
        place = self.names.index(bone) if bone in self.names else bone
        if not isinstance(place, int) or not 0 <= place < len(self.names):
            raise ValueError(f"bone: got {bone!r}; expected one of {', '.join(self.names)}")
        return place


def separate(
    radiograph: Radiograph,
    config: SeparateConfig | None = None,
    masks: np.ndarray | None = None,
    structures: Sequence[Structure] | None = None,
    model: Model | None = None,
    model_folders: Sequence[str] = (),
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> Layers:
    """Pull the bones of a radiograph apart.

    Without masks the network is shown the whole image (as the model frames it), which should be one
    joint standing upright, the bones called "upper bone" and "lower bone". With masks it is shown,
    for each bone, the square around it and the bones that overlap or nearly touch it, with 15 % of
    its side as margin: the joint, wherever it is in the radiograph and however it is turned.

    Args:
        radiograph: any radiograph, bone bright.
        config: which model, and where masks come from unless they are given here.
        masks: (bones, rows, columns) bool, of one bone or more; they may overlap.
        structures: of the masks; else "bone 1", "bone 2" and so on.
        model: a model found already.
        model_folders: where else to look for models.
        progress: told fraction and message.
        is_cancelled: asked before and during each run of the network.
        runtime: "auto", or "torch" to run the weights with torch.

    Raises:
        ValueError: no such model or one of another task, masks of another shape or without a bone.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or SeparateConfig()
    model = model or find_separator(config.model, model_folders)
    check_separator(model)
    how: dict[str, Any] = {"is_cancelled": is_cancelled, "runtime": runtime}
    said: tuple[str, ...] = ()
    if masks is None and config.segment:
        tell, progress = part_of(progress, 0, 2), part_of(progress, 1, 2)
        masks, structures, said = _segmented(radiograph, config, model_folders, tell, how)
    elif masks is None and config.masks is not None:
        masks, structures = read_masks(config.masks, radiograph.pixels.shape)
    if masks is None:
        bones = _two_bones(structures)
        layers, masks = layers_without_masks(radiograph, bones, model, progress, **how)
        lost = [s.name for s, mask in zip(bones, masks, strict=True) if not mask.any()]
        said = tuple(f"{bone} was not found" for bone in lost)
    else:
        bones = _checked(masks, structures, radiograph.pixels.shape)
        layers = layers_of_masks(radiograph, masks, model, progress, **how)
    warnings = (*said, *domain_warnings(radiograph))
    return Layers(radiograph, bones, layers, masks, model.card.title, warnings)


def _segmented(
    radiograph: Radiograph,
    config: SeparateConfig,
    model_folders: Sequence[str],
    progress: Progress | None,
    how: dict[str, Any],
) -> tuple[np.ndarray, tuple[Structure, ...], tuple[str, ...]]:
    """Masks and names of the bones that a model for "segment" finds, and how it may have erred."""
    settings = SegmentConfig(config.segment)
    found = segment(radiograph, settings, None, model_folders, progress, **how)
    there = [n for n, mask in enumerate(found.masks) if mask.any()]
    if not there:
        raise ValueError(f"segment: {found.model} finds no bone here; expected at least one")
    bones = tuple(found.structures[n] for n in there)
    of_image = domain_warnings(radiograph)
    said = tuple(f"{w}; {NAME_FIRST}" for w in found.warnings if w not in of_image)
    return found.masks[there], bones, said


def _checked(
    masks: np.ndarray, structures: Sequence[Structure] | None, shape: tuple[int, ...]
) -> tuple[Structure, ...]:
    """The structures of masks, which are as they should be."""
    if masks.dtype != bool or masks.ndim != 3 or masks.shape[1:] != shape:
        raise ValueError(
            f"masks: {masks.dtype} of shape {masks.shape}; expected bool (bones, "
            f"{', '.join(map(str, shape))}) as the image"
        )
    if not masks.any():
        raise ValueError("masks: hold no bone; expected pixels of at least one")
    if structures is None:
        return tuple(structure(f"bone {n}") for n in range(1, len(masks) + 1))
    if len(structures) != len(masks):
        raise ValueError(f"structures: {len(structures)} of {len(masks)} masks; expected as many")
    check_names(tuple(structures))
    return tuple(structures)


def _two_bones(structures: Sequence[Structure] | None) -> tuple[Structure, ...]:
    """What the bones are called where no masks say which they are."""
    default = (replace(structure(n), colour=c, pieces=1) for n, c in UPRIGHT.items())
    bones = tuple(default if structures is None else structures)
    if len(bones) != 2:
        raise ValueError(f"structures: {len(bones)} without masks; expected two, upper and lower")
    check_names(bones)
    return bones
