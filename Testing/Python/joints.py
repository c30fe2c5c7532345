"""Joints of two bones that lie apart, upright in an image, as pictures in any known layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 128


def joint(gap: int = 6, lean: float = 0.0, side: int = SIDE) -> tuple[np.ndarray, ...]:
    """Brightness 0..1, upper mask, lower mask, background; the bones end in round heads.

    Args:
        gap: rows between the bones.
        lean: columns that the lower bone is off by.
        side: rows and columns.
    """
    row, column = np.mgrid[:side, :side].astype(np.float32)
    middle, width = side / 2, side / 5
    far = np.abs(column - middle)
    bulge = 6 * (far / width) ** 2
    upper = (far < width) & (row < middle - gap / 2 - bulge)
    off = np.abs(column - middle - lean)
    lower = (off < 1.1 * width) & (row >= middle + gap / 2 + 3 * (off / width) ** 2)
    background = 0.25 + 0.1 * np.exp(-(((column - middle) / (1.6 * width)) ** 2))
    grain = 0.02 * np.sin(row / 3.0) * np.cos(column / 2.0)
    image = background + upper * (0.3 + grain) + lower * (0.25 - grain)
    return image, upper, lower, background


def save(array: np.ndarray, path: Path) -> None:
    """Brightness, or a mask, as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.rint(np.asarray(array, dtype=np.float64) * 255).astype(np.uint8)
    Image.fromarray(grey).save(path)


def write_plain(folder: Path, names: tuple[str, ...], with_background: bool = True) -> Path:
    """images/, masks/NAME_upper.png, backgrounds/."""
    for n, name in enumerate(names):
        image, upper, lower, background = joint(4 + 2 * n, lean=n)
        save(image, folder / f"images/{name}.png")
        save(upper, folder / f"masks/{name}_upper.png")
        save(lower, folder / f"masks/{name}_lower.png")
        if with_background:
            save(background, folder / f"backgrounds/{name}.png")
    return folder


def write_bls_gan(folder: Path, names: tuple[str, ...]) -> Path:
    """BLS-GAN's folders of images, masks and backgrounds."""
    root = folder / "Data/Layer_seg_Dataset"
    for name in names:
        image, upper, lower, background = joint()
        save(image, root / f"image/{name}.jpg")
        save(upper, root / f"upper/{name}.bmp")
        save(lower, root / f"lower/{name}.bmp")
        save(background, root / f"background/{name}.jpg")
    return folder
