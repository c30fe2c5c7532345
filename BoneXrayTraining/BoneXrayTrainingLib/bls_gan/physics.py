"""Two bones over one another in one radiograph, as BLS-GAN has it: transmissions multiply.

Brightness b, 0 to 1, is the share of the beam that was absorbed, T = 1 - b what came through. A
layer image shows one bone with the soft tissue around it; where two bones overlap, the soft tissue
is in both layer images and has to be counted once:

    T = T_upper · T_lower / T_soft            OD = OD_upper + OD_lower - OD_soft

That is Beer and Lambert's law only where brightness is linear in what was absorbed. Pixels of a
clinical detector went through a logarithm and a display curve: there it holds roughly.
"""

from __future__ import annotations

import torch

LEAST_TRANSMISSION = 1e-3
"""Of soft tissue: less would divide by next to nothing."""


def overlap_of(masks: torch.Tensor) -> torch.Tensor:
    """Where both bones are, (batch, 1, rows, columns), of masks (batch, 2, rows, columns)."""
    return masks[:, :1] * masks[:, 1:]


def bones_of(masks: torch.Tensor) -> torch.Tensor:
    """Where any bone is, (batch, 1, rows, columns), of masks (batch, 2, rows, columns)."""
    return masks.amax(1, keepdim=True)


def recombined(layers: torch.Tensor, masks: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """The image that two layer images make, 1 - T_upper · T_lower / (1 - soft · [overlap]).

    Args:
        layers: brightness of each bone with its soft tissue, (batch, 2, rows, columns).
        masks: 0 or 1 for each bone, same shape. Outside its mask a layer absorbs nothing.
        soft: brightness of the soft tissue where bones overlap, (batch, 1, 1, 1) or an image.

    Returns:
        Brightness (batch, 1, rows, columns); 0 where no bone is.
    """
    transmission = 1.0 - layers * masks
    through_soft = (1.0 - soft).clamp(min=LEAST_TRANSMISSION)
    overlap = overlap_of(masks)
    counted_twice = overlap * through_soft + (1.0 - overlap)
    return 1.0 - transmission[:, :1] * transmission[:, 1:] / counted_twice
