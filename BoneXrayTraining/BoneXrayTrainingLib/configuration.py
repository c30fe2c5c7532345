"""What a training run depends on, and its reading from TOML: known names and types only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from BoneXrayLib.networks import size_multiple

from .augmentation import AugmentationConfig
from .dataset import CtSource, PoolConfig
from .losses import LossConfig
from .mappings import from_mapping, read_toml
from .pairs import PairConfig

__all__ = ["TrainConfig", "from_mapping", "read_config"]


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on; read from a TOML file."""

    name: str
    ct: tuple[CtSource, ...]
    task: str = "extract"
    data_root: str = "."
    validation: tuple[str, ...] = ()
    """Patients kept out of training, to watch the run with."""
    run: str = "runs/extract"
    """Folder of the run: log, checkpoints."""
    steps: int = 20000
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    average: float = 0.998
    """Decay of the running average of the weights, which is what is exported."""
    seed: int = 1
    threads: int = 0
    """CPU threads; 0 takes all."""
    log_every: int = 50
    checkpoint_every: int = 500
    validate_every: int = 1000
    network: dict = field(
        default_factory=lambda: {
            "name": "unet",
            "in_channels": 3,
            "out_channels": 1,
            "channels": [16, 32, 64, 112, 176, 16],
        }
    )
    pairs: PairConfig = field(default_factory=PairConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        if self.task != "extract":
            raise ValueError(f"task: got {self.task!r}; expected 'extract'")
        if not self.ct:
            raise ValueError("ct: got none; expected at least one [[ct]] entry")
        _refuse_one_file_twice(self.ct)
        unknown = set(self.validation) - {c.patient for c in self.ct}
        if unknown:
            raise ValueError(f"validation: {sorted(unknown)} not among the patients of [[ct]]")
        if {c.patient for c in self.ct} <= set(self.validation):
            raise ValueError("validation: holds every patient; expected some left to train on")
        for name in ("steps", "batch", "log_every", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected at least 1")
        if self.augmentation.crop % size_multiple(self.network):
            raise ValueError(
                f"augmentation.crop: got {self.augmentation.crop}; expected a multiple of "
                f"{size_multiple(self.network)}"
            )


def _refuse_one_file_twice(sources: tuple[CtSource, ...]) -> None:
    """One file under two patients would carry a patient across the split."""
    owners: dict[str, str] = {}
    for source in sources:
        path = PurePath(source.path).as_posix()
        if owners.setdefault(path, source.patient) != source.patient:
            raise ValueError(
                f"ct: {path} belongs to {owners[path]} and {source.patient}; expected one patient"
            )


def read_config(path: str | Path, **overrides: Any) -> TrainConfig:
    """The configuration in a TOML file; `overrides` replace top-level entries unless None.

    Raises:
        ValueError: the file is no TOML, or holds an unknown name or a wrong type, which is named.
    """
    data = read_toml(path)
    data.update({name: value for name, value in overrides.items() if value is not None})
    return from_mapping(TrainConfig, data, "config")
