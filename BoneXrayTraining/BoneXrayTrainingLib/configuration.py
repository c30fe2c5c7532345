"""What a training run depends on, and its reading from TOML: known names and types only."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeVar

from BoneXrayLib.networks import size_multiple

from .augmentation import AugmentationConfig
from .dataset import CtSource, PoolConfig
from .losses import LossConfig
from .pairs import PairConfig

T = TypeVar("T")
CHOICES = {
    "task": ("extract",),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "float32", "bfloat16"),
}


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
    start_from: str = ""
    """Model (name or folder) or run whose weights to start from; chance where it is empty."""
    steps: int = 20000
    batch: int = 8
    """Images a step; of each process, where several train together."""
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
    """auto, float32 or bfloat16, the latter on a GPU only; auto takes what pays."""
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

    def __post_init__(self) -> None:
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
        for name in ("patience", "threads", "makers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected 0 or more")
        if self.patience and not self.validation:
            raise ValueError("patience: needs patients in validation; expected 0 without any")
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
    """The configuration in a TOML file, or in the JSON file of an earlier run.

    `overrides` replace top-level entries unless None.

    Raises:
        ValueError: the file is no TOML, or holds an unknown name or a wrong type, which is named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"config: {path} not found; expected a TOML file")
    kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config: {path} is no {kind} file ({error})") from None
    if isinstance(data, dict):
        data.update({name: value for name, value in overrides.items() if value is not None})
    return from_mapping(TrainConfig, data, "config")


def from_mapping(kind: type[T], data: object, where: str) -> T:
    """Build dataclass `kind` from a mapping, nested ones too; refuses what it does not know."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: got {data!r}; expected a table")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(typing.cast("Any", kind))}
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ValueError(f"{where}: unknown {unknown[0]!r}; expected one of {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{where}: misses {', '.join(missing)}")
    return kind(**{n: _convert(hints[n], v, f"{where}.{n}") for n, v in data.items()})


def _convert(hint: Any, value: object, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast("type[Any]", hint), value, where)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where}: got {value!r}; expected a list")
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) != len(value):
            raise ValueError(f"{where}: got {len(value)} values; expected {len(kinds)}")
        return tuple(
            _convert(k, v, f"{where}[{n}]")
            for n, (k, v) in enumerate(zip(kinds, value, strict=True))
        )
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: got {value!r}; expected a table")
        return {k: _convert(inner[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and not _is_a(value, hint):
        raise ValueError(f"{where}: got {value!r}; expected {hint.__name__}")
    return value


def _is_a(value: object, hint: type) -> bool:
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
