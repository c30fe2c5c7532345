"""A small radiograph with three named bones that overlap, for tests of files and nodes."""

from __future__ import annotations

import numpy as np

from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segmentation import Segmentation
from BoneXrayLib.segments.structures import structure

NAMES = ("radius", "ulna", "femur left", "lunate")


def small_bones(pixel_mm: tuple[float, float] | None = (0.25, 0.5)) -> Segmentation:
    """Radius and ulna overlap, the femur is apart from both, the lunate was not found."""
    rows, columns = 40, 56
    masks = np.zeros((len(NAMES), rows, columns), bool)
    masks[0, 4:20, 6:30] = True
    masks[1, 10:36, 22:40] = True
    masks[1, 12, 25] = False
    masks[2, 5:9, 44:] = True
    pixels = masks.sum(axis=0).astype(np.float32) * 40 + np.arange(columns, dtype=np.float32)
    radiograph = Radiograph(pixels, "display", pixel_mm, name="Hand")
    return Segmentation(radiograph, tuple(map(structure, NAMES)), masks, "small 0.1")
