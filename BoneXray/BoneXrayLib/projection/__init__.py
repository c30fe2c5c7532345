"""Line integrals of a CT's parts: `project`, its two halves for many views, slow ones beside it."""

from __future__ import annotations

from .binned_view import BinnedView
from .bins import DEFAULT_EDGES, project_bins
from .entry import project, project_bone, project_prepared
from .oracle import project_exact
from .prepared import PreparedParts, prepare

__all__ = [
    "DEFAULT_EDGES",
    "BinnedView",
    "PreparedParts",
    "prepare",
    "project",
    "project_bins",
    "project_bone",
    "project_exact",
    "project_prepared",
]
