"""Shards on disk: written whole or not at all, and read sample by sample.

    DATA SET/dataset.json                                what it is; see `header`
    DATA SET/shards/ct00003-000032-0016/arrays.safetensors   16 samples of CT 3, from the 32nd on
                                        000032.json …        the record of each
                                        shard.json           shapes, names, SHA-256

Arrays are safetensors rather than NPZ: no pickle can hide in one, and a single sample is read out
of a shard without reading the rest. A shard is a folder that is renamed into place: what is there
is whole, whenever a run was killed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from BoneXrayLib.files import one_line

from ..mappings import from_mapping
from ..pairs import TISSUES, Draw, Pair
from .hashes import path_sha256
from .plan import Shard
from .sample import Sample

SHARDS, ARRAYS, SHARD = "shards", "arrays.safetensors", "shard.json"
NAME = re.compile(r"ct\d+-\d+-\d+")
"""Of a shard's folder; a dot before it and something after it while it is being written."""


def write_shard(output: Path, shard: Shard, split: str, samples: Iterator[Sample]) -> int:
    """Write a shard beside its place and rename it there; its size in bytes.

    Nothing of it stays when `samples` raises. A shard that is there already stays as it is.
    """
    folder = output / SHARDS
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{shard.name}-", dir=folder))
    try:
        stacked: dict[str, list[np.ndarray]] = {}
        layers: list[str] = []
        for number, sample in zip(shard.numbers, samples, strict=True):
            for name, array in sample.arrays.items():
                stacked.setdefault(name, []).append(array)
            layers = sample.record["layers"]
            _write(stage / record_name(number), json.dumps(sample.record, indent=1))
        arrays = {name: np.stack(images) for name, images in stacked.items()}
        save_file(arrays, stage / ARRAYS)
        about = {
            **dataclasses.asdict(shard),
            "split": split,
            "layers": layers,
            "shapes": {name: list(array.shape) for name, array in arrays.items()},
            "sha256": path_sha256(stage / ARRAYS),
        }
        about["sizes"] = {path.name: path.stat().st_size for path in sorted(stage.iterdir())}
        _write(stage / SHARD, json.dumps(about, indent=1))
        with suppress(FileExistsError, PermissionError):
            stage.chmod(0o755)
        size = folder_bytes(stage)
        with suppress(OSError):  # another run made the same one in the meantime
            stage.rename(folder / shard.name)
        if not (folder / shard.name / SHARD).is_file():
            raise OSError(f"output: {folder / shard.name} cannot be written")
        return size
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def whole_shards(output: Path) -> set[str]:
    """Names of the shards that are there."""
    folder = output / SHARDS
    if not folder.is_dir():
        return set()
    return {entry.name for entry in os.scandir(folder) if NAME.fullmatch(entry.name)}


def drop_unfinished(output: Path) -> None:
    """Remove what a killed run left between shards, and shards that a lost disk cut short."""
    for path in (output / SHARDS).glob("*"):
        begun = path.name.startswith(".") and NAME.match(path.name[1:])
        if begun or (NAME.fullmatch(path.name) and not _is_whole(path)):
            shutil.rmtree(path, ignore_errors=True)


def folder_bytes(folder: Path) -> int:
    """Size of a folder's files; 0 where it is gone."""
    with suppress(OSError):
        return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
    return 0


def record_name(number: int) -> str:
    """File of a sample's record."""
    return f"{number:06d}.json"


@dataclass(frozen=True)
class Place:
    """Where a sample lies."""

    shard: Path
    row: int
    record: Path

    @property
    def name(self) -> str:
        """Of the sample, for files made of it."""
        return f"{self.shard.name.split('-')[0]}-{self.record.stem}"


class PairStore:
    """The samples of a data set, or of one split of it, by number; in the same order every time.

    Raises:
        ValueError: no data set, or no samples in that split.
    """

    def __init__(self, folder: str | Path, split: str | None = None) -> None:
        self.folder = Path(folder)
        names = sorted(whole_shards(self.folder))
        if not names:
            raise ValueError(f"dataset: {folder} holds no samples; expected one that was generated")
        self.shards: dict[str, dict] = {
            name: _read_json(self.folder / SHARDS / name / SHARD) for name in names
        }
        """What shard.json says, by name."""
        self.places = [
            Place(path, row, path / record_name(about["first"] + row))
            for name, about in self.shards.items()
            if split in (None, about["split"])
            for path in (self.folder / SHARDS / name,)
            for row in range(about["count"])
        ]
        if not self.places:
            raise ValueError(f"dataset: {folder} holds no samples to {split}; expected some")

    def __len__(self) -> int:
        return len(self.places)

    def record(self, number: int) -> dict:
        """The record of a sample."""
        return _read_json(self.places[number].record)

    def array(self, number: int, name: str) -> np.ndarray:
        """One array of a sample, (rows, columns) or (layers, rows, columns), as it is stored."""
        place = self.places[number]
        return read_array(place.shard / ARRAYS, name, place.row)

    def refuse_cut_short(self) -> None:
        """Raise a ValueError that names a shard whose files are not as large as they were."""
        for name in self.shards:
            if not _is_whole(self.folder / SHARDS / name):
                raise ValueError(
                    f"dataset: {self.folder / SHARDS / name} is damaged; make it again with "
                    "bone-xray generate --resume"
                )

    def refuse_damaged(self, shard: Path) -> None:
        """Raise a ValueError where a shard's arrays are not those that were written."""
        if path_sha256(shard / ARRAYS) != self.shards[shard.name]["sha256"]:
            raise ValueError(
                f"dataset: {shard / ARRAYS} is damaged (its SHA-256 differs); remove {shard.name} "
                "and make it again with bone-xray generate --resume"
            )

    def layers(self, number: int) -> tuple[str, ...]:
        """Names of a sample's layers."""
        return tuple(self.shards[self.places[number].shard.name]["layers"])

    def pair(self, number: int) -> Pair:
        """A sample as the trainer takes it: labelled bones together, as `TISSUES`.

        Raises:
            ValueError: it holds no layers, or was made with a localizer.
        """
        record = self.record(number)
        if record["pairing"] != "drr":
            raise ValueError(
                f"dataset: {self.folder} pairs {record['pairing']}; expected pairing drr"
            )
        layers, bone = self.array(number, "layers"), len(TISSUES) - 1
        if len(layers) > len(TISSUES):
            layers = np.concatenate([layers[:bone], layers[bone:].sum(axis=0, keepdims=True)])
        draw = from_mapping(Draw, record["drawn"]["draw"], "draw")
        return Pair(layers, draw, float(record["magnification"]))


def read_array(file: Path, name: str, row: int) -> np.ndarray:
    """One array of one sample of a shard.

    Raises:
        ValueError: the shard holds none of that name, or is damaged.
    """
    try:
        with safe_open(file, framework="numpy") as tensors:
            if name not in tensors.keys():  # noqa: SIM118 - it is no dict
                held = ", ".join(tensors.keys())
                raise ValueError(f"arrays: {file.parent.name} holds no {name!r}; it holds {held}")
            return tensors.get_slice(name)[row]
    except (OSError, SafetensorError) as error:
        raise ValueError(f"dataset: {file} cannot be read ({one_line(error, 80)})") from None


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"dataset: {path} cannot be read ({one_line(error, 80)})") from None


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all files of a shard have the size they were written with."""
    # Cheaper than waiting for the disk at every sample, and sees what power failures leave.
    try:
        sizes = json.loads((folder / SHARD).read_text(encoding="utf-8")).get("sizes", {})
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False
