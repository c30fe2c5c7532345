"""What bones add over the soft tissue that would be in their place.

A bone that were absent would leave soft tissue, not a hole: its layer is the line integral of
mu_bone - mu_soft over its solid. So a bone "alone" is an image as one would be taken of it, and
layers of CTs mean the same as those of bones shifted together in an image (`layer_images`), where
OD_both = OD_upper + OD_lower - OD_soft.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from BoneXrayLib.attenuation import AIR_HU
from BoneXrayLib.bone import Parts

from ..pairs import TISSUES, Draw, Pair, project_draw

SOFT_HU = 40.0
"""Muscle and tendon, about."""
LEAN = TISSUES.index("lean")


@dataclasses.dataclass(frozen=True, eq=False)
class ExcessParts:
    """A patient whose named bones hold what they have over soft tissue, and that soft tissue.

    Attributes:
        parts: the patient; named voxels (mu - mu_soft, never below zero) instead of mu.
        displaced: soft tissue where named bones are, air elsewhere.
    """

    parts: Parts
    displaced: Parts


def excess_parts(parts: Parts) -> ExcessParts:
    """Take the soft tissue out of the named bones of a patient.

    What has less than soft tissue, such as fatty marrow, counts as soft tissue.
    """
    named = parts.part >= len(TISSUES)
    hu = np.where(named, np.maximum(parts.hu - (SOFT_HU - AIR_HU), AIR_HU), parts.hu)
    soft = np.where(named, SOFT_HU, AIR_HU)
    kind = parts.hu.dtype
    names = (TISSUES[0], TISSUES[LEAN])
    displaced = Parts(soft.astype(kind), parts.ijk_to_ras, named.astype(np.uint8), None, names)
    return ExcessParts(dataclasses.replace(parts, hu=hu.astype(kind)), displaced)


def excess_pair(patient: ExcessParts, draw: Draw) -> Pair:
    """A sample: `TISSUES` with soft tissue in the place of bones, then what each bone adds to it.

    Bones that are not in the sample are left out.
    """
    layers, geometry = project_draw(patient.parts, draw)
    layers[LEAN] += project_draw(patient.displaced, draw)[0].sum(axis=0)
    first = len(TISSUES)
    there = [n for n, layer in enumerate(layers[first:]) if layer.max() > 0]
    kept = layers[[*range(first), *(first + n for n in there)]]
    names = tuple(patient.parts.names[first + n] for n in there)
    return Pair(kept.astype(np.float16), draw, geometry.magnification, names)
