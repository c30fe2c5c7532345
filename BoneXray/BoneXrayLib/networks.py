"""Networks by description, so that weights and their architecture travel together in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NETWORKS = ("unet",)
LEVELS = 5
FIRST_LOGIT = -2.5
"""Added to the last layer: an untrained network answers about 8 %, near what bone adds."""


def build_network(description: dict) -> torch.nn.Module:
    """The torch network that a card or a training configuration describes.

    Args:
        description: `{"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [...]}`:
            MONAI's BasicUNet with the channels of its five levels and of its last layer, each
            level at half the size of the one before, batch normalisation (an image of any size
            is treated alike), answers between 0 and 1. "gain", 1 unless given, multiplies the
            answers, which still end at 1.

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
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"network: bad or missing entry {error}") from None
    if not 0.5 <= gain <= 2.0:
        raise ValueError(f"network: gain {gain:g}; expected 0.5 to 2")
    if len(channels) != LEVELS + 1:
        raise ValueError(f"network: {len(channels)} channels; expected {LEVELS + 1}")
    from monai.networks.nets import BasicUNet

    unet = BasicUNet(
        spatial_dims=2,
        in_channels=sides[0],
        out_channels=sides[1],
        features=channels,
        act=("leakyrelu", {"negative_slope": 0.1, "inplace": True}),
        norm="batch",
    )
    return _shares()(unet, gain)


def _shares() -> type[torch.nn.Module]:
    import torch

    class Shares(torch.nn.Module):
        """Turns a network's answer into shares between 0 and 1, small to begin with."""

        def __init__(self, network: torch.nn.Module, gain: float) -> None:
            super().__init__()
            self.network, self.gain = network, gain

        def forward(self, channels: torch.Tensor) -> torch.Tensor:
            shares = torch.sigmoid(self.network(channels) + FIRST_LOGIT)
            return shares if self.gain == 1.0 else (self.gain * shares).clamp(max=1.0)

    return Shares


def size_multiple(description: dict) -> int:
    """What image sides must be a multiple of: each level but the first halves them."""
    return 2 ** (len(description["channels"]) - 2)
