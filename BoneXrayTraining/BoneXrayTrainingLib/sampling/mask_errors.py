"""Masks as people and programs draw them: the outline a pixel or two off."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

ERROR_PX = 2


def erred(mask: torch.Tensor, exact_share: float, rng: np.random.Generator) -> torch.Tensor:
    """A mask (rows, columns) as somebody would draw it: too wide, too narrow, a little aside."""
    if rng.random() < exact_share:
        return mask
    reach = int(rng.integers(-ERROR_PX, ERROR_PX + 1))
    out = mask[None, None]
    if reach:
        wide = functional.max_pool2d(np.sign(reach) * out, 2 * abs(reach) + 1, 1, abs(reach))
        out = np.sign(reach) * wide
    rows, columns = (int(n) for n in rng.integers(-ERROR_PX, ERROR_PX + 1, 2))
    out = functional.pad(out, (ERROR_PX,) * 4, mode="replicate")
    top, left = ERROR_PX + rows, ERROR_PX + columns
    return out[0, 0, top : top + mask.shape[0], left : left + mask.shape[1]]
