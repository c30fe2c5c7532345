"""A data set small enough for a test: limbs that differ by a voxel, few and small samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.generation.config import GenerateConfig, GenerateSource
from BoneXrayTrainingLib.pairs import PairConfig


def write_limbs(folder: Path, limb: Volume, names: str) -> Path:
    """A CT a letter, each with content of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        hu = limb.hu.copy()
        hu[0, 0, 0] += 2 * number
        write_image_file(folder / f"{name}.nrrd", hu, limb.ijk_to_ras)
    return folder


def limb_source(name: str, **fields: Any) -> GenerateSource:
    """The entry of one of them."""
    return GenerateSource(**{"path": f"{name}.nrrd", "patient": name, "licence": "MIT", **fields})


def small_data_set(root: Path, output: Path, names: str, **fields: Any) -> GenerateConfig:
    """Three samples of 32² pixels a limb, two a shard; `fields` replace entries."""
    return GenerateConfig(
        **{
            "ct": tuple(limb_source(name) for name in names),
            "data_root": str(root),
            "output": str(output),
            "draws": 3,
            "shard": 2,
            "pairs": PairConfig(size=32),
            **fields,
        }
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a data set's shards by name."""
    shards = folder / "shards"
    return {
        p.relative_to(shards).as_posix(): p.read_bytes() for p in shards.rglob("*") if p.is_file()
    }
