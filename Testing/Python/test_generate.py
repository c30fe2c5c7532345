"""Data sets: what a sample holds, that its record gives it again, that any end can be resumed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_data_set import contents, limb_source, small_data_set, write_limbs

from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.generation.config import GenerateConfig, read_generate_config
from BoneXrayTrainingLib.generation.header import read_header
from BoneXrayTrainingLib.generation.plan import estimated_bytes
from BoneXrayTrainingLib.generation.replay import replay
from BoneXrayTrainingLib.generation.run import generate, planned
from BoneXrayTrainingLib.generation.store import PairStore
from BoneXrayTrainingLib.pairs import TISSUES, Pair, PairConfig


@pytest.fixture(scope="module")
def root(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Limbs a, b and c; a has landmarks and labels beside it."""
    folder = write_limbs(tmp_path_factory.mktemp("cts"), limb, "abc")
    i, j, k = (n // 2 for n in limb.hu.shape[::-1])
    middle = (limb.ijk_to_ras @ [i, j, k, 1])[:3]
    points = {"middle": middle.tolist(), "far": [900.0, 0.0, 0.0]}
    (folder / "a.landmarks.json").write_text(json.dumps({"frame": "RAS mm", "points": points}))
    labels = np.zeros(limb.hu.shape, np.uint8)
    bone = limb.hu > 200
    labels[: k + 1][bone[: k + 1]] = 3
    labels[k + 1 :][bone[k + 1 :]] = 7
    write_image_file(folder / "a-bones.nii.gz", labels, limb.ijk_to_ras)
    return folder


@pytest.fixture(scope="module")
def config(root: Path, tmp_path_factory: pytest.TempPathFactory) -> GenerateConfig:
    return small_data_set(root, tmp_path_factory.mktemp("whole") / "set", "ab")


@pytest.fixture(scope="module")
def whole(config: GenerateConfig) -> PairStore:
    """The samples of limbs a and b, made in one go."""
    made = generate(config, workers=1)
    assert (made.samples, made.made, made.problems, made.stopped) == (6, 6, [], "")
    return PairStore(config.output)


def stop_after(samples: int) -> Callable[[], bool]:
    """`is_cancelled` that comes true once that many looks were taken."""
    looks = iter(range(samples))
    return lambda: next(looks, None) is None


def test_the_layers_of_a_sample_add_up_to_its_radiograph_and_bones_to_its_bones(
    whole: PairStore,
) -> None:
    for number in range(len(whole)):
        full, bone, layers = (
            whole.array(number, name).astype(np.float32) for name in ("full", "bone", "layers")
        )
        assert full.max() > 0.3
        assert np.abs(layers.sum(0) - full).max() <= 3e-3 * full.max()  # half precision
        assert np.array_equal(layers[TISSUES.index("bone")], bone)


def test_a_landmark_on_a_dense_bead_falls_on_the_brightest_pixel(
    limb: Volume, tmp_path: Path
) -> None:
    hu = limb.hu.copy()
    k, j, i = (n // 2 for n in hu.shape)
    hu[k, j, i] = 32000
    write_image_file(tmp_path / "bead.nrrd", hu, limb.ijk_to_ras)
    at = (limb.ijk_to_ras @ [i, j, k, 1])[:3]
    markup = {
        "coordinateSystem": "LPS",
        "controlPoints": [{"label": "bead", "position": [-at[0], -at[1], at[2]]}],
    }
    (tmp_path / "bead.mrk.json").write_text(json.dumps({"markups": [markup]}))
    pairs = PairConfig(size=96, field_of_view=(1.0, 1.2))
    config = small_data_set(tmp_path, tmp_path / "set", "", ct=(limb_source("bead"),), pairs=pairs)
    generate(config, workers=1)
    store = PairStore(config.output)
    for number in range(len(store)):
        full = store.array(number, "full")
        brightest = np.unravel_index(full.argmax(), full.shape)
        voxel = 4.0 * 1.5 / store.record(number)["drawn"]["draw"]["pixel"]
        found = store.record(number)["landmarks"]["bead"]
        assert found == pytest.approx(brightest, abs=0.5 + 0.5 * voxel)


def test_landmarks_lie_beside_their_ct_and_another_ct_has_none(whole: PairStore) -> None:
    assert set(whole.record(0)["landmarks"]) == {"middle", "far"}
    assert whole.record(3)["landmarks"] == {}


def test_a_record_alone_replays_its_sample_bit_for_bit(whole: PairStore, root: Path) -> None:
    for number in (1, 4):
        found = replay(whole.record(number), root)
        assert found.differing == ()
        for name, array in found.sample.arrays.items():
            assert np.array_equal(array, whole.array(number, name)), name


def test_a_replay_tells_another_seed_and_another_ct(whole: PairStore, root: Path) -> None:
    record = whole.record(0)
    record["config"]["seed"] = 2
    assert replay(record, root).differing == ("draw from the seed",)
    record = whole.record(0)
    record["source"]["path"] = "b.nrrd"
    with pytest.raises(ValueError, match="not what the sample was made of"):
        replay(record, root)


def test_a_sample_depends_on_seed_ct_and_number_only(
    whole: PairStore, config: GenerateConfig, tmp_path: Path
) -> None:
    more = dataclasses.replace(config, output=str(tmp_path / "more"), draws=4, shard=3)
    generate(more, workers=1)
    other = PairStore(more.output)
    assert [p.name for p in other.places[:3]] == [p.name for p in whole.places[:3]]
    for number in range(3):
        assert other.record(number)["drawn"] == whole.record(number)["drawn"]
        assert np.array_equal(other.array(number, "layers"), whole.array(number, "layers"))


@pytest.mark.parametrize("looks", [0, 1, 3, 5, 6])
def test_a_run_that_was_stopped_goes_on_to_the_same_data_set(
    looks: int, whole: PairStore, config: GenerateConfig, tmp_path: Path, monkeypatch
) -> None:
    for rest in ("LOOK_EVERY_S", "REST"):  # the run looks whenever it may
        monkeypatch.setattr(f"BoneXrayTrainingLib.generation.watch.{rest}", 0.0)
    output = tmp_path / "set"
    first = generate(config, output, workers=1, is_cancelled=stop_after(looks))
    assert first.stopped == "interrupted"
    assert first.samples < 6
    assert not read_header(output)["complete"]
    assert not [p for p in output.rglob(".*")], "nothing half-written stays"
    again = generate(config, output, workers=1, resume=True, is_cancelled=stop_after(1))
    assert again.stopped == "interrupted"
    assert again.problems == []
    last = generate(config, output, workers=1, resume=True)
    assert first.made + again.made + last.made == 6, "nothing lost, nothing repeated"
    assert contents(output) == contents(whole.folder)
    assert read_header(output)["complete"]


def test_what_a_killed_run_left_half_written_is_dropped_and_made_anew(
    whole: PairStore, config: GenerateConfig, tmp_path: Path
) -> None:
    output = tmp_path / "set"
    generate(config, output, workers=1)
    torn = output / "shards" / "ct00001-000002-0001"
    torn.rename(torn.with_name(f".{torn.name}-x1"))
    (torn.with_name(f".{torn.name}-x1") / "shard.json").unlink()
    cut = output / "shards" / "ct00000-000000-0002" / "000001.json"
    cut.write_bytes(cut.read_bytes()[:100])  # as a power failure may leave it
    others = output / "shards" / ".of-another-program"
    others.mkdir()
    assert generate(config, output, workers=1, resume=True).made == 1 + 2
    assert others.is_dir()
    assert contents(output) == contents(whole.folder)


def test_going_on_with_another_configuration_or_another_ct_is_refused(
    config: GenerateConfig, whole: PairStore
) -> None:
    with pytest.raises(ValueError, match="exists already; --resume it"):
        generate(config, workers=1)
    with pytest.raises(ValueError, match="seed: got 9; expected that of the data set"):
        generate(dataclasses.replace(config, seed=9), workers=1, resume=True)
    fewer = dataclasses.replace(config, ct=config.ct[:1])
    with pytest.raises(ValueError, match=r"ct: 1 CTs differs from .* \(2 CTs\)"):
        generate(fewer, workers=1, resume=True)


def test_a_data_set_of_an_earlier_version_that_knew_fewer_entries_is_gone_on_with(
    config: GenerateConfig, whole: PairStore, tmp_path: Path
) -> None:
    output = shutil.copytree(whole.folder, tmp_path / "earlier")
    header = json.loads((output / "dataset.json").read_text())
    for source in header["sources"]:
        del source["label_names"], source["mesh"]["own_turn"], source["mesh"]["towards"]["apart"]
    (output / "dataset.json").write_text(json.dumps(header))
    assert generate(config, output, workers=1, resume=True).made == 0


def test_a_ct_that_changed_since_is_left_out_and_named(root: Path, tmp_path: Path) -> None:
    cts = tmp_path / "cts"
    cts.mkdir()
    for name in "ab":
        (cts / f"{name}.nrrd").write_bytes((root / f"{name}.nrrd").read_bytes())
    config = small_data_set(cts, tmp_path / "set", "ab")
    generate(config, workers=1)
    (cts / "a.nrrd").write_bytes((root / "c.nrrd").read_bytes())
    (tmp_path / "set" / "shards" / "ct00000-000000-0002" / "shard.json").unlink()
    for path in (tmp_path / "set" / "shards" / "ct00000-000000-0002").iterdir():
        path.unlink()
    (tmp_path / "set" / "shards" / "ct00000-000000-0002").rmdir()
    again = generate(config, workers=1, resume=True)
    assert again.made == 0
    assert [path for path, _ in again.problems] == ["a.nrrd"]
    assert "changed since" in again.problems[0][1]


def test_a_bad_ct_is_reported_and_the_others_are_made(root: Path, tmp_path: Path) -> None:
    (root / "bad.nrrd").write_text("no CT")
    config = small_data_set(root, tmp_path / "set", "a", ct=tuple(
        limb_source(name) for name in ("bad", "a", "nowhere")
    ))  # fmt: skip
    made = generate(config, workers=1)
    assert made.samples == 3
    assert [path for path, _ in made.problems] == ["bad.nrrd", "nowhere.nrrd"]
    sources = read_header(config.output)["sources"]
    assert "not a readable image file" in sources[0]["problem"]
    assert "not found" in sources[2]["problem"]
    assert sources[1]["samples"] == 3
    alone = dataclasses.replace(config, ct=config.ct[:1])
    with pytest.raises(ValueError, match="none of 1 could be used"):
        generate(alone, tmp_path / "alone", workers=1)


def test_the_estimate_is_above_what_is_written_but_not_by_much(
    whole: PairStore, config: GenerateConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, pairs=dataclasses.replace(config.pairs, size=128))
    made = generate(config, tmp_path / "set", workers=1)
    estimate = estimated_bytes(planned(config, tmp_path)) / 1e9
    assert 0.85 * estimate < made.gb <= estimate


def test_a_data_set_beyond_its_budget_is_refused_before_anything_is_read(
    config: GenerateConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"max_gb: got 1e-05; the data set would take .* GB"):
        generate(dataclasses.replace(config, max_gb=1e-5), tmp_path / "set", workers=1)
    assert not (tmp_path / "set").exists()


def test_a_budget_that_is_reached_all_the_same_ends_the_run_cleanly(
    config: GenerateConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("BoneXrayTrainingLib.generation.watch.LOOK_EVERY_S", 0.0)
    monkeypatch.setattr("BoneXrayTrainingLib.generation.run.estimated_bytes", lambda jobs: 0)
    tight = dataclasses.replace(config, max_gb=3e-5)
    made = generate(tight, tmp_path / "set", workers=1)
    assert "max_gb" in made.stopped
    assert 0 < made.samples < 6
    assert generate(config, tmp_path / "set", workers=1, resume=True).samples == 6


def test_labelled_bones_become_layers_of_their_own(root: Path, tmp_path: Path) -> None:
    labelled = limb_source("a", labels="a-bones.nii.gz", structures=(3, 7, 9))
    config = small_data_set(root, tmp_path / "set", "a", ct=(labelled,))
    generate(config, workers=1)
    store = PairStore(config.output)
    assert store.layers(0) == (*TISSUES[:-1], "label 3", "label 7")
    layers, bone = (store.array(0, name).astype(np.float32) for name in ("layers", "bone"))
    assert layers[-1].max() > 0.05
    assert layers[-2].max() > 0.05
    assert layers[-2:].sum(0) == pytest.approx(bone, abs=3e-3)
    pair = store.pair(0)
    assert isinstance(pair, Pair)
    assert pair.layers.shape == (len(TISSUES), 32, 32), "as the trainer takes it"


def test_views_are_drawn_in_turn_and_variants_are_other_patients(
    root: Path, tmp_path: Path
) -> None:
    config = small_data_set(
        root, tmp_path / "set", "c", ct=(limb_source("c", variants=2),), views=("AP", "LAT-L")
    )
    generate(config, workers=1)
    store = PairStore(config.output)
    records = [store.record(n) for n in range(len(store))]
    assert [r["drawn"]["draw"]["view"] for r in records] == ["AP", "LAT-L"] * 3
    assert [r["shard"]["variant"] for r in records] == [0, 0, 0, 1, 1, 1]
    assert replay(records[4], root).differing == ()
    records[4]["shard"]["variant"] = 0
    assert "layers" in replay(records[4], root).differing


def test_the_command_makes_replays_and_tells_a_program_how_far_it_is(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = tmp_path / "set.toml"
    toml.write_text(
        'draws = 2\n[[ct]]\npath = "[ab].nrrd*"\npatient = "p-*"\nlicence = "MIT"\n'
        "[pairs]\nsize = 32\n"
    )
    words = ["generate", str(toml), "-o", str(tmp_path / "set"), "--data-root", str(root)]
    assert main([*words, "--workers", "1", "--json-progress"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["stage"] == "result"
    assert lines[-1]["message"].startswith("Data set: 4 of 4 samples, 4 of them new")
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions)
    assert {r["patient"] for r in read_header(tmp_path / "set")["sources"]} == {"p-a", "p-b"}
    record = tmp_path / "set" / "shards" / "ct00000-000000-0002" / "000001.json"
    assert main(["generate", "replay", str(record)]) == 0
    assert "bit for bit" in capsys.readouterr().out
    data = json.loads(record.read_text())
    data["arrays"]["full"]["sha256"] = "0"
    record.write_text(json.dumps(data))
    assert main(["generate", "replay", str(record)]) == 2
    assert "full came out otherwise" in capsys.readouterr().err


def test_a_pattern_that_matches_nothing_and_an_unknown_entry_are_named(tmp_path: Path) -> None:
    toml = tmp_path / "set.toml"
    entry = '[[ct]]\npath = "*.nrrd"\npatient = "*"\nlicence = "MIT"\n'
    toml.write_text(f'data_root = "{tmp_path.as_posix()}"\n{entry}')
    with pytest.raises(ValueError, match=r"\*\.nrrd matches nothing"):
        read_generate_config(toml)
    toml.write_text(f"{entry}[exposure]\nkvp = 80\n")
    with pytest.raises(ValueError, match="unknown 'exposure'"):
        read_generate_config(toml)
