"""Functions run in a process of their own that has imported the trainer and done nothing else.

Where processes can be forked, torch and MONAI (four seconds) are imported once for all of them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

WAYS = multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if "forkserver" in WAYS else "spawn")
PRELOADED = ["BoneXrayTrainingLib.learning.trainer", "monai.losses", "monai.networks.nets"]


def start(function: Callable[..., object], *arguments: Any) -> BaseProcess:
    """A function of a test module, begun in such a process; the arguments are pickled."""
    if CONTEXT.get_start_method() == "forkserver":
        CONTEXT.set_forkserver_preload(PRELOADED)
    process = CONTEXT.Process(target=function, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess, seconds: float = 200.0) -> int:
    """How it ended: 0, 1 where it raised, or minus the signal that killed it."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"still not after {seconds:g} s")
    return process.exitcode
