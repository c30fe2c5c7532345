"""Images to judge the out-of-domain warning on: radiographs, and parts of photographs.

Every function draws from the generator it is given, so a seed gives the same images again.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter


def radiograph(density: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A radiograph of an optical density (rows, columns) and its domain: as it is, or displayed.

    Displayed ones have scatter, a response curve, noise, shutters and a side marker by chance, as
    the training images do; most are stored in 8 bit and some as JPEG.
    """
    import torch

    from BoneXrayTrainingLib.sampling import augmentation

    density = _part_of(density, rng).astype(np.float32)
    if rng.random() < 0.25:
        density = _with_things(density, rng)
    if min(density.shape) > 300 and rng.random() < 0.4:  # as sharp as a detector's pixels
        rows, columns = (n // 2 * 2 for n in density.shape)
        density = density[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).mean((1, 3))
    if rng.random() < 0.2:
        return density, "optical density"
    total = torch.from_numpy(np.ascontiguousarray(density))
    image, _ = augmentation.respond(augmentation.expose(total, total, rng), rng)
    image = augmentation.add_noise(image, rng, 0.8).numpy()
    if rng.random() < 0.35:
        image = image + rng.uniform(0.5, 3) * (image - gaussian_filter(image, rng.uniform(0.7, 3)))
    if rng.random() < 0.1:
        image = image + 0.03 * image.std() * rng.standard_normal((len(image), 1))
    if rng.random() < 0.45:
        image = _collimated(image, rng)
    if rng.random() < 0.1:  # a scan that ended early, or a sheet larger than the image
        image = np.pad(image, [(0, len(image) // 2), (0, 0)], constant_values=image.min())
    image = np.asarray(image, dtype=np.float32)
    if rng.random() < 0.3:
        _write_marker(image, rng)
    return stored(image, rng), "display"


def _part_of(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image or a part of at least 45 % of each side, mirrored or turned by chance."""
    if rng.random() < 0.4:
        rows, columns = (int(n * rng.uniform(0.45, 1.0)) for n in image.shape)
        top = int(rng.integers(0, image.shape[0] - rows + 1))
        left = int(rng.integers(0, image.shape[1] - columns + 1))
        image = image[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    return np.rot90(image, int(rng.integers(4))) if rng.random() < 0.15 else image


def _collimated(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shutters at the darkest value, or blades at the brightest with some noise."""
    rows, columns = image.shape
    low, high = float(image.min()), float(image.max())
    top, bottom = (int(rng.uniform(-0.2, 0.25) * rows) for _ in range(2))
    left, right = (int(rng.uniform(-0.2, 0.3) * columns) for _ in range(2))
    top, bottom, left, right = (max(0, n) for n in (top, bottom, left, right))
    out = np.full_like(image, low if rng.random() < 0.6 else high)
    if rng.random() < 0.5:
        out += (0.01 * (high - low) * rng.standard_normal(out.shape)).astype(np.float32)
    inside = slice(top, rows - bottom), slice(left, columns - right)
    out[inside] = image[inside]
    return gaussian_filter(out, rng.uniform(0.5, 4)) if rng.random() < 0.5 else out


def _with_things(density: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Plates, nails, parts of a phantom or of the table: even things of any density."""
    mask = Image.new("F", density.shape[::-1], 0.0)
    draw = ImageDraw.Draw(mask)
    for _ in range(int(rng.integers(1, 5))):
        x, y = (float(rng.uniform(0, n)) for n in density.shape[::-1])
        w, h = (float(rng.uniform(0.01, 0.25) * n) for n in density.shape[::-1])
        angle, thick = rng.uniform(-0.3, 0.3), float(rng.uniform(0.2, 1.5) * density.std())
        corners = [(-w, -h), (w, -h), (w, h), (-w, h)]
        turn = np.cos(angle), np.sin(angle)
        draw.polygon([(x + a * turn[0] - b * turn[1], y + a * turn[1] + b * turn[0])
                      for a, b in corners], fill=thick)  # fmt: skip
    return density + np.asarray(mask, np.float32)


def _write_marker(image: np.ndarray, rng: np.random.Generator) -> None:
    """L or R in lead, as bright as metal, in one of the corners."""
    size = int(rng.uniform(0.04, 0.1) * min(image.shape)) + 8
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).text((1, 0), rng.choice(["L", "R"]), fill=255, font=font(size))
    r, c = (int(rng.uniform(0.05, 0.9) * (n - size)) for n in image.shape)
    share = np.asarray(mask, np.float32)[: image.shape[0] - r, : image.shape[1] - c] / 255
    place = image[r : r + share.shape[0], c : c + share.shape[1]]
    place += share * (image.max() - place)


def stored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a file gives it back: float, 12 bit, or 8 bit after some windowing, PNG or JPEG."""
    kind = rng.random()
    if kind < 0.15:
        return image
    low, high = np.percentile(image, [rng.uniform(0, 1), rng.uniform(99, 100)])
    level = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    if kind < 0.35:
        return np.rint(level * 4095).astype(np.float32)
    grey = np.rint(level * 255).astype(np.uint8)
    return as_jpeg(grey, int(rng.integers(60, 96))) if kind < 0.65 else grey.astype(np.float32)


def as_jpeg(grey: np.ndarray, quality: int) -> np.ndarray:
    """Grey values uint8 through a JPEG file, float32."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).astype(np.float32)


def photograph(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a grey picture (rows, columns), mirrored, of another size and contrast."""
    part = _part_of(picture.astype(np.float32), rng)
    factor = rng.uniform(0.5, 1.0) * min(1.0, 700 / max(part.shape))
    size = tuple(max(48, round(n * factor)) for n in part.shape[::-1])
    part = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
    part = 255 * (np.clip(part / 255, 0, 1) ** np.exp(rng.normal(0, 0.3)))
    return stored(part.astype(np.float32), rng)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters that Pillow brings along."""
    return ImageFont.load_default(size)
