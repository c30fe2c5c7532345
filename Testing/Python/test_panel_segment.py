"""The panel's group "Bones by name" on Slicer's stand-in: segment, look, measure, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import load_module, load_picture, opened_panel, start_slicer, wait, write_png
from small_model import write_small_model

from BoneXrayLib.segments.segment_nrrd import read_seg_nrrd

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

GAINS = {"radius": 1.0, "ulna": 6.0, "lunate": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _a_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    write_small_model(folder / "names", "names", "segment", GAINS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEXRAY_MODELS", str(folder))
        yield


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


@pytest.fixture
def radiograph(panel: Any, tmp_path: Path) -> Any:
    """A PNG, loaded by the panel's button, and the model chosen."""
    node = load_picture(panel, tmp_path / "hand.png")
    box = panel.ui.segmentModelBox
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n) == "names 0.1")
    return node


def segment(panel: Any) -> Any:
    panel.ui.segmentButton.click()
    assert panel.ui.segmentButton.text == "Cancel"
    wait(lambda: panel.ui.segmentButton.text == "Segment bones")
    return slicer.util.getNode("hand segments")


def count(node: Any, name: str) -> int:
    identifier = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return np.count_nonzero(slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier))


def test_the_button_puts_named_segments_on_the_radiograph(panel: Any, radiograph: Any) -> None:
    assert "A test model" in panel.ui.segmentModelText.toPlainText()
    node = segment(panel)
    names = [node.GetSegmentation().GetNthSegment(n).GetName() for n in range(3)]
    assert names == list(GAINS)
    assert count(node, "ulna") > count(node, "radius") > 0
    assert count(node, "lunate") == 0
    said = panel.ui.segmentStatus.text
    assert said.startswith("2 of 3 bones in hand segments, areas in hand areas, by names")
    view = slicer.app.layoutManager().sliceWidget("BoneXrayInput")
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == radiograph.GetID()
    assert panel.logic.getParameterNode().segments is node
    assert segment(panel) is node, "the same model fills its node again"


def test_a_lower_threshold_makes_larger_bones_and_defaults_are_the_commands(
    panel: Any, radiograph: Any
) -> None:
    from BoneXrayLib.segmentation import SegmentConfig

    parameters = panel.logic.getParameterNode()
    parameters.segment_model = SegmentConfig.model
    assert parameters.segment_config() == SegmentConfig()
    parameters.segment_model = "names"
    default = count(segment(panel), "radius")
    panel.ui.thresholdBox.value = 0.05
    panel.ui.cleanBox.checked = False
    assert parameters.segment_config() == SegmentConfig("names", threshold=0.05, clean=False)
    assert count(segment(panel), "radius") > default


def test_an_image_that_may_be_the_wrong_way_round_is_said_and_stated(
    panel: Any, radiograph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from BoneXrayLib import segmentation
    from BoneXrayLib.segments import mirror_images

    asked = []

    def warned(answers: Any, mirror: str) -> tuple[str, ...]:
        asked.append(len(answers))
        return (mirror_images.DOUBTFUL,) if len(answers) > 1 else ()

    monkeypatch.setattr(segmentation, "way_round_warnings", warned)
    segment(panel)
    assert "Warning: it is hardly told from its mirror image" in panel.ui.segmentStatus.text
    panel.ui.mirrorBox.setCurrentText("yes")
    segment(panel)
    assert "Warning" not in panel.ui.segmentStatus.text
    assert asked == [2, 1]


def test_how_an_image_is_turned_is_stated(panel: Any, radiograph: Any) -> None:
    parameters = panel.logic.getParameterNode()
    segment(panel)
    assert parameters.segment_config().turn == "auto"
    panel.ui.turnBox.setCurrentText("180")
    assert parameters.segment_config().turn == "180"
    assert count(segment(panel), "radius") > 0


def test_fill_and_outline_are_switched_and_other_modules_choices_stay(
    panel: Any, radiograph: Any
) -> None:
    display = segment(panel).GetDisplayNode()
    assert display.GetVisibility2DFill()
    assert display.GetVisibility2DOutline()
    panel.ui.fillBox.checked = False
    assert not display.GetVisibility2DFill()
    assert display.GetVisibility2DOutline()
    panel.ui.outlineBox.checked = False
    assert not display.GetVisibility()
    panel.ui.fillBox.checked = True
    assert display.GetVisibility()
    assert not display.GetVisibility2DOutline()
    display.SetVisibility2DOutline(True)
    panel.ui.thresholdBox.value = 0.3
    assert display.GetVisibility2DOutline()


def test_export_writes_what_is_chosen_and_what_was_edited(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    node = segment(panel)
    edited = np.zeros((1, 60, 40), np.uint8)
    edited[0, 20:30, 5:9] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(edited, node, "Segment_3", radiograph)
    panel.ui.measureButton.click()
    table = slicer.util.getNode("hand areas")
    assert float(table.GetCellText(2, 2)) == 40
    expected = ["radius.png", "segments.seg.nrrd", "segments.dcm"]
    for index, name in enumerate(expected):
        if name.endswith(".dcm"):
            pytest.importorskip("highdicom")
        folder = tmp_path / str(index)
        panel.ui.exportBox.currentIndex = index
        qt.QFileDialog.answers.append(str(folder))
        panel.ui.exportButton.click()
        assert application.messages == []
        assert (folder / name).is_file()
        assert (folder / "segments.csv").is_file()
        assert name in panel.ui.segmentStatus.text
    masks = read_seg_nrrd(tmp_path / "1" / "segments.seg.nrrd").masks
    assert np.array_equal(masks[2], edited[0] > 0)
    qt.QFileDialog.answers.append("")
    panel.ui.exportButton.click()
    assert application.messages == []


def test_an_export_that_fails_is_one_message(panel: Any, radiograph: Any, tmp_path: Path) -> None:
    segment(panel)
    (tmp_path / "file").write_text("")
    qt.QFileDialog.answers.append(str(tmp_path / "file"))
    panel.ui.exportButton.click()
    assert len(application.messages) == 1
    assert application.messages[0].startswith("The segments could not be written.\n\noutput: got")


def test_a_saved_scene_brings_segments_and_choices_back(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    before = count(segment(panel), "ulna")
    panel.ui.fillBox.checked = False
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    node = slicer.util.getNode("hand segments")
    assert panel.logic.getParameterNode().segments is node
    assert count(node, "ulna") == before
    assert not panel.ui.fillBox.checked
    assert not node.GetDisplayNode().GetVisibility2DFill()
    panel.ui.measureButton.click()
    assert application.messages == []


def test_another_radiograph_has_its_own_segments(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    node = segment(panel)
    load_picture(panel, tmp_path / "other.png")
    assert panel.logic.getParameterNode().segments is None
    assert not panel.ui.exportButton.enabled
    panel.ui.radiographSelector.setCurrentNode(radiograph)
    assert panel.logic.getParameterNode().segments is node
    slicer.mrmlScene.RemoveNode(node)
    assert not panel.ui.exportButton.enabled


def test_the_logic_works_without_a_window(tmp_path: Path, monkeypatch: Any) -> None:
    from BoneXrayLib.segmentation import SegmentConfig

    module = load_module("BoneXray")
    slicer.mrmlScene.Clear(False)
    monkeypatch.setattr(slicer.app, "headless", True)
    logic = module.BoneXrayLogic()
    assert "names" in [model.card.name for model in logic.segmentModels()]
    assert "names" not in [model.card.name for model in logic.models()]
    source = logic.loadRadiograph(write_png(tmp_path / "hand.png"), 0.5)
    found = logic.segment(source, SegmentConfig("names"))
    assert found.areas.GetColumnName(2) == "Area [mm²]"
    assert logic.measureSegments(found.segments) is found.areas
    files = logic.exportSegments(found.segments, tmp_path / "out")
    assert {"radius.png", "overlay.png", "segments.seg.nrrd"} <= set(files)
