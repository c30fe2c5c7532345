"""Line integrals of a CT's parts: `project`, and the exact, slow `project_exact` beside it."""

from __future__ import annotations

from .entry import project
from .oracle import project_exact

__all__ = ["project", "project_exact"]
