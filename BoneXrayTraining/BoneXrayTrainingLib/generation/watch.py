"""Looks after a run from outside: how far it is, whether it is to end, whether the disk is full."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from BoneXrayLib.progress import IsCancelled, Progress

from .config import GenerateConfig
from .plan import CtJob
from .store import SHARDS, folder_bytes, whole_shards
from .work import STOP_FILE

GB = 1e9
ALMOST_FULL = 200e6
"""Bytes that are left free on the disk."""
LOOK_EVERY_S = 0.2
REST = 20
"""Rest after a look, in times it took: however many shards there are, looking takes little time."""


class Watch:
    """Looks after a run: how far it is, whether it is to end, whether the disk is full."""

    def __init__(
        self,
        config: GenerateConfig,
        folder: Path,
        jobs: list[CtJob],
        progress: Progress | None,
        is_cancelled: IsCancelled | None,
    ) -> None:
        self.folder, self.progress, self.is_cancelled = folder, progress, is_cancelled
        self.shards = {shard.name: (shard.count, job) for job in jobs for shard in job.shards}
        self.total = sum(job.count for job in jobs)
        self.limit = config.max_gb * GB
        self.seen: dict[str, int] = {}
        self.stopped, self.next_look = "", 0.0
        self.message = "looking for what is there"

    def tick(self) -> None:
        """Look, a few times a second at most."""
        began = time.monotonic()
        if began >= self.next_look:
            self.look()
            self.next_look = began + max(LOOK_EVERY_S, REST * (time.monotonic() - began))

    def look(self) -> None:
        """See what is there, and ask the workers to end where that is due."""
        for name in whole_shards(self.folder) - self.seen.keys():
            self.seen[name] = folder_bytes(self.folder / SHARDS / name)
        if self.progress is not None:
            done = min(self.samples, self.total)
            self.progress(done / self.total, f"{self.message} ({done} of {self.total} samples)")
        self.stopped = self.stopped or self._reason()
        if self.stopped:
            (self.folder / STOP_FILE).touch()

    @property
    def samples(self) -> int:
        """Samples that are there."""
        return sum(self.shards[name][0] for name in self.seen if name in self.shards)

    @property
    def nbytes(self) -> int:
        """Disk they take."""
        return sum(self.seen.values())

    def _reason(self) -> str:
        if self.is_cancelled is not None and self.is_cancelled():
            return "interrupted"
        if (self.folder / STOP_FILE).exists():
            return f"a file named {STOP_FILE} asked for it"
        if self.limit and self.nbytes > self.limit:
            return f"max_gb: {self.nbytes / GB:.3g} GB are reached"
        if shutil.disk_usage(self.folder).free < ALMOST_FULL:
            return "the disk is full"
        return ""
