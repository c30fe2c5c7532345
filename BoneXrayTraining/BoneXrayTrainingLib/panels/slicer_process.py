"""The training command as a child process of Slicer: start it, follow it, stop it.

A child, because training takes hours, needs all cores and must not take Slicer down with it. The
child prints a JSON object a line (see `console`); everything else it prints goes to the log.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

import BoneXrayLib
from BoneXrayLib.files import python_program

STOP_FILE = "stop"
"""A file of this name in the run's folder ends a run with a checkpoint (see `trainer`)."""
POLL_MS = 100
HAND_OVER_S = 0.01
"""How long a look waits for a line: lets the reading thread run whatever the application does."""


def train_command(
    config: str | Path,
    data_root: str | Path,
    run_folder: str | Path,
    resume: bool = False,
    start_from: str = "",
) -> list[str]:
    """The words of the child process: `bone-xray train` by Slicer's own Python.

    An empty `data_root` leaves that of the configuration.
    """
    words = ["train", str(config)]
    words += ["--data-root", str(data_root)] if str(data_root) else []
    words += ["--run-folder", str(run_folder)]
    words += ["--start-from", start_from] if start_from else []
    return _command([*words, *(["--resume"] if resume else [])])


def preview_command(config: str | Path, data_root: str | Path, folder: str | Path) -> list[str]:
    """The words of a child that writes sample pairs into a folder."""
    words = ["train", str(config), *(["--data-root", str(data_root)] if str(data_root) else [])]
    return _command([*words, "--preview", str(folder)])


def export_command(
    run_folder: str | Path, folder: str | Path, name: str, version: str, **choices: Any
) -> list[str]:
    """The words of a child that makes a model folder of a run.

    Args:
        choices: further options of `bone-xray export`; those that are None, False or hold nothing
            are left out.
    """
    words = ["export", str(run_folder), "-o", str(folder), "--name", name, "--version", version]
    for option, choice in choices.items():
        if choice is None or choice is False or choice == ():
            continue
        words.append("--" + option.replace("_", "-"))
        several = choice if isinstance(choice, tuple) else (choice,)
        words += [] if choice is True else map(str, several)
    return _command(words)


def _command(words: list[str]) -> list[str]:
    return [python_program(), "-m", "BoneXrayTrainingLib", *words, "--json-progress"]


def child_environment() -> dict[str, str]:
    """This process's environment, with both libraries on the child's path."""
    folders = [str(Path(str(BoneXrayLib.__file__)).parents[1]), str(Path(__file__).parents[2])]
    known = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([*folders, *([known] if known else [])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class TrainingProcess:
    """One run of the child. Callbacks come on the thread that started it, from a timer.

    Attributes:
        told: progress(fraction, message).
        logged: a line that is no progress.
        ended: the exit code, once.
    """

    def __init__(
        self,
        told: Callable[[float, str], None],
        logged: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        self.told, self.logged, self.ended = told, logged, ended
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._child: subprocess.Popen | None = None
        self._run_folder = Path()
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_running(self) -> bool:
        """Whether the child was started and its end was not told yet."""
        return self._child is not None

    def start(self, command: list[str], run_folder: str | Path) -> None:
        """Start the child.

        Raises:
            OSError: the program cannot be run.
        """
        self._run_folder = Path(run_folder)
        (self._run_folder / STOP_FILE).unlink(missing_ok=True)
        windows = sys.platform == "win32"
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=child_environment(), text=True, encoding="utf-8", errors="replace",
            start_new_session=not windows,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) if windows else 0,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self._child,), daemon=True).start()
        self._timer.start()

    def stop(self) -> None:
        """Ask the run to end after the step at hand, with a checkpoint."""
        if self._child is not None and self._run_folder.is_dir():
            (self._run_folder / STOP_FILE).touch()

    def kill(self) -> None:
        """End the child now, and the children it started: PythonSlicer is only a launcher."""
        if self._child is None:
            return
        if sys.platform == "win32":
            kill = ["taskkill", "/T", "/F", "/PID", str(self._child.pid)]
            subprocess.run(kill, capture_output=True, check=False)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def close(self, patience_s: float = 5.0) -> None:
        """Slicer or the panel goes: stop, wait a little, kill. Nothing is told any more."""
        self._timer.stop()
        if self._child is None:
            return
        self.stop()
        try:
            self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._child.wait()
        self._child = None

    def _read(self, child: subprocess.Popen) -> None:
        if child.stdout is not None:
            for line in child.stdout:
                self._lines.put(line.rstrip())
            child.stdout.close()
        child.wait()
        self._lines.put(None)

    def _look(self) -> None:
        with contextlib.suppress(queue.Empty):
            line = self._lines.get(timeout=HAND_OVER_S)
            while line is not None:
                self._pass_on(line)
                line = self._lines.get_nowait()
            self._timer.stop()
            code = self._child.returncode if self._child is not None else -1
            self._child = None
            self.ended(code)

    def _pass_on(self, line: str) -> None:
        try:
            record = json.loads(line)
            fraction, message = float(record["fraction"]), str(record["message"])
        except (ValueError, TypeError, KeyError):
            if line:
                self.logged(line)
        else:
            self.told(fraction, message)
