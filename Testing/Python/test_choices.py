"""CTs chosen one by one become a configuration that reads back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from BoneXrayTrainingLib.choices import (
    cts_in_folder,
    is_dataset,
    plain_name,
    write_choice,
    write_dataset_choice,
)
from BoneXrayTrainingLib.learning.configuration import read_config

TEMPLATE = """
name = "tiny"
patience = 3
validation = ["b"]
[[ct]]
path = "a.nii.gz"
patient = "a"
licence = "MIT"
[[ct]]
path = "b.nii.gz"
patient = "b"
licence = "MIT"
[loss]
perceptual_weights = "features.npz"
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TEMPLATE)
    return path


def test_chosen_cts_replace_those_of_the_template(template: Path, tmp_path: Path) -> None:
    path = write_choice(tmp_path / "run", template, tmp_path / "d", ["ö 1.nrrd", "2"], "2", "CC0")
    config = read_config(path)
    assert [(c.path, c.patient, c.licence) for c in config.ct] == [
        ("ö 1.nrrd", "ö 1.nrrd", "CC0"), ("2", "2", "CC0")
    ]  # fmt: skip
    assert (config.validation, config.patience) == (("2",), 3)
    assert (config.data_root, config.run) == (str(tmp_path / "d"), str(tmp_path / "run"))
    assert config.loss.perceptual_weights == "", "a file that is not among these data"
    (tmp_path / "features.npz").touch()
    kept = read_config(write_choice(tmp_path / "run", template, tmp_path, ["1", "2"]))
    assert kept.loss.perceptual_weights == "features.npz"
    assert (kept.validation, kept.patience) == ((), 0), "nobody is kept out to be patient for"


@pytest.mark.parametrize(("watched", "patience"), [(3, 3), (0, 0)])
def test_a_data_set_takes_the_place_of_the_templates_cts_and_poses(
    watched: int, patience: int, template: Path, tmp_path: Path
) -> None:
    template.write_text(template.read_text() + "[pairs]\nsize = 96\n")
    dataset = tmp_path / "set"
    dataset.mkdir()
    assert not is_dataset(dataset)
    with pytest.raises(ValueError, match=r"set holds no readable dataset\.json"):
        write_dataset_choice(tmp_path / "run", template, dataset)
    (dataset / "dataset.json").write_text(json.dumps({"samples": {"validation": watched}}))
    assert is_dataset(dataset)
    written = json.loads(write_dataset_choice(tmp_path / "run", template, dataset).read_text())
    assert written["dataset"] == str(dataset)
    assert {"ct", "validation", "pairs"}.isdisjoint(written)
    assert (written["name"], written["patience"]) == ("tiny", patience)


def test_a_template_that_is_no_toml_is_named(template: Path, tmp_path: Path) -> None:
    template.write_text("[")
    with pytest.raises(ValueError, match=r"config: .*tiny\.toml is no TOML file"):
        write_choice(tmp_path / "run", template, tmp_path, ["1"])


def test_hidden_files_and_folders_without_slices_are_no_cts(tmp_path: Path) -> None:
    for name in ("ct.nii", ".hidden.nii", "table.csv", "series/IM0001", "empty/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert cts_in_folder(tmp_path) == ["ct.nii", "series"]
    assert cts_in_folder(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "plain"), [("Left leg, 2", "Left-leg-2"), ("../x", "x"), ("", "CT")]
)
def test_a_name_becomes_one_that_files_and_models_may_have(text: str, plain: str) -> None:
    assert plain_name(text) == plain
