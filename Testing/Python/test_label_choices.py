"""CTs with label maps: which map is whose, how bones are called, and a run and a model of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.labels.name_tables import read_names
from BoneXrayLib.models import verify_model
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.choices import cts_in_folder, label_map_beside, read_template
from BoneXrayTrainingLib.label_choices import (
    SEGMENT_CONFIG,
    SEPARATE_CONFIG,
    LabelledChoice,
    LabelledCt,
    labelled_entries,
    read_labelled,
    structures_of,
    write_labelled_choice,
)
from BoneXrayTrainingLib.segments_file import write_segments
from BoneXrayTrainingLib.structure_names import (
    is_of_one_side,
    structure_meant,
    structure_name,
    values_by_structure,
)

BONES = {1: "tibia_Left", 2: "left femur"}


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three limbs: labelled in a .seg.nrrd, in a map beside a table of names, and not at all."""
    folder = tmp_path_factory.mktemp("legs")
    limb = synthetic_limb(6.0)
    labels = np.where(np.arange(len(limb.hu))[:, None, None] < len(limb.hu) // 2, 1, 2)
    labels = (labels * (limb.hu > 300)).astype(np.uint8)
    for name in "abc":
        write_image_file(folder / f"{name}.nrrd", limb.hu, limb.ijk_to_ras)
    write_segments(folder / "a.seg.nrrd", labels, limb.ijk_to_ras, BONES)
    write_image_file(folder / "b_labels.nii.gz", labels, limb.ijk_to_ras)
    (folder / "labels.csv").write_text("value,name\n1,tibia_left\n2,Patella\n3,fibula_left\n")
    return folder


@pytest.mark.parametrize(
    "labels",
    [
        "leg.seg.nrrd",
        "leg_seg.nii.gz",
        "leg_labels.mha",
        "labels/leg.nii.gz",
        "labels/leg.seg.nrrd",
    ],
)
def test_a_label_map_lies_beside_its_ct_and_is_no_ct(labels: str, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    for name in ("leg.nii.gz", "leg2.nii.gz", labels):
        (tmp_path / name).touch()
    assert label_map_beside(tmp_path, "leg.nii.gz") == labels
    assert label_map_beside(tmp_path, "leg2.nii.gz") == ""
    assert label_map_beside(tmp_path, labels) == ""
    assert cts_in_folder(tmp_path) == ["leg.nii.gz", "leg2.nii.gz"]


def test_a_series_of_dicom_files_may_have_a_label_map_too(tmp_path: Path) -> None:
    (tmp_path / "leg").mkdir()
    for name in ("leg/1.dcm", "leg.seg.nrrd"):
        (tmp_path / name).touch()
    assert cts_in_folder(tmp_path) == ["leg"]
    assert label_map_beside(tmp_path, "leg") == "leg.seg.nrrd"


def test_a_written_label_map_says_its_names(legs: Path) -> None:
    _, _, names = read_labels(legs / "a.seg.nrrd")
    assert names == BONES


def test_each_ct_says_what_it_can_teach_or_why_nothing(legs: Path) -> None:
    told: list[str] = []
    found = read_labelled(legs, progress=lambda _share, message: told.append(message))
    assert told == ["reading a.seg.nrrd", "reading b_labels.nii.gz"]
    assert [(ct.path, ct.labels, ct.reason) for ct in found] == [
        ("a.nrrd", "a.seg.nrrd", ""),
        ("b.nrrd", "b_labels.nii.gz", ""),
        ("c.nrrd", "", "no label map beside it"),
    ]
    assert found[0].structures == {"tibia left": [1], "femur left": [2]}
    assert found[1].structures == {"tibia left": [1], "Patella": [2]}, "3 is not in the map"
    assert structures_of(found) == {"tibia left": 2, "femur left": 1, "Patella": 1}
    with pytest.raises(Cancelled):
        read_labelled(legs, is_cancelled=lambda: True)


def test_a_label_map_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").touch()
    (tmp_path / "a.seg.nrrd").write_text("no image")
    (found,) = read_labelled(tmp_path)
    assert "a.seg.nrrd" in found.reason
    assert not found.structures


@pytest.mark.parametrize(
    ("label", "name"),
    [("Femur_Left", "femur left"), ("left  scapula", "scapula left"), ("Scaphoid", "scaphoid"),
     ("rib_left_3", "rib 3 left"), ("vertebra_L", "vertebra L"), ("left_to_right", "left to right"),
     ("Segment_1", "Segment 1"), ("_", "_")],
)  # fmt: skip
def test_a_side_is_the_last_word_of_a_bones_name(label: str, name: str) -> None:
    assert structure_name(label) == name


@pytest.mark.parametrize(
    ("label", "meant"),
    [("rib_left_3", "ribs left"), ("Right rib 12", "ribs right"), ("hip_left", "hip bone left"),
     ("clavicula_right", "clavicle right"), ("vertebrae_L1", "vertebrae"), ("T12", "vertebrae"),
     ("vertebrae_S1", "sacrum"), ("Lunate bone", "lunate"), ("triquetral", "triquetrum"),
     ("sternum", "sternum"), ("costal_cartilages", "costal cartilages"), ("hip", "hip"),
     ("scaphoid_left", "scaphoid left"), ("femur_L", "femur left"), ("vertebra_L", "vertebra L"),
     ("T1 fat", "T1 fat"), ("rib cage", "rib cage")],
)  # fmt: skip
def test_what_others_call_a_bone_is_understood(label: str, meant: str) -> None:
    assert structure_meant(label) == meant


def test_a_wrist_bone_has_no_side_where_all_are_of_one() -> None:
    one, both = ["Scaphoid_L", "lunate_L", "lunate"], ["scaphoid_left", "lunate_right"]
    every = {"scaphoid l", "scaphoid r"}
    assert is_of_one_side(one, every)
    assert not is_of_one_side(both)
    assert not is_of_one_side(["scaphoid_L", "lunate_R"])
    assert structure_meant("Scaphoid_L", every, of_one_side=True) == "scaphoid"
    assert structure_meant("Scaphoid_L", of_one_side=True) == "scaphoid"


def test_names_of_several_files_that_mean_one_bone_are_one() -> None:
    maps = [{1: "femur L", 4: "Femur_left"}, {2: "FEMUR_R", 3: "Patella"}, {7: "patella"}]
    assert values_by_structure(maps) == [
        {"femur left": [1, 4]}, {"femur right": [2], "Patella": [3]}, {"Patella": [7]}
    ]  # fmt: skip


def entries(held: tuple[str, ...], **fields: object) -> dict:
    """What the shipped configuration becomes for one CT that holds these structures."""
    cts = [LabelledCt("a", "b", {name: [n] for n, name in enumerate(held, 1)})]
    choice = LabelledChoice("root", cts, **fields)  # ty: ignore[invalid-argument-type]
    return labelled_entries(choice, read_template(SEGMENT_CONFIG))


def test_patients_are_mirrored_only_where_both_sides_have_names() -> None:
    assert entries(("femur left",))["augmentation"]["mirrored_share"] == 0.0
    assert "augmentation" not in entries(("femur left", "femur right", "sacrum"))
    only = entries(("femur left", "femur right"), structures=("femur right",))
    assert only["augmentation"]["mirrored_share"] == 0.0
    assert only["augmentation"]["crop"] == read_template(SEGMENT_CONFIG)["augmentation"]["crop"]


def test_what_cannot_be_learned_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="ct: a has none of the bones to learn"):
        entries(("femur left",), structures=("ulna",))
    choice = LabelledChoice(".", [LabelledCt("a", "b", {"ulna": [1]})])
    with pytest.raises(ValueError, match=r"config: task 'extract'; expected 'segment' or 'separ"):
        labelled_entries(choice, {"name": "x"})
    with pytest.raises(ValueError, match="ct: a has only ulna of the bones to learn"):
        labelled_entries(choice, read_template(SEPARATE_CONFIG))


def test_to_pull_bones_apart_answers_and_sides_stay_as_the_task_has_them() -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib.learning.configuration import TrainConfig, from_mapping

    template = read_template(SEPARATE_CONFIG)
    cts = [LabelledCt("a", "b", {"femur left": [1], "tibia left": [2], "talus left": [3]})]
    for network in (None, {**template["network"], "channels": [8] * 6}):
        found = labelled_entries(LabelledChoice(".", cts, network=network), template)
        assert found["network"] == (network or template["network"])
        assert "augmentation" not in found, "left and right bones are pulled apart alike"
        config = from_mapping(TrainConfig, template | found, "config")
        assert config.structures == ("femur left", "tibia left", "talus left")


def test_a_model_to_start_from_brings_its_network() -> None:
    network = {"name": "unet", "in_channels": 3, "out_channels": 1, "channels": [8] * 6}
    found = entries(("ulna",), network=network)
    assert found["network"] == network


def shortened(config: Path) -> Path:
    """The configuration with three steps of a tiny network."""
    data = json.loads(config.read_text())
    data |= {"steps": 3, "batch": 2, "log_every": 1, "validate_every": 3, "threads": 1}
    data["network"] |= {"channels": [4, 4, 8, 8, 8, 4], "fold": 1}
    data["augmentation"] |= {"crop": 32, "scale": [1.2, 1.5]}
    data["pairs"] |= {"size": 64}
    data["pool"] = {"capacity": 4, "first": 3, "images_per_sample": 1e9}
    config.write_text(json.dumps(data))
    return config


def test_the_panels_configuration_trains_a_model_that_lists_its_bones(
    legs: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib.exporting.export import export
    from BoneXrayTrainingLib.learning.configuration import read_config
    from BoneXrayTrainingLib.learning.trainer import train

    cts = [ct for ct in read_labelled(legs) if not ct.reason]
    choice = LabelledChoice(legs, cts, ("tibia left", "femur left"), "b.nrrd", "CC0")
    path = write_labelled_choice(tmp_path / "run", choice)
    config = read_config(path)
    assert [(c.patient, c.variants) for c in config.ct] == [("a.nrrd", 4), ("b.nrrd", 1)]
    assert config.network["out_channels"] == len(config.structures) == 2
    train(read_config(shortened(path)))
    assert '"validation_dice"' in (tmp_path / "run/log.jsonl").read_text()
    model = verify_model(export(tmp_path / "run", tmp_path / "model", working_size=32))
    assert [output["name"] for output in model.card.outputs] == ["tibia left", "femur left"]
    assert model.card.trained_on["sources"] == [{"name": "a.nrrd", "licence": "CC0"}]


def test_a_run_starts_from_a_run_of_its_own_task_only(legs: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib.learning.beginnings import read_beginning

    (tmp_path / "checkpoint-00000001").mkdir()
    (tmp_path / "checkpoint-00000001/state.json").write_text("{}")
    (tmp_path / "checkpoint-00000001/average.safetensors").touch()
    (tmp_path / "config.json").write_text('{"name": "x", "network": {}, "task": "segment"}')
    with pytest.raises(ValueError, match="is for 'segment'; expected 'extract'"):
        read_beginning(str(tmp_path), {})


def test_the_command_takes_a_folder_of_labelled_cts(
    legs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib import preview
    from BoneXrayTrainingLib.__main__ import main

    given: list = []
    monkeypatch.setattr(preview, "write_preview", lambda *words: given.append(words) or tmp_path)
    words = ["train", str(SEGMENT_CONFIG), "--preview", str(tmp_path / "pairs"), "--labelled"]
    assert main([*words, str(legs)]) == 0, capsys.readouterr().err
    config = given[0][0]
    assert config.structures == ("tibia left", "femur left", "Patella")
    assert [c.labels for c in config.ct] == ["a.seg.nrrd", "b_labels.nii.gz"]
    assert main([*words, str(tmp_path)]) == 2
    assert "no CT there; expected CTs with label maps" in capsys.readouterr().err


def test_a_run_from_a_model_that_tells_mirror_images_goes_on_telling_them() -> None:
    network = {**read_template(SEGMENT_CONFIG)["network"], "out_channels": 3}
    found = entries(("lunate", "ulna"), network=network)
    assert found["network"]["out_channels"] == 3
    assert found["augmentation"]["mirrored_share"] == 0.0
    assert found["augmentation"]["reversed_share"] > 0
    alone = entries(("ulna", "lunate", "pisiform"), network=network)
    assert alone["network"]["out_channels"] == 3
    assert "reversed_share" not in alone.get("augmentation", {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.txt", "# bones\n1 left femur\n2 tibia L\n"),
        ("slicer.ctbl", "1 left femur 10 20 30 255\n2 tibia L 1 2 3 255\n"),
        ("snap.txt", '1 255 0 0 1 1 1 "left femur"\n2 0 255 0 1 1 1 "tibia L"\n'),
        ("table.csv", "value,name\n1,left femur\n2,tibia L\n"),
        ("map.json", '{"left femur": 1, "tibia L": 2}'),
    ],
)
def test_a_name_is_read_whole_from_any_table(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_names(tmp_path / name) == {1: "left femur", 2: "tibia L"}


def test_a_csv_without_headings_is_told_what_it_misses(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("1,left femur\n2,tibia L\n")
    with pytest.raises(ValueError, match="its first line heads no columns value and name"):
        read_names(tmp_path / "names.csv")


@pytest.mark.parametrize(
    "text", ['{"femur": null}', '{"femur": [1, 2]}', '{"1": {"name": "femur"}}', '{"1": 2}']
)
def test_a_table_of_something_else_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.json").write_text(text)
    with pytest.raises(ValueError, match=r"^names: names.json .*expected JSON, CSV or a colour"):
        read_names(tmp_path / "names.json")
