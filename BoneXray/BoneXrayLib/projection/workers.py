"""Blocks of work on all processors: kernels release the interpreter, threads run them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

from ..progress import Cancelled, IsCancelled

THREADS = "BONEXRAY_THREADS"
"""Environment variable: set where several processes share a computer's processors."""


def in_blocks(
    work: Callable[[int, int], None],
    count: int,
    block: int,
    tell: Callable[[float], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> None:
    """Call work(first, last) for every block of range(count), on as many threads as processors.

    `tell` and `is_cancelled` are called from the calling thread only. Plain threads rather than
    numba's own: any number of callers may project at once, and a block is a place to stop. On one
    processor the calling thread does the work: handing blocks over costs more than some of them.

    Raises:
        Cancelled: `is_cancelled()` became true between two blocks.
    """
    starts = range(0, count, block)
    if len(starts) == 1 and tell is None and is_cancelled is None:
        work(0, count)  # a thread costs as much as a step of a slider
        return
    if processors() == 1:
        _in_turn(work, count, starts, tell, is_cancelled)
        return
    stopped = False

    def one(first: int) -> None:
        if not stopped:
            work(first, min(first + block, count))

    with ThreadPoolExecutor(min(processors(), max(len(starts), 1))) as pool:
        try:
            waiting = [pool.submit(one, first) for first in starts]
            for done, future in enumerate(waiting):
                if is_cancelled is not None and is_cancelled():
                    raise Cancelled("projection cancelled")
                future.result()
                if tell is not None:
                    tell((done + 1) / len(starts))
        finally:
            stopped = True


def _in_turn(
    work: Callable[[int, int], None],
    count: int,
    starts: range,
    tell: Callable[[float], None] | None,
    is_cancelled: IsCancelled | None,
) -> None:
    for done, first in enumerate(starts):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled("projection cancelled")
        work(first, min(first + starts.step, count))
        if tell is not None:
            tell((done + 1) / len(starts))


def processors() -> int:
    """How many processors this process may use: all, or as many as BONEXRAY_THREADS says."""
    told = os.environ.get(THREADS, "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@contextlib.contextmanager
def numba_threads_limited() -> Generator[None]:
    """Within, kernels that use numba's own threads use as many as this process may."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(processors(), before))
    try:
        yield
    finally:
        numba.set_num_threads(before)
