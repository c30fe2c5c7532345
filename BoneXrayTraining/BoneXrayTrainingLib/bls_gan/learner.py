"""The three networks and their optimisers, and one step: the generator's, then the supervisor's."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from .config import BlsGanConfig, StageConfig
from .networks import LayerGenerator, Reconstructor, build_supervisor
from .objective import Given, generator_loss, rmse, supervisor_loss
from .physics import overlap_of

BETAS = (0.5, 0.999)
NETWORKS = ("generator", "supervisor", "reconstructor")


@dataclass(eq=False)
class GanLearner:
    """The networks by name, and an optimiser each for the stage at hand."""

    generator: LayerGenerator
    supervisor: nn.Module
    reconstructor: Reconstructor
    device: torch.device
    optimisers: dict[str, torch.optim.Optimizer]
    stage: StageConfig | None = None

    def network(self, name: str) -> nn.Module:
        """One of `NETWORKS`."""
        return getattr(self, name)

    def enter(self, stage: StageConfig) -> None:
        """Go on with a stage: fresh optimisers for those networks that it trains."""
        kind = torch.optim.Adam if stage.optimiser == "adam" else torch.optim.AdamW
        self.stage = stage
        self.optimisers = {
            name: kind(self.network(name).parameters(), lr=getattr(stage, name), betas=BETAS)
            for name in NETWORKS
            if getattr(stage, name) > 0
        }
        for name in NETWORKS:
            # one that is not trained does not follow the images' statistics either
            self.network(name).train(name in self.optimisers)


def make_gan_learner(config: BlsGanConfig, device: torch.device) -> GanLearner:
    """Networks as chance has them; no stage yet."""
    generator = LayerGenerator(config.generator).to(device)
    supervisor = build_supervisor(config.supervisor).to(device)
    reconstructor = Reconstructor(config.reconstructor).to(device)
    return GanLearner(generator, supervisor, reconstructor, device, {})


def gan_step(learner: GanLearner, given: Given, double_sigmoid: bool = False) -> dict[str, float]:
    """One step of the stage at hand; the losses and the generator's terms."""
    stage = learner.stage
    assert stage is not None
    layers = learner.generator(given.image, given.masks)
    with frozen(learner.supervisor.parameters()):
        maps = learner.supervisor(layers)
        soft = learner.reconstructor(given.image)
        loss, terms = generator_loss(given, layers, soft, maps, stage.weights, double_sigmoid)
        _descend(learner, loss, ("generator", "reconstructor"))
    figures = {"loss": float(loss.detach()), **terms, "soft": float(soft.detach().mean())}
    if "supervisor" in learner.optimisers:
        on_real = learner.supervisor(given.layers)
        on_generated = learner.supervisor(layers.detach())
        judged = supervisor_loss(on_real, given.known, on_generated, given.masks)
        _descend(learner, judged, ("supervisor",))
        figures["supervisor_loss"] = float(judged.detach())
    return figures


def _descend(learner: GanLearner, loss: torch.Tensor, names: Iterable[str]) -> None:
    trained = [learner.optimisers[name] for name in names if name in learner.optimisers]
    if not trained:
        return
    for optimiser in trained:
        optimiser.zero_grad()
    loss.backward()
    for optimiser in trained:
        optimiser.step()


@contextlib.contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """For a while no gradients go to these parameters, only through them."""
    held = list(parameters)
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


@torch.no_grad()
def validate_gan(learner: GanLearner, watched: list[Given]) -> dict[str, float]:
    """Squared error of the layer images inside the overlap, and the input's taken for both."""
    learner.generator.eval()
    errors, floors = [], []
    for given in watched:
        where = overlap_of(given.masks).expand_as(given.layers)
        layers = learner.generator(given.image, given.masks)
        errors.append(rmse(layers, given.layers, where).square())
        floors.append(rmse(given.image.expand_as(layers), given.layers, where).square())
    learner.generator.train("generator" in learner.optimisers)
    return {
        "validation_overlap_mse": float(torch.stack(errors).mean()),
        "validation_copy_mse": float(torch.stack(floors).mean()),
    }
