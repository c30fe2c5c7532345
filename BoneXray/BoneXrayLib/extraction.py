"""Bones out of a radiograph, in the image's own units.

The network sees the image on a common scale and answers, for each pixel, with the share of its
value that bone adds. Bone image = share · (image above its base). So bone is never negative and
never more than what is there, the fine detail of the radiograph stays, and

    enhanced = image + λ · bone

has a meaning: λ = -1 leaves the bones out, 0 changes nothing, +1 makes them twice as dense.

The network sees the whole image at the working size of its model, however large the image is,
and its shares are interpolated: no tiles at the image's own size, so no seams. Finer tiles would
show the network bones larger than any it was trained on, without what lies around them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .domain import domain_warnings
from .framing import content, to_working_size
from .inference import run_network
from .models import Model, find_model
from .progress import IsCancelled, Progress, part_of
from .radiograph import Radiograph, check_reading
from .resizing import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

ENHANCE_RANGE = (-1.0, 2.0)
HIGH_PERCENTILE = 99.0
BASE_PERCENTILE = 0.5
LEAST_SPAN = 0.1
"""Of an image that is nearly all air, what its span is at least of its brightest pixel, so that
the corner of a limb in it is no more than ten times as bright as that."""
UNKNOWN = 0.0
"""What the scale and the pixel channel hold where the value is not known."""
OTHER_SIZES = (2 / 3, 4 / 3)
"""Working sizes asked beside the model's own, as shares of it, for the uncertainty."""


@dataclass
class ExtractConfig:
    """The fields of command and panel for bone extraction."""

    model: str = "extract-general"
    """Name or folder of the model."""
    enhance: float = 1.0
    """λ of the enhanced image, image + λ · bone: -1 leaves bones out, 0 as it is, up to 2."""
    pixel: float | None = None
    """Pixel size at the detector [mm], for files that do not say it."""
    polarity: str = "auto"
    """auto, bone-bright or bone-dark: how bone is stored in the file."""
    uncertainty: bool = False
    """Also map how far the model's answers disagree between an image, its mirror image and both
    at other working sizes; takes three times as long."""

    def __post_init__(self) -> None:
        check_enhance(self.enhance)
        check_reading(self.pixel, self.polarity)


@dataclass(frozen=True, eq=False)
class Extraction:
    """Bones of one radiograph; arrays (rows, columns) float32 in the radiograph's units.

    Attributes:
        radiograph: the input.
        bone: what bone adds to the input, never below zero.
        model: name and version of the model that found it.
        uncertainty: where it was asked for, the standard deviation of the model's answers for
            `bone` to the image and its mirror image at three working sizes. It ranks pixels: high
            where the answer hangs on how it was asked, as at overlaps and thin bones. It is no
            error bar (errors are several times larger), and what all answers get wrong alike, such
            as contrast medium taken for bone, does not show in it.
        warnings: what the image looks like if not like a radiograph; see `domain_warnings`.
    """

    radiograph: Radiograph
    bone: np.ndarray
    model: str
    uncertainty: np.ndarray | None = None
    warnings: tuple[str, ...] = ()

    def enhanced(self, enhance_by: float = 1.0) -> np.ndarray:
        """The input with its bones `1 + enhance_by` times as dense."""
        return enhance(self.radiograph.pixels, self.bone, enhance_by)


@dataclass(frozen=True)
class Scale:
    """How an image was brought to the network's scale: x = (image - base) / span."""

    base: float
    span: float


def check_enhance(value: float) -> None:
    """Refuse a λ outside -1 to 2."""
    low, high = ENHANCE_RANGE
    if not (np.isfinite(value) and low <= value <= high):
        raise ValueError(f"enhance: got {value!r}; expected {low:g} to {high:g}")


def enhance(pixels: np.ndarray, bone: np.ndarray, enhance_by: float) -> np.ndarray:
    """pixels + λ · bone, λ in [-1, 2]; same shape and units as `pixels`."""
    check_enhance(enhance_by)
    return pixels + np.float32(enhance_by) * bone


def image_scale(pixels: np.ndarray, domain: str) -> Scale:
    """Base and span of an image: optical density starts at 0, a display image at its darkest."""
    low, high = (float(p) for p in np.percentile(pixels, (BASE_PERCENTILE, HIGH_PERCENTILE)))
    base = 0.0 if domain == "optical density" else low
    most = float(pixels.max()) - base
    return Scale(base, max(high - base, LEAST_SPAN * most, 1e-6))


def input_channels(
    pixels: np.ndarray, scale: Scale, domain: str, pixel_mm: float | None
) -> np.ndarray:
    """What the network sees, (3, rows, columns) float32.

    Channels: the image on its scale; span / 5 where it is optical density, else `UNKNOWN`; half
    the pixel size [mm] where it is known, else `UNKNOWN`.
    """
    channels = np.empty((3, *pixels.shape), dtype=np.float32)
    channels[0] = (pixels - scale.base) / scale.span
    channels[1] = scale.span / 5.0 if domain == "optical density" else UNKNOWN
    channels[2] = UNKNOWN if pixel_mm is None else min(pixel_mm, 4.0) / 2.0
    return channels


def extract(
    radiograph: Radiograph,
    config: ExtractConfig | None = None,
    model: Model | None = None,
    model_folders: Sequence[str] = (),
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    runtime: str = "auto",
) -> Extraction:
    """Extract the bones of a radiograph.

    Args:
        radiograph: any radiograph, bone bright.
        config: which model; `model` overrides it with a loaded one.
        model: a model found already.
        model_folders: where else to look for models.
        progress: told fraction and message.
        is_cancelled: asked before and during the network's run.
        runtime: "auto", or "torch" to run the weights with torch.

    Raises:
        ValueError: no such model, or one of another task.
        Cancelled: `is_cancelled()` became true.
    """
    config = config or ExtractConfig()
    model = model or find_model(config.model, "extract", model_folders)
    part = content(radiograph.pixels, radiograph.domain, model.card.framing)
    shown, scale = shown_part(radiograph, part)
    sizes = (1.0, *OTHER_SIZES) if config.uncertainty else (1.0,)
    answers = []
    for turn, size in enumerate(sizes):
        channels = working_channels(shown, scale, round(size * model.card.input["working_size"]))
        tell = part_of(progress, turn, len(sizes))
        found = answers_both_ways(model, channels, tell, is_cancelled, runtime)
        answers.append([answer[0] for answer in found])
    bone, spread = np.zeros(radiograph.pixels.shape, np.float32), None
    bone[part] = _bone((answers[0][0] + answers[0][1]) / 2, shown.pixels, scale)
    if config.uncertainty:
        spread = np.zeros_like(bone)
        spread[part] = np.std([_bone(a, shown.pixels, scale) for p in answers for a in p], axis=0)
    return Extraction(radiograph, bone, model.card.title, spread, domain_warnings(radiograph))


def shown_part(
    radiograph: Radiograph, part: tuple[slice, slice], is_mirrored: bool = False
) -> tuple[Radiograph, Scale]:
    """What a network is shown of a radiograph, and its scale."""
    pixels = radiograph.pixels[part][:, :: -1 if is_mirrored else 1]
    shown = replace(radiograph, pixels=np.ascontiguousarray(pixels))
    return shown, image_scale(shown.pixels, shown.domain)


def working_channels(radiograph: Radiograph, scale: Scale, working_size: int) -> np.ndarray:
    """`input_channels` of the radiograph with its longer side at `working_size`."""
    small, factor = to_working_size(radiograph.pixels, working_size)
    pixel_mm = None
    if radiograph.pixel_mm is not None:
        pixel_mm = float(np.mean(radiograph.pixel_mm)) * factor
    return input_channels(small, scale, radiograph.domain, pixel_mm)


def _bone(answer: np.ndarray, pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """What bone adds to `pixels`, same shape, float32, from its share at the working size."""
    bone = resize(answer, pixels.shape)
    np.clip(bone, 0.0, 1.0, out=bone)
    above_base = pixels - np.float32(scale.base)
    bone *= np.maximum(above_base, 0.0, out=above_base)
    return bone


def answers_both_ways(
    model: Model,
    channels: np.ndarray,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    runtime: str,
    ways: tuple[bool, ...] = (False, True),
) -> list[np.ndarray]:
    """The answers to an image and to its mirror image, turned back; (outputs, rows, columns).

    Left and right are alike to a network trained on both, but its errors differ: the mean of both
    is better than either. `ways` tells for each answer whether it is to the mirror image.
    """
    answers = []
    for turn, is_mirrored in enumerate(ways):
        tell = part_of(progress, turn, len(ways))
        step = -1 if is_mirrored else 1
        seen = np.ascontiguousarray(channels[..., ::step])
        found = run_network(model, seen, progress=tell, is_cancelled=is_cancelled, runtime=runtime)
        answers.append(found[..., ::step])
    return answers
