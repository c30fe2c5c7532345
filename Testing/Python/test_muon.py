"""Steps along orthogonal momentum: what a matrix does alike in all directions, AdamW elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from BoneXrayTrainingLib.learning.checkpoints import moments, restore
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.learner import make_learner
from BoneXrayTrainingLib.learning.muon import ADAMW_RMS, Muon, is_hidden, orthogonal
from BoneXrayTrainingLib.sampling.dataset import CtSource

RATE = 1e-2


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (16, 144)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(3)
    matrix = torch.randn(shape)
    found = orthogonal(matrix)
    assert found.shape == matrix.shape
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.3
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    cosine = torch.nn.functional.cosine_similarity(found.flatten(), (left @ right).flatten(), 0)
    assert cosine > 0.97


def test_a_step_is_as_large_as_one_of_adamw_whatever_the_gradient() -> None:
    for scale in (1e-6, 1e3):
        torch.manual_seed(4)
        weights = torch.nn.Parameter(torch.zeros(32, 8, 3, 3))
        weights.grad = scale * torch.randn_like(weights)
        Muon([weights], lr=RATE, weight_decay=0.0).step()
        assert float(weights.detach().square().mean().sqrt()) == pytest.approx(
            ADAMW_RMS * RATE, rel=0.2
        )
        assert float((weights.detach() * weights.grad).sum()) < 0


def test_vectors_and_last_layers_go_as_adamw_takes_them() -> None:
    torch.manual_seed(5)
    shapes = ((40,), (10, 32, 1, 1))
    own, theirs = ([torch.nn.Parameter(torch.ones(s)) for s in shapes] for _ in range(2))
    assert not any(is_hidden(p) for p in own)
    pair = Muon(own, lr=RATE, weight_decay=0.1), torch.optim.AdamW(theirs, RATE, weight_decay=0.1)
    for _ in range(5):
        for one, other in zip(own, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimiser in pair:
            optimiser.step()
    for one, other in zip(own, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_layer_seen_through_unlike_inputs_is_learned_sooner_than_with_adamw() -> None:
    def left(kind: type[torch.optim.Optimizer]) -> float:
        torch.manual_seed(6)
        one, other = (torch.linalg.qr(torch.randn(32, 32)).Q for _ in range(2))
        mixing = one @ torch.diag(torch.logspace(0, -2, 32)) @ other
        truth, weights = torch.randn(48, 32), torch.nn.Parameter(torch.zeros(48, 32))
        optimiser = kind([weights], lr=0.1, weight_decay=0.0)  # ty: ignore[unknown-argument]
        for step in range(200):
            optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
            optimiser.zero_grad()
            ((weights - truth) @ mixing.T).square().mean().backward()
            optimiser.step()
        return float(((weights.detach() - truth) @ mixing.T).square().mean())

    assert left(Muon) < 0.7 * left(torch.optim.AdamW)


def test_what_it_keeps_is_given_back_and_it_goes_on_as_before() -> None:
    def steps(weights: list[torch.nn.Parameter], optimiser: Muon, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for one in weights:
            one.grad = torch.randn(one.shape, generator=generator)
        optimiser.step()

    def made() -> tuple[list[torch.nn.Parameter], Muon]:
        weights = [torch.nn.Parameter(torch.ones(s)) for s in ((20, 4, 3, 3), (20,))]
        return weights, Muon(weights, lr=RATE)

    whole, first = made()
    for seed in range(3):
        steps(whole, first, seed)
    part, second = made()
    for seed in range(2):
        steps(part, second, seed)
    resumed, third = made()
    for one, other in zip(resumed, part, strict=True):
        one.data.copy_(other.data)
    restore(third, moments(second))
    steps(resumed, third, 2)
    for one, other in zip(resumed, whole, strict=True):
        assert torch.equal(one, other)


def test_a_run_takes_it_by_name(tmp_path: Path) -> None:
    ct = (CtSource(path="ct.nii.gz", patient="a", licence="public domain"),)
    network = {"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [4] * 6}
    config = TrainConfig(name="extract", ct=ct, steps=3, network=network, optimiser="muon")
    learner = make_learner(config)
    assert isinstance(learner.optimiser, Muon)
    assert learner.optimiser.param_groups[0]["lr"] < config.learning_rate
    with pytest.raises(ValueError, match="optimiser: got 'sgd'; expected one of adamw, muon"):
        TrainConfig(name="extract", ct=ct, optimiser="sgd")
