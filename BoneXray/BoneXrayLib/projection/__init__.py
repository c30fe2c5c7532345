"""Line integrals of a CT's parts: `project`, its two halves for many views, slow ones beside it."""

from __future__ import annotations

from .bins import DEFAULT_EDGES, BinnedView, project_bins
from .devices import DEVICES, project_on, used_device
from .entry import project, project_bone, project_prepared
from .oracle import project_exact
from .prepared import PreparedParts, prepare

__all__ = [
    "DEFAULT_EDGES",
    "DEVICES",
    "BinnedView",
    "PreparedParts",
    "prepare",
    "project",
    "project_bins",
    "project_bone",
    "project_exact",
    "project_on",
    "project_prepared",
    "used_device",
]
