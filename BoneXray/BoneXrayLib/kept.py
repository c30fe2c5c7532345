"""What a `LiveCt` keeps between two images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .bone import BoneConfig
from .geometry import Geometry

if TYPE_CHECKING:
    from .projection import BinnedView
    from .projection.devices import ReadyParts


@dataclass(frozen=True, eq=False)
class Sorted:
    """A view sorted by HU, and what it is of."""

    view: BinnedView
    geometry: Geometry
    without: tuple[bool, bool]


@dataclass(frozen=True, eq=False)
class Kept:
    """A CT laid out for projection, and with which bones."""

    bone: BoneConfig
    parts: ReadyParts

    def project(self, *arguments: Any) -> tuple[dict[str, np.ndarray], str]:
        """Layers by name, and the device that projected them."""
        images, used = self.parts.project(*arguments)
        return dict(zip(self.parts.prepared.names, images, strict=True)), used


def left_out(bone: BoneConfig) -> tuple[bool, bool]:
    """Whether couch and contrast medium are."""
    return bone.removes_couch, bone.removes_contrast
