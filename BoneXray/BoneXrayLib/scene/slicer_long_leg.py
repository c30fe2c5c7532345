"""A long-leg view of nodes: what it will be, and the work that makes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..long_leg import LongLeg, LongLegConfig, ShotPlan, long_leg, plan_shots
from ..progress import IsCancelled, Progress
from ..volume import Volume
from .slicer_jobs import Work
from .slicer_nodes import ijk_to_world, labels_from_node, pixels_of, volume_from_node


def plan_of(ct: Any, config: LongLegConfig) -> ShotPlan:
    """The shots that a CT node will get; at once, as it looks at no voxel.

    Raises:
        ValueError: no image, one slice only, a transform that bends; shots that cannot be stitched.
    """
    shape = pixels_of(ct, "ct").shape
    if shape[0] < 2:
        raise ValueError(f"ct: {ct.GetName()!r} has one slice; expected a CT of several")
    nothing = np.broadcast_to(np.int16(0), shape)  # of any size without memory
    return plan_shots(config, Volume(nothing, ijk_to_world(ct, "ct"), ct.GetName()))


def long_leg_work(ct: Any, config: LongLegConfig, segmentation: Any = None) -> Work:
    """The long-leg view of these nodes as work(progress, is_cancelled) -> LongLeg.

    The nodes are read here, on the main thread; the function given back touches arrays only.

    Args:
        ct: volume node.
        config: shots, tube and bone window.
        segmentation: node whose visible segments are the bones, or None.

    Raises:
        ValueError: what the nodes hold is no CT, or no labels of it; shots that cannot be stitched.
    """
    if ct is None:
        raise ValueError("ct: none was given; expected a CT volume")
    volume = volume_from_node(ct)
    plan_shots(config, volume)
    labels, names = (None, None) if segmentation is None else labels_from_node(segmentation, ct)

    def run(progress: Progress | None, is_cancelled: IsCancelled | None) -> LongLeg:
        return long_leg(volume, config, labels, names, progress, is_cancelled)

    return run
