"""The preview that follows the hand: coarse while it moves, exact when it rests.

One piece of work runs at a time, so no image is ever followed by an older one. Of a choice that
changed, first a coarse image is made, unless the sorted view answers at once. When nothing
changed for `REST_MS`, the image is made exactly, then its view sorted by HU for what comes next.
Where only the exposure changed, the line integrals last made exactly are exposed anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import qt

from ..drr import Drr, DrrConfig
from ..exposure import Exposed, ExposureConfig, expose_drr
from ..live import LiveCt
from ..progress import IsCancelled, Progress
from .slicer_jobs import Job, Work

REST_MS = 180
POLL_MS = 16
TELL_AFTER_S = 0.4
"""Work shorter than this is not worth a message that flickers by."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """One choice to be shown. `live()` gives the CT, on the main thread.

    With an `exposure`, what a detector would show instead of line integrals.
    """

    ct: Any
    config: DrrConfig
    live: Callable[[], LiveCt]
    exposure: ExposureConfig | None = None


@dataclass(frozen=True, eq=False)
class _Made:
    """Line integrals made exactly, and of what."""

    of: Wanted
    live: LiveCt
    device: str
    drr: Drr


class LivePreview:
    """Shows what is wanted last, soon and then exactly.

    Args:
        show: show(drr, exposed, ct, is_exact), a new pair of images; `exposed` None if not asked.
        show_bone: show_bone(bone), a bone image of the view that is shown.
        say: say(text), what is being done.
        failed: failed(error), in place of an image.
    """

    def __init__(
        self,
        show: Callable[[Drr, Exposed | None, Any, bool], None],
        show_bone: Callable[[np.ndarray], None],
        say: Callable[[str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._show, self._show_bone, self._say, self._failed = show, show_bone, say, failed
        self._wanted: Wanted | None = None
        self._shown: Wanted | None = None
        self._exact: Wanted | None = None
        self._pair: tuple[Any, dict, ExposureConfig | None] | None = None
        self._made: _Made | None = None
        self._source: tuple[LiveCt, str] | tuple[()] = ()
        self._job: Job | None = None
        self._step, self._began = "", 0.0
        self._rest = qt.QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._next)

    def want(self, wanted: Wanted) -> None:
        """The choices changed: these are to be seen."""
        self._wanted = wanted
        self._rest.start()
        self._show_at_once()
        waits_for_sorting = self._step == "sort" and self._pair == _pair_of(wanted)
        is_quick = self._step in ("coarse", "expose")
        if self._job is not None and not is_quick and not waits_for_sorting:
            self._job.cancel()  # its end begins what is wanted now
        self._next()

    def stop(self) -> None:
        """Nothing is wanted any more; nothing of what runs will arrive."""
        self._rest.stop()
        self._wanted = self._shown = self._exact = self._pair = self._made = None
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _show_at_once(self) -> None:
        """Show a moved window of HU from the sorted view, if the pair shown is of that view."""
        wanted = self._wanted
        if self._pair is None or self._pair != _pair_of(wanted) or wanted.exposure is not None:
            return
        with suppress(ValueError, OSError):  # said where the image is made
            bone = wanted.live().bone_now(wanted.config)
            if bone is not None:
                self._shown = wanted
                self._show_bone(bone)

    def _next(self) -> None:
        """Begin the next piece of work, if there is any."""
        wanted = self._wanted
        if self._job is not None or wanted is None:
            return
        if self._shown is not wanted and self._has_integrals(wanted):
            drr = self._made.drr
            self._start("expose", wanted, lambda *_: (drr, _exposed(drr, wanted)))
        elif self._shown is not wanted:
            self._begin("coarse", wanted)
        elif self._rest.isActive():
            return  # comes back here
        elif self._exact is not wanted:
            self._begin("preview", wanted)
        else:
            self._sort(wanted)

    def _sort(self, wanted: Wanted) -> None:
        live = wanted.live()
        if live.can_sort(wanted.config) and not live.is_sorted(wanted.config):
            self._begin("sort", wanted)

    def _begin(self, step: str, wanted: Wanted) -> None:
        try:
            live = wanted.live()
        except ValueError as error:
            self._give_up(wanted, error)
            return
        make, self._source = getattr(live, step), (live, live.device)

        def work(progress: Progress, is_cancelled: IsCancelled) -> Any:
            drr = make(wanted.config, progress, is_cancelled)
            return drr if step == "sort" else (drr, _exposed(drr, wanted))

        self._start(step, wanted, work)

    def _start(self, step: str, wanted: Wanted, work: Work) -> None:
        self._step, self._began = step, time.monotonic()
        self._job = Job(
            work,
            lambda result: self._ended(step, wanted, result),
            lambda error: self._give_up(wanted, error),
            self._tell,
            self._stopped,
            POLL_MS,
        ).start()

    def _has_integrals(self, wanted: Wanted) -> bool:
        """Whether only the exposure differs from the line integrals that were made last."""
        if self._made is None or self._made.of.exposure == wanted.exposure:
            return False
        made = self._made
        with suppress(ValueError, OSError):  # said where the image is made
            same = wanted.live() is made.live and made.live.device == made.device
            return same and made.of.config == wanted.config
        return False

    def _ended(self, step: str, wanted: Wanted, result: Any) -> None:
        self._job = None
        is_latest = wanted is self._wanted
        # Quick images are shown even if others are wanted by now: so a moving hand sees them move.
        if step == "coarse" and self._shown is not self._wanted:
            self._shown = wanted
            self._pair = None
            self._show(*result, wanted.ct, False)
        elif step == "expose" or (step == "preview" and is_latest):
            self._made = _Made(wanted, *self._source, result[0])
            self._shown = self._exact = wanted
            self._pair = _pair_of(wanted)
            self._show(*result, wanted.ct, True)
        elif step == "sort" and self._shown is not self._wanted:
            self._show_at_once()
        self._next()

    def _give_up(self, wanted: Wanted, error: Exception) -> None:
        self._job = None
        self._shown = self._exact = wanted
        self._pair = None
        if wanted is self._wanted:
            self._wanted = None
            self._failed(error)
        self._next()

    def _stopped(self) -> None:
        self._job = None
        self._next()

    def _tell(self, fraction: float, message: str) -> None:
        is_long = time.monotonic() - self._began > TELL_AFTER_S
        if message and is_long and self._step != "sort":
            self._say(message)


def _exposed(drr: Drr, wanted: Wanted) -> Exposed | None:
    return None if wanted.exposure is None else expose_drr(drr, wanted.exposure)


def _pair_of(wanted: Wanted) -> tuple[Any, dict, ExposureConfig | None]:
    """What the full image depends on, all but the window of HU; the rest `bone_now` looks at."""
    kept = {name: v for name, v in vars(wanted.config).items() if name not in ("hu", "preset")}
    return wanted.ct.GetID(), kept, wanted.exposure
