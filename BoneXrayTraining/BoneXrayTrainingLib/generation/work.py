"""All samples of one CT: what a worker does, here or on another computer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from BoneXrayLib.files import one_line

from .hashes import path_sha256
from .plan import CtJob, Shard
from .sample import LoadedCt, Sample, load_ct, make_sample
from .store import whole_shards, write_shard

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
    """

    number: int
    made: int = 0
    problem: str = ""
    stopped: bool = False
    nbytes: int = 0


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
    there, made, nbytes = whole_shards(job.output), 0, 0
    wanted = [shard for shard in job.shards if shard.name not in there]
    try:
        _raise_if_stopped(job.output)
        ct = load_ct(job.source, job.number, job.samples, job.data_root, job.sha256)
        for shard in wanted:
            nbytes += write_shard(job.output, shard, job.split, _samples(ct, job, shard, tell))
            made += shard.count
    except Stopped:
        return Outcome(job.number, made, stopped=True, nbytes=nbytes)
    except (ValueError, OSError, MemoryError, ArithmeticError, LookupError) as error:
        problem = one_line(error) or type(error).__name__
        return Outcome(job.number, made, problem, nbytes=nbytes)
    return Outcome(job.number, made, nbytes=nbytes)


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
