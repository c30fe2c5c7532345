"""What a training run depends on, and its reading from TOML: known names and types only."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from BoneXrayLib.running.networks import size_multiple

from ..generation.pool import read_training_set
from ..legs.config import LegsConfig
from ..limits import check_above_0, check_number
from ..mappings import from_mapping, read_toml
from ..pairs import PairConfig
from ..sampling.augmentation import AugmentationConfig
from ..sampling.dataset import CtSource, PoolConfig
from ..sampling.overlap_questions import LayerConfig
from ..stacking import StackConfig
from .channel_checks import check_channels
from .losses import LossConfig

__all__ = ["TrainConfig", "from_mapping", "on_dataset", "read_config"]

LARGEST_AVERAGE = 0.999999
CHOICES = {
    "task": ("extract", "segment", "separate", "features"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "float32", "bfloat16"),
    "optimiser": ("adamw", "muon"),
}


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on; read from a TOML file."""

    name: str
    ct: tuple[CtSource, ...] = ()
    dataset: str = ""
    """Folder of a data set made by `generate`, to train on in place of CTs. It says which CTs it
    came from, which patients to validate with and what `pairs` were; `pool` is not needed."""
    dataset_sha256: str = ""
    """Of the data set's samples; filled in, so that a run is resumed with those it began with."""
    task: str = "extract"
    """extract (how much of each pixel is bone), segment (which bones it belongs to), separate
    (how much of it is one bone, how much others) or features (landmarks, outlines and round parts
    of a leg's femur and tibia)."""
    structures: tuple[str, ...] = ()
    """To segment: names of the bones, a channel of the network each. To separate: names of the
    bones that have layers; any of them may be asked about."""
    data_root: str = "."
    validation: tuple[str, ...] = ()
    """Patients kept out of training, to watch the run with."""
    run: str = "runs/extract"
    """Folder of the run: log, checkpoints."""
    start_from: str = ""
    """Model (name or folder) or run whose weights to start from; chance where it is empty."""
    frozen: tuple[str, ...] = ()
    """Weights that stay as they began, by name with * and ?, such as `network.down_4.*`."""
    steps: int = 20000
    batch: int = 8
    """Images a step; of each process, where several train together."""
    optimiser: str = "adamw"
    """adamw or muon; muon needs fewer steps, each a little longer."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    average: float = 0.998
    """Decay of the running average of the weights, which is what is exported."""
    seed: int = 1
    threads: int = 0
    """CPU threads; 0 takes all."""
    makers: int = 0
    """Threads that make batches; 0 takes one beside a network on the CPU, more beside a GPU."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """auto, float32 or bfloat16; auto takes bfloat16 on a GPU that has it. On a CPU that has it
    bfloat16 halves the time of a step."""
    log_every: int = 50
    checkpoint_every: int = 500
    validate_every: int = 1000
    patience: int = 0
    """Validations in a row without a better one that end the run; 0: it goes to its last step."""
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
    layers: LayerConfig = field(default_factory=LayerConfig)
    """To separate."""
    legs: LegsConfig = field(default_factory=LegsConfig)
    """To find features of legs."""
    stacks: StackConfig = field(default_factory=StackConfig)
    """To learn bones by name: patients put together from two."""

    def __post_init__(self) -> None:
        if self.ct or not self.dataset:
            self._check_patients()
        self._check_task()
        for name in ("steps", "batch", "log_every", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected at least 1")
        for name in ("patience", "threads", "makers", "seed", "weight_decay"):
            check_number(name, getattr(self, name), 0)
        check_above_0("learning_rate", self.learning_rate)
        check_number("average", self.average, 0, LARGEST_AVERAGE)
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: got {getattr(self, name)!r}; expected one of {', '.join(known)}"
                )
        if self.augmentation.crop % size_multiple(self.network):
            raise ValueError(
                f"augmentation.crop: got {self.augmentation.crop}; expected a multiple of "
                f"{size_multiple(self.network)}"
            )

    @property
    def asked(self) -> LayerConfig | None:
        """What is asked about the samples' layers, where that is the task."""
        return self.layers if self.task == "separate" else None

    def _check_task(self) -> None:
        if bool(self.structures) != (self.task in ("segment", "separate")):
            raise ValueError(
                f"structures: got {list(self.structures)} for task {self.task!r}; expected names "
                "of bones to segment or separate, none to extract"
            )
        if len(set(self.structures)) < len(self.structures):
            raise ValueError("structures: a name is there twice; expected each once")
        if (self.structures or self.task == "features") and self.dataset:
            raise ValueError(f"dataset: set; expected [[ct]] entries for task {self.task!r}")
        used = [c.patient for c in self.ct if c.patient not in self.validation]
        self.stacks.check(used, self.structures)
        check_channels(self.task, self.structures, self.network, self.augmentation)

    def _check_patients(self) -> None:
        if not self.ct:
            raise ValueError("ct: got none; expected at least one [[ct]] entry")
        check_split(self.ct, self.validation)
        if {c.patient for c in self.ct} <= set(self.validation):
            raise ValueError("validation: holds every patient; expected some left to train on")
        used = [c.share for c in self.ct if c.patient not in self.validation]
        check_above_0("ct.share, the sum of those trained on", sum(used))
        if self.patience and not self.validation:
            raise ValueError("patience: needs patients in validation; expected 0 without any")


def check_split(sources: tuple[CtSource, ...], validation: tuple[str, ...]) -> None:
    """Refuse a split that nobody is on one side of alone, or that names somebody unknown."""
    _refuse_one_file_twice(sources)
    unknown = set(validation) - {c.patient for c in sources}
    if unknown:
        raise ValueError(f"validation: {sorted(unknown)} not among the patients of [[ct]]")
    kept, used = (
        {p for c in sources if (c.patient in validation) is out for p in c.people}
        for out in (True, False)
    )
    if kept & used:
        raise ValueError(
            f"mesh.towards: {min(kept & used)} is trained on and in validation; expected one of "
            "both"
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


def on_dataset(config: TrainConfig) -> TrainConfig:
    """The configuration with what its data set says filled in; as it is where it names none.

    Raises:
        ValueError: the data set cannot be trained on, or says otherwise than the configuration.
    """
    if not config.dataset:
        return config
    folder, found = config.dataset, read_training_set(config.dataset)
    for name, own in (("ct", found.sources), ("validation", found.validation)):
        if getattr(config, name) not in ((), own):
            raise ValueError(f"{name}: set beside dataset; expected none, or those of {folder}")
    if config.dataset_sha256 not in ("", found.sha256):
        raise ValueError(f"dataset: {folder} has other samples than those the run began with")
    if config.pairs != PairConfig():
        _refuse_other_pairs(config.pairs, found.pairs, folder)
    variation = config.augmentation
    least = math.ceil(variation.crop * variation.scale[0])
    if found.side < least:
        raise ValueError(
            f"dataset: {folder} has samples of {found.side} pixels a side; expected at least "
            f"{least}, for augmentation.crop {variation.crop} and scale {variation.scale[0]:g}"
        )
    return dataclasses.replace(
        config,
        ct=found.sources,
        validation=found.validation,
        pairs=found.pairs,
        dataset_sha256=found.sha256,
    )


def _refuse_other_pairs(wanted: PairConfig, made: PairConfig, folder: str) -> None:
    for entry in dataclasses.fields(PairConfig):
        got, there = getattr(wanted, entry.name), getattr(made, entry.name)
        if got != there:
            raise ValueError(
                f"pairs.{entry.name}: got {got}; expected {there}, which {folder} was made with, "
                "or no [pairs]"
            )


def read_config(path: str | Path, **overrides: Any) -> TrainConfig:
    """The configuration in a TOML file, or in the JSON file of an earlier run.

    `overrides` replace top-level entries unless None; `dataset` replaces the CTs.

    Raises:
        ValueError: the file is no TOML, or holds an unknown name or a wrong type, which is named;
            a data set that does not fit.
    """
    data = read_toml(path)
    if isinstance(data, dict):
        data.update({name: value for name, value in overrides.items() if value is not None})
        if overrides.get("dataset"):
            for name in ("ct", "validation", "pairs"):
                data.pop(name, None)
    return on_dataset(from_mapping(TrainConfig, data, "config"))
