"""Networks by description, so that weights and their architecture travel together in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NETWORKS = ("unet",)
LEVELS, MOST_FOLD = 5, 4
FIRST_LOGIT = -2.5
"""Added to the last layer: an untrained network answers about 8 %, near what bone adds."""


def build_network(description: dict) -> torch.nn.Module:
    """The torch network that a card or a training configuration describes.

    Args:
        description: `{"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [...]}`:
            MONAI's BasicUNet with the channels of its five levels and of its last layer, each
            level at half the size of the one before, batch normalisation (an image of any size
            is treated alike), answers between 0 and 1. "gain", 1 unless given, multiplies the
            answers, which still end at 1. "fold", 1 unless given, lays squares of fold × fold
            pixels into channels before the network and back after it: four times the channels
            cost the same at a fold of 2 (W. Shi et al., CVPR 2016, for the way back).

    Raises:
        ValueError: unknown name, or missing or wrong entries.
    """
    name = description.get("name")
    if name not in NETWORKS:
        raise ValueError(f"network: got {name!r}; expected one of {', '.join(NETWORKS)}")
    try:
        channels = tuple(int(n) for n in description["channels"])
        sides = int(description["in_channels"]), int(description["out_channels"])
        gain = float(description.get("gain", 1.0))
        fold = int(description.get("fold", 1))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"network: bad or missing entry {error}") from None
    if not 0.5 <= gain <= 2.0:
        raise ValueError(f"network: gain {gain:g}; expected 0.5 to 2")
    if not 1 <= fold <= MOST_FOLD:
        raise ValueError(f"network: fold {fold}; expected 1 to {MOST_FOLD}")
    if len(channels) != LEVELS + 1:
        raise ValueError(f"network: {len(channels)} channels; expected {LEVELS + 1}")
    from monai.networks.nets import BasicUNet

    unet = BasicUNet(
        spatial_dims=2,
        in_channels=sides[0] * fold**2,
        out_channels=sides[1] * fold**2,
        features=channels,
        act=("leakyrelu", {"negative_slope": 0.1, "inplace": True}),
        norm="batch",
    )
    return _shares()(unet, gain, fold)


def _shares() -> type[torch.nn.Module]:
    import torch
    from torch.nn.functional import pixel_shuffle, pixel_unshuffle

    class Shares(torch.nn.Module):
        """Turns a network's answer into shares between 0 and 1, small to begin with."""

        def __init__(self, network: torch.nn.Module, gain: float, fold: int) -> None:
            super().__init__()
            self.network, self.gain, self.fold = network, gain, fold

        def forward(self, channels: torch.Tensor) -> torch.Tensor:
            if self.fold > 1:
                answer = self.network(pixel_unshuffle(channels, self.fold))
                logits = pixel_shuffle(answer, self.fold)
            else:
                logits = self.network(channels)
            shares = torch.sigmoid(logits + FIRST_LOGIT)
            return shares if self.gain == 1.0 else (self.gain * shares).clamp(max=1.0)

    return Shares


def size_multiple(description: dict) -> int:
    """What image sides must be a multiple of: folding and each level but the first divide them."""
    return int(description.get("fold", 1)) * 2 ** (len(description["channels"]) - 2)
