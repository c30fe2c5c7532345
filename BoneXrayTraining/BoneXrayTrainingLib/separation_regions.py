"""Regions of simulated radiographs around two overlapping bones, with the exact layer of each.

Layers are projected, one for each named bone. A region is a square around the overlap of a pair,
brought to 256 x 256; its side is drawn so that each bin of overlap sizes gets as many regions, as
far as the pair's overlap and the sizes of joints allow.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from BoneXrayLib.bone import BoneConfig
from BoneXrayLib.projection import prepare_ct, project_prepared
from BoneXrayLib.radiograph import Radiograph

from .labelled import MASK_OD
from .labelled_cts import LabelledCt
from .overlap_bins import LEAST, OVERLAP_BINS, SIDE, overlap_bin
from .segmentation_views import drawn_rotation, geometry_of
from .separation_questions import (
    EXACT,
    JOINT_PIXELS,
    LayerQuestion,
    LayerSubject,
    SeparationConfig,
    stands_upright,
)

SIDES_MM = {"wrist": (20.0, 60.0), "trunk": (60.0, 240.0)}
"""Of regions, at the detector."""
OTHER_BONE = 0.25
"""A region with more of other bones, as a share of what its two bones add, is no joint."""


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
    views = config.views
    prepared = prepare_ct(ct.volume, BoneConfig(remove_couch=ct.remove_couch), ct.labels, ct.names)
    pixel = views.pixel or JOINT_PIXELS[ct.anatomy]
    places = [prepared.names.index(name) for name in ct.structures]
    bony = [
        n for n, name in enumerate(prepared.names) if name == "bone" or name in ct.names.values()
    ]
    for view in views.of(ct.anatomy):
        for number in range(views.draws):
            label = f"{views.seed} {ct.patient} {view} {number}"
            geometry = geometry_of(ct, view, drawn_rotation(views, label), pixel)
            layers = project_prepared(prepared, geometry)
            shot = _Shot(ct.structures, layers[places], layers.sum(axis=0),
                         layers[bony].sum(axis=0), pixel, view)  # fmt: skip
            rng = np.random.default_rng(zlib.crc32(f"regions {label}".encode()))
            yield from _regions(ct, shot, config.most(EXACT), rng)


def _regions(
    ct: LabelledCt, shot: _Shot, most: int, rng: np.random.Generator
) -> Iterator[LayerQuestion]:
    masks = shot.layers > MASK_OD
    least, largest = (mm / shot.pixel_mm for mm in SIDES_MM[ct.anatomy])
    largest = min(largest, *shot.full.shape)
    shared = {}
    for pair in combinations(range(len(masks)), 2):
        place = np.argwhere(masks[pair[0]] & masks[pair[1]])
        if len(place) >= LEAST * (min(least, largest) / SIDE) ** 2:
            shared[pair] = place
    pairs = list(shared)
    for wanted in range(len(OVERLAP_BINS)):
        found = 0
        for n in rng.permutation(len(pairs)):
            if found == most:
                break
            place = shared[pairs[n]]
            side = _drawn_side(len(place), wanted, (least, largest), rng)
            question = None if side is None else _cut(ct, shot, pairs[n], place, side)
            if question is not None and question.subject.bin == wanted:
                found += 1
                yield question


def _drawn_side(
    pixels: int, wanted: int, sides: tuple[float, float], rng: np.random.Generator
) -> float | None:
    """A side [pixels] at which an overlap of so many pixels is of the wanted bin."""
    low, high = OVERLAP_BINS[wanted]
    low_side = SIDE * math.sqrt(pixels / high) if math.isfinite(high) else 0.0
    from_, to = max(low_side, sides[0]), min(SIDE * math.sqrt(pixels / low), sides[1])
    return float(rng.uniform(from_, to)) if from_ < to else None


def _cut(
    ct: LabelledCt, shot: _Shot, pair: tuple[int, int], place: np.ndarray, side: float
) -> LayerQuestion | None:
    """The region of a pair; None where too little of the overlap is in it."""
    middle = (place.min(axis=0) + place.max(axis=0) + 1) / 2
    reach = np.array(shot.full.shape) - side
    top, left = (float(v) for v in np.clip(middle - side / 2, 0, np.maximum(reach, 0)))
    box = (left, top, left + side, top + side)
    layers = np.stack([_resized(shot.layers[n], box) for n in pair])
    full, bone = _resized(shot.full, box), _resized(shot.bone, box)
    masks = layers > MASK_OD
    pixels = int((masks[0] & masks[1]).sum())
    number = overlap_bin(pixels)
    if number is None:
        return None
    rows = [np.argwhere(mask)[:, 0].mean() for mask in masks]
    order = np.argsort(rows, kind="stable")
    both = float(layers.sum())
    others = max(float(bone.sum()) - both, 0.0) / both
    names = tuple(shot.names[pair[n]] for n in order)
    subject = LayerSubject(
        EXACT, ct.source, ct.patient, shot.view, (names[0], names[1]), pixels, number,
        stands_upright(masks) and others <= OTHER_BONE,
    )  # fmt: skip
    spacing = shot.pixel_mm * side / SIDE
    radiograph = Radiograph(full, "optical density", (spacing, spacing),
                            name=f"{ct.patient} {shot.view}")  # fmt: skip
    return LayerQuestion(radiograph, layers[order], masks[order], subject)


def _resized(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """A box (left, top, right, bottom) of an image at 256 x 256; sums of images stay sums."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box))
