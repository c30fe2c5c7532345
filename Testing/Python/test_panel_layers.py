"""The panel's group "Bones apart" on Slicer's stand-in: pull apart, fade, look, measure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import load_module, load_picture, opened_panel, start_slicer, tip, wait, write_png
from small_layers import joint_visits
from small_model import write_small_model, write_small_separator

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.scene import slicer_layers, slicer_nodes  # noqa: E402

UPRIGHT = ["upper bone", "lower bone", "soft tissue"]


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    write_small_separator(folder / "apart", "apart")
    write_small_model(folder / "names", "names", "segment", {"radius": 1.0, "ulna": 6.0})
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
    panel.ui.separateModelBox.currentIndex = 0
    return node


def pull(panel: Any) -> Any:
    """Press the button; the faded node."""
    panel.ui.separateButton.click()
    assert panel.ui.separateButton.text == "Cancel"
    wait(lambda: panel.ui.separateButton.text == "Pull bones apart")
    assert application.messages == []
    return panel.logic.getParameterNode().faded


def sliders(panel: Any) -> Any:
    return next(s.fades for s in panel.sections._sections if hasattr(s, "fades"))


def pixels(node: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(node)[0].copy()


def shown_in(view: str) -> Any:
    composite = slicer.app.layoutManager().sliceWidget(view).mrmlSliceCompositeNode()
    return slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())


def two_visits(panel: Any) -> list[Any]:
    """The faded nodes of a joint in two visits; the first one is chosen."""
    faded = []
    for visit in joint_visits():
        source = slicer_nodes.node_from_radiograph(visit.radiograph)
        faded.append(slicer_layers.layer_nodes(visit, source).faded)
    panel.ui.radiographSelector.setCurrentNode(slicer.util.getNode("Finger 1"))
    return faded


def test_the_button_makes_layers_and_shows_the_faded_radiograph(
    panel: Any, radiograph: Any
) -> None:
    assert "A test model" in panel.ui.separateModelText.toPlainText()
    assert not panel.ui.fadesLabel.isVisibleTo(panel.ui.fadesWidget)
    faded = pull(panel)
    said = panel.ui.separateStatus.text
    assert said.startswith("2 layers and soft tissue, faded in hand faded, by apart 0.1.")
    assert sliders(panel).names == UPRIGHT
    assert panel.ui.fadesLabel.isVisibleTo(panel.ui.fadesWidget)
    assert shown_in("BoneXrayInput") is radiograph
    assert shown_in("BoneXrayApart") is faded
    assert slicer.util.getNode("hand overlap").GetDisplayNode().GetVisibility()
    panel.ui.overlapOutlineBox.checked = False
    assert not slicer.util.getNode("hand overlap").GetDisplayNode().GetVisibility()
    assert pull(panel) is faded, "the same model and bones fill their nodes again"


def test_a_slider_fades_its_layer_out_at_once(panel: Any, radiograph: Any) -> None:
    faded = pull(panel)
    whole, layer = pixels(radiograph), pixels(slicer.util.getNode("hand lower bone layer"))
    assert layer.max() > 50
    slider = sliders(panel).slider("lower bone")
    assert (slider.minimum, slider.maximum, slider.value) == (0, 100, 0)
    for percent in (25, 100):
        slider.value = percent
        np.testing.assert_allclose(pixels(faded), whole - percent / 100 * layer, atol=1e-3)
    slider.value = 0
    assert np.array_equal(pixels(faded), whole)


def test_a_script_moves_the_sliders_when_the_panel_looks_again(panel: Any, radiograph: Any) -> None:
    faded = pull(panel)
    panel.logic.setShares(faded, {"upper bone": 0.25})
    panel.logic.getParameterNode().Modified()
    assert sliders(panel).slider("upper bone").value == 75


def test_colours_are_switched_on_and_follow_the_sliders(panel: Any, radiograph: Any) -> None:
    faded = pull(panel)
    panel.ui.layerColoursBox.checked = True
    picture = shown_in("BoneXrayApart")
    assert picture.GetClassName() == "vtkMRMLVectorVolumeNode"
    assert np.ptp(pixels(picture), axis=-1).max() > 30
    for layer in UPRIGHT[:2]:
        sliders(panel).slider(layer).value = 100
    assert np.ptp(pixels(picture), axis=-1).max() == 0, "soft tissue is grey"
    panel.ui.layerColoursBox.checked = False
    assert shown_in("BoneXrayApart") is faded


def test_masks_come_from_segments_or_from_a_model_that_names_bones(
    panel: Any, radiograph: Any
) -> None:
    ui, parameters = panel.ui, panel.logic.getParameterNode()
    assert not ui.masksSelector.enabled
    ui.masksBox.currentIndex = 1
    assert ui.masksSelector.enabled
    assert tip(ui.separateButton) == "Select a segmentation whose segments are the bones"
    assert not ui.separateButton.enabled
    ui.masksBox.currentIndex = 2
    assert ui.separateButton.enabled
    parameters.segment_model = "gone"
    assert tip(ui.separateButton) == "Choose a model under Bones by name"
    names = [ui.segmentModelBox.itemText(n) for n in range(ui.segmentModelBox.count)]
    ui.segmentModelBox.currentIndex = names.index("names 0.1")
    by_model = pull(panel)
    assert sliders(panel).names == ["radius", "ulna", "soft tissue"]
    ui.segmentButton.click()
    wait(lambda: ui.segmentButton.text == "Segment bones")
    assert parameters.masks is slicer.util.getNode("hand segments"), "taken up by itself"
    assert ui.masksBox.currentIndex == 2, "what was chosen stays"
    ui.masksBox.currentIndex = 1
    before = pixels(slicer.util.getNode("hand ulna layer"))
    ui.fillBox.checked = True
    assert pull(panel) is by_model, "the same bones"
    assert np.array_equal(pixels(slicer.util.getNode("hand ulna layer")), before)
    display = slicer.util.getNode("hand segments").GetDisplayNode()
    assert not ui.fillBox.checked, "what is faded is not covered"
    assert not display.GetVisibility2DFill()
    assert display.GetVisibility2DOutline()


def test_named_bones_are_taken_by_themselves_until_a_radiograph_has_none(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    ui = panel.ui
    names = [ui.segmentModelBox.itemText(n) for n in range(ui.segmentModelBox.count)]
    ui.segmentModelBox.currentIndex = names.index("names 0.1")
    assert ui.masksBox.currentIndex == 0
    ui.segmentButton.click()
    wait(lambda: ui.segmentButton.text == "Segment bones")
    assert ui.masksBox.currentIndex == 1
    assert ui.masksSelector.currentNode() is slicer.util.getNode("hand segments")
    load_picture(panel, tmp_path / "other.png")
    assert ui.masksBox.currentIndex == 0
    assert ui.separateButton.enabled, tip(ui.separateButton)
    panel.ui.radiographSelector.setCurrentNode(radiograph)
    assert ui.masksBox.currentIndex == 1
    assert ui.masksSelector.currentNode() is slicer.util.getNode("hand segments")


def test_defaults_are_the_commands(panel: Any) -> None:
    from BoneXrayLib.layers import SeparateConfig

    assert panel.logic.getParameterNode().separate_config() == SeparateConfig()


def test_a_saved_scene_brings_layers_and_sliders_back(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    pull(panel)
    sliders(panel).slider("upper bone").value = 60
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert sliders(panel).names == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    faded = slicer.util.getNode("hand faded")
    assert panel.logic.getParameterNode().faded is faded
    assert sliders(panel).slider("upper bone").value == 60
    sliders(panel).slider("upper bone").value = 0
    np.testing.assert_allclose(pixels(faded), pixels(slicer.util.getNode("hand")), atol=1e-4)


def test_another_radiograph_has_its_own_layers(panel: Any, radiograph: Any, tmp_path: Path) -> None:
    faded = pull(panel)
    load_picture(panel, tmp_path / "other.png")
    assert panel.logic.getParameterNode().faded is None
    assert sliders(panel).names == []
    assert not slicer.util.getNode("hand overlap").GetDisplayNode().GetVisibility()
    panel.ui.radiographSelector.setCurrentNode(radiograph)
    assert panel.logic.getParameterNode().faded is faded
    assert sliders(panel).names == UPRIGHT
    sliders(panel).slider("upper bone").value = 10
    assert shown_in("BoneXrayApart") is faded, "what moves is shown"


def test_a_layer_that_was_deleted_is_said_once_and_ends_the_sliders(
    panel: Any, radiograph: Any
) -> None:
    faded = pull(panel)
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("hand upper bone layer"))
    sliders(panel).slider("lower bone").value = 50
    assert len(application.messages) == 1
    assert "are gone; pull its bones apart again" in application.messages[0]
    slicer.mrmlScene.RemoveNode(faded)
    assert sliders(panel).names == []


def test_what_is_measured_of_a_joint_is_chosen_as_in_the_command(panel: Any) -> None:
    from BoneXrayLib.joints.joint_space_config import JointConfig

    two_visits(panel)
    ui, parameters = panel.ui, panel.logic.getParameterNode()
    assert parameters.joint_config() == JointConfig()
    ui.measureJointButton.click()
    wait(lambda: ui.measureJointButton.enabled)
    profile = slicer.util.getNode("Finger 1 joint space profile upper bone – lower bone")
    stations = profile.GetNumberOfRows()
    ui.jointShareBox.value = 0.3
    assert ui.jointStatus.text == "", "that was of a longer stretch"
    ui.smoothAlongBox.value, ui.mostDegreesBox.value = 2.0, 12.0
    assert parameters.joint_config() == JointConfig(0.3, 2.0, 12.0)
    ui.measureJointButton.click()
    wait(lambda: ui.measureJointButton.enabled)
    assert profile.GetNumberOfRows() < 0.6 * stations


def test_a_joint_space_is_measured_and_plotted_beside_its_bones(panel: Any) -> None:
    first, _second = two_visits(panel)
    ui = panel.ui
    assert (ui.upperBoneBox.currentText, ui.lowerBoneBox.currentText) == tuple(UPRIGHT[:2])
    ui.measureJointButton.click()
    assert not ui.measureJointButton.enabled
    wait(lambda: ui.measureJointButton.enabled)
    assert application.messages == []
    assert ui.jointStatus.text.startswith("Mean width ")
    table = slicer.util.getNode("Finger 1 joint space upper bone – lower bone")
    assert table.GetName() in ui.jointStatus.text
    assert shown_in("BoneXrayApart") is first
    view = slicer.mrmlScene.GetSingletonNode("BoneXrayWidths", "vtkMRMLPlotViewNode")
    chart = slicer.mrmlScene.GetNodeByID(view.GetPlotChartNodeID())
    assert chart.GetTitle() == "Joint space upper bone – lower bone"
    ui.lowerBoneBox.currentIndex = 0
    assert tip(ui.measureJointButton) == "Choose two different bones"
    assert ui.jointStatus.text == "", "that was another joint"


def test_two_visits_stand_side_by_side_and_fade_together(panel: Any) -> None:
    first, second = two_visits(panel)
    ui = panel.ui
    entries = [ui.secondVisitBox.itemText(n) for n in range(ui.secondVisitBox.count)]
    assert entries == ["none", "Finger 2 faded"]
    ui.secondVisitBox.currentIndex = 1
    ui.measureJointButton.click()
    wait(lambda: ui.measureJointButton.enabled, 60)
    assert application.messages == []
    assert "(standard error)" in ui.jointStatus.text
    assert (shown_in("BoneXrayApart"), shown_in("BoneXraySecondVisit")) == (first, second)
    before = pixels(second)
    sliders(panel).slider("upper bone").value = 100
    layer = pixels(slicer.util.getNode("Finger 2 upper bone layer"))
    np.testing.assert_allclose(pixels(second), before - layer, atol=1e-5)
    ui.layerColoursBox.checked = True
    for view in ("BoneXrayApart", "BoneXraySecondVisit"):
        assert shown_in(view).GetClassName() == "vtkMRMLVectorVolumeNode"
    slicer.mrmlScene.RemoveNode(second)
    assert ui.secondVisitBox.currentIndex == 0


def test_the_logic_works_without_a_window(tmp_path: Path, monkeypatch: Any) -> None:
    from BoneXrayLib.layers import SeparateConfig

    module = load_module("BoneXray")
    slicer.mrmlScene.Clear(False)
    monkeypatch.setattr(slicer.app, "headless", True)
    logic = module.BoneXrayLogic()
    assert [model.card.name for model in logic.separateModels()] == ["apart", "separate-layers"]
    source = logic.loadRadiograph(write_png(tmp_path / "hand.png"), 0.5)
    made = logic.separate(source, SeparateConfig("apart"))
    assert list(made.layers) == UPRIGHT
    logic.setShares(made.faded, {"upper bone": 0.0})
    left = pixels(source) - pixels(made.layers["upper bone"])
    np.testing.assert_allclose(pixels(made.faded), left, atol=1e-3)
    assert pixels(logic.colourLayers(made.faded)).shape == (60, 40, 3)
