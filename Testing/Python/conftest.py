"""What several test files share: a CT without patients, and a cache of their own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file

REPOSITORY = Path(__file__).parents[2]
MOST_UNCOLLECTED = 200_000


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Files in an order in which kernels are compiled once."""
    from file_order import KernelsOnce

    return KernelsOnce(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What all tests import stays: no later collection looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Samples are cached away from the user's own; no test fetches over the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEXRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("PIP_NO_INDEX", "1")
        yield


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Cycles are collected here once the stand-in's window has stopped Python from doing it."""
    yield
    if not gc.isenabled() and gc.get_count()[0] > MOST_UNCOLLECTED:
        gc.collect()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top folder of the project."""
    return REPOSITORY


@pytest.fixture(scope="session")
def limb() -> Volume:
    """The synthetic limb, coarse: quick to project."""
    return synthetic_limb(4.0)


@pytest.fixture(scope="session")
def limb_file(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The limb as a NRRD file."""
    path = tmp_path_factory.mktemp("limb") / "limb.nrrd"
    write_image_file(path, limb.hu, limb.ijk_to_ras)
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20260101)
