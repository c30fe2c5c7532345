"""Bones out of a radiograph: source A, in the image's own units.

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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .inference import run_network
from .models import Model, find_model
from .progress import IsCancelled, Progress
from .radiograph import Radiograph
from .resizing import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

ENHANCE_RANGE = (-1.0, 2.0)
HIGH_PERCENTILE = 99.0
BASE_PERCENTILE = 0.5
UNKNOWN = 0.0
"""What the scale and the pixel channel hold where the value is not known."""


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

    def __post_init__(self) -> None:
        check_enhance(self.enhance)
        if self.pixel is not None and not (np.isfinite(self.pixel) and self.pixel > 0):
            raise ValueError(f"pixel: got {self.pixel!r}; expected a positive length in mm")
        if self.polarity not in ("auto", "bone-bright", "bone-dark"):
            raise ValueError(
                f"polarity: got {self.polarity!r}; expected auto, bone-bright or bone-dark"
            )


@dataclass(frozen=True, eq=False)
class Extraction:
    """Bones of one radiograph; arrays (rows, columns) float32 in the radiograph's units.

    Attributes:
        radiograph: the input.
        bone: what bone adds to the input, never below zero.
        model: name and version of the model that found it.
    """

    radiograph: Radiograph
    bone: np.ndarray
    model: str

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
    span = high - base
    if span <= 0:
        span = max(float(pixels.max()) - base, 1e-6)
    return Scale(base, span)


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
    pixels = radiograph.pixels
    scale = image_scale(pixels, radiograph.domain)
    small, factor = _to_working_size(pixels, int(model.card.input["working_size"]))
    pixel_mm = None
    if radiograph.pixel_mm is not None:
        pixel_mm = float(np.mean(radiograph.pixel_mm)) * factor
    channels = input_channels(small, scale, radiograph.domain, pixel_mm)
    answer = _mirror_average(model, channels, progress, is_cancelled, runtime)
    bone = resize(answer, pixels.shape)
    np.clip(bone, 0.0, 1.0, out=bone)
    above_base = pixels - np.float32(scale.base)
    bone *= np.maximum(above_base, 0.0, out=above_base)
    return Extraction(radiograph, bone, f"{model.card.name} {model.card.version}")


def _mirror_average(
    model: Model,
    channels: np.ndarray,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    runtime: str,
) -> np.ndarray:
    """Mean of the answers to an image and to its mirror image, (rows, columns) float32.

    Left and right are alike to a network trained on both, but its errors differ.
    """
    answers = []
    for turn, step in enumerate((1, -1)):

        def tell(fraction: float, message: str, turn: int = turn) -> None:
            if progress is not None:
                progress((turn + fraction) / 2, message)

        seen = np.ascontiguousarray(channels[..., ::step])
        found = run_network(model, seen, progress=tell, is_cancelled=is_cancelled, runtime=runtime)
        answers.append(found[0][:, ::step])
    return (answers[0] + answers[1]) / 2


def _to_working_size(pixels: np.ndarray, working_size: int) -> tuple[np.ndarray, float]:
    """The image with its longer side at `working_size`, and how many pixels became one."""
    factor = max(pixels.shape) / working_size
    shape = tuple(max(1, round(n / factor)) for n in pixels.shape)
    return resize(pixels, shape), factor
