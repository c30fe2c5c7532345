"""Each term of the loss: zero where it should be, blind and keen where it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from squeeze_weights import write_squeeze_weights

from BoneXrayTrainingLib.learning.losses import (
    ExtractionLoss,
    LossConfig,
    SqueezeFeatures,
    gradient_difference,
    multi_scale_ssim,
    random_quarter,
)

torch.set_num_threads(1)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((2, 1, 48, 48), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squeeze_weights(tmp_path_factory.mktemp("squeeze") / "weights.npz")


def test_equal_images_have_no_loss(image: torch.Tensor, weights: Path) -> None:
    config = LossConfig(perceptual_weights=weights.name)
    total, terms = ExtractionLoss(config, weights.parent)(image, image)
    assert set(terms) == {"absolute", "squared", "structure", "gradient", "perceptual"}
    assert float(total) == pytest.approx(0.0, abs=1e-5)
    assert all(value == pytest.approx(0.0, abs=1e-5) for value in terms.values())


def test_the_loss_is_the_sum_of_its_terms_and_grows_with_the_error(image: torch.Tensor) -> None:
    loss = ExtractionLoss(LossConfig(), Path())
    near, terms = loss(image + 0.01 * torch.randn(image.shape), image)
    far, _ = loss(image + 0.2 * torch.randn(image.shape), image)
    assert float(near) == pytest.approx(sum(terms.values()), rel=1e-5)
    assert 0 < near < far


def test_a_weight_of_zero_leaves_its_term_out(image: torch.Tensor) -> None:
    only = LossConfig(absolute=3.0, squared=0.0, structure=0.0, gradient=0.0, perceptual=0.0)
    total, _ = ExtractionLoss(only, Path())(image + 0.5, image)
    assert float(total) == pytest.approx(1.5, rel=1e-5)


def test_the_gradient_term_ignores_a_constant_and_sees_an_edge(image: torch.Tensor) -> None:
    assert float(gradient_difference(image + 0.3, image)) == pytest.approx(0.0, abs=1e-6)
    edge = torch.zeros_like(image)
    edge[..., 24:] = 1.0
    assert float(gradient_difference(image + edge, image)) == pytest.approx(1 / 47, rel=1e-4)


def test_the_structural_similarity_of_equal_images_is_one(image: torch.Tensor) -> None:
    assert float(multi_scale_ssim(image, image)) == pytest.approx(1.0, abs=1e-5)


def test_the_structural_similarity_falls_with_noise_and_is_symmetric(image: torch.Tensor) -> None:
    other = torch.rand(image.shape, generator=torch.Generator().manual_seed(2))
    mixed = 0.8 * image + 0.2 * other
    assert multi_scale_ssim(other, image) < multi_scale_ssim(mixed, image) < 1
    assert float(multi_scale_ssim(image, other)) == pytest.approx(
        float(multi_scale_ssim(other, image)), abs=1e-6
    )


def test_the_loss_has_a_gradient_everywhere(image: torch.Tensor, weights: Path) -> None:
    predicted = (image * 0.5).requires_grad_()
    config = LossConfig(perceptual_weights=str(weights))
    ExtractionLoss(config, weights.parent)(predicted, image)[0].backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad != 0).float().mean() > 0.99


def test_perceived_features_differ_for_different_images(image: torch.Tensor, weights: Path) -> None:
    features = SqueezeFeatures(weights)
    assert float(features(image, image)) == 0.0
    assert float(features(image.flip(-1), image)) > 0.0
    assert not list(features.parameters()), "the features are not trained"


def test_missing_perceptual_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"perceptual_weights: .*nowhere\.npz"):
        ExtractionLoss(LossConfig(perceptual_weights="nowhere.npz"), tmp_path)
    (tmp_path / "text.npz").write_text("no weights")
    np.savez(tmp_path / "other.npz", conv1=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ValueError, match=rf"perceptual_weights: .*{name} holds no weights"):
            ExtractionLoss(LossConfig(perceptual_weights=name), tmp_path)


def test_without_weights_the_perceptual_term_is_left_out(image: torch.Tensor) -> None:
    assert "perceptual" not in ExtractionLoss(LossConfig(), Path())(image, image)[1]


def test_a_random_quarter_lies_within_the_image(image: torch.Tensor) -> None:
    sizes = {tuple(image[random_quarter(image.shape)].shape) for _ in range(20)}
    assert sizes == {(2, 1, 24, 24)}
