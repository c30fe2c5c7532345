"""A training run small enough for a test: the synthetic limb, a tiny network, few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.pairs import PairConfig
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.dataset import CtSource, PoolConfig

CROP = 48
NETWORK = {"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [4, 4, 8, 8, 8, 4]}


def small_config(limb_file: Path, run: Path, **fields: Any) -> TrainConfig:
    """Four steps on the limb; `fields` replace entries."""
    torch.set_num_threads(1)
    ct = CtSource(path=limb_file.name, patient="limb", licence="MIT")
    return TrainConfig(
        **{
            "name": "tiny",
            "ct": (ct,),
            "data_root": str(limb_file.parent),
            "run": str(run),
            "steps": 4,
            "batch": 2,
            "log_every": 1,
            "network": NETWORK,
            "pairs": PairConfig(size=64),
            "pool": PoolConfig(capacity=4, first=3, images_per_sample=1e9),
            "augmentation": AugmentationConfig(crop=CROP, scale=(0.9, 1.3)),
            **fields,
        }
    )
