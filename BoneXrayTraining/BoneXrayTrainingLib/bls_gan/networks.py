"""BLS-GAN's three networks: what makes layer images, what judges them, what puts them together.

Generator and supervisor are MONAI's U-Net, as all networks here (`build_network`). BLS-GAN takes
a TransUNet for its generator and reports on U-Nets beside it; MONAI has no TransUNet.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from BoneXrayLib.running.networks import build_network

GENERATOR_SIDES, SUPERVISOR_SIDES = (3, 2), (2, 4)
"""Channels in and out. Generator: image and two masks to two layer images. Supervisor: two layer
images to four maps, where each bone is, then where it looks real."""
STEM_GRID = 8
"""Rows and columns of the features that the reconstructor's last layers see."""
CONVOLUTIONS = (1, 1, 2, 2, 2)
"""Of VGG-11, between poolings (K. Simonyan, A. Zisserman, ICLR 2015, configuration A)."""


@dataclass(frozen=True)
class ReconstructorConfig:
    """Widths of the network that finds the soft tissue."""

    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Of the five levels of VGG-11's features."""
    hidden: tuple[int, ...] = (1024, 128)
    """Of the layers behind them."""

    def __post_init__(self) -> None:
        if len(self.channels) != len(CONVOLUTIONS) or min(self.channels) < 1:
            raise ValueError(
                f"reconstructor.channels: got {list(self.channels)}; expected "
                f"{len(CONVOLUTIONS)} whole numbers above 0"
            )
        if any(n < 1 for n in self.hidden):
            raise ValueError(
                f"reconstructor.hidden: got {list(self.hidden)}; expected whole numbers above 0"
            )


class LayerGenerator(nn.Module):
    """Image and masks to two layer images, nothing outside the masks."""

    def __init__(self, description: dict) -> None:
        super().__init__()
        self.network = build_network(description)

    def forward(self, image: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Brightness of each bone with its soft tissue, (batch, 2, rows, columns), 0 to 1.

        Args:
            image: brightness, (batch, 1, rows, columns).
            masks: 0 or 1, (batch, 2, rows, columns): upper and lower bone.
        """
        return self.network(torch.cat([image, masks], 1)) * masks


class Reconstructor(nn.Module):
    """Features as of VGG-11, and from them one number for an image: its soft tissue's brightness.

    At 256² pixels and full widths the layers behind the features see 32768 numbers, as BLS-GAN's.
    Images of another size are brought to the same grid by averaging.
    """

    def __init__(self, config: ReconstructorConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels, count in zip(config.channels, CONVOLUTIONS, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(STEM_GRID), nn.Flatten())
        self.answer = _dense([before * STEM_GRID**2, *config.hidden, 1])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Brightness of soft tissue alone, (batch, 1, 1, 1), 0 to 1, of (batch, 1, rows, cols)."""
        return torch.sigmoid(self.answer(self.features(image)))[:, :, None, None]


def build_supervisor(description: dict) -> nn.Module:
    """Two layer images to four maps, 0 to 1."""
    return build_network(description)


def check_sides(name: str, description: dict, wanted: tuple[int, int]) -> None:
    """Refuse a description of other channels than the recipe's."""
    got = description.get("in_channels"), description.get("out_channels")
    if got != wanted:
        raise ValueError(
            f"{name}: in_channels {got[0]!r} and out_channels {got[1]!r}; expected "
            f"{wanted[0]} and {wanted[1]}"
        )


def _dense(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])
