"""All samples of one CT: what a worker does, here or on another computer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from BoneXrayLib.files import one_line

from .hashes import path_sha256
from .plan import CtJob, Shard
from .sample import LoadedCt, Sample, load_ct, make_sample
from .store import SHARDS, write_shard

STOP_FILE = "stop"
"""A file of this name in the data set's folder ends the workers after the sample at hand."""


class Stopped(Exception):
    """The run was asked to end."""


@dataclass(frozen=True)
class Outcome:
    """What became of a CT.

    Attributes:
        number: of the CT.
        made: samples made now.
        problem: why it could not be used, in one line; "" where all went well.
        stopped: whether it was asked to end before it was done.
        nbytes: written now.
        processor_s: processor time it took, of a process that does nothing else.
    """

    number: int
    made: int = 0
    problem: str = ""
    stopped: bool = False
    nbytes: int = 0
    processor_s: float = 0.0


@dataclass(frozen=True)
class Hashed:
    """SHA-256 of a CT's file, or why there is none."""

    number: int
    sha256: str | None = None
    problem: str = ""


def hash_ct(job: CtJob, tell: Callable[[], None] | None = None) -> Hashed:
    """Read the CT's file once and give its SHA-256; nothing when asked to end."""
    if tell is not None:
        tell()
    try:
        _raise_if_stopped(job.output)
        return Hashed(job.number, path_sha256(job.data_root / job.source.path))
    except Stopped:
        return Hashed(job.number)
    except OSError as error:
        return Hashed(job.number, problem=one_line(error.strerror or error))


def make_ct(job: CtJob, tell: Callable[[], None] | None = None) -> Outcome:
    """Make the shards of a CT that are not there yet. The CT is read and prepared once.

    Whatever is wrong with the CT becomes the outcome's problem: it ends this CT alone.

    Args:
        job: the CT and its shards.
        tell: called after each sample.
    """
    made, nbytes, began = 0, 0, time.process_time()

    def outcome(problem: str = "", stopped: bool = False) -> Outcome:
        spent = time.process_time() - began
        return Outcome(job.number, made, problem, stopped, nbytes, spent)

    # Looked for one by one: a list of all shards would grow with the CTs.
    wanted = [s for s in job.shards if not (job.output / SHARDS / s.name).exists()]
    try:
        _raise_if_stopped(job.output)
        ct = load_ct(job.source, job.number, job.samples, job.data_root, job.sha256)
        for shard in wanted:
            nbytes += write_shard(job.output, shard, job.split, _samples(ct, job, shard, tell))
            made += shard.count
    except Stopped:
        return outcome(stopped=True)
    except (ValueError, OSError, MemoryError, ArithmeticError, LookupError) as error:
        return outcome(one_line(error) or type(error).__name__)
    return outcome()


def _samples(
    ct: LoadedCt, job: CtJob, shard: Shard, tell: Callable[[], None] | None
) -> Iterator[Sample]:
    for number in shard.numbers:
        _raise_if_stopped(job.output)
        yield make_sample(ct, number, shard, job.split)
        if tell is not None:
            tell()


def _raise_if_stopped(output: Path) -> None:
    if (output / STOP_FILE).exists():
        raise Stopped
