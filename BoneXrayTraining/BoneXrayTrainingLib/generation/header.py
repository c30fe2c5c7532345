"""dataset.json: what a data set is, which CTs it came from, which of them could not be used."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable
from pathlib import Path

from BoneXrayLib.files import one_line, written_whole

from ..mappings import says_the_same
from .config import SPLITS, GenerateConfig
from .plan import CtJob
from .sample import SCHEMA, versions

HEADER = "dataset.json"


def write_header(
    output: Path,
    config: GenerateConfig,
    jobs: Iterable[CtJob],
    problems: dict[int, str],
    there: set[str],
    complete: bool,
) -> Path:
    """Write dataset.json, whole or not at all.

    Args:
        output: the data set's folder.
        config: the data set's.
        jobs: all CTs, those that could not be used too.
        problems: why a CT could not be used, by its number.
        there: names of the shards that are there.
        complete: whether all that can be made is made.
    """
    sources, samples = [], dict.fromkeys(SPLITS, 0)
    for job in jobs:
        made = sum(shard.count for shard in job.shards if shard.name in there)
        samples[job.split] += made
        about = {"sha256": job.sha256, "split": job.split, "samples": made, "of": job.count}
        if job.number in problems:
            about["problem"] = problems[job.number]
        sources.append(dataclasses.asdict(job.source) | about)
    settings = dataclasses.asdict(config)
    del settings["ct"]
    data = {
        "schema": SCHEMA,
        "name": config.name,
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "complete": complete,
        "samples": samples,
        "versions": versions(),
        "config": settings,
        "sources": sources,
    }
    with written_whole(output / HEADER) as path:
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return output / HEADER


def read_header(folder: str | Path) -> dict:
    """What dataset.json says.

    Raises:
        ValueError: there is none, it is damaged or of another schema.
    """
    path = Path(folder) / HEADER
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        schema = data["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"dataset: {folder} holds no readable {HEADER} ({one_line(error, 80)}); "
            "expected a folder written by bone-xray generate"
        ) from None
    if schema != SCHEMA:
        raise ValueError(f"dataset: {folder}: schema {schema}; expected {SCHEMA}")
    return data


def refuse_another(folder: Path, config: GenerateConfig, jobs: list[CtJob]) -> dict[int, str]:
    """Refuse to go on with a data set of another configuration; SHA-256 of each CT by number.

    Where it lies, where its CTs lie and how much disk it may take can change.

    Raises:
        ValueError: names the first entry that differs.
    """
    header = read_header(folder)
    before, now = dict(header["config"]), json.loads(json.dumps(dataclasses.asdict(config)))
    for name in before:
        if name not in ("output", "data_root", "max_gb") and not says_the_same(
            before[name], now.get(name)
        ):
            raise ValueError(
                f"{name}: got {one_line(now.get(name), 60)}; expected that of the data set to be "
                f"resumed, {one_line(before[name], 60)}"
            )
    entries = [f.name for f in dataclasses.fields(config.ct[0])]
    old = [{name: s[name] for name in entries if name in s} for s in header["sources"]]
    new = json.loads(json.dumps([dataclasses.asdict(job.source) for job in jobs]))
    if not says_the_same(old, new):
        alike = map(says_the_same, old, new)
        first = next((n for n, same in enumerate(alike) if not same), None)
        what = f"{len(new)} CTs" if first is None else f"CT {first} ({new[first]['path']})"
        raise ValueError(f"ct: {what} differs from the data set to be resumed ({len(old)} CTs)")
    return {number: source["sha256"] for number, source in enumerate(header["sources"])}
