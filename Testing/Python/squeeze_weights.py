"""Random weights in SqueezeNet's shapes, of less width."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_squeeze_weights(path: Path) -> Path:
    """An .npz as `losses.SqueezeFeatures` reads it; fire5 has 16 channels."""
    rng = np.random.default_rng(0)
    arrays = {}

    def layer(name: str, out: int, into: int, side: int) -> None:
        arrays[f"{name}.weight"] = rng.normal(0, 0.05, (out, into, side, side))
        arrays[f"{name}.bias"] = np.zeros(out)

    layer("conv1", 8, 3, 7)
    width = 8
    for fire in ("fire2", "fire3", "fire4", "fire5"):
        layer(f"{fire}_conv1x1_1", 4, width, 1)
        layer(f"{fire}_conv1x1_2", 8, 4, 1)
        layer(f"{fire}_conv3x3_2", 8, 4, 3)
        width = 16
    np.savez(path, **arrays)
    return path
