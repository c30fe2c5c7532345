"""Regions of simulated radiographs around two overlapping bones, with the exact layer of each.

Layers are projected, one for each named bone: what it adds over the soft tissue that would be in
its place. A region is a square around the overlap of a pair,
brought to 256 x 256; its side is drawn so that each bin of overlap sizes gets as many regions, as
far as the pair's overlap and the sizes of joints allow. Where it shows one bone beyond the other
and little else of bone, it is turned so that the joint stands upright, the bone that was higher up
above: such a joint can be asked about without masks, and half of the regions are joints where there
are as many.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import ndimage

from BoneXrayLib.attenuation import AIR_HU
from BoneXrayLib.bone import BoneConfig
from BoneXrayLib.projection import prepare_ct, project_prepared
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.volume import Volume

from ..evaluating_segments.labelled_cts import LabelledCt
from ..evaluating_segments.segmentation_views import drawn_rotation, geometry_of
from ..labelled import MASK_OD
from ..sampling.bone_excess import SOFT_HU
from ..sampling.overlap_bins import LEAST, OVERLAP_BINS, SIDE, overlap_bin
from .separation_questions import (
    EXACT,
    JOINT_PIXELS,
    LayerQuestion,
    LayerSubject,
    SeparationConfig,
)

SIDES_MM = {"wrist": (30.0, 80.0), "trunk": (80.0, 240.0)}
"""Of regions, at the detector."""
LARGEST = 8000.0
"""Pixels at 256 x 256 of the largest overlaps, about those of real joints."""
OTHER_BONE = 1.0
"""A region with more of other bones, as a share of what its two bones add, is no joint."""
APART, SHARED = 0.125, 0.5
"""Nor is one whose bones have their middles nearer than this share of its side, or share more of
the smaller one."""


@dataclass(frozen=True, eq=False)
class _Shot:
    """One radiograph: named layers (bones, rows, columns), all that is there, all that is bone."""

    names: tuple[str, ...]
    layers: np.ndarray
    full: np.ndarray
    bone: np.ndarray
    pixel_mm: float
    view: str


def take_regions(ct: LabelledCt, config: SeparationConfig) -> Iterator[LayerQuestion]:
    """Questions of one patient, evenly over the bins of overlap size."""
    views, coarse = config.views, BoneConfig(remove_couch=ct.remove_couch)
    whole = prepare_ct(ct.volume, coarse)
    bones = prepare_ct(over_soft_tissue(ct), BoneConfig(remove_couch=False), ct.labels, ct.names)
    pixel = views.pixel or JOINT_PIXELS[ct.anatomy]
    there = tuple(name for name in ct.structures if name in bones.names)
    places = [bones.names.index(name) for name in there]
    named = {"bone", *ct.names.values()}
    bony = [n for n, name in enumerate(bones.names) if name in named]
    for view in views.of(ct.anatomy):
        for number in range(views.draws):
            label = f"{views.seed} {ct.patient} {view} {number}"
            geometry = geometry_of(ct, view, drawn_rotation(views, label), pixel)
            layers = project_prepared(bones, geometry)
            full = project_prepared(whole, geometry).sum(axis=0)
            shot = _Shot(there, layers[places], full, layers[bony].sum(axis=0), pixel, view)
            rng = np.random.default_rng(zlib.crc32(f"regions {label}".encode()))
            yield from _regions(ct, shot, config.most(EXACT), rng)


def over_soft_tissue(ct: LabelledCt) -> Volume:
    """The CT, its named voxels with what they have over soft tissue: mu - mu_soft, or none.

    A bone that were absent would leave soft tissue in its place, not a hole; so do bones that are
    moved over each other in an image, and so it is trained (`bone_excess`).
    """
    hu = ct.volume.hu
    over = np.maximum(hu.astype(np.float32) - (SOFT_HU - AIR_HU), AIR_HU).astype(hu.dtype)
    named = np.isin(ct.labels, list(ct.names))
    return dataclasses.replace(ct.volume, hu=np.where(named, over, hu))


def _regions(
    ct: LabelledCt, shot: _Shot, most: int, rng: np.random.Generator
) -> Iterator[LayerQuestion]:
    masks = shot.layers > MASK_OD
    least, largest = (mm / shot.pixel_mm for mm in SIDES_MM[ct.anatomy])
    largest = float(min(largest, *shot.full.shape))
    shared = {}
    for pair in combinations(range(len(masks)), 2):
        place = np.argwhere(masks[pair[0]] & masks[pair[1]])
        if len(place) >= LEAST * (min(least, largest) / SIDE) ** 2:
            shared[pair] = place
    pairs = list(shared)
    for wanted in range(len(OVERLAP_BINS)):
        order = [pairs[n] for n in rng.permutation(len(pairs))]
        others = []
        joints = 0
        for pair in order:
            if joints == most or (len(others) >= most and joints >= most / 2):
                break
            side = _drawn_side(len(shared[pair]), wanted, (least, largest), rng)
            question = None if side is None else _cut(ct, shot, pair, shared[pair], side)
            if question is None or question.subject.bin != wanted:
                continue
            if question.subject.is_joint:
                joints += 1
                yield question
            else:
                others.append(question)
        yield from others[: most - joints]


def _drawn_side(
    pixels: int, wanted: int, sides: tuple[float, float], rng: np.random.Generator
) -> float | None:
    """A side [pixels] at which an overlap of so many pixels is of the wanted bin."""
    low, high = OVERLAP_BINS[wanted]
    from_ = max(SIDE * math.sqrt(pixels / min(high, LARGEST)), sides[0])
    to = min(SIDE * math.sqrt(pixels / low), sides[1])
    return float(rng.uniform(from_, to)) if from_ < to else None


def _cut(
    ct: LabelledCt, shot: _Shot, pair: tuple[int, int], place: np.ndarray, side: float
) -> LayerQuestion | None:
    """The region of a pair; None where too little of the overlap is in it."""
    middle = (place.min(axis=0) + place.max(axis=0)) / 2
    reach = np.maximum(np.array(shot.full.shape) - 1 - side / 2, side / 2)
    middle = np.clip(middle, side / 2, reach)
    planes = [*shot.layers[list(pair)], shot.full, shot.bone]
    seen = _sampled(planes, middle, side, 0.0)
    if not (seen[:2] > MASK_OD).any(axis=(1, 2)).all():
        return None
    is_joint = _is_joint(seen)
    if is_joint:
        way = np.subtract(*(_middle_of(layer) for layer in seen[1::-1]))
        way = way if way[0] >= 0 else -way
        seen = _sampled(planes, middle, side, float(np.arctan2(way[1], way[0])))
    layers, masks = seen[:2], seen[:2] > MASK_OD
    pixels = int((masks[0] & masks[1]).sum())
    number = overlap_bin(pixels)
    if number is None:
        return None
    order = np.argsort([_middle_of(layer)[0] for layer in layers], kind="stable")
    upper, lower = (shot.names[pair[n]] for n in order)
    subject = LayerSubject(
        EXACT, ct.source, ct.patient, shot.view, (upper, lower), pixels, number, is_joint
    )
    spacing = shot.pixel_mm * side / SIDE
    radiograph = Radiograph(seen[2], "optical density", (spacing, spacing),
                            name=f"{ct.patient} {shot.view}")  # fmt: skip
    return LayerQuestion(radiograph, layers[order], masks[order], subject)


def _is_joint(seen: np.ndarray) -> bool:
    """Whether two bones, of all and of all bone (4, rows, columns), are one beyond the other."""
    masks = seen[:2] > MASK_OD
    apart = np.linalg.norm(_middle_of(seen[0]) - _middle_of(seen[1]))
    shared = (masks[0] & masks[1]).sum() / masks.sum(axis=(1, 2)).min()
    both = float(seen[:2].sum())
    others = float(seen[3].sum()) - both
    return bool(apart >= APART * SIDE and shared <= SHARED and others <= OTHER_BONE * both)


def _middle_of(layer: np.ndarray) -> np.ndarray:
    """(row, column) of the middle of a bone's mask."""
    return np.argwhere(layer > MASK_OD).mean(axis=0)


def _sampled(planes: list[np.ndarray], middle: np.ndarray, side: float, angle: float) -> np.ndarray:
    """A square of images at 256 x 256, (images, 256, 256) float32; sums of images stay sums.

    Args:
        planes: (rows, columns) each.
        middle: (row, column) of the square.
        side: [pixels of the planes].
        angle: of the square [radians]: a way of (cos, sin) along (rows, columns) becomes down.
    """
    step = side / SIDE
    turn = step * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = middle - turn @ np.full(2, (SIDE - 1) / 2)
    start = np.maximum(np.floor(middle - side).astype(int), 0)
    window = tuple(slice(int(n), int(n + 2 * side) + 2) for n in start)
    offset -= start
    # A square of coarser pixels takes the mean of what it covers, about.
    blur = max(step - 1.0, 0.0) / 2
    found = []
    for plane in planes:
        part = plane[window]
        smooth = ndimage.gaussian_filter(part, blur) if blur > 0 else part
        found.append(ndimage.affine_transform(
            smooth, turn, offset, (SIDE, SIDE), np.float32, order=1, mode="nearest"
        ))  # fmt: skip
    return np.stack(found)
