"""What learns: network, running average, optimiser; a step of it, and how good it is by now."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from BoneXrayLib.running.networks import build_network

from ..sampling.dataset import Batch
from .configuration import TrainConfig
from .muon import Muon
from .processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


@dataclass(eq=False)
class Learner:
    """The network, its running average and its optimiser.

    Attributes:
        forward: the network as a step calls it; with several processes it averages gradients.
        half: compute the network in bfloat16, its loss and weights in float32.
    """

    network: torch.nn.Module
    average: torch.nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    processes: Processes = ALONE
    forward: Callable[[torch.Tensor], torch.Tensor] | None = None
    half: bool = False


def make_learner(config: TrainConfig, processes: Processes = ALONE) -> Learner:
    """Network with its answer biased to little bone, average, optimiser, one-cycle schedule."""
    half = computes_in_half(config.precision, processes.device)
    network: Any = build_network(config.network)
    average: Any = build_network(config.network)
    # with the channels of a pixel side by side in memory a CPU trains faster
    network, average = (
        n.to(processes.device, memory_format=torch.channels_last) for n in (network, average)
    )
    average.load_state_dict(network.state_dict())
    average.eval()
    _freeze(network, config.frozen)
    kind = Muon if config.optimiser == "muon" else torch.optim.AdamW
    optimiser = kind(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        config.learning_rate,
        total_steps=config.steps + 1,
        pct_start=0.05,
        cycle_momentum=config.optimiser == "adamw",
    )
    return Learner(network, average, optimiser, schedule, processes, half=half)


def _freeze(network: torch.nn.Module, patterns: Sequence[str]) -> None:
    """Take the weights of such names out of training.

    Raises:
        ValueError: a pattern that no weight's name fits, or nothing is left to train.
    """
    named = dict(network.named_parameters())
    for pattern in patterns:
        found = fnmatch.filter(named, pattern)
        if not found:
            few = ", ".join(list(named)[:3])
            raise ValueError(f"frozen: {pattern!r} fits no weights; expected names such as {few}")
        for name in found:
            named[name].requires_grad_(False)
    if not any(value.requires_grad for value in named.values()):
        raise ValueError("frozen: fits all weights; expected some left to train")


def computes_in_half(precision: str, device: torch.device) -> bool:
    """Whether the network computes in bfloat16: where a GPU has it, unless float32 is asked for;
    on a CPU that has instructions for it, twice as fast, where it is asked for.

    Raises:
        ValueError: bfloat16 is asked for where it does not pay.
    """
    on_gpu = device.type == "cuda"
    able = torch.cuda.is_bf16_supported() if on_gpu else multiplies_bfloat16()
    if precision == "bfloat16" and not able:
        raise ValueError(
            f"precision: got 'bfloat16' on the {device.type}; expected 'auto' or 'float32', "
            "or a GPU or CPU with instructions for it"
        )
    return able and (precision == "bfloat16" or (on_gpu and precision == "auto"))


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products of bfloat16; without, it would be slower."""
    found = torch.backends.cpu.get_cpu_capability()
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "AVX512" in found and has is not None and bool(has())


def join_gradients(learner: Learner) -> None:
    """From now on each step's gradients are the mean over all processes."""
    if learner.processes.count == 1:
        return
    device = learner.processes.device
    learner.forward = torch.nn.parallel.DistributedDataParallel(
        learner.network,
        device_ids=[device.index] if device.type == "cuda" else None,
    )


def predict(
    network: Callable[[torch.Tensor], torch.Tensor], batch: Batch, half: bool = False
) -> torch.Tensor:
    """What bone adds, (batch, 1, rows, columns): the network's share of the image's level."""
    channels = batch.channels.contiguous(memory_format=torch.channels_last)
    with torch.autocast(channels.device.type, torch.bfloat16, enabled=half):
        share = network(channels)
    return share.float() * batch.level


def step(
    learner: Learner, batch: Batch, loss: torch.nn.Module, decay: float
) -> tuple[float, dict[str, float]]:
    """One gradient step; returns the loss and its terms, those of this process's images."""
    learner.network.train()
    predicted = predict(learner.forward or learner.network, batch, learner.half)
    value, terms = loss(predicted * batch.weight, batch.target * batch.weight)
    learner.optimiser.zero_grad()
    value.backward()
    torch.nn.utils.clip_grad_norm_(learner.network.parameters(), 1.0)
    learner.optimiser.step()
    learner.schedule.step()
    with torch.no_grad():
        # what batch norms saw, so that all processes keep the same network
        learner.processes.average(b for b in learner.network.buffers() if b.is_floating_point())
        for kept, new in zip(
            learner.average.state_dict().values(),
            learner.network.state_dict().values(),
            strict=True,
        ):
            kept.lerp_(new, 1.0 - decay) if kept.is_floating_point() else kept.copy_(new)
    return float(value.detach()), terms


@torch.no_grad()
def validate(learner: Learner, watched: list[Batch]) -> dict[str, float]:
    """PSNR [dB] of the averaged network on patients it never saw, beside the best scaled input."""
    errors, floors = [], []
    for batch in watched:
        target = (batch.target * batch.weight).clamp(max=1.0)
        answer = (predict(learner.average, batch) * batch.weight).clamp(max=1.0)
        errors.append((answer - target).square().mean((1, 2, 3)))
        level = batch.level * batch.weight
        best = (level * target).sum((1, 2, 3), True) / level.square().sum((1, 2, 3), True)
        floors.append((best * level - target).square().mean((1, 2, 3)))
    psnr, floor = (
        float((-10 * torch.log10(torch.cat(e).clamp(min=1e-9))).mean()) for e in (errors, floors)
    )
    return {"validation_psnr": psnr, "validation_floor_psnr": floor}
