"""Line integrals of a CT's parts: `project`, its two halves for many views, slow ones beside it."""

from __future__ import annotations

from .binned_view import BinnedView
from .bins import even_edges, project_bins
from .devices import DEVICES, project_on, used_device
from .entry import project, project_bone, project_prepared
from .from_ct import can_flag, flag_bone, prepare_ct
from .oracle import project_exact
from .prepared import PreparedParts, prepare

__all__ = [
    "DEVICES",
    "BinnedView",
    "PreparedParts",
    "can_flag",
    "even_edges",
    "flag_bone",
    "prepare",
    "prepare_ct",
    "project",
    "project_bins",
    "project_bone",
    "project_exact",
    "project_on",
    "project_prepared",
    "used_device",
]
