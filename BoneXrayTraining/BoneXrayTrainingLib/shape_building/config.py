"""What a shape model is built of, and how: read from TOML."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from BoneXrayLib.shape_model import BONES

from ..mappings import from_mapping, read_toml
from ..mesh_ct.meshes import AXES, SIDES
from .covariance import Amplitudes, SpreadConfig


@dataclass(frozen=True)
class SurfaceSource:
    """A file of surfaces, or a folder of files: each a bone of another subject."""

    path: str
    licence: str
    only: tuple[str, ...] = ("*",)
    """Names of meshes (of an .npz) or of files to use; * stands for anything."""
    subject: str = ""
    """Whose bone it is, of a single one; otherwise subjects are called as their meshes are."""
    side: str = "right"
    axes: str = ""
    """Where the file's x, y and z point to in the patient, such as LPS; nothing where a bone lies
    any way round: it is then turned until it fits."""
    cut: str = ""
    """End of the bone that is cut off: the direction S, or nothing. Needs axes."""

    def __post_init__(self) -> None:
        if self.axes and sorted(AXES[c][0] if c in AXES else -1 for c in self.axes) != [0, 1, 2]:
            raise ValueError(f"surface.axes: got {self.axes!r}; expected three letters such as LPS")
        if self.side not in SIDES:
            raise ValueError(f"surface.side: got {self.side!r}; expected right or left")
        if self.cut not in ("", "S") or (self.cut and not self.axes):
            raise ValueError(f"surface.cut: got {self.cut!r}; expected nothing, or S beside axes")


@dataclass(frozen=True)
class ShapeModelConfig:
    """Everything a shape model depends on."""

    name: str
    bone: str
    surface: tuple[SurfaceSource, ...]
    template: str = ""
    """Subject whose surface the common mesh is first made of; its axes must be given. Needed where
    a model is built."""
    data_root: str = "."
    without: tuple[str, ...] = ()
    """Subjects left out."""
    vertices: int = 3500
    modes: int = 150
    seed: int = 1
    version: str = "0.1.0"
    spread: SpreadConfig = field(default_factory=SpreadConfig)
    amplitudes: Amplitudes = field(default_factory=Amplitudes)
    """Of the covariance, where whole subjects are too few to find the likeliest."""
    prior_subjects: float = 8.0
    """How many subjects that covariance is worth beside those of which parts are known."""

    def __post_init__(self) -> None:
        if self.bone not in BONES:
            raise ValueError(f"bone: got {self.bone!r}; expected one of {', '.join(BONES)}")
        if not self.surface:
            raise ValueError("surface: got none; expected [[surface]] entries")
        for name, least, most in (("vertices", 100, 20000), ("modes", 1, 1000)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: got {getattr(self, name)}; expected {least} to {most}")


def read_shape_config(
    path: str | Path, data_root: str | None = None, without: tuple[str, ...] = ()
) -> ShapeModelConfig:
    """The configuration in a TOML file, some entries replaced.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: no TOML, unknown entries or wrong values.
    """
    config = from_mapping(ShapeModelConfig, read_toml(path), Path(path).name)
    if data_root is not None:
        config = dataclasses.replace(config, data_root=data_root)
    return dataclasses.replace(config, without=(*config.without, *without))
