"""Pictures beside each other, with captions: what a report shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GAP = 8
BACKGROUND = 16
INK = 235


def side_by_side(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    height: int = 512,
    windows: Sequence[tuple[float, float] | None] | None = None,
) -> np.ndarray:
    """Images in one row at one height, each under its title.

    Args:
        images: grey (rows, columns), or RGB (rows, columns, 3) uint8. uint8 is shown as it is,
            other grey images within their window.
        titles: one each; long ones are broken into lines.
        height: of the images [pixels]; widths follow.
        windows: (black, white) of each grey image; None = its smallest and greatest value.

    Returns:
        (rows, columns) uint8, or (rows, columns, 3) where one of the images is in colour.

    Raises:
        ValueError: no images, not one title each, an image of another shape, or not finite.
    """
    windows = windows or [None] * len(images)
    if len(images) == 0 or not len(images) == len(titles) == len(windows):
        raise ValueError(f"titles: {len(titles)} for {len(images)} images; expected one each")
    if not 32 <= height <= 8192:
        raise ValueError(f"height: {height}; expected 32 to 8192 pixels")
    pictures = [_picture(i, height, w) for i, w in zip(images, windows, strict=True)]
    size = max(14, height // 22)
    captions = [_caption(t, p.shape[1], size) for t, p in zip(titles, pictures, strict=True)]
    head = max(c.shape[0] for c in captions)
    width = sum(p.shape[1] + GAP for p in pictures) + GAP
    sheet = np.full((head + height + GAP, width, 3), BACKGROUND, dtype=np.uint8)
    left = GAP
    for picture, caption in zip(pictures, captions, strict=True):
        columns = slice(left, left + picture.shape[1])
        sheet[: caption.shape[0], columns] = caption[..., np.newaxis]
        sheet[head : head + height, columns] = picture
        left += picture.shape[1] + GAP
    return sheet if any(np.ndim(i) == 3 for i in images) else sheet[..., 0].copy()


def stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Sheets of `side_by_side` below each other, filled up on the right."""
    if not rows:
        raise ValueError("rows: none; expected at least one sheet")
    sheets = [np.repeat(r[..., np.newaxis], 3, axis=2) if r.ndim == 2 else r for r in rows]
    width = max(s.shape[1] for s in sheets)
    padded = [
        np.pad(s, ((0, 0), (0, width - s.shape[1]), (0, 0)), constant_values=BACKGROUND)
        for s in sheets
    ]
    sheet = np.concatenate(padded)
    return sheet if any(r.ndim == 3 for r in rows) else sheet[..., 0].copy()


def _picture(image: np.ndarray, height: int, window: tuple[float, float] | None) -> np.ndarray:
    """The image at a height, (height, columns, 3) uint8."""
    from PIL import Image

    array = np.asarray(image)
    is_colour = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    if array.size == 0 or not (array.ndim == 2 or is_colour):
        raise ValueError(
            f"images: shape {array.shape} of {array.dtype}; expected grey (rows, columns) or "
            "RGB uint8"
        )
    if array.dtype != np.uint8:
        array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise ValueError("images: hold NaN or infinity; expected finite numbers")
        low, high = window or (float(array.min()), float(array.max()))
        span = max(high - low, 1e-12)
        array = np.rint(np.clip((array - low) / span, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(array).convert("RGB")
    width = max(1, round(array.shape[1] * height / array.shape[0]))
    shrinks = height < array.shape[0]
    filter_ = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return np.asarray(picture.resize((width, height), filter_))


def _caption(title: str, width: int, size: int) -> np.ndarray:
    """The title in lines that fit a width, (rows, width) uint8."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    lines = [""]
    for word in str(title).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    step = round(size * 1.3)
    canvas = Image.new("L", (width, step * len(lines) + size // 2), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((0, number * step + size // 4), line, fill=INK, font=font)
    return np.asarray(canvas)
