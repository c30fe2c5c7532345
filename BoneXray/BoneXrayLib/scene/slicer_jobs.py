"""Long work on arrays while Slicer stays alive: a thread for the work, a timer to look at it.

The thread touches no node and no widget. Slicer's event loop may keep Python's interpreter lock
between two calls into Python, so each look at the thread waits for it a moment: that hands the
lock over, and the work goes on whatever the application does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import qt

from ..progress import Cancelled

POLL_MS = 30
HAND_OVER_S = 0.012
"""How long a look waits for the thread: short enough for a fluid window."""

log = logging.getLogger(__name__)

Work = Callable[[Callable[[float, str], None], Callable[[], bool]], Any]
"""work(progress, is_cancelled) -> result; numpy in, numpy out."""


class Job:
    """One piece of work. Ends with exactly one of `done`, `failed` or `cancelled` being called."""

    def __init__(
        self,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        progress: Callable[[float, str], None] | None = None,
        cancelled: Callable[[], None] | None = None,
        poll_ms: int = POLL_MS,
    ) -> None:
        self._work, self._done, self._failed = work, done, failed
        self._progress, self._cancelled = progress, cancelled
        self._stop = threading.Event()
        self._told = (0.0, "")
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ended = False
        self._timer = qt.QTimer()
        self._timer.setInterval(poll_ms)
        self._timer.timeout.connect(self._look)

    def start(self) -> Job:
        """Begin; results arrive on the thread that called this."""
        self._began = time.monotonic()
        self._thread.start()
        self._timer.start()
        return self

    @property
    def is_running(self) -> bool:
        """Whether none of the endings has been told yet."""
        return not self._ended

    def cancel(self) -> None:
        """Ask the work to stop; it ends when it next looks, with `cancelled`."""
        self._stop.set()

    def abandon(self) -> None:
        """Stop, and tell nobody: the scene or the panel is going away."""
        self._stop.set()
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._timer.stop()

    def _run(self) -> None:
        try:
            self._result = self._work(self._tell, self._stop.is_set)
        except BaseException as error:
            self._error = error

    def _tell(self, fraction: float, message: str) -> None:
        self._told = (fraction, message)

    def _look(self) -> None:
        self._thread.join(HAND_OVER_S)
        if self._progress is not None and not self._stop.is_set():
            self._progress(*self._told)
        if not self._thread.is_alive():
            self._end()
            self._finish()

    def _finish(self) -> None:
        seconds = time.monotonic() - self._began
        if self._stop.is_set() or isinstance(self._error, Cancelled):
            log.info("stopped after %.1f s", seconds)
            if self._cancelled is not None:
                self._cancelled()
        elif self._error is not None:
            error = self._error
            self._failed(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        else:
            log.info("done in %.1f s", seconds)
            self._done(self._result)
