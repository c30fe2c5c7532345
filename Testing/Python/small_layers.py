"""A small radiograph whose bones are pulled apart exactly, and a joint in two visits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from joint_phantom import PIXEL_MM, drawn_visits
from small_bones import small_bones

from BoneXrayLib.layers import UPRIGHT, Layers
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.segments.structures import structure


def small_layers(count: int = 2, **changes) -> Layers:
    """Of `small_bones` the first, which overlap; each adds 40 where it is."""
    found = small_bones(**changes)
    masks = found.masks[:count]
    pixels = found.masks[:count].sum(axis=0).astype(np.float32) * 40 + 7
    return Layers(
        replace(found.radiograph, pixels=pixels), found.structures[:count],
        masks.astype(np.float32) * 40, masks, "small-separate 0.1",
    )  # fmt: skip


def joint_visits(seed: int = 3) -> tuple[Layers, Layers]:
    """Two bones that overlap, in two visits."""
    _bones, _places, visits = drawn_visits(np.random.default_rng(seed), overlap=True)
    bones = tuple(replace(structure(n), colour=c) for n, c in UPRIGHT.items())
    found = []
    for number, visit in enumerate(visits, 1):
        image = Radiograph(
            visit.image.astype(np.float32),
            "optical density",
            (PIXEL_MM, PIXEL_MM),
            name=f"Finger {number}",
        )
        found.append(Layers(image, bones, visit.layers, visit.masks, "small-separate 0.1"))
    return found[0], found[1]
