"""A sample again from its record: drawn, projected and compared, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..mappings import from_mapping
from ..pairs import Draw
from .config import GenerateSource, SampleConfig
from .exposures import read_exposure
from .hashes import array_sha256
from .plan import Shard
from .sample import Drawn, Sample, compose, drawn, load_ct, versions
from .store import ARRAYS, read_array

COMPARED = ("geometry", "landmarks", "layers", "open_beam")
"""Entries of a record that must come out as they were, besides its arrays and its draw."""


@dataclass(frozen=True)
class Replay:
    """A sample made again.

    Attributes:
        sample: the new one.
        differing: names of what is not the same to the bit: arrays, entries of the record, draw.
        versions: packages of other versions than then, as "numpy 2.1 (then 2.0)".
    """

    sample: Sample
    differing: tuple[str, ...]
    versions: tuple[str, ...]


def replay(record: dict, data_root: str | Path) -> Replay:
    """Make the sample of a record again and compare it with the record.

    Args:
        record: what a sample's JSON file holds.
        data_root: the folder that the CT's path starts from.

    Raises:
        FileNotFoundError, ValueError: the CT is not there or is another; no such record.
    """
    source, config, shard, then = _read(record)
    ct = load_ct(source, int(record["ct"]), config, Path(data_root))
    for what, digest in record["sha256"].items():
        if what != "localizer" and ct.sha256.get(what) != digest:
            raise ValueError(
                f"{what}: {source.path} is not what the sample was made of; expected SHA-256 "
                f"{digest[:12]}…"
            )
    made = compose(ct, int(record["sample"]), shard, record["split"], then)
    differing = [
        name
        for name, about in record["arrays"].items()
        if array_sha256(made.arrays[name]) != about["sha256"]
    ]
    differing += [n for n in COMPARED if made.record[n] != record.get(n)]
    if drawn(ct, int(record["sample"]), shard) != then:
        differing.append("draw from the seed")
    then_versions = record["versions"]
    changed = [
        f"{name} {now} (then {then_versions.get(name)})"
        for name, now in versions().items()
        if then_versions.get(name) != now
    ]
    return Replay(made, tuple(differing), tuple(changed))


def stored_differs(replayed: Replay, record_file: Path) -> tuple[str, ...]:
    """Names of the arrays beside a record that are not those of the replayed sample to the bit."""
    shard = from_mapping(Shard, replayed.sample.record["shard"], "shard")
    row = int(replayed.sample.record["sample"]) - shard.first
    return tuple(
        name
        for name, array in replayed.sample.arrays.items()
        if not np.array_equal(read_array(record_file.parent / ARRAYS, name, row), array)
    )


def _read(record: dict) -> tuple[GenerateSource, SampleConfig, Shard, Drawn]:
    try:
        draw = record["drawn"]["draw"]
        then = Drawn(
            None if draw is None else from_mapping(Draw, draw, "draw"),
            tuple(record["drawn"]["shift_mm"]),
            read_exposure(record["drawn"].get("exposure")),
        )
        return (
            from_mapping(GenerateSource, record["source"], "source"),
            from_mapping(SampleConfig, record["config"], "config"),
            from_mapping(Shard, record["shard"], "shard"),
            then,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"record: misses {error}; expected that of a sample") from None
