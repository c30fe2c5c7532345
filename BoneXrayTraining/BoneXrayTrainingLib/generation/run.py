"""A data set made from a configuration: planned, checked, made by many, resumed after any end."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from BoneXrayLib.files import checked_output_folder, one_line
from BoneXrayLib.progress import IsCancelled, Progress

from .config import GenerateConfig
from .header import HEADER, refuse_another, write_header
from .localizer import frame_of_ct, match_localizers
from .plan import CtJob, estimated_bytes, plan
from .schedule import Crew, crew, refuse_blind_workers
from .splits import refuse_leakage, refuse_shared_people, split_of_patients
from .store import drop_unfinished, whole_shards
from .watch import ALMOST_FULL, GB, Watch
from .work import STOP_FILE, Outcome, hash_ct, make_ct


@dataclass
class Summary:
    """What a run made.

    Attributes:
        folder: of the data set.
        samples: in it now.
        expected: once all is made.
        made: by this run.
        problems: path and reason of the CTs that could not be used.
        stopped: why it ended before it was done; "" where it did not.
        gb: its size.
    """

    folder: Path
    samples: int = 0
    expected: int = 0
    made: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    stopped: str = ""
    gb: float = 0.0


def generate(
    config: GenerateConfig,
    output: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Summary:
    """Make the data set, or what is missing of it.

    A CT that cannot be used is told in the summary and in dataset.json, and left out.

    Args:
        config: what to make.
        output: where, instead of `config.output`.
        workers: processes of this computer; as many as processors when None.
        scheduler: address of a Dask cluster that works instead. Its workers must see the folders.
        resume: go on with a data set that was begun.
        progress: told fraction and message.
        is_cancelled: asked several times a second; ends after the samples at hand.

    Raises:
        FileNotFoundError, ValueError: what is asked for cannot be made, or no CT could be used.
    """
    folder = checked_output_folder(output or Path(config.output)).absolute()
    jobs = planned(config, folder)
    known = _begin(folder, config, jobs, resume)
    there = whole_shards(folder)
    _refuse_too_large(config, jobs, folder, there)
    with crew(workers, scheduler, len(jobs)) as team:
        folder.mkdir(parents=True, exist_ok=True)
        refuse_blind_workers(team, (folder, Path(config.data_root).absolute()))
        watch = Watch(config, folder, jobs, progress, is_cancelled)
        jobs, problems = _hashed(team, jobs, known, there, watch)
        splits = {job.source.patient: job.split for job in jobs}
        digests = [job.sha256 or None for job in jobs]
        refuse_leakage([job.source for job in jobs], digests, splits)
        write_header(folder, config, jobs, problems, there, complete=False)
        todo = [j for j in jobs if j.number not in problems and not _is_done(j, there)]
        summary = _made(team, todo, problems, watch)
    return _end(config, jobs, problems, watch, summary)


def planned(config: GenerateConfig, folder: Path) -> list[CtJob]:
    """The jobs of a configuration, CTs not read yet."""
    splits = split_of_patients((source.patient for source in config.ct), config.split)
    refuse_shared_people(config.ct, splits)
    root, localizers = Path(config.data_root), {}
    if config.localizer.files:
        frames = {n: frame_of_ct(root / s.path, s.series) for n, s in enumerate(config.ct)}
        localizers = match_localizers(config.localizer.files, root, frames)
    return plan(config, splits, localizers, folder)


def _begin(folder: Path, config: GenerateConfig, jobs: list[CtJob], resume: bool) -> dict[int, str]:
    """Make the folder fit to go on; SHA-256 of the CTs where they are known."""
    if resume or not (folder / HEADER).exists():
        drop_unfinished(folder)
        (folder / STOP_FILE).unlink(missing_ok=True)
    if not (folder / HEADER).exists():
        # A run killed before its first sample leaves nothing to refuse.
        if whole_shards(folder):
            raise ValueError(f"output: {folder} holds shards but no {HEADER}; choose another")
        return {}
    if not resume:
        raise ValueError(f"output: {folder} exists already; --resume it or choose another folder")
    return refuse_another(folder, config, jobs)


def _refuse_too_large(
    config: GenerateConfig, jobs: list[CtJob], folder: Path, there: set[str]
) -> None:
    whole = estimated_bytes(jobs)
    if config.max_gb and whole > config.max_gb * GB:
        raise ValueError(
            f"max_gb: got {config.max_gb:g}; the data set would take {whole / GB:.3g} GB "
            f"({sum(job.count for job in jobs)} samples)"
        )
    left = sum(
        shard.count * job.bytes_a_sample
        for job in jobs
        for shard in job.shards
        if shard.name not in there
    )
    beside = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(beside).free
    if left > free - ALMOST_FULL:
        raise ValueError(
            f"output: {folder}: {free / GB:.3g} GB free; the data set would take {left / GB:.3g} GB"
        )


def _hashed(
    team: Crew, jobs: list[CtJob], known: dict[int, str], there: set[str], watch: Watch
) -> tuple[list[CtJob], dict[int, str]]:
    """The jobs with the SHA-256 of their CTs, and why some have none or another than before."""
    watch.message = "reading the CTs' hashes"
    digests, problems = dict(known), {}
    # A CT all of whose samples are there is not read again.
    asked = [job for job in jobs if not (known.get(job.number) and _is_done(job, there))]
    for job, found in team.run(hash_ct, asked, watch.tick):
        before = known.get(job.number)
        if isinstance(found, BaseException):
            problems[job.number] = _reason(found)
        elif found.problem:
            problems[job.number] = found.problem
        elif before and found.sha256 and before != found.sha256:
            problems[job.number] = "the file has changed since samples were made of it"
        else:  # of a run that was stopped there may be none yet
            digests[job.number] = found.sha256 or before or ""
    return [dataclasses.replace(job, sha256=digests.get(job.number, "")) for job in jobs], problems


def _made(team: Crew, jobs: list[CtJob], problems: dict[int, str], watch: Watch) -> Summary:
    """Let the team make the jobs' samples."""
    summary, watch.message = Summary(watch.folder), "generating"
    for job, outcome in team.run(make_ct, jobs, watch.tick):
        if isinstance(outcome, Outcome):
            summary.made += outcome.made
        problem = outcome.problem if isinstance(outcome, Outcome) else _reason(outcome)
        if problem:
            problems[job.number] = problem
    watch.look()
    return summary


def _end(
    config: GenerateConfig,
    jobs: list[CtJob],
    problems: dict[int, str],
    watch: Watch,
    summary: Summary,
) -> Summary:
    """Write down what there is now."""
    there = whole_shards(watch.folder)
    missing = [j for j in jobs if j.number not in problems and not _is_done(j, there)]
    write_header(watch.folder, config, jobs, problems, there, complete=not missing)
    (watch.folder / STOP_FILE).unlink(missing_ok=True)
    if len(problems) == len(jobs):
        first = problems[min(problems)]
        raise ValueError(f"ct: none of {len(jobs)} could be used; the first: {first}")
    summary.stopped = watch.stopped if missing else ""
    summary.samples, summary.gb = watch.samples, watch.nbytes / GB
    summary.expected = watch.total
    summary.problems = [(jobs[n].source.path, problems[n]) for n in sorted(problems)]
    return summary


def _is_done(job: CtJob, there: set[str]) -> bool:
    return all(shard.name in there for shard in job.shards)


def _reason(error: BaseException) -> str:
    return f"its worker died ({one_line(error, 120) or type(error).__name__})"
