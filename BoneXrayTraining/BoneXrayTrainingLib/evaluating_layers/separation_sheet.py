"""Best, median and worst separation: input, and each bone alone: truth, model, best floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.picture_report import side_by_side, stacked

from ..evaluating_segments.segmentation_sheet import outlined

HEIGHT = 300
OVERLAP_COLOUR = (250, 200, 60)
READERS = ("input", "true", "separated")
"""Folders of pictures for a reader study."""


@dataclass(frozen=True, eq=False)
class SeparatedImage:
    """One image to show; all uint8 on one scale.

    Attributes:
        title: which one: rank, patient, bones.
        score: of the model, in words.
        grey: (rows, columns), the input.
        overlap: (rows, columns) bool.
        alone: (truth, model, floor; upper, lower; rows, columns).
        names: of the bones.
    """

    title: str
    score: str
    grey: np.ndarray
    overlap: np.ndarray
    alone: np.ndarray
    names: tuple[str, str]


def layer_sheet(images: Sequence[SeparatedImage]) -> np.ndarray:
    """Two rows for each image, one a bone, (rows, columns, 3) uint8."""
    return stacked([_row(image, n) for image in images for n in range(2)])


def write_alone(folder: Path, shown: Sequence[tuple[np.ndarray, ...]]) -> None:
    """Pictures for a reader study: input/, true/ and separated/, a case a bone of an image.

    Args:
        folder: new.
        shown: of each image the input, its overlap, and the bones alone as in `SeparatedImage`.
    """
    from PIL import Image

    for name in READERS:
        (folder / name).mkdir(parents=True)
    for number, (grey, _, alone) in enumerate(shown):
        for n, side in enumerate(("upper", "lower")):
            for name, picture in zip(READERS, (grey, alone[0, n], alone[1, n]), strict=True):
                Image.fromarray(picture).save(folder / name / f"{number:04d}-{side}.png")


def as_grey(judged: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Images on the scale of one of them, uint8: its 1st percentile black, its 99.5th white."""
    low, high = np.percentile(image, (1.0, 99.5))
    span = max(float(high - low), 1e-9)
    return np.rint(np.clip((judged - low) / span, 0, 1) * 255).astype(np.uint8)


def _row(image: SeparatedImage, bone: int) -> np.ndarray:
    name = image.names[bone]
    seen = outlined(image.grey, [image.overlap], [OVERLAP_COLOUR])
    titles = [f"{image.title}: input, overlap", f"{name} alone: truth", f"model: {image.score}",
              "best floor here"]  # fmt: skip
    return side_by_side([seen, *image.alone[:, bone]], titles, HEIGHT)
