"""How fast a run is, how long it will take, and whether samples come as fast as they are used."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)
STARVES = 0.2
"""Share of the time spent waiting for batches that is worth a warning."""
SETTLED_S = 60.0
"""Before, a run that just began still makes its first samples."""


class Watch:
    """Times one run from here on; figures are of the steps since the figures before."""

    def __init__(self, step: int, steps: int) -> None:
        self._steps = steps
        self._began = self._since = time.monotonic()
        self._first = self._step = step
        self._waited = 0.0
        self._has_warned = False

    def waiting_for(self, things: Iterator[T]) -> T:
        """The next of `things`; the time until it is there counts as waiting."""
        began = time.monotonic()
        thing = next(things)
        self._waited += time.monotonic() - began
        return thing

    def figures(self, step: int) -> dict[str, float]:
        """Seconds left, steps a second, and the share of the time spent waiting for batches."""
        now = time.monotonic()
        spent = max(now - self._since, 1e-9)
        rate = (step - self._step) / spent
        share = self._waited / spent
        left = (now - self._began) / max(step - self._first, 1) * (self._steps - step)
        if share > STARVES and now - self._began > SETTLED_S and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%.0f %% of the time goes by waiting for samples; raise pool.images_per_sample",
                100 * share,
            )
        self._since, self._step, self._waited = now, step, 0.0
        return {
            "eta_s": round(left),
            "steps_per_s": round(rate, 4),
            "wait_share": round(share, 4),
        }
