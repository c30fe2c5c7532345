"""Where joints come from: images with two masks from folders, or radiographs simulated from CTs.

Each source gives two kinds of examples: those whose layers are known, and those that overlap by
themselves, known outside the overlap only. Images are optical density, -ln(1 - brightness).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from BoneXrayLib.framing import to_working_size
from BoneXrayLib.separating.layer_alone import density_scale

from ..labelled import named_variants
from ..pairs import TISSUES, Pair
from ..sampling.augmentation import AugmentationConfig, sampled, turned_by
from ..sampling.joint_images import JointImage, joint_files, read_joint
from ..sampling.joint_places import JointPool
from ..sampling.layer_images import TOUCHING, brightness_of_density, shift_together
from ..sampling.overlap_questions import EXCESS_OD, LayerConfig, draw_question, moved
from ..sampling.separation_images import STRICT_TRIES
from .config import BlsGanConfig

FURTHER = 4
"""Pixels that bones are moved further at a time, until they overlap."""
SHOWN = (0.5, 0.8)
"""Side of what is shown of a sample, as a share of its side."""
TURN = np.deg2rad(10.0)
"""Standard deviation of a joint's lean."""
ASKED = LayerConfig(several_share=0.0, shifted_share=0.0)
"""Of two bones at a time, moved as layers."""
TRIES = 100


@dataclass(frozen=True, eq=False)
class Example:
    """One joint as `objective.Given` has them, without the batch; float32."""

    image: np.ndarray
    masks: np.ndarray
    layers: np.ndarray
    known: np.ndarray


class Joints(Protocol):
    """What a run draws its examples from; `images` were drawn before."""

    def overlapped(self, rng: np.random.Generator, images: int) -> Example:
        """Overlapping bones, whose layers are known."""
        ...

    def overlapping(self, rng: np.random.Generator, images: int) -> Example:
        """Bones that overlap by themselves: layers are known but for the overlap."""
        ...


def known_example(image: np.ndarray, alone: np.ndarray, masks: np.ndarray) -> Example:
    """An example of a joint (rows, columns) and each bone alone, optical density, and its masks."""
    there, scale = masks.astype(np.float32), np.float32(density_scale(image))
    layers = brightness_of_density(alone * scale) * there
    return Example(brightness_of_density(image * scale)[None], there, layers, there)


def unknown_example(image: np.ndarray, masks: np.ndarray) -> Example:
    """An example of a joint (rows, columns) in optical density of which only masks are known."""
    there = masks.astype(np.float32)
    known = there * (1.0 - there[:1] * there[1:])
    brightness = brightness_of_density(image * np.float32(density_scale(image)))[None]
    return Example(brightness, there, brightness * known, known)


class FolderJoints:
    """Joints read from folders: those that lie apart are shifted together, the others are drawn."""

    def __init__(self, joints: Sequence[JointImage], shift: tuple[int, int]) -> None:
        self.shift = shift
        size = [int((j.upper_mask & j.lower_mask).sum()) for j in joints]
        there = [bool(j.upper_mask.any() and j.lower_mask.any()) for j in joints]
        each = list(zip(joints, size, there, strict=True))
        self.apart = [j for j, n, good in each if good and n < TOUCHING]
        self.touching = [j for j, n, good in each if good and n >= TOUCHING]

    def overlapped(self, rng: np.random.Generator, images: int = 0) -> Example:
        """Bones that lay apart, moved together."""
        if not self.apart:
            raise ValueError("joints: all overlap; expected some whose bones lie apart to shift")
        joint = self.apart[int(rng.integers(len(self.apart)))]
        image = joint.image.astype(np.float32)
        soft = None if joint.soft is None else joint.soft.astype(np.float32)
        low, high = self.shift
        while True:
            made = shift_together(image, joint.upper_mask, joint.lower_mask, soft, (low, high), rng)
            if int(made.overlap.sum()) >= TOUCHING or low > len(image) // 2:
                break
            low, high = low + FURTHER, high + FURTHER
        alone = made.soft + np.stack([made.upper, made.lower])
        return known_example(made.image, alone, np.stack([made.upper_mask, made.lower_mask]))

    def overlapping(self, rng: np.random.Generator, images: int = 0) -> Example:
        """One whose bones overlap in the radiograph."""
        if not self.touching:
            raise ValueError(
                "joints: none overlaps; expected some for the main stage, or unknown_share = 0"
            )
        joint = self.touching[int(rng.integers(len(self.touching)))]
        return unknown_example(
            joint.image.astype(np.float32), np.stack([joint.upper_mask, joint.lower_mask])
        )


class SimulatedJoints:
    """Joints of simulated radiographs whose bones have names; layers are exact.

    Asked for and framed as for a separator of our own (`overlap_questions`): upright, and moved
    until they overlap as drawn.
    """

    def __init__(self, pool: JointPool, side: int) -> None:
        self.pool, self.side = pool, side

    def overlapped(self, rng: np.random.Generator, images: int) -> Example:
        """Overlapping bones, their layers shown."""
        image, alone, masks = self._draw(rng, images)
        return known_example(image, alone, masks)

    def overlapping(self, rng: np.random.Generator, images: int) -> Example:
        """The same, their layers kept back."""
        image, _, masks = self._draw(rng, images)
        return unknown_example(image, masks)

    def _draw(
        self, rng: np.random.Generator, images: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.pool.advance(images)
        for turn in range(TRIES):
            pair = self.pool.draw(rng, images)
            found = cut_joint(pair, self.side, rng, any_size=turn >= STRICT_TRIES)
            if found is not None:
                return found
        raise ValueError(
            f"structures: {TRIES} samples show no two of these bones above each other; expected "
            "bones of joints"
        )


def cut_joint(
    pair: Pair, side: int, rng: np.random.Generator, any_size: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """A square around two named bones of a sample of `JointPool`, one above the other.

    Args:
        pair: its bones' layers are what they add over soft tissue.
        side: rows and columns of the square.
        rng: what draws.
        any_size: take an overlap of another bin than the one drawn, too.

    Returns:
        Optical density (side, side) float32, that of each bone alone (2, side, side), and masks;
        the upper bone first. None where no bones stand so or overlap as drawn.
    """
    every = np.asarray(pair.layers, dtype=np.float32)
    first, size = len(TISSUES), every.shape[-1]
    question = draw_question(pair, size * rng.uniform(*SHOWN), ASKED, TURN, rng, any_size)
    if question is None or not question.upright:
        return None
    places = [first + question.this, first + question.others[0]]
    rest = np.delete(every, places, axis=0).sum(0)
    bones = [moved(every[n], by) for n, by in zip(places, question.push, strict=True)]
    shift = np.array(question.centre) - (size - 1) / 2
    matrix = turned_by(question.angle, question.side / side)
    still = AugmentationConfig(crop=side, warp=0.0)
    seen = sampled(torch.from_numpy(np.stack([rest, *bones])), matrix, shift, still, rng).numpy()
    image, layers = seen.sum(0), seen[1:]
    masks = layers > EXCESS_OD
    if int(masks.all(0).sum()) < TOUCHING:
        return None
    return image, image - layers[::-1], masks


def at_side(joint: JointImage, side: int) -> JointImage:
    """A joint with its longer side at `side`, its edges drawn out to a square; small in memory."""

    def square(array: np.ndarray) -> np.ndarray:
        small = to_working_size(array, side)[0]
        edges = [((side - n) // 2, side - n - (side - n) // 2) for n in small.shape]
        return np.pad(small, edges, mode="edge")

    image, upper, lower = (
        square(np.asarray(a, np.float32)) for a in (joint.image, joint.upper_mask, joint.lower_mask)
    )
    soft = None if joint.soft is None else square(joint.soft).astype(np.float16)
    return JointImage(image.astype(np.float16), upper > 0.5, lower > 0.5, soft)


def make_joints(
    config: BlsGanConfig, kept_out: bool, progress: Callable[[float, str], None] | None = None
) -> Joints | None:
    """What a run trains on, or what is kept out of it to watch it with; None where that is nothing.

    Raises:
        FileNotFoundError, ValueError: files that are not there or not right, in one line.
    """
    root = Path(config.data_root)
    if config.joints:
        read = []
        for folder in config.joints:
            if folder.validation == kept_out:
                files = joint_files(root / folder.path)
                for n, file in enumerate(files):
                    if progress is not None and n % 100 == 0:
                        progress(0.0, f"reading {folder.path}: {n} of {len(files)}")
                    read.append(at_side(read_joint(file), config.side))
        return FolderJoints(read, config.shift) if read else None
    used = []
    for source in config.ct:
        if (source.patient in config.validation) == kept_out:
            if progress is not None:
                progress(0.0, f"reading {source.path}")
            spread = config.pairs.deformation
            used += named_variants(source, root, config.seed, spread, config.structures)
    if not used:
        return None
    pool = JointPool(used, config.pairs, config.pool, config.seed, layers=ASKED)
    return SimulatedJoints(pool, config.side)
