"""Who does the work: this process, workers on this computer, or a Dask cluster.

A worker computes on one processor and takes a whole CT: workers need nothing of each other.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from BoneXrayLib.files import one_line
from BoneXrayLib.projection.workers import THREADS, processors

Job = TypeVar("Job")
Result = TypeVar("Result")
Tick = Callable[[], None]
POLL_S = 0.25
CONNECT_S = 10
SETTINGS = {
    # Dask has its workers give memory back after each array: three times the page faults a sample.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # A CT that waits for a busy worker could be made by another.
    "distributed.scheduler.worker-saturation": 1.0,
    # What Dask looks after many times a second, in every process: 6 % of a processor, so 1 %.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}
"""Of Dask's, for workers on this computer."""


class Crew(Protocol):
    """Workers."""

    count: int

    def run(
        self, function: Callable[..., Result], jobs: Sequence[Job], tick: Tick
    ) -> Iterator[tuple[Job, Result | BaseException]]:
        """Each job with the result of function(job, tick), or what its worker died of.

        In the order they are done. `tick` is called all along; workers elsewhere get none.
        """
        ...


@contextlib.contextmanager
def crew(workers: int | None, scheduler: str | None, jobs: int) -> Generator[Crew]:
    """The workers: of the cluster at `scheduler`, else as many here as asked for.

    Args:
        workers: how many; as many as processors when None.
        scheduler: address of a Dask scheduler, for example tcp://host:8786.
        jobs: how many there are to do; there is no use in more workers.

    Raises:
        ValueError: nobody answers there; workers below 1.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers: got {workers}; expected at least 1")
    if scheduler is not None:
        with _cluster(scheduler) as client:
            yield _Dask(client, len(client.nthreads()))
        return
    wanted = workers or processors()
    used = max(1, min(wanted, jobs))
    # Fewer CTs than processors: each worker gets several.
    with _threads(max(1, wanted // used)):
        if used == 1:
            yield _Here()
        else:
            with _local(used) as client:
                yield _Dask(client, used)


class _Here:
    """This process."""

    count = 1

    def run(
        self, function: Callable[..., Result], jobs: Sequence[Job], tick: Tick
    ) -> Iterator[tuple[Job, Result | BaseException]]:
        for job in jobs:
            tick()
            yield job, function(job, tick)
        tick()


class _Dask:
    """Workers of a Dask cluster."""

    def __init__(self, client: Any, count: int) -> None:
        self.client, self.count = client, count

    def run(
        self, function: Callable[..., Result], jobs: Sequence[Job], tick: Tick
    ) -> Iterator[tuple[Job, Result | BaseException]]:
        from distributed import as_completed

        futures = self.client.map(function, jobs, pure=False, batch_size=200)
        job_of = {future.key: job for future, job in zip(futures, jobs, strict=True)}
        coming = as_completed(futures, loop=self.client.loop)
        del futures
        while not coming.is_empty():
            tick()
            done = coming.next_batch(block=False)
            for future in done:
                yield job_of[future.key], _result(future)
                future.release()
            if not done:
                time.sleep(POLL_S)
        tick()


def _result(future: Any) -> Any:
    """What the job gave; what the worker died of, where it died each time it was tried."""
    if future.status == "finished":
        return future.result()
    return future.exception() or RuntimeError(f"its worker gave it up ({future.status})")


@contextlib.contextmanager
def _cluster(address: str) -> Generator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ValueError(
            f"scheduler: {address} does not answer ({one_line(error, 80)}); expected a Dask "
            "scheduler such as tcp://host:8786"
        ) from None
    with client:
        if not client.nthreads():
            raise ValueError(f"scheduler: {address} has no workers; expected at least one")
        client.run(_use_one_processor)
        yield client


@contextlib.contextmanager
def _local(workers: int) -> Generator[Any]:
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # Any free port, to this computer alone: two data sets may be made at a time.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.run(_leave_interrupts_to_the_parent)
        yield client


@contextlib.contextmanager
def _threads(count: int) -> Generator[None]:
    """Processors a worker computes on, here and in processes started within."""
    before = dict(os.environ)
    os.environ[THREADS] = str(count)
    try:
        yield
    finally:
        # Dask leaves what it sets for its workers, one thread for all that computes, here.
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _use_one_processor() -> None:
    os.environ[THREADS] = "1"


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches the whole group of processes; the workers end when the parent says so."""
    with contextlib.suppress(ValueError):  # off the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def refuse_blind_workers(team: Crew, paths: Sequence[Path]) -> None:
    """Refuse a cluster whose workers lack this program, or do not see a folder.

    Raises:
        ValueError: names the worker and what it does not see.
    """
    if not isinstance(team, _Dask):
        return
    try:
        seen = team.client.run(_missing, [str(path) for path in paths])
    except ImportError as error:
        raise ValueError(
            f"scheduler: a worker lacks {error.name}; expected bone-xray[train]"
        ) from None
    for worker, missing in seen.items():
        if missing:
            raise ValueError(
                f"scheduler: worker {worker} does not see {missing[0]}; expected a folder that "
                "all workers share"
            )


def _missing(paths: list[str]) -> list[str]:
    return [path for path in paths if not Path(path).exists()]
