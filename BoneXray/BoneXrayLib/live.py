"""A CT kept ready, so that its radiographs follow the hand: coarse at once, then exact.

Three things are kept between two images: the CT laid out for projection with its bones flagged, a
thinned copy of it for the first moment, and the last view sorted by HU, of which any window of HU
is a difference of two images.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .body import CoarseMask, coarse_body
from .bone import BoneConfig
from .drr import Drr, DrrConfig, exposure_geometry, simulate
from .geometry import Geometry, coarser
from .progress import IsCancelled, Progress
from .projection import can_flag, flag_bone, prepare_ct
from .thinning import thinned, thinned_mask
from .volume import Volume

if TYPE_CHECKING:
    from .projection import PreparedParts
    from .projection.bins import BinnedView

COARSE_SIDE = 192
"""Longer side of an image while a hand moves [pixels]."""
FULL_SIDE = 1024
"""Longer side of a preview at rest; larger detectors are shown in larger pixels until made."""
LARGEST_PIXEL_MM, SMALLEST_SIDE = 10.0, 16
"""Beyond these, `Radiograph` takes nothing for a radiograph."""
STARTING = "starting the projector (a new computer compiles it first, up to 20 s)"

_warm = threading.Event()


@dataclass(frozen=True, eq=False)
class _Sorted:
    """A view sorted by HU, and what it is of."""

    view: BinnedView
    geometry: Geometry
    couch: bool


class LiveCt:
    """One CT, looked at again and again. Methods may be called from any thread, one at a time."""

    def __init__(
        self,
        volume: Volume,
        labels: np.ndarray | None = None,
        label_names: dict[int, str] | None = None,
    ) -> None:
        """Take a CT and, where its bones are labelled, the labels (k, j, i) on its grid."""
        self.volume, self.labels, self.label_names = volume, labels, label_names
        self._lock = threading.Lock()
        self._full: tuple[BoneConfig, PreparedParts] | None = None
        self._thin: tuple[BoneConfig, PreparedParts] | None = None
        self._thinned: tuple[Volume, np.ndarray | None] | None = None
        self._patient: CoarseMask | None = None
        self._sorted: _Sorted | None = None
        self._sorting = threading.Lock()

    def simulate(
        self,
        config: DrrConfig,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> Drr:
        """The radiograph as asked for, exact; as `drr.simulate`, but for what is kept."""
        return self._project(config, None, progress, is_cancelled)

    def preview(
        self,
        config: DrrConfig,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> Drr:
        """The radiograph as asked for, in larger pixels where it has more than `FULL_SIDE`."""
        return self._project(config, FULL_SIDE, progress, is_cancelled)

    def coarse(
        self,
        config: DrrConfig,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> Drr:
        """The same view in few, large pixels, as soon as it can be.

        From every voxel where the CT is prepared for this window of HU, else from a thinned CT.
        """
        geometry = preview_geometry(config, self.volume, COARSE_SIDE)
        bone = config.bone_config()
        with self._lock:
            full = self._full
            if full is not None and full[0] == bone:
                return simulate(
                    self.volume, config, is_cancelled=is_cancelled, prepared=full[1],
                    geometry=geometry,
                )  # fmt: skip
            if not _warm.is_set() and progress is not None:
                progress(0.0, STARTING)
            if self._thinned is None:
                self._thinned = thinned(self.volume, self.labels)
            volume, labels = self._thinned
            if self._thin is None or self._thin[0] != bone:
                body = self._body(bone, thin=True)
                prepared = prepare_ct(volume, bone, labels, self.label_names, body=body)
                self._thin = (replace(bone), prepared)
            drr = simulate(
                volume, config, is_cancelled=is_cancelled, prepared=self._thin[1],
                geometry=geometry,
            )  # fmt: skip
            _warm.set()
            return drr

    def sort(
        self,
        config: DrrConfig,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> None:
        """Sort this view by HU, for `bone_now`. The memory of the view before is used again."""
        from .projection.bins import DEFAULT_EDGES, project_bins

        geometry = preview_geometry(config, self.volume, FULL_SIDE)
        with self._lock, self._sorting:
            prepared = self._prepared(config.bone_config(), progress, is_cancelled)
            before, self._sorted = self._sorted, None
            shape = (len(DEFAULT_EDGES), *geometry.size)
            out = before.view.above if before and before.view.above.shape == shape else None
            del before
            view = project_bins(prepared, geometry, is_cancelled=is_cancelled, out=out)
            self._sorted = _Sorted(view, geometry, config.bone_config().removes_couch)

    def can_sort(self, config: DrrConfig) -> bool:
        """Whether the bones of this choice are a plain window of HU, which sorting serves."""
        return self.labels is None and not config.bone_config().is_soft

    def bone_now(self, config: DrrConfig) -> np.ndarray | None:
        """The bone image by the sorted view, (rows, columns) float32; None where it is of no use.

        A few milliseconds, in the size of `preview`. Small specks are in it, and between two of
        the view's edges it is interpolated; `preview` has neither flaw.
        """
        if not self._sorting.acquire(blocking=False):
            return None
        try:
            if not self.is_sorted(config):
                return None
            low, high = config.bone_config().window
            return self._sorted.view.window(low, np.floor(high) + 1)
        finally:
            self._sorting.release()

    def is_sorted(self, config: DrrConfig) -> bool:
        """Whether the view kept for `bone_now` is this one."""
        kept = self._sorted
        if kept is None or not self.can_sort(config):
            return False
        wanted = preview_geometry(config, self.volume, FULL_SIDE)
        same_couch = kept.couch == config.bone_config().removes_couch
        return same_couch and wanted.to_dict() == kept.geometry.to_dict()

    def _project(
        self,
        config: DrrConfig,
        side: int | None,
        progress: Progress | None,
        is_cancelled: IsCancelled | None,
    ) -> Drr:
        geometry = None if side is None else preview_geometry(config, self.volume, side)
        with self._lock:
            prepared = self._prepared(config.bone_config(), progress, is_cancelled)
            return simulate(
                self.volume, config, progress=progress, is_cancelled=is_cancelled,
                prepared=prepared, geometry=geometry,
            )  # fmt: skip

    def _prepared(
        self, bone: BoneConfig, progress: Progress | None, is_cancelled: IsCancelled | None
    ) -> PreparedParts:
        """The CT laid out with these bones flagged: kept, flagged anew, or made."""
        before, self._full = self._full, None
        if before is not None and before[0] == bone:
            self._full = before
        elif before is not None and can_flag(before[1], bone):
            flagged = flag_bone(before[1], bone)  # not stopped halfway: what is kept would be lost
            self._full = (replace(bone), flagged)
        else:
            del before
            self._full = (
                replace(bone),
                prepare_ct(
                    self.volume, bone, self.labels, self.label_names, progress, is_cancelled,
                    self._body(bone),
                ),
            )  # fmt: skip
        return self._full[1]

    def _body(self, bone: BoneConfig, thin: bool = False) -> CoarseMask | None:
        """The patient without couch, found once; for the whole CT or the thinned one."""
        if not bone.removes_couch:
            return None
        if self._patient is None:
            self._patient = coarse_body(self.volume)
        return thinned_mask(self._patient, self.volume) if thin else self._patient


def preview_geometry(config: DrrConfig, volume: Volume, longest_side: int) -> Geometry:
    """Where source and detector stand, the detector in pixels as large as a preview needs.

    Raises:
        FileNotFoundError, ValueError: as `exposure_geometry`.
    """
    geometry = exposure_geometry(config, volume)
    factor = min(
        max(geometry.size) / longest_side,
        LARGEST_PIXEL_MM / max(geometry.pixel_mm),
        min(geometry.size) / SMALLEST_SIDE,
    )
    return geometry if factor <= 1 else coarser(geometry, round(max(geometry.size) / factor))
