"""Images for reader studies, made in a test: each unlike the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, count: int, seed: int = 1) -> Path:
    """`count` grey PNGs of 48 x 40 pixels: case0.png, case1.png, …"""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for n in range(count):
        Image.fromarray(rng.integers(0, 256, (48, 40), dtype=np.uint8)).save(
            folder / f"case{n}.png"
        )
    return folder
