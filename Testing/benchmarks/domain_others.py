"""What is no radiograph, drawn: scenes like photographs, ultrasound, screenshots.

Every function draws from the generator it is given, so a seed gives the same images again.
"""

from __future__ import annotations

import numpy as np
from domain_examples import as_jpeg, font, stored
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, zoom

TEXT = (
    "Patient Study Series Open Save Window Level Measure Report image 512 1.25 mm Help File View "
    "chest lateral left Name Date Accept Cancel the of and with bone 2024-03-11 kV mAs"
)
WORDS = tuple(TEXT.split())


def natural_scene(rng: np.random.Generator) -> np.ndarray:
    """Dead leaves: discs and boxes that hide each other, each with its shade and texture.

    Sizes follow a power law, which gives the statistics of photographs (Lee, Mumford and Huang
    2001).
    """
    side = int(rng.integers(256, 480))
    image = np.zeros((side, side), np.float32)
    textures = [_smooth_noise(rng, (side, side), sigma) for sigma in (0.5, 1.5, 4)]
    for _ in range(int(rng.integers(150, 600))):
        radius = min(side * 0.01 / rng.uniform(0.02, 1.0) ** 0.9, 0.35 * side)
        y, x, angle = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0, np.pi)
        window = tuple(
            slice(max(0, int(m - 1.5 * radius)), int(m + 1.5 * radius) + 2) for m in (y, x)
        )
        r, c = (n.astype(np.float32) for n in np.ogrid[window])
        r, c = r[: side - window[0].start], c[:, : side - window[1].start]
        u = (r - y) * np.cos(angle) + (c - x) * np.sin(angle)
        v = (c - x) * np.cos(angle) - (r - y) * np.sin(angle)
        stretch = rng.uniform(0.4, 1)
        inside = u**2 + (v / stretch) ** 2 < radius**2
        if rng.random() < 0.4:
            inside = (abs(u) < radius) & (abs(v) < radius * stretch)
        shade = rng.uniform(0, 200) + 0.2 * rng.uniform(-1, 1) * u + 0.2 * rng.uniform(-1, 1) * v
        shade = shade + rng.uniform(0, 25) * textures[rng.integers(3)][window]
        image[window][inside] = shade[inside]
    return stored(np.clip(gaussian_filter(image, rng.uniform(0.5, 1.5)), 0, 255), rng)


def _smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float | tuple[float, float]
) -> np.ndarray:
    """Gaussian noise smoothed by `sigma` pixels, of unit spread; coarse noise is enlarged."""
    step = max(1, int(np.min(sigma) / 2))
    small = rng.standard_normal([n // step + 2 for n in shape]).astype(np.float32)
    small = gaussian_filter(small, np.divide(sigma, step))
    if step > 1:
        small = zoom(small, step, order=1)
    small = small[: shape[0], : shape[1]]
    return small / small.std()


def ultrasound(rng: np.random.Generator) -> np.ndarray:
    """Speckle in a fan or a box on black, with a scale and some text beside it."""
    rows, columns = int(rng.integers(300, 640)), int(rng.integers(380, 820))
    r, c = np.mgrid[:rows, :columns].astype(np.float32)
    if rng.random() < 0.6:
        apex = -rng.uniform(0.02, 0.3) * rows, columns / 2 + rng.uniform(-0.05, 0.05) * columns
        depth, angle = np.hypot(r - apex[0], c - apex[1]), np.arctan2(c - apex[1], r - apex[0])
        near = -apex[0] + rng.uniform(0.02, 0.12) * rows
        inside = (
            (depth > near) & (depth < 0.92 * rows - apex[0]) & (abs(angle) < rng.uniform(0.5, 0.8))
        )
        across = 1 + 2.0 * depth / rows
    else:
        depth, across = r, np.ones_like(r) * 1.5
        left, right = rng.uniform(0.05, 0.2, 2) * columns
        inside = (c > left) & (c < columns - right) & (r > 0.08 * rows) & (r < 0.93 * rows)
    echo = 0.3 * _smooth_noise(rng, (rows, columns), 12)
    echo = echo + 0.7 * (_smooth_noise(rng, (rows, columns), 30) > 0.4)
    for _ in range(int(rng.integers(0, 5))):
        y, x, size = (
            rng.uniform(0.2, 0.8) * rows,
            rng.uniform(0.2, 0.8) * columns,
            rng.uniform(15, 70),
        )
        echo[(r - y) ** 2 + ((c - x) * rng.uniform(0.5, 1)) ** 2 < size**2] -= rng.uniform(1, 4)
    grain = rng.uniform(0.7, 1.6)
    width = grain * float(across.mean())
    speckle = np.hypot(*(_smooth_noise(rng, (rows, columns), (grain, width)) for _ in range(2)))
    decibel = 20 * np.log10(speckle + 1e-3) + 8 * echo - 12 * depth / rows
    span = rng.uniform(35, 60)
    grey = np.clip((decibel + span * 0.55) / span, 0, 1) * 255 * inside
    picture = Image.fromarray(grey.astype(np.uint8))
    _write(ImageDraw.Draw(picture), rng, int(rng.integers(2, 12)), (rows, columns), 255)
    return _as_file(np.asarray(picture), rng)


def screenshot(rng: np.random.Generator, picture: np.ndarray | None = None) -> np.ndarray:
    """A program's window: bars, buttons, text, a table, a plot, and by chance a picture in it."""
    rows, columns = int(rng.integers(360, 900)), int(rng.integers(480, 1280))
    dark = rng.random() < 0.5
    ground, ink = (rng.integers(15, 70), rng.integers(170, 256)) if dark else (
        rng.integers(200, 256), rng.integers(0, 90))  # fmt: skip
    canvas = Image.new("L", (columns, rows), int(ground))
    draw = ImageDraw.Draw(canvas)
    if rng.random() < 0.2:
        _write_page(draw, rng, (rows, columns), int(ink))
        return _as_file(np.asarray(canvas), rng)
    panel = int(np.clip(ground + rng.integers(-30, 31), 0, 255))
    draw.rectangle((0, 0, columns, int(rng.integers(20, 60))), fill=panel)
    if rng.random() < 0.7:
        draw.rectangle((0, 0, int(rng.uniform(0.1, 0.35) * columns), rows), fill=panel)
    for _ in range(int(rng.integers(2, 14))):
        x, y = int(rng.uniform(0, 0.9) * columns), int(rng.uniform(0, 0.95) * rows)
        w, h = int(rng.integers(40, 260)), int(rng.integers(16, 46))
        shade = int(np.clip(ground + rng.integers(-60, 61), 0, 255))
        draw.rectangle((x, y, x + w, y + h), fill=shade, outline=int(ink))
    if picture is not None:
        _put_in(canvas, picture, rng)
    if rng.random() < 0.5:
        y0, step = int(rng.uniform(0.2, 0.5) * rows), int(rng.integers(16, 32))
        for y in range(y0, min(rows, y0 + 12 * step), step):
            draw.line((columns // 3, y, columns - 20, y), fill=panel)
    if rng.random() < 0.4:
        points = np.cumsum(rng.normal(0, 8, 60)) + rows / 2
        draw.line([(columns // 3 + 8 * i, float(y)) for i, y in enumerate(points)], fill=int(ink))
    _write(draw, rng, int(rng.integers(15, 160)), (rows, columns), int(ink))
    return _as_file(np.asarray(canvas), rng)


def _put_in(canvas: Image.Image, picture: np.ndarray, rng: np.random.Generator) -> None:
    share = rng.uniform(0.3, 0.75)
    size = int(share * canvas.width), int(share * canvas.height)
    low, high = np.percentile(picture, [1, 99.5])
    grey = np.clip((picture - low) / max(high - low, 1e-6), 0, 1) * 255
    image = Image.fromarray(grey.astype(np.uint8)).resize(size)
    place = tuple(int(rng.uniform(0, a - b)) for a, b in zip(canvas.size, size, strict=True))
    canvas.paste(image, place)


def _write(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    lines: int,
    shape: tuple[int, int],
    ink: int,
) -> None:
    """Some words anywhere."""
    letters = font(int(rng.integers(9, 22)))
    for _ in range(lines):
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 6))))
        place = rng.uniform(0, 0.92) * shape[1], rng.uniform(0, 0.96) * shape[0]
        draw.text(place, text, fill=ink, font=letters)


def _write_page(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, shape: tuple[int, int], ink: int
) -> None:
    """Lines of text beneath each other: a report, a list, an editor."""
    size = int(rng.integers(9, 26))
    for y in range(size, shape[0] - size, int(size * rng.uniform(1.2, 2.5))):
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 14))))
        draw.text((size, y), text, fill=ink, font=font(size))


def _as_file(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """PNG or JPEG, and now and then at another size."""
    if rng.random() < 0.2:
        factor = rng.uniform(0.6, 1.3)
        size = tuple(round(n * factor) for n in grey.shape[::-1])
        grey = np.asarray(Image.fromarray(grey).resize(size))
    return (
        as_jpeg(grey, int(rng.integers(65, 96))) if rng.random() < 0.35 else grey.astype(np.float32)
    )
