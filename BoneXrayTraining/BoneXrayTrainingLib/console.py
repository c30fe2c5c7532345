"""What a command prints while it works, and where it may write."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import TextIO

BAR_WIDTH = 24
PACKAGES = ("BoneXrayLib", "BoneXrayTrainingLib")


class Failed(Exception):
    """The work was done and written, but what came out is not to be believed; says why."""


class Reporter:
    """Progress of one command, for people or for a program.

    For people, a bar on stderr while it is a terminal, and the result on stdout. For a program
    (`as_json`), one JSON object a line on stdout: `{"stage", "fraction", "message"}`, and last
    `{"stage": "result", "fraction": 1.0, "message", "paths": {name: path}, "notes": [...],
    "warnings": [...]}`. Warnings are for people on stderr.
    What the stages log as warnings while `listening` is among the notes.

    Attributes:
        stage: the command's name, for example "run extract".
        as_json: print JSON lines.
    """

    def __init__(
        self, stage: str, as_json: bool, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.stage = stage
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._bar_is_open = False
        self._warnings: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Generator[None, None, None]:
        """Keep the stages' warnings for the result, instead of letting them run across the bar."""
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self._warnings.append(record.getMessage())  # type: ignore[method-assign]
        loggers = [logging.getLogger(name) for name in PACKAGES]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            self.close()

    def progress(self, fraction: float, message: str) -> None:
        """Report the fraction done, 0 to 1, and what is going on."""
        fraction = min(max(float(fraction), 0.0), 1.0)
        if self.as_json:
            self._json({"stage": self.stage, "fraction": round(fraction, 4), "message": message})
        elif self._err.isatty():
            bar = "#" * round(fraction * BAR_WIDTH)
            text = f"[{bar:<{BAR_WIDTH}}] {fraction:4.0%} {message}"
            self._err.write(f"\r{text[:79]:<79}")
            self._err.flush()
            self._bar_is_open = True

    def result(
        self,
        message: str,
        paths: Mapping[str, Path] | None = None,
        notes: Iterable[str] = (),
        lines: Iterable[str] = (),
        warnings: Iterable[str] = (),
    ) -> None:
        """Report the end: one sentence, the files by name, what was noticed, lines for people.

        `warnings` say that the result may be worth nothing, one line each.
        """
        said = list(notes)
        said += [w for w in self._warnings if not any(note in w for note in said)]
        if self.as_json:
            places = {name: str(path) for name, path in (paths or {}).items()}
            done = {"stage": "result", "fraction": 1.0, "message": message}
            self._json({**done, "paths": places, "notes": said, "warnings": list(warnings)})
            return
        self.close()
        for warning in warnings:
            print(f"warning: {warning}", file=self._err)
        places_and_notes = [f"  {path}" for path in (paths or {}).values()]
        places_and_notes += [f"  note: {note}" for note in said]
        for line in (message, *lines, *places_and_notes):
            print(line, file=self._out)

    def close(self) -> None:
        """Leave the line of the bar, so that what follows starts on its own."""
        if self._bar_is_open:
            self._err.write("\r" + " " * 79 + "\r")
            self._err.flush()
            self._bar_is_open = False

    def _json(self, record: dict) -> None:
        print(json.dumps(record), file=self._out, flush=True)


def table(rows: list[tuple[str, str]], width: int = 88) -> list[str]:
    """Two columns as lines: names on the left, text wrapped beside them."""
    left = max((len(name) for name, _ in rows), default=0) + 2
    lines = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, width - left) or [""]
        lines.append(f"  {name:<{left}}{wrapped[0]}")
        lines += [" " * (left + 2) + line for line in wrapped[1:]]
    return lines


def check_output(folder: Path) -> Path:
    """The folder results will be written to, refused now and not after the work is done.

    Raises:
        ValueError: a file has that name, or nothing can be written there.
    """
    folder = folder.expanduser()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ValueError(f"output: {folder}: {there} is a file; expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"output: {folder}: {there} is not writable; expected a folder that is")
    return folder


def check_output_file(file: Path) -> Path:
    """The file a result will be written to, refused now and not after the work is done.

    Raises:
        ValueError: a folder has that name, or nothing can be written there.
    """
    if file.expanduser().is_dir():
        raise ValueError(f"output: {file} is a folder; expected a file")
    folder = file.expanduser().absolute().parent
    if not folder.is_dir():
        raise ValueError(f"output: folder {folder} does not exist; expected an existing folder")
    return check_output(file.absolute().parent) / file.name


@contextlib.contextmanager
def ends_on_interrupt() -> Generator[Callable[[], bool], None, None]:
    """Ctrl-C asks the work to end: gives a question that is then answered True.

    A second Ctrl-C interrupts at once. Off the main thread, Ctrl-C is left as it is.
    """
    asked = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
