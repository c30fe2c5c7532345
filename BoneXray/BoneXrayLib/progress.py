"""What long work tells its caller, and how it ends early."""

from __future__ import annotations

from collections.abc import Callable

#: Called with the fraction done (0..1) and a short message for people.
Progress = Callable[[float, str], None]
#: Asked now and then; True ends the work with `Cancelled`.
IsCancelled = Callable[[], bool]


class Cancelled(Exception):
    """The user stopped the work; nothing was written."""


def raise_if_cancelled(is_cancelled: IsCancelled | None) -> None:
    """Raise `Cancelled` when the caller wants to stop."""
    if is_cancelled is not None and is_cancelled():
        raise Cancelled("stopped by the user")


def part_of(progress: Progress | None, turn: int, turns: int) -> Progress | None:
    """Progress of one of several equal turns."""
    if progress is None:
        return None
    return lambda fraction, message: progress((turn + fraction) / turns, message)
