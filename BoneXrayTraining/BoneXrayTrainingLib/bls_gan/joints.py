"""Where joints come from: images with two masks from folders, or radiographs simulated from CTs.

Each source gives two kinds of examples: those whose layers are known, and those that overlap by
themselves, known outside the overlap only. Images are optical density, -ln(1 - brightness).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol

import numpy as np

from BoneXrayLib.framing import to_working_size
from BoneXrayLib.layer_alone import density_scale
from BoneXrayLib.resizing import resize

from ..joint_images import JointImage, joint_files, read_joint
from ..labelled import MASK_OD, named_variants
from ..layer_images import TOUCHING, brightness_of_density, shift_together
from ..overlap_bins import OVERLAP_BINS, SIDE
from ..pairs import TISSUES, Pair
from ..pool import PairPool
from .config import BlsGanConfig

FURTHER = 4
"""Pixels that bones are moved further at a time, until they overlap."""
LEAST_FIELD = 0.2
"""Least side of a simulated joint, as a share of the sample's."""
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
    """Joints cut out of simulated radiographs of named bones, whose layers are exact."""

    def __init__(self, pool: PairPool, side: int) -> None:
        self.pool, self.side = pool, side

    def overlapped(self, rng: np.random.Generator, images: int) -> Example:
        """Bones that overlap in the simulated radiograph, their layers shown."""
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
        for _ in range(TRIES):
            found = cut_joint(self.pool.draw(rng, images), self.side, rng)
            if found is not None:
                return found
        raise ValueError(
            f"structures: in {TRIES} samples no two of these bones overlap; expected neighbours"
        )


def cut_joint(
    pair: Pair, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """A square around an overlap of two named bones of a sample.

    Returns:
        Optical density (side, side) float32, that of each bone alone (2, side, side), and masks;
        the bone whose middle is higher first. None where no bones overlap.
    """
    named = pair.layers[len(TISSUES) :]
    there = named > MASK_OD
    couples = [
        (a, b) for a, b in combinations(range(len(named)), 2)
        if int((there[a] & there[b]).sum()) >= TOUCHING
    ]  # fmt: skip
    if not couples:
        return None
    a, b = couples[int(rng.integers(len(couples)))]
    rows, columns = np.nonzero(there[a] & there[b])
    at = int(rng.integers(len(rows)))
    size = named.shape[1]
    length = drawn_side(len(rows), size, rng)
    box = tuple(slice(s, s + length) for s in (
        int(np.clip(p - length * rng.uniform(0.3, 0.7), 0, size - length))
        for p in (rows[at], columns[at])
    ))  # fmt: skip
    total = pair.layers[:, *box].astype(np.float32).sum(0)
    image, first, second = (
        resize(each.astype(np.float32), (side, side))
        for each in (total, named[a][box], named[b][box])
    )
    layers = np.stack([first, second])
    masks = layers > MASK_OD
    if not all(mask.any() for mask in masks) or int(masks.all(0).sum()) < TOUCHING:
        return None
    if np.nonzero(masks[0])[0].mean() > np.nonzero(masks[1])[0].mean():
        layers, masks = layers[::-1], masks[::-1]
    return image, image - layers[::-1], np.ascontiguousarray(masks)


def drawn_side(pixels: int, size: int, rng: np.random.Generator) -> int:
    """Side of the square [pixels of a sample] in which an overlap is of a bin drawn evenly.

    As far as the sample reaches, and no closer than `LEAST_FIELD`.
    """
    low, high = OVERLAP_BINS[int(rng.integers(len(OVERLAP_BINS)))]
    nearest, farthest = (SIDE * math.sqrt(pixels / n) for n in (high, low))
    return int(np.clip(rng.uniform(nearest, farthest), LEAST_FIELD * size, size))


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
    return SimulatedJoints(PairPool(used, config.pairs, config.pool, config.seed), config.side)
