"""Which samples there will be, in which shards, and how much disk they take: known before any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneXrayLib.dicom.dicom_files import number_or, read_header

from ..pairs import TISSUES
from .config import GenerateConfig, GenerateSource, SampleConfig

LARGEST_SHARD = 256e6
"""Bytes; a worker holds one shard at a time."""
BYTES_A_RECORD = 8000
"""A sample's JSON file: up to about this, more with hundreds of landmarks."""


@dataclass(frozen=True)
class Shard:
    """Samples `first` to `first + count - 1` of a CT, all of one shape."""

    ct: int
    first: int
    count: int
    variant: int = 0
    """Which deformed copy of the patient; 0 is the patient."""
    localizer: str = ""
    """The real localizer they are made with."""

    @property
    def name(self) -> str:
        """Name of its folder; the same in every run of the configuration."""
        return f"ct{self.ct:05d}-{self.first:06d}-{self.count:04d}"

    @property
    def numbers(self) -> range:
        """Its samples."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True)
class CtJob:
    """All that a worker needs to make a CT's samples.

    Attributes:
        number: of the CT in the configuration.
        source: the CT.
        split: where its patient belongs.
        shards: those to make.
        bytes_a_sample: about.
        samples: what samples depend on.
        data_root: where paths start.
        output: the data set's folder.
        sha256: of the CT's file, "" before it is known.
    """

    number: int
    source: GenerateSource
    split: str
    shards: tuple[Shard, ...]
    bytes_a_sample: int
    samples: SampleConfig
    data_root: Path
    output: Path
    sha256: str = ""

    @property
    def count(self) -> int:
        """How many samples it makes."""
        return sum(shard.count for shard in self.shards)


def plan(
    config: GenerateConfig,
    splits: dict[str, str],
    localizers: dict[int, tuple[str, ...]],
    output: Path,
) -> list[CtJob]:
    """One job a CT, all its shards in it.

    Args:
        config: the data set's.
        splits: split of each patient.
        localizers: the real localizers of each CT, by its number.
        output: the data set's folder.

    Raises:
        ValueError: landmarks with variants, whose landmarks nobody knows.
    """
    samples, root, jobs = config.samples, Path(config.data_root).absolute(), []
    for number, source in enumerate(config.ct):
        if source.landmarks and source.variants > 1:
            raise ValueError(
                f"{source.path}: landmarks with variants = {source.variants}; expected 1, for "
                "where landmarks lie in a deformed copy is not known"
            )
        own = localizers.get(number, ())
        size = max(_bytes_a_sample(samples, source, file, root) for file in own or ("",))
        most = min(config.shard, max(1, int(LARGEST_SHARD // size)))
        shards = tuple(_shards(number, source, samples, own, most))
        split = splits[source.patient]
        jobs.append(CtJob(number, source, split, shards, size, samples, root, output.absolute()))
    return jobs


def estimated_bytes(jobs: list[CtJob]) -> int:
    """Disk that the jobs' samples will take."""
    return sum(job.count * job.bytes_a_sample for job in jobs)


def view_of(samples: SampleConfig, number: int) -> str | None:
    """The named view that sample `number` is drawn near; None where any will do."""
    return samples.views[number % len(samples.views)] if samples.views else None


def _shards(
    ct: int,
    source: GenerateSource,
    samples: SampleConfig,
    localizers: tuple[str, ...],
    most: int,
) -> Iterator[Shard]:
    for first, count, variant, localizer in _groups(source, samples, localizers):
        for start in range(first, first + count, most):
            yield Shard(ct, start, min(most, first + count - start), variant, localizer)


def _groups(
    source: GenerateSource, samples: SampleConfig, localizers: tuple[str, ...]
) -> Iterator[tuple[int, int, int, str]]:
    """(first, count, variant, localizer) of samples that are made from one patient and shape."""
    draws = max(1, round(samples.draws * source.share))
    if localizers:
        # Without a movement to draw, all samples of a localizer would be the same.
        each = draws if samples.localizer.misregistration[1] > 0 else 1
        yield from ((n * each, each, 0, file) for n, file in enumerate(localizers))
        return
    total = draws * max(1, len(samples.views))
    ends = [total * n // source.variants for n in range(source.variants + 1)]
    for variant in range(source.variants):
        if ends[variant + 1] > ends[variant]:
            yield ends[variant], ends[variant + 1] - ends[variant], variant, ""


def _bytes_a_sample(
    samples: SampleConfig, source: GenerateSource, localizer: str, root: Path
) -> int:
    pixels, item = samples.pairs.size**2, np.dtype(samples.dtype).itemsize
    if localizer:
        header = read_header(root / localizer)
        pixels = int(number_or(header, "Rows", 0)) * int(number_or(header, "Columns", 0))
    layers = len(TISSUES) - 1 + max(1, len(source.structures))
    images = {"layers": layers, "input_layers": layers}
    held = sum(images.get(name, 1) for name in samples.held)
    # A real localizer keeps single precision, whatever the rest has.
    extra = pixels * 4 if localizer and "input" in samples.held else 0
    return pixels * held * item + extra + BYTES_A_RECORD
