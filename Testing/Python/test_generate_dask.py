"""Workers: two make what one makes, a run killed in the middle goes on, a cluster is used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_data_set import contents, small_data_set, write_limbs

from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection.workers import THREADS, in_blocks
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.generation.run import generate
from BoneXrayTrainingLib.generation.schedule import crew, refuse_blind_workers

pytest.importorskip("distributed")
TOML = """
draws = 20
shard = 2
[[ct]]
path = "*.nrrd"
patient = "*"
licence = "MIT"
[pairs]
size = 32
"""


@pytest.fixture(scope="module")
def root(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_limbs(tmp_path_factory.mktemp("cts"), limb, "ab")


ALONE = """
import sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]
from small_data_set import small_data_set
from BoneXrayTrainingLib.generation.run import generate
generate(small_data_set(Path(sys.argv[1]), Path(sys.argv[2]), "ab"), workers=1)
"""
"""In a process of its own, as the workers have: what hundreds of tests left in this one, such as
the number of threads, may move the last bits of a sum."""


def test_two_workers_make_what_one_makes_to_the_bit(root: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", ALONE, str(root), str(tmp_path / "one"), *sys.path]
    subprocess.run(words, check=True, capture_output=True)
    config = small_data_set(root, tmp_path / "one", "ab")
    before = dict(os.environ)
    made = generate(config, tmp_path / "two", workers=2)
    assert made.samples == 6
    assert dict(os.environ) == before, "what Dask sets for its workers is not left here"
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_on_one_processor_blocks_of_work_stay_in_the_thread_that_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(THREADS, "1")
    done: list[tuple[int, int, int]] = []
    told: list[float] = []
    in_blocks(lambda a, b: done.append((a, b, threading.get_ident())), 10, 4, told.append)
    assert done == [(a, b, threading.get_ident()) for a, b in ((0, 4), (4, 8), (8, 10))]
    assert told == pytest.approx([1 / 3, 2 / 3, 1.0])
    with pytest.raises(Cancelled):
        in_blocks(lambda a, b: done.append((a, b, 0)), 10, 4, None, lambda: len(done) > 4)
    assert len(done) == 5, "it ends between two blocks"


def test_a_cluster_is_used_by_its_address_and_several_cts_may_share_a_process(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    monkeypatch.setenv(THREADS, "2")  # a cluster's workers change it
    config = small_data_set(root, tmp_path / "here", "ab")
    generate(config, workers=1)
    one_process = {"n_workers": 1, "threads_per_worker": 2, "processes": False}
    with LocalCluster(protocol="tcp://", dashboard_address=None, **one_process) as cluster:
        made = generate(config, tmp_path / "there", scheduler=cluster.scheduler_address)
        assert made.samples == 6
        assert contents(tmp_path / "here") == contents(tmp_path / "there")
        with (
            crew(None, cluster.scheduler_address, 1) as team,
            pytest.raises(ValueError, match="does not see /nowhere/at/all"),
        ):
            refuse_blind_workers(team, [Path("/nowhere/at/all")])


def test_a_run_killed_at_any_moment_loses_and_repeats_nothing(root: Path, tmp_path: Path) -> None:
    toml = tmp_path / "set.toml"
    toml.write_text(TOML)
    output = tmp_path / "set"
    words = [sys.executable, "-m", "BoneXrayTrainingLib", "generate", str(toml), "-o", str(output)]
    words += ["--data-root", str(root), "--workers", "1"]
    process = subprocess.Popen(words, env=os.environ)
    try:
        deadline = time.monotonic() + 120
        while len(list(output.glob("shards/ct*"))) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
            assert process.poll() is None, "it ended before it could be killed"
    finally:
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
    before = contents(output)
    there = {name.split("/")[0] for name in before if not name.startswith(".")}
    assert 5 <= len(there) < 20
    done = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"40 of 40 samples, {40 - 2 * len(there)} of them new" in done.stdout
    after = contents(output)
    assert all(after[n] == content for n, content in before.items() if not n.startswith("."))
    records = sorted(n.split("/")[1] for n in after if n.startswith("ct00001") and "/0" in n)
    assert records == [f"{n:06d}.json" for n in range(20)]


def test_an_address_where_nobody_answers_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("BoneXrayTrainingLib.generation.schedule.CONNECT_S", 0.3)
    with (
        pytest.raises(ValueError, match=r"^scheduler: tcp://127\.0\.0\.1:9 does not answer"),
        crew(None, "tcp://127.0.0.1:9", 1),
    ):
        pass
    with pytest.raises(ValueError, match="workers: got 0"), crew(0, None, 1):
        pass
