"""Rows of an evaluation of separated bones: one method on one bone, and on one image."""

from __future__ import annotations

from dataclasses import dataclass

from .separation_questions import EXACT, SHIFTED, LayerSubject

GIVEN, FREE = "model, masks given", "model, no masks"
MODEL_METHODS = (GIVEN, FREE)
FIGURES = ("mse", "ssim_overlap", "psnr_overlap", "mse_layer", "ssim", "psnr", "mse_brightness")
UNITS = {EXACT: "optical density over the image's span", SHIFTED: "brightness 0..1"}
"""What errors are in, by protocol."""


@dataclass(frozen=True)
class BoneRow:
    """One method on one bone of one image, the bone alone against the truth.

    In brightness for shifted joints, in optical density over the image's span for exact ones;
    `mse_brightness` is in brightness for both.
    """

    image: int
    method: str
    bone: str
    mse: float
    """Mean square error within the overlap, as the next two."""
    ssim_overlap: float
    psnr_overlap: float
    mse_layer: float
    """Of the whole layer: the bone alone within its mask, and nothing outside. So the next two."""
    ssim: float
    psnr: float
    mse_brightness: float


@dataclass(frozen=True)
class ImageRow:
    """One method on one image; NaN where a figure is not of the method's kind."""

    image: int
    method: str
    subject: LayerSubject
    off_sum: float
    """Largest difference of the sum of layers and the rest from the image, over its span."""
    least: float
    """Lowest value of a layer or the rest over the span: 0 or below."""
    mask_dice: float
    """Mean of both bones, where the masks were not given."""
    overlap_dice: float
