"""Best, median and worst image of named bones: input, true outlines, the model's outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.picture_report import BACKGROUND, side_by_side, stacked
from BoneXrayLib.segments.structures import structure

HEIGHT = 560
LEGEND_WIDTH = 190


@dataclass(frozen=True, eq=False)
class OutlinedImage:
    """One image to show.

    Attributes:
        title: which one: rank, patient, view.
        score: of the model, in words.
        grey: (rows, columns) uint8, bone bright.
        truth, answer: (bones, rows, columns) bool.
        structures: of the masks.
    """

    title: str
    score: str
    grey: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    structures: tuple[str, ...]


def outline_sheet(images: Sequence[OutlinedImage]) -> np.ndarray:
    """A row for each image, (rows, columns, 3) uint8: input, truth, model, colours of the bones."""
    return stacked([_row(image) for image in images])


def _row(image: OutlinedImage) -> np.ndarray:
    rows, columns = image.grey.shape
    shape = (HEIGHT, max(1, round(columns * HEIGHT / rows)))
    grey = _resized(image.grey, shape)
    colours = [colour_of(name) for name in image.structures]
    pictures = [grey]
    for masks in (image.truth, image.answer):
        pictures.append(outlined(grey, [_resized(m, shape) > 0 for m in masks], colours))
    titles = [f"{image.title}: input", "truth", f"model: {image.score}", ""]
    return side_by_side([*pictures, _legend(image.structures, colours)], titles, HEIGHT)


def outlined(
    grey: np.ndarray, masks: Sequence[np.ndarray], colours: Sequence[tuple[int, int, int]]
) -> np.ndarray:
    """Outlines of masks, two pixels wide, on an image (rows, columns) uint8; in colour."""
    from scipy.ndimage import binary_erosion

    picture = np.repeat(grey[..., np.newaxis], 3, axis=2)
    for mask, colour in zip(masks, colours, strict=True):
        picture[mask & ~binary_erosion(mask, iterations=2, border_value=1)] = colour
    return picture


def colour_of(name: str) -> tuple[int, int, int]:
    """The colour of a structure; of several as one, that of the first."""
    return structure(name.split(" + ")[0]).colour


def _legend(names: Sequence[str], colours: Sequence[tuple[int, int, int]]) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("RGB", (LEGEND_WIDTH, HEIGHT), (BACKGROUND,) * 3)
    draw = ImageDraw.Draw(canvas)
    step = min(34, HEIGHT // max(len(names), 1))
    font = ImageFont.load_default(min(18, max(step - 8, 8)))
    for n, (name, colour) in enumerate(zip(names, colours, strict=True)):
        draw.text((4, n * step + 4), name, fill=colour, font=font)
    return np.asarray(canvas)


def _resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    is_mask = image.dtype == bool
    picture = Image.fromarray(image.astype(np.uint8) * (255 if is_mask else 1))
    how = Image.Resampling.NEAREST if is_mask else Image.Resampling.BILINEAR
    return np.asarray(picture.resize(shape[::-1], how))
