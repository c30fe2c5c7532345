"""Patients go to one split each, wherever they come from; leakage is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_data_set import limb_source, small_data_set, write_limbs

from BoneXrayLib.volume import Volume
from BoneXrayTrainingLib.generation.config import GenerateSource, SplitConfig
from BoneXrayTrainingLib.generation.run import generate
from BoneXrayTrainingLib.generation.splits import split_of_patients
from BoneXrayTrainingLib.generation.store import PairStore

EVERYONE = [f"patient {n}" for n in range(400)]


def test_fractions_deal_patients_by_their_name_alone() -> None:
    config = SplitConfig(fractions=(0.7, 0.2, 0.1))
    dealt = split_of_patients(EVERYONE, config)
    shares = [list(dealt.values()).count(s) / 400 for s in ("train", "validation", "test")]
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.07)
    fewer = split_of_patients(EVERYONE[100:200], config)
    assert all(dealt[patient] == split for patient, split in fewer.items())
    assert split_of_patients(EVERYONE, SplitConfig(fractions=(0.7, 0.2, 0.1), salt="x")) != dealt


def test_a_patient_that_is_named_goes_where_it_is_named() -> None:
    config = SplitConfig(test=("patient 3",), fractions=(0.0, 1.0, 0.0))
    dealt = split_of_patients(EVERYONE, config)
    assert dealt.pop("patient 3") == "test"
    assert set(dealt.values()) == {"validation"}


def test_a_patient_in_two_splits_or_in_none_of_the_cts_is_refused() -> None:
    with pytest.raises(ValueError, match="'patient 1' is in train and test"):
        split_of_patients(EVERYONE, SplitConfig(train=("patient 1",), test=("patient 1",)))
    with pytest.raises(ValueError, match=r"split.test: 'nobody' is not among"):
        split_of_patients(EVERYONE, SplitConfig(test=("nobody",)))
    with pytest.raises(ValueError, match="three shares that add up to 1"):
        SplitConfig(fractions=(0.5, 0.2, 0.1))


def test_one_ct_under_two_names_in_two_splits_is_refused_before_a_sample_is_made(
    limb: Volume, tmp_path: Path
) -> None:
    root = write_limbs(tmp_path / "cts", limb, "a")
    (root / "copy.nrrd").write_bytes((root / "a.nrrd").read_bytes())
    sources: tuple[GenerateSource, ...] = (limb_source("a"), limb_source("copy"))
    config = small_data_set(
        root, tmp_path / "set", "a", ct=sources, split=SplitConfig(validation=("copy",))
    )
    with pytest.raises(ValueError, match=r"a\.nrrd \(train\) and copy\.nrrd \(validation\)"):
        generate(config, workers=1)
    assert not (tmp_path / "set" / "shards").exists()


def test_the_samples_of_a_split_are_those_of_its_patients(limb: Volume, tmp_path: Path) -> None:
    root = write_limbs(tmp_path / "cts", limb, "abc")
    split = SplitConfig(validation=("b",), test=("c",))
    config = small_data_set(root, tmp_path / "set", "abc", draws=1, split=split)
    generate(config, workers=1)
    for name, patient in (("train", "a"), ("validation", "b"), ("test", "c")):
        store = PairStore(config.output, name)
        assert [store.record(n)["patient"] for n in range(len(store))] == [patient]
    assert len(PairStore(config.output)) == 3
