"""Chests on pelves: one column, one body, the bones of both, none of them twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_run import small_config

from BoneXrayLib.bone import Parts
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.learning.processes import Processes
from BoneXrayTrainingLib.learning.run_pools import make_pools
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.pairs import TISSUES, PairConfig
from BoneXrayTrainingLib.preview import shown_patients
from BoneXrayTrainingLib.sources import CtSource
from BoneXrayTrainingLib.stacking import (
    CLEAR_MM,
    VOXEL_MM,
    StackConfig,
    stacked,
    stacked_patients,
)

BONES = ("vertebrae", "ribs left", "hip bone left")
NAMES = (*TISSUES, *BONES)
LEAN, COLUMN, RIBS, HIP = (NAMES.index(n) for n in ("lean", *BONES))
SHAPE = (60, 50, 80)
"""Slices of 3 mm, rows and columns of 3 mm."""


def trunk(width: float, depth: float, column: tuple[float, float], bone: int, at: slice) -> Parts:
    """An elliptic body (diameters in mm) with a column at (A, R) mm from its middle and a bone."""
    a, r = (np.arange(n) * 3.0 - (n - 1) * 1.5 for n in SHAPE[1:])
    body = (a[:, None] / (depth / 2)) ** 2 + (r[None] / (width / 2)) ** 2 < 1
    spine = np.hypot(a[:, None] - column[0], r[None] - column[1]) < 15.0
    part = np.zeros(SHAPE, np.uint8)
    part[:, body] = LEAN
    part[:, spine & body] = COLUMN
    side = (np.abs(a[:, None]) < 12.0) & (np.abs(r[None] + width / 4) < 12.0)
    part[at, side & body] = bone
    hu = np.where(part == 0, -1000, np.where(part == LEAN, 40, 400)).astype(np.int16)
    matrix = np.diag([3.0, 3.0, 3.0, 1.0])
    matrix[:3, 3] = -1.5 * (np.array(SHAPE[::-1]) - 1)
    return Parts(hu, matrix, part, None, NAMES)


@pytest.fixture(scope="module")
def chest() -> Parts:
    return trunk(180.0, 140.0, (-40.0, 10.0), RIBS, slice(20, 60))


@pytest.fixture(scope="module")
def pelvis() -> Parts:
    return trunk(230.0, 110.0, (-20.0, -15.0), HIP, slice(0, 25))


def middles(parts: Parts, number: int) -> np.ndarray:
    """Middle of a part in each slice that shows it, (slices, 2) mm."""
    shown = (part for part in parts.part == number if part.any())
    return np.array([np.argwhere(part).mean(axis=0) * VOXEL_MM for part in shown])


def test_the_column_goes_through_without_a_step(chest: Parts, pelvis: Parts) -> None:
    for seed in range(2):
        made = stacked(chest, pelvis, np.random.default_rng(seed))
        line = middles(made, COLUMN)
        assert len(line) == len(made.hu)
        assert np.abs(np.diff(line, axis=0)).max() < 1.5 * VOXEL_MM


def test_both_bodies_are_equally_wide_at_the_cut_and_as_they_were_far_from_it(
    chest: Parts, pelvis: Parts
) -> None:
    made = stacked(chest, pelvis, np.random.default_rng(1))
    width = (made.part > 0).any(axis=1).sum(axis=1)[2:-2] * VOXEL_MM
    assert np.abs(np.diff(width)).max() <= 4 * VOXEL_MM
    assert width[0] == pytest.approx(230.0, abs=8.0)
    assert width[-1] == pytest.approx(180.0, abs=8.0)


def test_bones_of_both_are_there_in_their_order_with_room_between(
    chest: Parts, pelvis: Parts
) -> None:
    for seed in range(2):
        made = stacked(chest, pelvis, np.random.default_rng(seed))
        ribs, hip = (np.flatnonzero((made.part == n).any(axis=(1, 2))) for n in (RIBS, HIP))
        assert len(hip) * VOXEL_MM == pytest.approx(75.0, abs=2 * VOXEL_MM)
        assert (ribs[0] - hip[-1]) * VOXEL_MM >= CLEAR_MM - VOXEL_MM
        assert made.hu[made.part == RIBS].min() >= 400


def test_the_seed_says_where_they_are_cut(chest: Parts, pelvis: Parts) -> None:
    first, again, other = (stacked(chest, pelvis, np.random.default_rng(n)) for n in (1, 1, 2))
    assert np.array_equal(first.part, again.part)
    assert first.part.shape != other.part.shape


def test_a_patient_that_lies_otherwise_in_the_file_gives_the_same(
    chest: Parts, pelvis: Parts
) -> None:
    turned = dataclasses.replace(
        chest,
        hu=np.ascontiguousarray(chest.hu[::-1, :, ::-1]),
        part=np.ascontiguousarray(chest.part[::-1, :, ::-1]),
        ijk_to_ras=np.diag([-1.0, 1.0, -1.0, 1.0]) @ chest.ijk_to_ras,
    )
    straight, made = (stacked(p, pelvis, np.random.default_rng(1)) for p in (chest, turned))
    assert (straight.part == made.part).mean() > 0.99


def test_what_cannot_be_joined_is_refused_in_a_line(chest: Parts, pelvis: Parts) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match=r"^stacks.lower: anna has other bones up to the end"):
        stacked(pelvis, chest, rng, names=("paul", "anna"))
    bare = dataclasses.replace(chest, part=np.where(chest.part == COLUMN, LEAN, chest.part))
    with pytest.raises(ValueError, match=r"^stacks: paul has no vertebrae; expected a column"):
        stacked(bare, pelvis, rng, names=("paul", "anna"))
    with pytest.raises(ValueError, match="expected the same parts with sternum"):
        stacked(chest, pelvis, rng, along="sternum")


def test_as_much_is_kept_of_the_upper_one_as_is_asked_for(chest: Parts, pelvis: Parts) -> None:
    whole, part = (
        stacked(chest, pelvis, np.random.default_rng(1), above_mm=mm) for mm in (np.inf, 60.0)
    )
    cut = len(part.hu) - round(60.0 / VOXEL_MM)
    assert len(whole.hu) > len(part.hu)
    for bone in (COLUMN, RIBS):
        kept, all_of_it = ((p.part == bone).sum(axis=(1, 2)) for p in (part, whole))
        assert np.array_equal(kept[cut:], all_of_it[cut : len(part.hu)])


def test_abdomens_end_below_the_others(chest: Parts, pelvis: Parts) -> None:
    known = [
        (CtSource(path=f"{name}.nii", patient=name, licence="MIT"), parts)
        for name, parts in (("a", chest), ("x", pelvis))
    ]
    config = StackConfig(upper=("a",), lower=("x",), patients=2, abdomens=1.0)
    short = stacked_patients(config, known, 1, 0.0)
    whole = stacked_patients(dataclasses.replace(config, abdomens=0.0), known, 1, 0.0)
    mean = [np.mean([len(parts.hu) for _, parts in made]) for made in (short, whole)]
    assert mean[0] < mean[1]


def test_each_upper_patient_meets_each_lower_one(chest: Parts, pelvis: Parts) -> None:
    def named(name: str) -> CtSource:
        return CtSource(path=f"{name}.nii", patient=name, licence="MIT")

    known = [(named(name), chest) for name in "ab"] + [(named(name), pelvis) for name in "xy"]
    config = StackConfig(upper=("a", "b"), lower=("x", "y"), patients=4, share=2.0)
    made = list(stacked_patients(config, known, 1, 0.0))
    assert [source.patient for source, _ in made] == ["a+x", "b+x", "a+y", "b+y"]
    assert sum(source.share for source, _ in made) == 2.0
    assert not list(stacked_patients(StackConfig(), known, 1, 0.0))


@pytest.fixture
def trained_on(chest: Parts, pelvis: Parts, tmp_path: Path) -> Callable[..., TrainConfig]:
    """A run's configuration for a chest and a pelvis in files."""
    sources = []
    for name, parts in (("chest", chest), ("pelvis", pelvis)):
        labels = np.where(parts.part >= COLUMN, parts.part - np.uint8(COLUMN - 1), 0)
        write_image_file(tmp_path / f"{name}.nrrd", parts.hu, parts.ijk_to_ras)
        write_image_file(tmp_path / f"{name}-labels.nrrd", labels, parts.ijk_to_ras)
        numbers = {bone: (str(n),) for n, bone in enumerate(BONES, start=1)}
        sources.append(
            CtSource(f"{name}.nrrd", name, "MIT", labels=f"{name}-labels.nrrd", names=numbers)
        )

    def config(**fields: Any) -> TrainConfig:
        stacks = {"upper": ("chest",), "lower": ("pelvis",), "patients": 1, "share": 1e6}
        return small_config(
            tmp_path / "chest.nrrd",
            tmp_path / "run",
            ct=tuple(sources),
            task="segment",
            structures=BONES,
            pairs=PairConfig(size=64, deformation=0.0),
            network={"name": "unet", "in_channels": 3, "out_channels": 3,
                     "channels": [4, 4, 8, 8, 8, 4]},
            stacks=StackConfig(**(stacks | fields)),
        )  # fmt: skip

    return config


def test_a_run_draws_images_with_the_bones_of_both(
    trained_on: Callable[..., TrainConfig],
) -> None:
    told: list[str] = []

    def tell(_: float, message: str) -> None:
        told.append(message)

    pool, _ = make_pools(trained_on(), Processes(0, 1, torch.device("cpu")), tell)
    pair = pool.draw(np.random.default_rng(1))
    assert pair.structures == BONES
    assert all((layer > 0.05).any() for layer in pair.layers[len(TISSUES) :])
    assert pair.draw.source.startswith("chest+pelvis")
    assert told[-1] == "putting together patient 1 of 1"


def test_a_run_can_be_cancelled_while_it_reads_and_puts_together(
    trained_on: Callable[..., TrainConfig],
) -> None:
    config, told = trained_on(patients=3), []

    def tell(_: float, message: str) -> None:
        told.append(message)

    def is_cancelled() -> bool:
        return bool(told) and told[-1].startswith("putting together patient 2")

    alone = Processes(0, 1, torch.device("cpu"))
    with pytest.raises(Cancelled):
        make_pools(config, alone, tell, is_cancelled)
    assert told[-1] == "putting together patient 2 of 3"
    with pytest.raises(Cancelled):
        train(config, is_cancelled=lambda: True)
    assert not Path(config.run).exists()


def test_a_preview_ends_with_a_patient_put_together(
    trained_on: Callable[..., TrainConfig],
) -> None:
    def shown(config: TrainConfig) -> list[str]:
        return [source.patient for source, _ in shown_patients(config)]

    assert shown(trained_on()) == ["chest", "pelvis", "chest+pelvis"]
    assert shown(trained_on(patients=0)) == ["chest", "pelvis"]


def test_stacks_of_patients_who_are_not_trained_on_are_refused(
    trained_on: Callable[..., TrainConfig],
) -> None:
    with pytest.raises(ValueError, match=r"stacks.lower: got 'nobody'; expected patients that"):
        trained_on(lower=("nobody",))
    with pytest.raises(ValueError, match=r"stacks.along: got 'tail'; expected one of the struct"):
        trained_on(along="tail")
    with pytest.raises(ValueError, match="stacks: patients without upper and lower"):
        trained_on(lower=())
    with pytest.raises(ValueError, match=r"stacks.upper: got 'chest'; expected patients that"):
        dataclasses.replace(trained_on(), validation=("chest",))
