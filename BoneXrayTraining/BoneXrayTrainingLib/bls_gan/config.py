"""What a run of BLS-GAN's recipe depends on, and its reading from TOML."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from BoneXrayLib.cards.model_card import BLS_GAN
from BoneXrayLib.running.networks import size_multiple

from ..learning.configuration import check_split
from ..mappings import from_mapping, read_toml
from ..pairs import PairConfig
from ..sampling.pool import PoolConfig
from ..sources import CtSource
from .networks import GENERATOR_SIDES, SUPERVISOR_SIDES, ReconstructorConfig, check_sides
from .objective import Weights

CHANNELS = [32, 64, 128, 192, 256, 32]
OPTIMISERS = ("adam", "adamw")


@dataclass(frozen=True)
class StageConfig:
    """One of the two stages; a network whose learning rate is 0 stays as it is."""

    steps: int
    optimiser: str
    generator: float
    """Learning rates, of the generator and the next two."""
    supervisor: float
    reconstructor: float
    weights: Weights
    unknown_share: float = 0.0
    """Share of the images that overlap by themselves: their layers are not known."""

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps: got {self.steps}; expected 0 or more")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(
                f"optimiser: got {self.optimiser!r}; expected one of {', '.join(OPTIMISERS)}"
            )
        if min(self.generator, self.supervisor, self.reconstructor) < 0:
            raise ValueError("learning rates: got one below 0; expected 0 or more")
        if not 0.0 <= self.unknown_share <= 1.0:
            raise ValueError(f"unknown_share: got {self.unknown_share}; expected 0 to 1")


PRETRAIN = StageConfig(14000, "adam", 1e-5, 1e-6, 1e-5, Weights(0.3, 0.3, 0.4))
"""BLS-GAN's, its 250 epochs of 676 images in batches of 12 as steps."""
MAIN = StageConfig(3000, "adamw", 1e-6, 1e-7, 1e-6, Weights(0.7, 0.3, 0.0), 0.5)
"""BLS-GAN's weights and length (30 epochs); at what rates the paper does not say, its code does."""
RELEASED_RATES = {"optimiser": "adamw", "generator": 1e-8, "supervisor": 0.0, "reconstructor": 0.0}
"""Of the main stage in the code that its authors released: hardly anything changes."""


@dataclass(frozen=True)
class JointFolder:
    """A folder of joint images with two masks each, and what its licence is."""

    path: str
    licence: str
    name: str = ""
    """What the model's card calls it; the folder's name unless given."""
    validation: bool = False
    """Keep it out of training, to watch the run with."""


@dataclass(frozen=True)
class BlsGanConfig:
    """Everything a run depends on."""

    name: str
    joints: tuple[JointFolder, ...] = ()
    ct: tuple[CtSource, ...] = ()
    """CTs with label maps, or surface meshes, to simulate joints from."""
    structures: tuple[str, ...] = ()
    """Names of their bones."""
    validation: tuple[str, ...] = ()
    """Patients of `ct` kept out of training, to watch the run with."""
    data_root: str = "."
    run: str = "runs/bls-gan"
    seed: int = 1
    threads: int = 0
    """CPU threads; 0 takes all."""
    device: str = "auto"
    side: int = 256
    """Rows and columns of the images trained on."""
    batch: int = 12
    shift: tuple[int, int] = (2, 8)
    """How far each bone is moved for a synthetic overlap [pixels]; further where it takes more."""
    log_every: int = 50
    checkpoint_every: int = 500
    validate_every: int = 500
    halve_every: int = 0
    """Steps after which the reconstructor's rate is halved, again and again; 0: never."""
    double_sigmoid: bool = False
    """As BLS-GAN's code: squeeze maps that are 0 to 1 already once more before Dice."""
    released_main: bool = False
    """As BLS-GAN's code: train the main stage at rates that change hardly anything."""
    pretrain: StageConfig = PRETRAIN
    main: StageConfig = MAIN
    generator: dict = field(default_factory=lambda: _unet(GENERATOR_SIDES))
    supervisor: dict = field(default_factory=lambda: _unet(SUPERVISOR_SIDES))
    reconstructor: ReconstructorConfig = field(default_factory=ReconstructorConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    recipe: str = BLS_GAN

    def __post_init__(self) -> None:
        for name in ("batch", "log_every", "checkpoint_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected at least 1")
        for name in ("threads", "halve_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: got {getattr(self, name)!r}; expected 0 or more")
        if self.recipe != BLS_GAN:
            raise ValueError(f"recipe: got {self.recipe!r}; expected {BLS_GAN!r}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"device: got {self.device!r}; expected auto, cpu or cuda")
        if not 0 <= self.shift[0] <= self.shift[1]:
            raise ValueError(f"shift: got {list(self.shift)}; expected pixels, the least first")
        if not self.steps:
            raise ValueError("steps: got 0 in both stages; expected some")
        self._check_networks()
        self._check_data()

    @property
    def steps(self) -> int:
        """Of both stages."""
        return self.pretrain.steps + self.main.steps

    def _check_networks(self) -> None:
        check_sides("generator", self.generator, GENERATOR_SIDES)
        check_sides("supervisor", self.supervisor, SUPERVISOR_SIDES)
        multiple = max(size_multiple(self.generator), size_multiple(self.supervisor))
        if self.side < multiple or self.side % multiple:
            raise ValueError(f"side: got {self.side}; expected a multiple of {multiple}")

    def _check_data(self) -> None:
        if bool(self.ct) == bool(self.joints):
            raise ValueError("joints: expected either [[joints]] folders or [[ct]] entries")
        if bool(self.ct) != bool(self.structures):
            raise ValueError("structures: expected names of bones with [[ct]], none without")
        folders = any(not f.validation for f in self.joints)
        if not folders and not any(c.patient not in self.validation for c in self.ct):
            raise ValueError("validation: holds everything; expected some left to train on")
        check_split(self.ct, self.validation)
        paths = [Path(f.path).as_posix() for f in self.joints]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ValueError(f"joints: {twice} is there twice; expected each folder once")


def stage_of(config: BlsGanConfig, step: int) -> StageConfig:
    """The stage that step `step`, from 0, belongs to, with the rates it is trained at."""
    if step < config.pretrain.steps:
        return config.pretrain
    if not config.released_main:
        return config.main
    return dataclasses.replace(config.main, **RELEASED_RATES)


def read_bls_gan(path: str | Path, **overrides: Any) -> BlsGanConfig:
    """The configuration in a TOML file; `overrides` replace top-level entries unless None.

    Raises:
        ValueError: no TOML, an unknown name, a wrong type or value.
    """
    data = read_toml(path)
    if isinstance(data, dict):
        data.update({name: value for name, value in overrides.items() if value is not None})
    return from_mapping(BlsGanConfig, data, "config")


def _unet(sides: Sequence[int]) -> dict:
    return {
        "name": "unet", "in_channels": sides[0], "out_channels": sides[1], "channels": CHANNELS
    }  # fmt: skip
