"""What training minimises: difference, structure, edges and perceived features of bone images."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; 0 leaves a term out."""

    absolute: float = 1.0
    squared: float = 2.0
    structure: float = 0.3
    """1 - multi-scale SSIM (three scales)."""
    gradient: float = 0.5
    perceptual: float = 0.05
    """Distance of SqueezeNet features; needs `perceptual_weights`."""
    perceptual_weights: str = ""
    """An .npz with SqueezeNet 1.0 weights, `<layer>.weight` and `<layer>.bias`, Caffe order."""
    dice: float = 1.0
    """To learn bones by name, this and the next two: 1 - Dice, each structure alike."""
    cross_entropy: float = 1.0
    overlap: float = 1.0
    """How much more cross-entropy counts where bones overlap."""
    heat: float = 0.05
    """To find features of legs, these three and `dice` and `cross_entropy`: heat maps as such."""
    place: float = 0.3
    """Where a heat map's mass lies."""
    told: float = 0.3
    """View and side."""


class ExtractionLoss(nn.Module):
    """Weighted sum of the terms of `LossConfig` on images scaled to about 0..1.

    Call with prediction and target, both (batch, 1, rows, columns); gives the sum and its terms.
    """

    def __init__(self, config: LossConfig, data_root: Path) -> None:
        super().__init__()
        self.config = config
        self.features: SqueezeFeatures | None = None
        if config.perceptual > 0 and config.perceptual_weights:
            self.features = SqueezeFeatures(data_root / config.perceptual_weights)

    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:
        c = self.config
        terms = {
            "absolute": c.absolute * functional.l1_loss(predicted, target),
            "squared": c.squared * functional.mse_loss(predicted, target),
            "structure": c.structure * (1 - multi_scale_ssim(predicted, target)),
            "gradient": c.gradient * gradient_difference(predicted, target),
        }
        if self.features is not None:
            part = random_quarter(predicted.shape)
            terms["perceptual"] = c.perceptual * self.features(predicted[part], target[part])
        total = torch.stack(list(terms.values())).sum()
        return total, {name: float(value.detach()) for name, value in terms.items()}


def random_quarter(shape: torch.Size) -> tuple:
    """A window of half the side, anywhere: features cost too much on whole images."""
    rows, columns = shape[-2] // 2, shape[-1] // 2
    r, c = (int(torch.randint(n + 1, ())) for n in (rows, columns))
    return ..., slice(r, r + rows), slice(c, c + columns)


def gradient_difference(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of the images' finite differences along rows and columns."""
    difference = predicted - target
    rows = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    columns = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    return rows + columns


def multi_scale_ssim(
    predicted: torch.Tensor, target: torch.Tensor, scales: int = 3
) -> torch.Tensor:
    """Mean structural similarity over `scales` halvings, data range 1.

    Z. Wang et al., "Image quality assessment", IEEE TIP 13(4), 2004, with a 7-pixel box in place
    of the Gaussian window, which is several times faster.
    """
    values = []
    for _ in range(scales):
        values.append(_ssim(predicted, target))
        predicted = functional.avg_pool2d(predicted, 2)
        target = functional.avg_pool2d(target, 2)
    return torch.stack(values).mean()


def _ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    def mean(x: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(x, 7, stride=1)

    c1, c2 = 0.01**2, 0.03**2
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    cov = mean(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


FIRE = ("fire2", "fire3", "fire4", "fire5")
CAFFE_MEANS = (104.0, 117.0, 123.0)


class SqueezeFeatures(nn.Module):
    """Distance of early SqueezeNet 1.0 features (up to fire5) of two grey images.

    F. N. Iandola et al., arXiv 1602.07360; as perceptual distance: J. Johnson et al., ECCV 2016.
    """

    means: torch.Tensor

    def __init__(self, weights: Path) -> None:
        super().__init__()
        if not weights.is_file():
            raise FileNotFoundError(f"perceptual_weights: {weights}; expected an .npz file")
        for name, values in _read_weights(weights).items():
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))
        means = torch.tensor(CAFFE_MEANS)
        self.register_buffer("means", means[None, :, None, None])

    def _conv(self, x: torch.Tensor, layer: str, **kwargs: int) -> torch.Tensor:
        weight, bias = getattr(self, f"{layer}_weight"), getattr(self, f"{layer}_bias")
        return functional.relu(functional.conv2d(x, weight, bias, **kwargs))

    def features(self, grey: torch.Tensor) -> list[torch.Tensor]:
        """Of images (batch, 1, rows, columns) of 0..1: after conv1, fire4 and fire5."""
        x = (grey * 255.0).expand(-1, 3, -1, -1) - self.means
        x = self._conv(x, "conv1", stride=2)
        found = [x]
        for n, fire in enumerate(FIRE):
            if n in (0, 3):
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            squeezed = self._conv(x, f"{fire}_conv1x1_1")
            narrow = self._conv(squeezed, f"{fire}_conv1x1_2")
            wide = self._conv(squeezed, f"{fire}_conv3x3_2", padding=1)
            x = torch.cat([narrow, wide], 1)
            if n in (2, 3):
                found.append(x)
        return found

    def forward(self, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        distances = []
        with torch.no_grad():
            wanted = self.features(target)
        for got, want in zip(self.features(predicted), wanted, strict=True):
            norm = want.pow(2).mean().sqrt().clamp(min=1e-3)
            distances.append(((got - want) / norm).pow(2).mean())
        return torch.stack(distances).mean()


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    """Weights and biases of the layers that are used, by layer_weight and layer_bias."""
    parts = ("conv1x1_1", "conv1x1_2", "conv3x3_2")
    layers = ["conv1", *(f"{fire}_{part}" for fire in FIRE for part in parts)]
    wanted = [f"{layer}_{kind}" for layer in layers for kind in ("weight", "bias")]
    try:
        with np.load(path, allow_pickle=False) as data:
            named = {name.replace("/", "_").replace(".", "_"): name for name in data.files}
            return {name: data[named[name]] for name in wanted}
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        raise ValueError(
            f"perceptual_weights: {path} holds no weights of SqueezeNet; expected an .npz of them"
        ) from None
