"""A CT of two bones of a finger with labels, to learn from that bones meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.pairs import PairConfig
from BoneXrayTrainingLib.sources import CtSource

NAMES = ("upper", "lower")
SPACING = 1.0
VIEWS = PairConfig(size=144, frontal_share=0.5, jitter=3.0, tilt=3.0, beams={"parallel": 1.0})
SOURCE = CtSource(path="ct.nrrd", patient="finger", licence="MIT", labels="labels.nrrd",
                  names={"upper": ("1",), "lower": ("2",)})  # fmt: skip


def write_finger(folder: Path) -> Path:
    """Two rods end to end in flesh, a gap between them, and their labels."""
    k, j, i = np.mgrid[:90, :44, :44].astype(np.float32) * SPACING
    hu = np.full(k.shape, -1000, np.int16)
    hu[np.hypot(j - 22, i - 22) < 18] = 40
    labels = np.zeros(k.shape, np.uint8)
    thick = np.hypot(j - 22, i - 22)
    labels[(k > 46) & (k < 86) & (thick < 8)] = 1
    labels[(k > 4) & (k < 44) & (thick < 9)] = 2
    grain = np.random.default_rng(2).normal(0, 120, k.shape)
    hu[labels > 0] = (700 + grain[labels > 0]).astype(np.int16)
    matrix = np.diag([SPACING, SPACING, SPACING, 1.0])
    write_image_file(folder / "ct.nrrd", hu, matrix)
    write_image_file(folder / "labels.nrrd", labels, matrix)
    return folder
