"""A joint space drawn over its radiograph: both margins, and widths between them."""

from __future__ import annotations

import numpy as np

from ..display import display_window, to_grey
from .joint_space import JointSpace

UPPER_COLOUR, LOWER_COLOUR = (255, 170, 60), (70, 200, 255)
WIDTH_COLOUR, OVERLAP_COLOUR, LEAST_COLOUR = (255, 255, 255), (255, 60, 90), (255, 255, 0)
AROUND_MM = 4.0
EVERY_MM = 1.0
HEIGHT = 640
SMOOTHER = 2
"""Lines are drawn so many times as large and then shrunk."""


def joint_picture(
    image: np.ndarray, space: JointSpace, pixel_mm: tuple[float, float], height: int = HEIGHT
) -> np.ndarray:
    """The joint and what is around it, (height, columns, 3) uint8.

    Margins are orange (upper bone) and blue (lower bone). Widths are white, red where the bones
    overlap, one every mm; the smallest is yellow.

    Args:
        image: (rows, columns), bone bright.
        space: what was measured.
        pixel_mm: (row, column) spacing of the image.
        height: of the picture [pixels].
    """
    from PIL import Image, ImageDraw

    pixel = np.array(pixel_mm)
    ends = np.concatenate([space.margins.upper, space.margins.lower]) / pixel
    more = AROUND_MM / pixel
    low = np.maximum(np.floor(ends.min(axis=0) - more), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=0) + more) + 1, image.shape).astype(int)
    part = image[low[0] : high[0], low[1] : high[1]]
    extent = np.array(part.shape) * pixel
    size = (round(height * extent[1] / extent[0]), height)
    grey = to_grey(part, *display_window(part))
    picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    picture = picture.resize((size[0] * SMOOTHER, size[1] * SMOOTHER), Image.Resampling.BICUBIC)
    scale = np.array([picture.height, picture.width]) / part.shape

    def place(points: np.ndarray) -> list[tuple[float, float]]:
        at = (points / pixel - low + 0.5) * scale
        return [(float(column), float(row)) for row, column in at]

    draw, thin = ImageDraw.Draw(picture), max(3, picture.height // 220)
    margins = space.margins
    for number in _shown(space):
        line = np.stack([margins.upper[number], margins.lower[number]])
        colour = OVERLAP_COLOUR if space.width_mm[number] < 0 else WIDTH_COLOUR
        draw.line(place(line), fill=colour, width=thin)
    least = int(np.argmin(space.width_mm))
    line = np.stack([margins.upper[least], margins.lower[least]])
    draw.line(place(line), fill=LEAST_COLOUR, width=2 * thin)
    draw.line(place(margins.upper), fill=UPPER_COLOUR, width=thin)
    draw.line(place(margins.lower), fill=LOWER_COLOUR, width=thin)
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def _shown(space: JointSpace) -> list[int]:
    """Stations about every mm, the middle one among them."""
    along = space.positions_mm
    marks = np.arange(np.ceil(along[0] / EVERY_MM), np.floor(along[-1] / EVERY_MM) + 1) * EVERY_MM
    return sorted({int(np.argmin(np.abs(along - mark))) for mark in marks})
