"""Networks by description, so that weights and their architecture travel together in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NETWORKS = ("unet",)
ENTRIES = ("name", "in_channels", "out_channels", "channels", "gain", "fold", "smooth", "whole",
           "local")  # fmt: skip
LEVELS, MOST_FOLD = 5, 4
EVEN = 0.01
"""Below about this standard deviation, of an image from 0 to 1, local contrast fades away."""
MOST_CONTRAST = 4.0
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
            "smooth", false unless given, interpolates the answers' logits on the way back
            instead: enough for what is smooth itself, such as the logarithm of a Gaussian, and
            fold² fewer answers to learn. "whole", 0 unless given, are the last outputs that are
            one number for a whole image, told from the mean and the maximum of the deepest level.
            "local", none unless given, are sides of windows, odd: for each the network is shown
            the local contrast of the first channel, too (`local_contrast`), so that a faint bone
            in a bright abdomen looks like one in a hand.

    Raises:
        ValueError: unknown name, or missing, wrong or further entries.
    """
    name = description.get("name")
    if name not in NETWORKS:
        raise ValueError(f"network: got {name!r}; expected one of {', '.join(NETWORKS)}")
    unknown = sorted(set(description) - set(ENTRIES))
    if unknown:
        raise ValueError(f"network: unknown {unknown[0]!r}; expected some of {', '.join(ENTRIES)}")
    try:
        channels = tuple(int(n) for n in description["channels"])
        sides = int(description["in_channels"]), int(description["out_channels"])
        gain = float(description.get("gain", 1.0))
        fold = int(description.get("fold", 1))
        smooth, whole = bool(description.get("smooth", False)), int(description.get("whole", 0))
        local = tuple(int(n) for n in description.get("local", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"network: bad or missing entry {error}") from None
    if not 0.5 <= gain <= 2.0:
        raise ValueError(f"network: gain {gain:g}; expected 0.5 to 2")
    if not 1 <= fold <= MOST_FOLD:
        raise ValueError(f"network: fold {fold}; expected 1 to {MOST_FOLD}")
    if len(channels) != LEVELS + 1:
        raise ValueError(f"network: {len(channels)} channels; expected {LEVELS + 1}")
    if not 0 <= whole < sides[1]:
        raise ValueError(f"network: whole {whole}; expected fewer than the {sides[1]} outputs")
    if any(side < 3 or side % 2 == 0 for side in local):
        raise ValueError(f"network: local {list(local)}; expected odd sides of 3 or more")
    from monai.networks.nets import BasicUNet

    unet = BasicUNet(
        spatial_dims=2,
        in_channels=(sides[0] + len(local)) * fold**2,
        out_channels=(sides[1] - whole) * (1 if smooth else fold**2),
        features=channels,
        act=("leakyrelu", {"negative_slope": 0.1, "inplace": True}),
        norm="batch",
    )
    told = None if whole == 0 else (2 * channels[LEVELS - 1], whole)
    return _shares()(unet, gain, fold, smooth, told, local)


def _shares() -> type[torch.nn.Module]:
    import torch
    from torch.nn.functional import pixel_unshuffle

    class Shares(torch.nn.Module):
        """Turns a network's answer into shares between 0 and 1, small to begin with."""

        def __init__(
            self,
            network: Any,
            gain: float,
            fold: int,
            smooth: bool,
            told: tuple[int, int] | None,
            local: tuple[int, ...],
        ) -> None:
            super().__init__()
            self.network, self.gain, self.fold, self.smooth = network, gain, fold, smooth
            self.told = torch.nn.Linear(*told) if told else None
            self.local = local

        def forward(self, channels: torch.Tensor) -> torch.Tensor:
            seen = [local_contrast(channels[:, :1], side) for side in self.local]
            channels = torch.cat([channels, *seen], 1) if seen else channels
            folded = pixel_unshuffle(channels, self.fold) if self.fold > 1 else channels
            answer, told = self.answers(folded)
            logits = unfolded(answer, self.fold, self.smooth) + FIRST_LOGIT
            if told is not None:
                everywhere = told[:, :, None, None].expand(-1, -1, *logits.shape[2:])
                logits = torch.cat([logits, everywhere], 1)
            shares = torch.sigmoid(logits)
            return shares if self.gain == 1.0 else (self.gain * shares).clamp(max=1.0)

        def answers(self, folded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
            """Logits of each place, and of the whole image where there are such."""
            if self.told is None:
                return self.network(folded), None
            answer, deepest = both_ends(self.network, folded)
            told = self.told(torch.cat([deepest.mean((2, 3)), deepest.amax((2, 3))], 1))
            return answer, told

    return Shares


def local_contrast(image: torch.Tensor, side: int) -> torch.Tensor:
    """An image (batch, 1, rows, columns) less its mean around each pixel, over its spread there.

    Contrast normalisation (K. Jarrett et al., ICCV 2009) in square windows of `side` pixels: alike
    under any brightness, and under any contrast that is not close to none.
    """
    from torch.nn.functional import avg_pool2d

    def mean(values: torch.Tensor) -> torch.Tensor:
        across = avg_pool2d(values, (1, side), 1, (0, side // 2), count_include_pad=False)
        return avg_pool2d(across, (side, 1), 1, (side // 2, 0), count_include_pad=False)

    above = image - mean(image)
    contrast = above / (mean(above * above).sqrt() + EVEN)
    return contrast.clamp(-MOST_CONTRAST, MOST_CONTRAST)


def unfolded(answer: torch.Tensor, fold: int, smooth: bool) -> torch.Tensor:
    """The answer to a folded image at the size of the image."""
    from torch.nn.functional import interpolate, pixel_shuffle

    if fold == 1:
        return answer
    if smooth:
        return interpolate(answer, scale_factor=fold, mode="bilinear")
    return pixel_shuffle(answer, fold)


def both_ends(unet: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer of MONAI's BasicUNet to images, as it works it out, and its deepest level."""
    levels = [unet.conv_0(images)]
    for down in (unet.down_1, unet.down_2, unet.down_3, unet.down_4):
        levels.append(down(levels[-1]))
    answer = deepest = levels.pop()
    for up in (unet.upcat_4, unet.upcat_3, unet.upcat_2, unet.upcat_1):
        answer = up(answer, levels.pop())
    return unet.final_conv(answer), deepest


def size_multiple(description: dict) -> int:
    """What image sides must be a multiple of: folding and each level but the first divide them."""
    return int(description.get("fold", 1)) * 2 ** (len(description["channels"]) - 2)
