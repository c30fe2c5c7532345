"""Where the bones of a patient meet, and samples that look at a joint close to."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.bone import Parts

from ..pairs import TISSUES, Draw, Pair, draw_pair
from .bone_excess import excess_pair, excess_parts
from .overlap_questions import LayerConfig
from .pool import PairPool

COARSE_MM = 1.2
"""Voxels that are fine enough to find joints in."""
REACH_MM = 3.0
"""Bones no further apart than twice this meet."""
FEWEST = 4
"""Coarse voxels that two bones share within their reach."""


@dataclass(frozen=True)
class JointPlace:
    """The joint of two bones.

    Attributes:
        names: of both.
        at: its middle, as fractions of the CT's extent along i, j and k.
        width_mm: of the smaller bone.
    """

    names: tuple[str, str]
    at: tuple[float, float, float]
    width_mm: float


def joint_places(parts: Parts) -> tuple[JointPlace, ...]:
    """All joints between named bones of a patient."""
    spacing = np.linalg.norm(parts.ijk_to_ras[:3, :3], axis=0)[::-1]
    steps = [max(1, round(COARSE_MM / s)) for s in spacing]
    coarse = parts.part[tuple(slice(s // 2, None, s) for s in steps)]
    spacing = spacing * steps
    first = len(TISSUES)
    boxes = ndimage.find_objects(np.where(coarse < first, 0, coarse - (first - 1)))
    widths, near = {}, {}
    for number, box in enumerate(boxes, start=first):
        if box is None:
            continue
        sides = [(s.stop - s.start) * mm for s, mm in zip(box, spacing, strict=True)]
        widths[number] = float(np.sqrt(min(sides) * np.median(sides)))
        near[number] = _around(coarse, number, box, spacing)
    found = []
    for one, other in itertools.combinations(near, 2):
        shared = _shared(near[one], near[other], coarse.shape)
        if len(shared) >= FEWEST:
            middle = (shared.mean(axis=0) + 0.5) / coarse.shape
            at = float(middle[2]), float(middle[1]), float(middle[0])
            names = parts.names[one], parts.names[other]
            found.append(JointPlace(names, at, min(widths[one], widths[other])))
    return tuple(found)


def _around(
    coarse: np.ndarray, number: int, box: tuple[slice, ...], spacing: np.ndarray
) -> np.ndarray:
    """Flat indices of the voxels of a bone and those within its reach."""
    rim = [int(np.ceil(REACH_MM / mm)) for mm in spacing]
    wide = tuple(
        slice(max(0, s.start - r), min(n, s.stop + r))
        for s, r, n in zip(box, rim, coarse.shape, strict=True)
    )
    away = ndimage.distance_transform_edt(coarse[wide] != number, sampling=spacing)
    places = np.argwhere(away <= REACH_MM) + [s.start for s in wide]
    return np.ravel_multi_index(tuple(places.T), coarse.shape)


def _shared(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Voxels (N, 3) k, j, i of both."""
    both = np.intersect1d(one, other, assume_unique=True)
    return np.stack(np.unravel_index(both, shape), axis=1)


class JointPool(PairPool):
    """Samples of joints: the middle of each is near one, its side a few widths of a bone.

    Its bones' layers are what they add over soft tissue (`bone_excess`).
    """

    def __init__(self, *args, layers: LayerConfig, **named) -> None:
        super().__init__(*args, **named)
        self.layers = layers
        self.joints = [joint_places(parts) for _, parts in self.sources]
        self.excess = [excess_parts(parts) for _, parts in self.sources]
        for (source, _), joints in zip(self.sources, self.joints, strict=True):
            if not joints:
                raise ValueError(
                    f"{source.path}: no two of the structures meet; expected bones of a joint"
                )

    def project(self, rng: np.random.Generator, chosen: int, name: str) -> Pair:
        """A sample of one patient."""
        joints, patient = self.joints[chosen], self.excess[chosen]
        draw = draw_pair(rng, name, patient.parts, self.pairs)
        joint = joints[int(rng.integers(len(joints)))]
        return excess_pair(patient, self._close(rng, draw, joint))

    def _close(self, rng: np.random.Generator, draw: Draw, joint: JointPlace) -> Draw:
        magnification = draw.source_detector / draw.source_object
        side = float(rng.uniform(*self.layers.field)) * joint.width_mm * magnification
        return dataclasses.replace(draw, isocentre=joint.at, pixel=side / draw.size)
