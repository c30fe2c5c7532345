"""The training panel's bones by name: label maps of a folder, segmentations of the scene."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import add_ct, load_module, start_slicer, tip, wait
from small_model import write_small_model, write_small_separator

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.label_maps import read_labels  # noqa: E402
from BoneXrayLib.volume_files import write_image_file  # noqa: E402

CONFIGURATION, FOLDER, SCENE, DATASET = range(4)


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The opened panel, set to learn bones by name in a run's folder."""
    load_module("BoneXray")
    module = load_module("BoneXrayTraining")
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path / "models"))
    slicer.mrmlScene.Clear(False)
    standin.clear_errors()
    application.messages.clear()
    qt.QSettings._values.clear()
    opened = application.open_panel(module)
    opened.ui.runEdit.currentPath = str(tmp_path / "run")
    opened.ui.taskBox.currentIndex = 1
    yield opened
    opened.cleanup()
    assert standin.errors() == []


@pytest.fixture(scope="module")
def cts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files of CTs, two of them with a label map."""
    folder = tmp_path_factory.mktemp("cts")
    for name in ("a", "b", "c"):
        (folder / f"{name}.nii.gz").touch()
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1], labels[2] = 1, 2
    write_image_file(folder / "a_seg.nrrd", labels, np.eye(4))
    write_image_file(folder / "b_seg.nrrd", np.minimum(labels, 1), np.eye(4))
    (folder / "labels.csv").write_text("value,name\n1,ulna_left\n2,radius_left\n")
    return folder


def rows(widget: Any) -> list[str]:
    return [widget.item(n).text() for n in range(widget.count)]


def tick(widget: Any, number: int, wanted: bool) -> None:
    widget.item(number).setCheckState(qt.Qt.Checked if wanted else qt.Qt.Unchecked)


def take_folder(panel: Any, folder: Path) -> None:
    panel.ui.sourceBox.currentIndex = FOLDER
    panel.ui.dataEdit.currentPath = str(folder)
    wait(lambda: not panel.data.labels.is_reading)


def started_with(panel: Any, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Press Start; the configuration that the child is given."""
    from BoneXrayTrainingLib.panels import slicer_process

    given: list[tuple] = []
    monkeypatch.setattr(
        slicer_process,
        "train_command",
        lambda *words: given.append(words) or [sys.executable, "-V"],
    )
    panel.ui.startButton.click()
    wait(lambda: bool(given) and not panel.logic.isRunning)
    return json.loads(Path(given[0][0]).read_text())


def test_task_and_configuration_go_together(panel: Any, tmp_path: Path) -> None:
    assert Path(panel.ui.configEdit.currentPath).name == "segment.toml"
    own = tmp_path / "own.toml"
    own.write_text('name = "x"\ntask = "extract"\n')
    panel.ui.configEdit.currentPath = str(own)
    assert panel.ui.taskBox.currentIndex == 0
    panel.ui.taskBox.currentIndex = 1
    assert Path(panel.ui.configEdit.currentPath).name == "segment.toml"
    panel.ui.taskBox.currentIndex = 0
    assert panel.ui.configEdit.currentPath == str(own), "the one used before"


def test_what_has_no_names_of_bones_says_where_they_are(panel: Any, cts: Path) -> None:
    panel.ui.dataEdit.currentPath = str(cts)
    assert tip(panel.ui.startButton).startswith("The configuration names no CT")
    panel.ui.sourceBox.currentIndex = DATASET
    assert tip(panel.ui.startButton).startswith("A data set has no names of bones")
    assert not panel.ui.structureList.visible


def test_the_label_maps_of_a_folder_are_found_and_their_bones_listed(panel: Any, cts: Path) -> None:
    panel.ui.sourceBox.currentIndex = FOLDER
    panel.ui.dataEdit.currentPath = str(cts)
    assert tip(panel.ui.startButton) == "The label maps are being read"
    wait(lambda: not panel.data.labels.is_reading)
    assert rows(panel.ui.ctList) == [
        "a.nii.gz with a_seg.nrrd",
        "b.nii.gz with b_seg.nrrd",
        "c.nii.gz is left out: no label map beside it",
    ]
    assert panel.data.checked() == [0, 1]
    assert rows(panel.ui.structureList) == ["ulna left", "radius left (in 1 of 2 CTs)"]
    assert panel.ui.labelStatus.text.startswith("2 of 3 CTs have labels. Label maps are NAME.seg")
    assert panel.ui.startButton.enabled


def test_bones_and_cts_that_do_not_fit_are_named(panel: Any, cts: Path) -> None:
    take_folder(panel, cts)
    tick(panel.ui.structureList, 0, False)
    assert not panel.ui.allStructuresBox.checked
    assert tip(panel.ui.startButton) == "b.nii.gz has none of the ticked bones: leave it out"
    tick(panel.ui.ctList, 1, False)
    assert panel.ui.startButton.enabled
    tick(panel.ui.ctList, 0, False)
    assert tip(panel.ui.startButton) == "Tick a CT to train on, besides the one kept out"
    tick(panel.ui.ctList, 1, True)
    panel.ui.allStructuresBox.click()
    assert tip(panel.ui.startButton) == "No CT to train on has radius left: untick it"
    panel.ui.allStructuresBox.click()
    assert tip(panel.ui.startButton) == "Tick a bone to learn"


def test_a_run_is_configured_for_the_bones_and_cts_that_were_ticked(
    panel: Any, cts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_folder(panel, cts)
    tick(panel.ui.structureList, 1, False)
    panel.ui.validationBox.currentIndex = 2
    config = started_with(panel, monkeypatch)
    assert (config["task"], config["structures"]) == ("segment", ["ulna left"])
    assert [(c["path"], c["labels"], c["names"]) for c in config["ct"]] == [
        ("a.nii.gz", "a_seg.nrrd", {"ulna left": ["1"]}),
        ("b.nii.gz", "b_seg.nrrd", {"ulna left": ["1"]}),
    ]
    assert config["validation"] == ["b.nii.gz"]
    assert config["network"]["out_channels"] == 1
    assert config["data_root"] == str(cts)


def test_only_models_that_name_bones_are_offered_to_start_from(
    panel: Any, cts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write_small_model(tmp_path / "models/arm", "arm", "segment")
    card = json.loads((folder / "card.json").read_text())
    card["outputs"] = [{"name": "radius left"}, {"name": "ulna left"}]
    card["network"] = {"name": "unet", "out_channels": 2}
    (folder / "card.json").write_text(json.dumps(card))
    panel.enter()
    box = panel.ui.startFromBox
    offered = [box.itemText(n) for n in range(box.count)]
    assert offered == ["nothing learned yet", "arm", "segment-trunk", "segment-wrist"], (
        "none that extracts"
    )
    take_folder(panel, cts)
    tick(panel.ui.ctList, 1, False)
    box.currentIndex = 1
    tick(panel.ui.structureList, 0, False)
    assert tip(panel.ui.startButton).startswith("arm names other bones: tick radius left, ulna")
    tick(panel.ui.structureList, 0, True)
    config = started_with(panel, monkeypatch)
    assert config["structures"] == ["radius left", "ulna left"], "in the model's order"
    assert config["network"] == card["network"]


def test_bones_are_pulled_apart_by_what_is_learned_of_two_that_meet(
    panel: Any, cts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_small_separator(tmp_path / "models/apart", "apart")
    panel.ui.taskBox.currentIndex = 2
    assert panel.ui.taskBox.currentText == "bones pulled apart"
    assert Path(panel.ui.configEdit.currentPath).name == "separate.toml"
    box = panel.ui.startFromBox
    assert [box.itemText(n) for n in range(box.count)] == [
        "nothing learned yet", "apart", "separate-layers",
    ]  # fmt: skip
    take_folder(panel, cts)
    assert tip(panel.ui.startButton).startswith("b.nii.gz has fewer than two of the ticked bones")
    tick(panel.ui.ctList, 1, False)
    assert panel.ui.startButton.enabled
    tick(panel.ui.structureList, 0, False)
    assert tip(panel.ui.startButton) == "Tick two bones that meet"
    tick(panel.ui.structureList, 0, True)
    config = started_with(panel, monkeypatch)
    assert (config["task"], config["structures"]) == ("separate", ["ulna left", "radius left"])
    assert (config["network"]["in_channels"], config["network"]["out_channels"]) == (5, 4)
    assert [(c["path"], c["labels"]) for c in config["ct"]] == [("a.nii.gz", "a_seg.nrrd")]


def test_a_model_of_another_recipe_is_none_to_start_from(panel: Any, tmp_path: Path) -> None:
    folder = write_small_separator(tmp_path / "models/other", "other")
    card = json.loads((folder / "card.json").read_text())
    card["input"] |= {"recipe": "bls-gan", "channels": ["brightness", "upper", "lower"]}
    card["outputs"] = [{"name": "upper bone alone"}, {"name": "lower bone alone"}]
    (folder / "card.json").write_text(json.dumps(card))
    panel.ui.taskBox.currentIndex = 2
    box = panel.ui.startFromBox
    assert "other" not in [box.itemText(n) for n in range(box.count)]


def add_segmentation(ct: Any, masks: dict[str, np.ndarray], name: str = "Bones") -> Any:
    """A segmentation that was made on a CT."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for segment, mask in masks.items():
        node.GetSegmentation().AddEmptySegment(segment, segment)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment, ct)
    return node


def test_the_segmentations_of_the_scene_are_written_beside_their_cts(
    panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel.ui.sourceBox.currentIndex = SCENE
    ct, _other = add_ct("Left leg"), add_ct("Chest")
    bone = slicer.util.arrayFromVolume(ct) > 500
    upper = np.arange(len(bone))[:, None, None] > 11
    masks = {"Femur_left": bone & upper, "Tibia_left": bone & ~upper, "flesh": ~bone}
    segmentation = add_segmentation(ct, masks)
    segmentation.GetDisplayNode().SetSegmentVisibility("flesh", False)
    panel.enter()
    assert rows(panel.ui.ctList) == [
        "Left leg with Bones", "Chest is left out: no segmentation"
    ]  # fmt: skip
    assert rows(panel.ui.structureList) == ["femur left", "Tibia left"]
    config = started_with(panel, monkeypatch)
    (entry,) = config["ct"]
    assert entry["labels"] == "1-Left-leg.seg.nrrd"
    assert entry["names"] == {"femur left": ["1"], "Tibia left": ["2"]}
    labels, ijk_to_ras, names = read_labels(Path(config["data_root"]) / entry["labels"])
    assert names == {1: "Femur_left", 2: "Tibia_left"}
    assert np.array_equal(labels == 1, masks["Femur_left"])
    assert np.allclose(ijk_to_ras @ [0, 0, 0, 1], [94, 78, -69, 1])


def test_the_only_segmentation_counts_for_the_only_ct(panel: Any) -> None:
    panel.ui.sourceBox.currentIndex = SCENE
    ct = add_ct("Leg")
    node = add_segmentation(ct, {"femur": slicer.util.arrayFromVolume(ct) > 500})
    node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), None)
    panel.enter()
    assert rows(panel.ui.ctList) == ["Leg with Bones"]
    add_ct("Arm")
    panel.enter()
    assert rows(panel.ui.ctList)[0] == "Leg is left out: no segmentation"


def test_a_model_that_names_bones_is_opened_where_there_is_a_place_for_it(
    panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import BoneXray
    from BoneXrayTrainingLib.panels.slicer_panel_model import open_in_bonexray

    class Place:
        segment_model = separate_model = leg_finder = model = ""

    class Without:
        model = "extract-general"

    place: Any = Place()
    monkeypatch.setattr(BoneXray.BoneXrayLogic, "getParameterNode", lambda self: place)
    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    open_in_bonexray("arm", "segment")
    assert (place.segment_model, place.model, opened) == ("arm", "", ["BoneXray"])
    open_in_bonexray("hand", "separate")
    assert (place.separate_model, place.segment_model) == ("hand", "arm")
    open_in_bonexray("leg", "features")
    assert (place.leg_finder, place.segment_model) == ("leg", "arm")
    place = Without()
    open_in_bonexray("arm", "segment")
    assert place.model == "extract-general"
    assert len(opened) == 3
