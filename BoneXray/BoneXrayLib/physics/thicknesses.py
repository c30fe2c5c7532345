"""How much of each material a ray passes: line integrals of a CT, taken apart by Hounsfield unit.

Line integrals are ours: of the CT's attenuation as it is at `CT_KEV`. A share of one, divided by
the material's mass attenuation there, is a mass per area [g/cm²]; back at `CT_KEV` the materials
give the line integral again, whatever the shares were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .materials import CT_KEV, METAL_HU, mass_attenuation, shares

if TYPE_CHECKING:
    from ..projection import BinnedView

Thicknesses = dict[str, np.ndarray]
"""(rows, columns) float32 [g/cm²] by material."""

EXPOSURE_EDGES: tuple[float, ...] = (
    *(-1000.0, -160.0, -120.0, -80.0, -40.0, -10.0, 20.0, 50.0, 100.0, 150.0),
    *np.arange(200.0, 601.0, 50.0).tolist(),
    *(700.0, 800.0, 900.0, 1000.0, 1150.0, 1300.0, 1500.0, METAL_HU),
)
"""Edges [HU] for `project_bins` between which a voxel's composition changes by a few percent."""
BONE_FROM_HU = 200.0
"""Where bone begins in the division by HU; what of a bone is below is taken for marrow."""
BONE_LAYER_HU = 500.0
"""Typical for the voxels of a bone layer where only images are at hand [HU]: the mean, by their
attenuation, of voxels from 200 HU was 440 to 560 HU in the CTs that we looked at."""


@dataclass(frozen=True, eq=False)
class Object:
    """What stands in the beam.

    Attributes:
        everything: all materials.
        rest: the same without the bones.
    """

    everything: Thicknesses
    rest: Thicknesses


def object_of_layers(full: np.ndarray, bone: np.ndarray) -> Object:
    """The materials of an exposure of which only two line integrals are at hand.

    A coarser model than `object_of_bins`: all but bone is soft tissue, all bone is the mixture of
    soft tissue and cortical bone that has `BONE_LAYER_HU`.

    Args:
        full: (rows, columns) line integrals of everything.
        bone: those of the bones, in `full` too.
    """
    grams = 1.0 / mass_attenuation("soft tissue", CT_KEV)
    rest = {"soft tissue": np.maximum(full - bone, 0.0).astype(np.float32) * np.float32(grams)}
    parts = {
        name: np.asarray(bone, np.float32) * np.float32(share / mass_attenuation(name, CT_KEV))
        for name, share in shares(np.array(BONE_LAYER_HU)).items()
        if share > 0
    }
    return Object(_sum(rest, parts), rest)


def object_of_bins(view: BinnedView, bone: np.ndarray) -> Object:
    """The materials of an exposure of a CT sorted by HU.

    Args:
        view: by `project_bins` with `EXPOSURE_EDGES`, or other edges of which one is 200 HU.
        bone: (rows, columns) line integrals of the bones as they were chosen. As much of it as
            voxels from `BONE_FROM_HU` account for is made of what these are made of; the rest of
            it is marrow, taken as soft tissue.
    """
    everything = thicknesses_of_bins(view)
    hard = thicknesses_of_bins(view, BONE_FROM_HU)
    of_hard = view.from_hu(BONE_FROM_HU)
    share = np.clip(bone / np.maximum(of_hard, 1e-6), 0.0, 1.0)
    bones = {name: image * share for name, image in hard.items()}
    marrow = np.maximum(bone - of_hard, 0.0) / mass_attenuation("soft tissue", CT_KEV)
    bones["soft tissue"] = bones["soft tissue"] + marrow.astype(np.float32)
    rest = {name: np.maximum(image - bones[name], 0.0) for name, image in everything.items()}
    return Object(everything, rest)


def thicknesses_of_bins(
    view: BinnedView, low: float = -np.inf, high: float = np.inf
) -> Thicknesses:
    """Mass per area of each material, of voxels with low <= HU < high; ends at the view's edges.

    A bin is taken to be of the composition in its middle. Above the last edge voxels are metal if
    that edge is `METAL_HU`, else bone.
    """
    edges = np.asarray(view.edges)
    middles = np.append((edges[1:] + edges[:-1]) / 2.0, edges[-1])
    if edges[-1] < METAL_HU:
        middles[-1] = min(middles[-1], METAL_HU - 1.0)
    inside = (edges >= low - 1e-6) & (edges < high)
    found = {}
    for name, share in shares(middles).items():
        weight = np.where(inside, share, 0.0) / mass_attenuation(name, CT_KEV)
        found[name] = _weighted(view.above, np.diff(weight, prepend=0.0))
    return found


def _weighted(images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ weight · image over the first axis, without rounding below zero."""
    total = np.zeros(images.shape[1:], np.float32)
    for n in np.flatnonzero(weights):
        total += np.float32(weights[n]) * images[n]
    return np.maximum(total, 0.0, out=total)


def _sum(one: Thicknesses, other: Thicknesses) -> Thicknesses:
    both = {name: one[name] + other[name] for name in one.keys() & other.keys()}
    return one | other | both
