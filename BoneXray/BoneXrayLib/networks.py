"""Networks by description, so that weights and their architecture travel together in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NETWORKS = ("unet",)
FIRST_LOGIT = -2.5
"""Added to the last layer: an untrained network answers about 8 %, near what bone adds."""


def build_network(description: dict) -> torch.nn.Module:
    """The torch network that a card or a training configuration describes.

    Args:
        description: `{"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [...],
            "residual_units": 2}`: MONAI's residual U-Net, each level at half the size of the one
            before, instance normalisation, answers between 0 and 1. The image sides must be multiples of
            2 ** (levels - 1).

    Raises:
        ValueError: unknown name or missing entries.
    """
    name = description.get("name")
    if name not in NETWORKS:
        raise ValueError(f"network: got {name!r}; expected one of {', '.join(NETWORKS)}")
    try:
        channels = tuple(int(n) for n in description["channels"])
        sides = int(description["in_channels"]), int(description["out_channels"])
        units = int(description["residual_units"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"network: bad or missing entry {error}") from None
    from monai.networks.nets import UNet

    return _shares()(UNet(
        spatial_dims=2,
        in_channels=sides[0],
        out_channels=sides[1],
        channels=channels,
        strides=(2,) * (len(channels) - 1),
        num_res_units=units,
        norm="INSTANCE",
    ))


def _shares() -> type[torch.nn.Module]:
    import torch

    class Shares(torch.nn.Module):
        """Turns a network's answer into shares between 0 and 1, small to begin with."""

        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, channels: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.network(channels) + FIRST_LOGIT)

    return Shares


def size_multiple(description: dict) -> int:
    """What image sides must be a multiple of."""
    return 2 ** (len(description["channels"]) - 1)
