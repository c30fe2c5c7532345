"""One measured question: the answers with masks and without, the floors, and the figures of all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from BoneXrayLib.comparison import PEAK, ssim, ssim_within
from BoneXrayLib.mask_comparison import dice

from .separation_features import TRUTH
from .separation_floors import floors
from .separation_questions import LayerQuestion
from .separation_rows import FREE, BoneRow, ImageRow

if TYPE_CHECKING:
    from BoneXrayLib.layers import Layers

    from .separation_features import FeatureExtractor

MOST_DB = 100.0
"""PSNR of what is right to the last digit."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Two bones alone as one method has them.

    Attributes:
        alone: (2, rows, columns) optical density.
        masks: (2, rows, columns) bool: those that were given, or those that were found.
        layers: the same bones' layers and the rest (3, rows, columns), for a model.
    """

    alone: np.ndarray
    masks: np.ndarray
    layers: np.ndarray | None = None


def answer_of(question: LayerQuestion, found: Layers, is_free: bool) -> Answer:
    """What a model answered, the upper bone first.

    Raises:
        ValueError: not two bones of the image's size.
    """
    if found.layers.shape != question.layers.shape:
        raise ValueError(
            f"model: answered with layers of shape {found.layers.shape}; expected "
            f"{question.layers.shape}"
        )
    pixels = question.radiograph.pixels.astype(np.float64)
    alone = pixels - found.layers[::-1]
    masks = found.masks if is_free else question.masks
    layers = np.concatenate([found.layers, found.soft[np.newaxis]])
    return Answer(alone, np.asarray(masks, dtype=bool), layers)


def floor_answers(question: LayerQuestion) -> dict[str, Answer]:
    """What needs no learning, with the masks given."""
    found = floors(question.radiograph.pixels, question.masks, question.soft_density)
    return {name: Answer(alone, question.masks) for name, alone in found.items()}


def rows_of(
    number: int,
    question: LayerQuestion,
    answers: dict[str, Answer],
    extract: FeatureExtractor | None = None,
) -> tuple[list[BoneRow], list[ImageRow], dict[str, np.ndarray]]:
    """Figures of all answers to one question, and features (2, channels) of each and the truth."""
    truth = question.judged(question.alone.astype(np.float64))
    bones, images, features = [], [], {}
    if extract is not None:
        features[TRUTH] = extract(truth * question.masks)
    for method, answer in answers.items():
        judged = question.judged(answer.alone)
        bones += list(_bone_rows(number, method, question, answer, judged, truth))
        images.append(_image_row(number, method, question, answer))
        if extract is not None:
            features[method] = extract(judged * answer.masks)
    return bones, images, features


def _bone_rows(
    number: int,
    method: str,
    question: LayerQuestion,
    answer: Answer,
    judged: np.ndarray,
    truth: np.ndarray,
) -> Iterator[BoneRow]:
    overlap = question.overlap
    bright, true_bright = (1.0 - np.exp(-a) for a in (answer.alone, question.alone))
    for n, name in enumerate(question.subject.bones):
        inside = _mean_square((judged[n] - truth[n])[overlap])
        # A layer as BLS-GAN has it: the bone alone within its mask, and nothing outside.
        layer, wanted = judged[n] * answer.masks[n], truth[n] * question.masks[n]
        whole = _mean_square(layer - wanted)
        yield BoneRow(
            number, method, name, inside,
            ssim_within(PEAK * judged[n], PEAK * truth[n], overlap), psnr_of(inside),
            whole, ssim(PEAK * layer, PEAK * wanted), psnr_of(whole),
            _mean_square((bright[n] - true_bright[n])[overlap]),
        )  # fmt: skip


def _image_row(number: int, method: str, question: LayerQuestion, answer: Answer) -> ImageRow:
    span, pixels = question.span, question.radiograph.pixels
    off = least = math.nan
    if answer.layers is not None:
        off = float(np.abs(answer.layers.sum(axis=0) - pixels).max()) / span
        least = float(min(answer.layers.min(), 0.0)) / span
    is_free = method == FREE
    return ImageRow(
        number, method, question.subject, off, least,
        _mean_dice(answer.masks, question.masks) if is_free else math.nan,
        dice(answer.masks[0] & answer.masks[1], question.overlap) if is_free else math.nan,
    )  # fmt: skip


def _mean_dice(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([dice(f, t) for f, t in zip(found, truth, strict=True)]))


def psnr_of(mean_square: float) -> float:
    """Peak signal-to-noise ratio [dB] of a mean square error on a scale of 0..1, 100 at most."""
    if mean_square <= 0:
        return MOST_DB
    return min(-10 * math.log10(mean_square), MOST_DB)


def _mean_square(values: np.ndarray) -> float:
    return float(np.mean(np.square(values)))
