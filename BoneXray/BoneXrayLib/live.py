"""A CT kept ready, so that its radiographs follow the hand: coarse at once, then exact.

Three things are kept between two images: the CT laid out for projection with its bones flagged, a
thinned copy of it for the first moment, and the last view sorted by HU, of which any window of HU
is a difference of two images.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np

from .body import CoarseMask, coarse_body
from .bone import BoneConfig
from .contrast import coarse_contrast
from .drr import Drr, DrrConfig, pose_text
from .kept import Kept, Sorted, left_out
from .progress import IsCancelled, Progress
from .projection import can_flag, even_edges, flag_bone, prepare_ct, project_bins
from .projection.binned_view import LISTED_HU
from .projection.bins import is_straight
from .projection.devices import ReadyParts
from .thinning import preview_geometry, thinned, thinned_mask
from .volume import Volume

COARSE_SIDE = 192
"""Longer side of an image while a hand moves [pixels]."""
FULL_SIDE = 1024
"""Longer side of a preview at rest; larger detectors are shown in larger pixels until made."""
STARTING = "starting the projector (a new computer compiles it first, up to 20 s)"

_warm = threading.Event()


class LiveCt:
    """One CT, looked at again and again. Methods may be called from any thread, one at a time.

    Attributes:
        device: where to project, as `drr.simulate` takes it; may be changed at any time.
    """

    def __init__(
        self,
        volume: Volume,
        labels: np.ndarray | None = None,
        label_names: dict[int, str] | None = None,
        device: str = "auto",
    ) -> None:
        """Take a CT and, where its bones are labelled, the labels (k, j, i) on its grid."""
        self.volume, self.labels, self.label_names = volume, labels, label_names
        self.device = device
        self._lock = threading.Lock()
        self._full: Kept | None = None
        self._thin: Kept | None = None
        self._thinned: tuple[Volume, np.ndarray | None] | None = None
        self._patient: CoarseMask | None = None
        self._contrast: CoarseMask | None = None
        self._sorted: Sorted | None = None
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
            kept = self._full
            if kept is None or kept.bone != bone:
                if not _warm.is_set() and progress is not None:
                    progress(0.0, STARTING)
                kept = self._thin_kept(bone)
            layers, used = kept.project(geometry, self.device, None, is_cancelled)
            _warm.set()
        return Drr(layers, geometry, config, self.volume.name, pose_text(config), used)

    def sort(
        self,
        config: DrrConfig,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> None:
        """Sort this view by HU, for `bone_now`. The memory of the view before is used again."""
        geometry = preview_geometry(config, self.volume, FULL_SIDE)
        with self._lock, self._sorting:
            kept = self._full_kept(config.bone_config(), progress, is_cancelled)
            before, self._sorted = self._sorted, None
            prepared = kept.parts.prepared
            edges = even_edges(prepared)
            shape = (len(edges), *geometry.size)
            out = before.view.above if before and before.view.above.shape == shape else None
            del before
            view = project_bins(prepared, geometry, edges, is_cancelled=is_cancelled, out=out)
            view.from_hu(edges[1] + 1.0)  # what a first step would compile, is compiled here
            self._sorted = Sorted(view, geometry, left_out(config.bone_config()))

    def can_sort(self, config: DrrConfig) -> bool:
        """Whether the bones of this choice are a plain window of HU, which sorting serves.

        In a tilted view contrast medium cannot be told apart.
        """
        bone = config.bone_config()
        if self.labels is not None or bone.is_soft:
            return False
        return not bone.removes_contrast or is_straight(
            preview_geometry(config, self.volume, FULL_SIDE), self.volume.ijk_to_ras
        )

    def bone_now(self, config: DrrConfig) -> np.ndarray | None:
        """The bone image by the sorted view, (rows, columns) float32; None where it is of no use.

        A few milliseconds, in the size of `preview`. Unlike there, small specks are in it.
        """
        if not self._sorting.acquire(blocking=False):
            return None
        try:
            kept = self._sorted
            if kept is None or not self.is_sorted(config):
                return None
            low, high = config.bone_config().window
            view, above = kept.view, np.floor(high) + 1
            low = max(low, view.edges[0])
            if low < LISTED_HU and config.bone_config().removes_contrast:
                return None
            return view.window(low, above) if view.is_exact(low) and view.is_exact(above) else None
        finally:
            self._sorting.release()

    def is_sorted(self, config: DrrConfig) -> bool:
        """Whether the view kept for `bone_now` is this one."""
        kept = self._sorted
        if kept is None or not self.can_sort(config):
            return False
        wanted = preview_geometry(config, self.volume, FULL_SIDE)
        same = kept.without == left_out(config.bone_config())
        return same and wanted.to_dict() == kept.geometry.to_dict()

    def _project(
        self,
        config: DrrConfig,
        side: int | None,
        progress: Progress | None,
        is_cancelled: IsCancelled | None,
    ) -> Drr:
        geometry = preview_geometry(config, self.volume, side)

        def sooner(fraction: float, message: str) -> None:
            if progress is not None:
                progress(0.4 * fraction, message)

        def later(fraction: float, message: str) -> None:
            if progress is not None:
                progress(0.4 + 0.6 * fraction, message)

        with self._lock:
            kept = self._full_kept(config.bone_config(), sooner, is_cancelled)
            layers, used = kept.project(geometry, self.device, later, is_cancelled)
        return Drr(layers, geometry, config, self.volume.name, pose_text(config), used)

    def _full_kept(
        self, bone: BoneConfig, progress: Progress | None, is_cancelled: IsCancelled | None
    ) -> Kept:
        """The CT laid out with these bones flagged: as it is, flagged anew, or made."""
        before, self._full = self._full, None
        if before is not None and before.bone == bone:
            self._full = before
        elif before is not None and can_flag(before.parts.prepared, bone):
            # Not stopped halfway: what is kept would be lost.
            self._full = Kept(replace(bone), ReadyParts(flag_bone(before.parts.prepared, bone)))
        else:
            del before
            prepared = prepare_ct(
                self.volume, bone, self.labels, self.label_names, progress, is_cancelled,
                self._body(bone), self._contrast_medium(bone),
            )  # fmt: skip
            self._full = Kept(replace(bone), ReadyParts(prepared))
            self._thinned = self._thin = None  # seldom needed now, and soon made
        return self._full

    def _thin_kept(self, bone: BoneConfig) -> Kept:
        """The thinned CT laid out with these bones."""
        if self._thinned is None:
            self._thinned = thinned(self.volume, self.labels)
        volume, labels = self._thinned
        if self._thin is None or self._thin.bone != bone:
            body = self._body(bone, thin=True)
            known = self._contrast is not None
            contrast = thinned_mask(self._contrast, self.volume) if known else None
            # Looking for contrast medium takes a while: the first coarse image goes without.
            coarse = replace(bone, remove_contrast=bone.removes_contrast and known)
            prepared = prepare_ct(
                volume, coarse, labels, self.label_names, body=body, contrast=contrast
            )
            self._thin = Kept(replace(bone), ReadyParts(prepared))
        return self._thin

    def _body(self, bone: BoneConfig, thin: bool = False) -> CoarseMask | None:
        """The patient without couch, found once; for the whole CT or the thinned one."""
        if not bone.removes_couch:
            return None
        if self._patient is None:
            self._patient = coarse_body(self.volume)
        return thinned_mask(self._patient, self.volume) if thin else self._patient

    def _contrast_medium(self, bone: BoneConfig) -> CoarseMask | None:
        """Where contrast medium is, found once; None where it is not to be removed."""
        if bone.removes_contrast and self.labels is None and self._contrast is None:
            self._contrast = coarse_contrast(self.volume, self._body(bone))
        return self._contrast if bone.removes_contrast else None
