"""Overlaps made from joint images whose bones lie apart, by BLS-GAN's protocol, bin by bin."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from BoneXrayLib.radiograph import Radiograph

from ..evaluating_segments.segmentation_data import RadiographSource
from ..sampling.joint_images import JointFile, JointImage, joint_files, read_joint
from ..sampling.layer_images import TOUCHING, shift_together
from ..sampling.overlap_bins import OVERLAP_BINS, SIDE, overlap_bin, pixels_at_256
from .separation_questions import SHIFTED, LayerQuestion, LayerSubject, SeparationConfig

SHIFTS = ((2, 8), (9, 20))
"""Least and most that each bone is moved [pixels at 256 x 256]; the first as BLS-GAN does."""
ROUNDS = 4
"""How often all images are gone through for bins that are not full."""
UPPER, LOWER = "upper bone", "lower bone"


def take_shifts(source: RadiographSource, config: SeparationConfig) -> Iterator[LayerQuestion]:
    """Questions of one folder or list of joint images, until every bin is full.

    Raises:
        ValueError: the files, or that none of the images has its bones apart.
    """
    files = list(joint_files(source.path))
    rng = np.random.default_rng([config.views.seed, len(files)])
    counts, most = [0] * len(OVERLAP_BINS), config.most(SHIFTED)
    apart = [files[n] for n in rng.permutation(len(files))]
    for turn in range(ROUNDS):
        for file in list(apart):
            joint = read_joint(file, source.polarity == "bone-dark")
            if not _is_apart(joint):
                apart.remove(file)
                continue
            for shifts in SHIFTS:
                if min(counts) >= most:
                    return
                label = f"{config.views.seed} {file.image.name} {shifts} {turn}"
                question = _shifted(source, file, joint, shifts, zlib.crc32(label.encode()))
                if question is not None and counts[question.subject.bin] < most:
                    counts[question.subject.bin] += 1
                    yield question
    if not apart:
        raise ValueError(
            f"data: {Path(source.path).name}: in all images the two bones share {TOUCHING} pixels "
            "or more; expected some whose bones lie apart, to be moved over each other"
        )


def _is_apart(joint: JointImage) -> bool:
    shared = int((joint.upper_mask & joint.lower_mask).sum())
    there = joint.upper_mask.any() and joint.lower_mask.any()
    return bool(there) and shared < TOUCHING and _in_order(joint)


def _in_order(joint: JointImage) -> bool:
    """Whether the upper bone is above the lower one."""
    upper, lower = (np.argwhere(m)[:, 0].mean() for m in (joint.upper_mask, joint.lower_mask))
    return bool(upper < lower)


def _shifted(
    source: RadiographSource,
    file: JointFile,
    joint: JointImage,
    shifts: tuple[int, int],
    seed: int,
) -> LayerQuestion | None:
    """The joint with its bones moved; None where they overlap less than counts."""
    rows = joint.image.shape[0]
    low, high = (max(1, round(s * rows / SIDE)) for s in shifts)
    made = shift_together(
        joint.image, joint.upper_mask, joint.lower_mask, joint.soft, (low, high), seed
    )
    pixels = pixels_at_256(int(made.overlap.sum()), made.image.shape)
    number = overlap_bin(pixels)
    if number is None:
        return None
    name = Path(source.path).stem
    subject = LayerSubject(SHIFTED, name, file.patient, source.view, (UPPER, LOWER), pixels, number)
    spacing = (source.pixel, source.pixel) if source.pixel else None
    radiograph = Radiograph(made.image.astype(np.float32), "optical density", spacing,
                            name=file.image.stem)  # fmt: skip
    return LayerQuestion(
        radiograph,
        np.stack([made.upper, made.lower]),
        np.stack([made.upper_mask, made.lower_mask]),
        subject,
    )
