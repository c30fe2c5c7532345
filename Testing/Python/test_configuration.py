"""A TOML file becomes a configuration, or is refused with the name of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from BoneXrayTrainingLib.learning.configuration import read_config

GOOD = """
name = "tiny"
steps = 10
learning_rate = 1
validation = ["b"]
[[ct]]
path = "a.nii.gz"
patient = "a"
licence = "MIT"
bones = [1, 2]
crop = {k = [0, 0.5]}
[[ct]]
path = "b.nii.gz"
patient = "b"
licence = "CC0"
[pairs]
size = 64
beams = {cone = 1}
[augmentation]
crop = 64
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(GOOD)
    return path


def changed(file: Path, old: str, new: str) -> Path:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    return file


def test_nested_tables_lists_and_whole_numbers_for_floats_are_read(file: Path) -> None:
    config = read_config(file)
    assert config.learning_rate == 1.0
    assert isinstance(config.learning_rate, float)
    assert config.ct[0].bones == (1, 2)
    assert config.ct[0].crop == {"k": (0.0, 0.5)}
    assert config.pairs.beams == {"cone": 1.0}
    assert config.augmentation.crop == 64
    assert config.batch == 8, "what the file leaves out keeps its default"


def test_words_of_the_command_override_the_file_unless_they_are_none(file: Path) -> None:
    config = read_config(file, steps=3, run=None, data_root="elsewhere")
    assert (config.steps, config.data_root) == (3, "elsewhere")
    assert config.run == "runs/extract"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps =", "stepps =", "config: unknown 'stepps'; expected one of .*steps"),
        ("size = 64\n", "sizes = 64\n", r"config\.pairs: unknown 'sizes'"),
        ('path = "a.nii.gz"', "", r"config\.ct\[0\]: misses path"),
        ('name = "tiny"', "", "config: misses name"),
        ("steps = 10", 'steps = "ten"', r"config\.steps: got 'ten'; expected int"),
        ("steps = 10", "steps = true", r"config\.steps: got True; expected int"),
        ("steps = 10", "steps = 1.5", r"config\.steps: got 1\.5; expected int"),
        ("[0, 0.5]", "[0, 0.5, 1]", r"crop\.k: got 3 values; expected 2"),
        ("[0, 0.5]", "1", r"crop\.k: got 1; expected a list"),
        ("{cone = 1}", "1", r"config\.pairs\.beams: got 1; expected a table"),
        ("steps = 10", "steps = 0", "steps: got 0; expected at least 1"),
        ("steps = 10", "steps = 10\npairs = 3", "TOML"),
        ('validation = ["b"]', 'validation = ["c"]', r"validation: \['c'\] not among"),
        ('validation = ["b"]', 'validation = ["a", "b"]', "validation: holds every patient"),
        ("crop = 64", "crop = 60", "crop: got 60; expected a multiple of 16"),
        ("[0, 0.5]", "[0.9, 0.1]", r"a\.nii\.gz: crop: got k = .*; expected i, j or k, within 0"),
        ("{k = [0, 0.5]}", "{z = [0, 0.5]}", r"crop: got z = .*; expected i, j or k"),
        ("{cone = 1}", "{fan = 1}", r"pairs\.beams: got 'fan'; expected some of cone"),
        ("{cone = 1}", "{cone = 0}", r"pairs\.beams, the sum: got 0.*; expected a number above 0"),
        ("size = 64\n", "size = 0\n", r"pairs\.size: got 0; expected 16 or more"),
        (
            "size = 64\n",
            "magnification = [0.5, 0.9]\n",
            r"pairs\.magnification: got \[0\.5, 0\.9\]",
        ),
        ("size = 64\n", "tilt = -1\n", r"pairs\.tilt: got -1.*; expected 0 or more"),
        ("crop = 64", "crop = 64\nscale = [0, 1]", r"augmentation\.scale: got \[0.*rising"),
        ("crop = 64", "crop = 64\nmirrored_share = 5", r"mirrored_share: got 5.*; expected 0 to 1"),
        ("crop = 64", "crop = 0", r"augmentation\.crop: got 0; expected 1 or more"),
        ("crop = 64", "crop = 64\n[pool]\ncapacity = 0", r"pool\.capacity: got 0; expected 1"),
        ("steps = 10", "seed = -1", "seed: got -1; expected 0 or more"),
        ("steps = 10", "average = 1.5", "average: got 1.5; expected 0 to 0.999999"),
        ('licence = "MIT"', 'licence = "MIT"\nshare = -1', r"share: got -1.*; expected 0 or more"),
        (
            'licence = "MIT"',
            'licence = "MIT"\nshare = 0',
            r"ct\.share, the sum of those trained on",
        ),
        ("steps = 10", 'task = "guess"', "task: got 'guess'; expected one of extract"),
    ],
)
def test_a_mistake_is_named(file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_config(changed(file, old, new))
    assert "\n" not in str(caught.value)


def test_no_file_and_no_toml_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config: .*none\.toml not found"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name = [")
    with pytest.raises(ValueError, match="is no TOML file"):
        read_config(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no TOML file"):
        read_config(tmp_path / "bad.toml")


def test_the_shipped_configurations_are_right(repository: Path) -> None:
    files = list((repository / "BoneXrayTraining/BoneXrayTrainingLib/configs").glob("*.toml"))
    others = ("bls-gan", "shape-femur", "shape-tibia")  # test_bls_gan, test_shape_files read these
    files = [path for path in files if path.stem not in others]
    assert files
    ct = {"path": "leg.nii.gz", "patient": "leg", "licence": "MIT", "labels": "leg.seg.nrrd"}
    for path in files:
        # Two are to be filled in.
        is_empty = path.stem in ("segment", "separate")
        filled = {"ct": [ct], "structures": ["bone"]} if is_empty else {}
        assert read_config(path, **filled).name == path.stem
