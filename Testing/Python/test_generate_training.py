"""Training on a data set in place of CTs: the same samples reach the network, and it resumes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_data_set import small_data_set, write_limbs
from small_run import NETWORK, small_config

from BoneXrayLib.radiograph import read_radiograph
from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.exporting.export import export
from BoneXrayTrainingLib.generation.config import SplitConfig
from BoneXrayTrainingLib.generation.pool import StorePool
from BoneXrayTrainingLib.generation.run import generate
from BoneXrayTrainingLib.learning.configuration import TrainConfig, on_dataset, read_config
from BoneXrayTrainingLib.learning.trainer import train
from BoneXrayTrainingLib.pairs import PairConfig, make_pair
from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig
from BoneXrayTrainingLib.sampling.dataset import load_source
from BoneXrayTrainingLib.sampling.pool import make_batch

PAIRS = PairConfig(size=64)
FIRST = "ct00000-000000-0002"


@pytest.fixture(scope="module")
def made(limb: Volume, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Limb a to train, b to validate, c to test with."""
    base = tmp_path_factory.mktemp("training")
    root = write_limbs(base / "cts", limb, "abc")
    split = SplitConfig(validation=("b",), test=("c",))
    generate(small_data_set(root, base / "set", "abc", split=split, pairs=PAIRS), workers=1)
    return base / "set"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "set"))


def config_on(folder: Path, run: Path, **fields: object) -> TrainConfig:
    """Six steps on a data set, its CTs nowhere."""
    few = {"steps": 6, "checkpoint_every": 2, "validate_every": 3, "average": 0.9, **fields}
    small = small_config(Path("nowhere/none.nrrd"), run, **few)
    return dataclasses.replace(small, ct=(), pairs=PairConfig(), dataset=str(folder))


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint."""
    files = sorted(checkpoint.glob("*.safetensors"))
    return {f"{p.stem} {n}": t for p in files for n, t in load_file(p).items()}


def figures(run: Path) -> list[dict]:
    """What the log says of the steps, without the times."""
    names = ("step", "loss", "samples", "validation_psnr")
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: r[name] for name in names if name in r} for r in records if r["step"]]


def test_the_data_set_says_which_cts_it_came_from_and_keeps_those_of_the_test_out(
    made: Path, tmp_path: Path
) -> None:
    config = on_dataset(config_on(made, tmp_path / "run"))
    assert [(s.path, s.patient, s.licence) for s in config.ct] == [
        ("a.nrrd", "a", "MIT"), ("b.nrrd", "b", "MIT")
    ]  # fmt: skip
    assert config.validation == ("b",)
    assert config.pairs == PAIRS
    assert on_dataset(config) == config, "what a run wrote down reads back"


def test_the_network_gets_the_sample_that_projecting_while_it_trains_would_give(
    made: Path, tmp_path: Path
) -> None:
    pool = StorePool(made, "train")
    config = on_dataset(config_on(made, tmp_path / "run"))
    parts = load_source(config.ct[0], made.parent / "cts", 1)
    drawn = {pool.draw(np.random.default_rng(n)).draw for n in range(20)}
    assert len(drawn) == len(pool.held(0)) == 3, "all of limb a, none of the others"
    for number in pool.held(0):
        pair = pool.store.pair(number)
        assert np.array_equal(pair.layers, make_pair(parts, pair.draw).layers)
    one, two = (
        make_batch(pool, 4, config.augmentation, np.random.default_rng(3), n) for n in (0, 9)
    )
    assert torch.equal(one.channels, two.channels), "whatever was drawn before"
    assert one.target.max() > 0


def test_a_run_that_ended_without_a_checkpoint_and_resumed_is_the_same_bit_for_bit(
    made: Path, tmp_path: Path
) -> None:
    straight, broken = (config_on(made, tmp_path / name) for name in ("straight", "broken"))
    whole = tensors(train(straight))

    def killed(fraction: float, message: str) -> None:
        if message.startswith("step 5"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(broken, progress=killed)
    assert [p.name for p in (tmp_path / "broken").glob("checkpoint-*")] == ["checkpoint-00000004"]
    resumed = tensors(train(broken, resume=True))
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert figures(tmp_path / "broken") == figures(tmp_path / "straight")
    assert sum("validation_psnr" in record for record in figures(tmp_path / "straight")) == 2
    card = json.loads((export(tmp_path / "broken", tmp_path / "model") / "card.json").read_text())
    assert card["trained_on"]["sources"] == [{"name": "a", "licence": "MIT"}]


def test_the_command_trains_on_a_data_set_and_shows_pairs_of_it(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = tmp_path / "run.toml"
    toml.write_text(
        'name = "tiny"\nsteps = 1\nbatch = 1\nthreads = 1\npatience = 1\nvalidation = ["gone"]\n'
        '[[ct]]\npath = "gone.nrrd"\npatient = "gone"\nlicence = "MIT"\n[pairs]\nsize = 96\n'
        "[augmentation]\ncrop = 48\nscale = [0.9, 1.3]\n"
        "[network]\n" + "".join(f"{name} = {json.dumps(v)}\n" for name, v in NETWORK.items())
    )
    words = ["train", str(toml), "--dataset", str(made), "--run-folder", str(tmp_path / "run")]
    assert main([*words, "--preview", str(tmp_path / "pairs")]) == 0
    assert read_radiograph(tmp_path / "pairs" / "bones.nrrd").pixels.max() > 0
    assert not (tmp_path / "run").exists()
    assert main(words) == 0
    assert "Trained: step 1 of 1" in capsys.readouterr().out
    again = read_config(tmp_path / "run" / "config.json")
    assert (again.dataset, again.validation, again.pairs) == (str(made), ("b",), PAIRS)


def test_a_data_set_that_does_not_fit_the_configuration_is_refused_in_one_line(
    made: Path, tmp_path: Path
) -> None:
    config = config_on(made, tmp_path / "run")
    for fields, said in (
        ({"pairs": PairConfig(size=96)}, r"^pairs\.size: got 96; expected 64, which .* or no"),
        ({"validation": ("a",)}, "^validation: set beside dataset; expected none, or those of"),
        ({"augmentation": AugmentationConfig(crop=64)}, r"64 pixels a side; expected at least 77"),
        ({"dataset": str(tmp_path)}, r"holds no readable dataset\.json"),
    ):
        with pytest.raises(ValueError, match=said) as raised:
            train(dataclasses.replace(config, **fields))
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pairing", "localizer", "pairs localizer; expected one made with pairing drr"),
        ("arrays", ["full", "bone"], "holds full, bone; expected layers, which training varies"),
    ],
)
def test_a_data_set_without_what_training_varies_is_refused(
    field: str, value: object, said: str, folder: Path, tmp_path: Path
) -> None:
    header = json.loads((folder / "dataset.json").read_text())
    header["config"][field] = value
    (folder / "dataset.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match=said):
        train(config_on(folder, tmp_path / "run"))


def test_a_missing_cut_or_damaged_shard_is_named_in_one_line(
    made: Path, folder: Path, tmp_path: Path
) -> None:
    config, shard = config_on(folder, tmp_path / "run"), folder / "shards" / FIRST
    content = bytearray((shard / "arrays.safetensors").read_bytes())
    content[-9] ^= 1
    (shard / "arrays.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{FIRST}.* is damaged \(its SHA-256 differs\)"):
        train(config)
    (shard / "arrays.safetensors").write_bytes(content[:-1])
    with pytest.raises(ValueError, match=rf"{FIRST} is damaged; make it again with bone-xray gen"):
        train(config)
    shutil.rmtree(shard)
    with pytest.raises(ValueError, match=r"misses 2 of 3 samples of a\.nrrd; make them again"):
        train(config)
    shutil.copytree(made / "shards" / FIRST, shard)
    assert train(config).name == "checkpoint-00000006"


def test_a_run_is_not_resumed_with_other_samples_than_it_began_with(
    folder: Path, made: Path, tmp_path: Path
) -> None:
    config = config_on(folder, tmp_path / "run", steps=1)
    train(config)
    moved = dataclasses.replace(config, dataset=str(made), steps=2)
    assert train(moved, resume=True).name == "checkpoint-00000002", "the same, elsewhere"
    more = small_data_set(made.parent / "cts", tmp_path / "more", "a", draws=4, pairs=PAIRS)
    generate(more, workers=1)
    with pytest.raises(ValueError, match="expected the samples that the run to be resumed began"):
        train(dataclasses.replace(config, dataset=more.output), resume=True)
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    written.update(dataset=more.output, ct=[], validation=[])
    (tmp_path / "again.json").write_text(json.dumps(written))
    with pytest.raises(ValueError, match="has other samples than those the run began with"):
        read_config(tmp_path / "again.json")
