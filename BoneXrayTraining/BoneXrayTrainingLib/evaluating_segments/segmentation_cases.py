"""One measured image: the question, the answer, the figures of it and of the baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from BoneXrayLib.display import display_window, to_grey
from BoneXrayLib.mask_comparison import compare_masks, dice, mean_pair_dice, overlap

from .segmentation_baselines import atlas_masks, atlas_page, threshold_masks
from .segmentation_report import BoneRow, ImageRow, mean
from .segmentation_tables import MODEL
from .segmentation_views import MaskedRadiograph, Subject

if TYPE_CHECKING:
    from BoneXrayLib.segmentation import Segmentation

TOLERANCE_MM = 1.0
"""Of the surface Dice."""
PAIR_MM2 = 4.0
"""Pairs of bones that share less in truth only touch, and are not counted by pairs."""


@dataclass(frozen=True, eq=False)
class Case:
    """One image that was measured; masks as bits, for there may be many images.

    Attributes:
        subject: what it is of.
        pixel_mm: row and column spacing.
        grey: the image, (rows, columns) uint8.
        truth, answer: masks as bits.
        page: the truth as an atlas has it.
    """

    subject: Subject
    pixel_mm: tuple[float, float]
    grey: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    page: np.ndarray

    def masks(self, bits: np.ndarray) -> np.ndarray:
        """(bones, rows, columns) bool."""
        shape = (len(self.subject.structures), *self.grey.shape)
        return np.unpackbits(bits, count=math.prod(shape)).reshape(shape).astype(bool)


def answered(question: MaskedRadiograph, found: Segmentation) -> Case:
    """The answer's masks in the order of the truth's; several bones as one where the truth is."""
    by_name = {s.name: mask for s, mask in zip(found.structures, found.masks, strict=True)}
    nothing = np.zeros(question.radiograph.pixels.shape, bool)
    members = question.subject.members
    answer = np.stack([np.any([by_name.get(m, nothing) for m in g], axis=0) for g in members])
    pixels = question.radiograph.pixels
    grey = to_grey(pixels, *display_window(pixels))
    page = atlas_page(question.masks, question.subject.side == "left")
    spacing = question.radiograph.pixel_mm or (1.0, 1.0)
    return Case(
        question.subject, spacing, grey, np.packbits(question.masks), np.packbits(answer), page
    )


def rows_of(number: int, case: Case, cases: Sequence[Case]) -> tuple[list[BoneRow], list[ImageRow]]:
    """Figures of the model and of what needs no learning, for one image."""
    asked = case.subject
    truth = case.masks(case.truth)
    answers = {MODEL: case.masks(case.answer)}
    answers["threshold"] = threshold_masks(case.grey, len(truth))
    others = [c.page for c in cases if _is_comparable(c.subject, asked)]
    if others:
        answers["atlas"] = atlas_masks(others, truth.shape[1:], asked.side == "left")
    least = math.ceil(PAIR_MM2 / math.prod(case.pixel_mm))
    bones, images = [], []
    for method, masks in answers.items():
        figures = [compare_masks(a, t, case.pixel_mm, TOLERANCE_MM)
                   for a, t in zip(masks, truth, strict=True)]  # fmt: skip
        bones += [BoneRow(number, method, name, f.dice, f.hd95_mm, f.surface_dice)
                  for name, f in zip(asked.structures, figures, strict=True)]  # fmt: skip
        images.append(ImageRow(
            number, method, asked.data, asked.patient, asked.anatomy, asked.view, asked.side,
            asked.rotate, asked.exposure, mean(f.dice for f in figures),
            mean(f.hd95_mm for f in figures), dice(overlap(masks), overlap(truth)),
            mean_pair_dice(masks, truth, least),
        ))  # fmt: skip
    return bones, images


def _is_comparable(other: Subject, asked: Subject) -> bool:
    """Whether another image may stand in the atlas: another patient, the same view and bones."""
    return (
        (other.data, other.patient) != (asked.data, asked.patient)
        and (other.anatomy, other.view) == (asked.anatomy, asked.view)
        and other.structures == asked.structures
    )
