"""One process that trains, or several under `torchrun`: who they are and what they agree on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed


def is_first() -> bool:
    """Whether this process writes and speaks: the only one, or the first of `torchrun`."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Processes:
    """This process among those that train one network together.

    Attributes:
        rank: its number; the first, 0, writes and speaks.
        count: how many there are.
        device: what it computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            self.any_of(False)

    def any_of(self, wish: bool) -> bool:
        """Whether any process wishes so."""
        if self.count == 1:
            return wish
        flag = torch.tensor([int(wish)], device=self.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag.item())

    def of_first(self, value: Any) -> Any:
        """The first process's numbers (a dict of str to float), in all processes."""
        if self.count == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Set tensors of floating point to their mean over all processes."""
        if self.count == 1:
            return
        for tensor in tensors:
            distributed.all_reduce(tensor)
            tensor /= self.count


@contextlib.contextmanager
def joined(device: str = "auto") -> Generator[Processes]:
    """Meet the other processes that `torchrun` started; alone where it started none.

    Args:
        device: auto, cpu or cuda. Each process of a node takes a GPU of its own.

    Raises:
        ValueError: there is no such device.
    """
    count, rank = (int(os.environ.get(n, d)) for n, d in (("WORLD_SIZE", "1"), ("RANK", "0")))
    chosen = _device(device)
    if count == 1:
        yield Processes(0, 1, chosen)
        return
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(rank, count, chosen)
    finally:
        distributed.destroy_process_group()


def _device(wanted: str) -> torch.device:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ValueError("device: got 'cuda', but torch finds no GPU; expected 'auto' or 'cpu'")
    if wanted == "cpu" or not there:
        return torch.device("cpu")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(
            f"device: this computer has {count} GPUs and {local + 1} processes or more; "
            "expected as many processes as GPUs"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
