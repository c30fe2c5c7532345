"""How the panels tell the user what went wrong: once, in one clear message."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import slicer
import slicer.util


@contextlib.contextmanager
def errors_shown(what: str) -> Generator[None]:
    """Show an error of the `with` block in a message that starts with `what`.

    Wrong input (ValueError, OSError), and packages the user did not want (RuntimeError), end
    here; anything else is a fault of the program and goes on to Slicer's error log.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        show_error(what, error)
    except Exception:
        with slicer.util.tryWithErrorDisplay(what):
            raise


def show_error(what: str, error: Exception) -> None:
    """One message box, which Slicer writes to its log, too."""
    slicer.util.errorDisplay(f"{what}\n\n{error}")
