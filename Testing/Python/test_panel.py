"""The panel of BoneXray on Slicer's stand-in: load, drag, press, look, close, save, reload."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import (
    add_ct,
    load_module,
    load_picture,
    opened_panel,
    start_slicer,
    tip,
    wait,
    waiting_work,
    write_png,
)
from small_model import write_small_model

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application, small_modules  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _a_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    write_small_model(folder / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEXRAY_MODELS", str(folder))
        yield


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


@pytest.fixture
def ct(panel: Any) -> Any:
    """A CT, chosen in the panel, its preview shown."""
    node = add_ct()
    panel.ui.ctSelector.setCurrentNode(node)
    wait(lambda: "Preview" in panel.ui.ctStatus.text, 60)
    return node


@pytest.fixture
def radiograph(panel: Any, tmp_path: Path) -> Any:
    """A PNG, loaded by the panel's button."""
    node = load_picture(panel, tmp_path / "hand.png")
    choose_model(panel, "small")
    return node


def choose_model(panel: Any, name: str) -> None:
    box = panel.ui.modelBox
    box.currentIndex = next(n for n in range(box.count) if box.itemText(n).startswith(name))


def pixels(node: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(node)[0]


def apply(panel: Any) -> tuple[Any, Any]:
    panel.ui.applyButton.click()
    wait(lambda: panel.ui.applyButton.text == "Extract bones")
    return slicer.util.getNode("hand bones"), slicer.util.getNode("hand enhanced")


def layout_of(panel: Any) -> tuple[str, ...]:
    return slicer.app.layoutManager().sliceViewNames()


# -- a CT -----------------------------------------------------------------------------------------
def test_make_radiographs_waits_for_a_ct_and_says_so(panel: Any) -> None:
    assert not panel.ui.makeButton.enabled
    assert tip(panel.ui.makeButton) == "Select a CT"
    panel.ui.ctSelector.setCurrentNode(add_ct())
    assert panel.ui.makeButton.enabled


def test_choosing_a_ct_shows_its_preview_beside_its_bones(panel: Any, ct: Any) -> None:
    assert layout_of(panel) == ("BoneXrayFull", "BoneXrayBone")
    full = slicer.util.getNode("Limb AP full (preview)")
    bone = slicer.util.getNode("Limb AP bone (preview)")
    assert pixels(full).shape == (512, 512), "at rest it has the detector's own pixels"
    assert pixels(full).max() > pixels(bone).max() > 1
    assert not full.GetSaveWithScene()


def test_moving_a_slider_moves_the_preview_and_takes_the_last_value(panel: Any, ct: Any) -> None:
    before = pixels(slicer.util.getNode("Limb AP bone (preview)")).copy()
    for angle in range(0, 91, 10):
        panel.ui.orbitalSlider.value = angle
        slicer.app.processEvents()
    panel.ui.viewBox.currentIndex = 1
    wait(lambda: slicer.mrmlScene.GetFirstNodeByName("Limb PA bone (preview)") is not None)
    node = slicer.util.getNode("Limb PA bone (preview)")
    wait(lambda: pixels(node).shape == before.shape)
    assert np.abs(pixels(node) - before).max() > 0.5
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode").__len__() == 3


def test_a_raised_threshold_takes_bone_out_of_the_preview(panel: Any, ct: Any) -> None:
    panel.ui.huRange.minimumValue = 1500
    bone = slicer.util.getNode("Limb AP bone (preview)")
    wait(lambda: pixels(bone).max() == 0)
    panel.ui.huRange.minimumValue = 900
    wait(lambda: pixels(bone).max() > 1)


def test_a_preset_brings_its_window_and_the_slider_overrides_it(panel: Any) -> None:
    parameters = panel.logic.getParameterNode()
    panel.ui.presetBox.currentIndex = 1
    assert (panel.ui.huRange.minimumValue, panel.ui.huRange.maximumValue) == (400, 800)
    assert parameters.drr_config().hu is None
    panel.ui.huRange.maximumValue = 900
    assert parameters.drr_config().hu == (400, 900)
    panel.ui.presetBox.currentIndex = 0
    assert parameters.drr_config().preset == "bone"
    assert parameters.drr_config().hu is None
    panel.ui.huRange.minimumValue = 300
    assert parameters.drr_config().hu == (300, np.inf)


def test_made_radiographs_are_full_size_and_lie_beneath_the_ct(panel: Any, ct: Any) -> None:
    panel.ui.previewBox.checked = False
    panel.ui.rowsBox.value = 240
    panel.ui.columnsBox.value = 200
    panel.ui.makeButton.click()
    assert panel.ui.makeButton.text == "Cancel"
    wait(lambda: "Made" in panel.ui.ctStatus.text)
    full, bone = slicer.util.getNode("Limb AP full"), slicer.util.getNode("Limb AP bone")
    assert pixels(full).shape == pixels(bone).shape == (240, 200)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(full)
    assert hierarchy.GetItemDataNode(hierarchy.GetItemParent(item)) is ct
    assert full.GetNodeReference("BoneXrayInput") is ct
    assert slicer.mrmlScene.GetFirstNodeByName("Limb AP full (preview)") is None
    assert panel.ui.radiographSelector.currentNode() is full


def test_the_same_exposure_fills_its_nodes_again_and_another_gets_new_ones(panel: Any) -> None:
    from BoneXrayLib.drr import DrrConfig

    node = add_ct()
    first = panel.logic.makeRadiographs(node, DrrConfig(size=(32, 32), pixel=8.0))
    again = panel.logic.makeRadiographs(node, DrrConfig(size=(32, 32), pixel=8.0))
    other = panel.logic.makeRadiographs(node, DrrConfig(size=(32, 32), pixel=8.0, hu=(500, 900)))
    assert first.full is again.full
    assert other.full is not first.full
    assert other.full.GetName() == "Limb AP full_1"


def test_labelled_bones_become_layers_and_the_window_steps_back(panel: Any, ct: Any) -> None:
    panel.ui.previewBox.checked = False
    panel.ui.rowsBox.value = panel.ui.columnsBox.value = 64
    panel.ui.pixelBox.value = 4.0
    hu = slicer.util.arrayFromVolume(ct)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    upper = hu > 500
    upper[:12] = False
    for name, mask in (("tibia", upper), ("talus", (hu > 500) & ~upper)):
        identifier = segmentation.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, identifier, ct
        )
    panel.ui.labelsSelector.setCurrentNode(segmentation)
    assert not panel.ui.huRange.enabled
    panel.ui.makeButton.click()
    wait(lambda: "Made" in panel.ui.ctStatus.text)
    parts = [slicer.util.getNode(f"Limb AP {name}") for name in ("rest", "tibia", "talus")]
    whole = pixels(slicer.util.getNode("Limb AP full"))
    np.testing.assert_allclose(sum(pixels(p) for p in parts), whole, rtol=1e-5, atol=1e-5)
    assert pixels(parts[1]).max() > 1


def test_contradicting_distances_disable_the_button_and_are_named(panel: Any) -> None:
    panel.ui.ctSelector.setCurrentNode(add_ct())
    panel.ui.sourceObjectBox.value = 1900
    assert not panel.ui.makeButton.enabled
    assert tip(panel.ui.makeButton).startswith("source_object: got 1900.0; expected less than")


def test_a_ct_without_image_ends_in_one_message(panel: Any) -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(ValueError, match="ct: 'Empty' holds no image"):
        panel.logic.makeRadiographs(empty)


def test_a_pose_file_replaces_view_and_angles_until_it_is_cleared(
    panel: Any, ct: Any, tmp_path: Path
) -> None:
    from BoneXrayLib.drr import DrrConfig, simulate, write_drr
    from BoneXrayLib.scene.slicer_nodes import volume_from_node

    config = DrrConfig(view="LAT-L", rotate=(5, 8), size=(256, 200), pixel=2.0)
    wanted = simulate(volume_from_node(ct), config)
    record = write_drr(wanted, tmp_path / "side")["drr.json"]
    panel.ui.poseEdit.currentPath = str(record)
    wait(lambda: slicer.mrmlScene.GetFirstNodeByName("Limb drr full (preview)") is not None)
    preview = slicer.util.getNode("Limb drr full (preview)")
    assert pixels(preview).shape == (192, 150), "the first is coarse"
    wait(lambda: pixels(preview).shape == (256, 200))
    assert not panel.ui.viewBox.enabled
    assert not panel.ui.tiltSlider.enabled
    panel.ui.makeButton.click()
    wait(lambda: "Made" in panel.ui.ctStatus.text)
    np.testing.assert_allclose(pixels(slicer.util.getNode("Limb drr full")), wanted.full, atol=1e-4)
    panel.ui.poseClearButton.click()
    assert panel.ui.poseEdit.currentPath == ""
    assert panel.ui.viewBox.enabled
    wait(lambda: slicer.mrmlScene.GetFirstNodeByName("Limb AP full (preview)") is not None)


def test_a_pose_file_that_holds_none_is_said_below_the_button(
    panel: Any, ct: Any, tmp_path: Path
) -> None:
    (tmp_path / "bad.txt").write_text("1 2 3")
    panel.ui.poseEdit.currentPath = str(tmp_path / "bad.txt")
    wait(lambda: panel.ui.ctStatus.text.startswith("pose: bad.txt: lines of numbers: 1"))
    panel.ui.poseClearButton.click()
    wait(lambda: "Preview" in panel.ui.ctStatus.text)


def test_cancel_ends_the_computation_and_leaves_no_node(panel: Any, ct: Any) -> None:
    started = threading.Event()
    panel.logic.simulation = lambda *_: waiting_work(started)
    panel.ui.makeButton.click()
    wait(started.is_set)
    wait(lambda: panel.ui.makeProgress.value == 50)
    panel.ui.makeButton.click()
    wait(lambda: panel.ui.makeButton.text == "Make radiographs")
    assert slicer.mrmlScene.GetFirstNodeByName("Limb AP full") is None


# -- a radiograph ---------------------------------------------------------------------------------
def test_extract_waits_for_a_radiograph_and_says_so(panel: Any) -> None:
    assert not panel.ui.applyButton.enabled
    assert tip(panel.ui.applyButton) == "Select or load a radiograph"
    panel.ui.radiographSelector.setCurrentNode(add_ct())
    assert tip(panel.ui.applyButton) == "Limb is no radiograph: it has several slices"


def test_a_file_is_loaded_shown_upright_and_described(panel: Any, radiograph: Any) -> None:
    assert panel.ui.radiographSelector.currentNode() is radiograph
    assert "60 × 40 pixels, pixel size unknown, bone bright, display" in (
        panel.ui.radiographText.toPlainText()
    )
    assert layout_of(panel) == ("BoneXrayInput",)
    view = slicer.app.layoutManager().sliceWidget("BoneXrayInput").picture(120, 180)[..., 0]
    bar, background, spot = view[90, 32], view[90, 70], view[21, 99]
    assert spot > background + 50, "the spot on top right is not there: mirrored or upside down"
    assert bar > background + 50


def test_a_file_that_is_none_ends_in_one_message(panel: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    qt.QFileDialog.answers.append(str(path))
    panel.ui.loadButton.click()
    assert len(application.messages) == 1
    assert application.messages[0].startswith("The radiograph could not be loaded.")
    assert "broken.png" in application.messages[0]
    assert slicer.mrmlScene.GetFirstNodeByName("broken") is None


def test_the_chosen_model_says_what_it_is_for(panel: Any, radiograph: Any) -> None:
    assert "A test model: bright is bone." in panel.ui.modelText.toPlainText()
    assert "Intended use: Tests." in panel.ui.modelText.toPlainText()
    assert "Limits: Knows nothing." in panel.ui.modelText.toPlainText()


def test_apply_puts_bones_and_enhanced_beside_the_input(panel: Any, radiograph: Any) -> None:
    bones, enhanced = apply(panel)
    assert layout_of(panel) == ("BoneXrayInput", "BoneXrayBones", "BoneXrayEnhanced")
    manager = slicer.app.layoutManager()
    shown = [manager.sliceWidget(name).mrmlSliceCompositeNode().GetBackgroundVolumeID()
             for name in layout_of(panel)]  # fmt: skip
    assert shown == [radiograph.GetID(), bones.GetID(), enhanced.GetID()]
    windows = [(n.GetDisplayNode().GetWindow(), n.GetDisplayNode().GetLevel())
               for n in (radiograph, enhanced)]  # fmt: skip
    assert windows[0] == windows[1]
    assert pixels(bones).shape == pixels(radiograph).shape
    assert bones.GetAttribute("BoneXray.Model") == "small 0.1"
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(bones))
    assert hierarchy.GetItemDataNode(parent) is radiograph


def test_the_uncertainty_is_mapped_where_its_box_is_ticked(panel: Any, radiograph: Any) -> None:
    apply(panel)
    assert slicer.mrmlScene.GetFirstNodeByName("hand uncertainty") is None
    panel.ui.uncertaintyBox.checked = True
    assert panel.logic.getParameterNode().uncertainty
    bones, _ = apply(panel)
    sigma = slicer.util.getNode("hand uncertainty")
    assert pixels(sigma).shape == pixels(bones).shape
    assert pixels(sigma).max() > 0
    assert "hand uncertainty" in panel.ui.resultStatus.text
    assert layout_of(panel)[-1] == "BoneXrayUncertainty"
    view = slicer.app.layoutManager().sliceWidget("BoneXrayUncertainty")
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == sigma.GetID()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(sigma))
    assert hierarchy.GetItemDataNode(parent) is radiograph


def test_what_looks_like_no_radiograph_is_said_on_loading_and_beside_the_result(
    panel: Any, tmp_path: Path
) -> None:
    from PIL import Image, ImageDraw

    image = Image.new("L", (320, 240), 235)
    for line in range(9):
        ImageDraw.Draw(image).text((10, 5 + 26 * line), "Report of a study: series 12", fill=10)
    image.save(tmp_path / "hand.png")
    qt.QFileDialog.answers.append(str(tmp_path / "hand.png"))
    panel.ui.loadButton.click()
    choose_model(panel, "small")
    said = panel.ui.radiographText.toPlainText()
    assert said.startswith("Warning: it looks like ")
    assert "screenshot" in said.splitlines()[0]
    apply(panel)
    assert said.splitlines()[0] in panel.ui.resultStatus.text


def test_the_enhance_slider_acts_at_once(panel: Any, radiograph: Any) -> None:
    bones, enhanced = apply(panel)
    for value in (-1.0, 0.0, 0.5, 2.0):
        panel.ui.enhanceSlider.value = value
        expected = pixels(radiograph) + np.float32(value) * pixels(bones)
        np.testing.assert_allclose(pixels(enhanced), expected, atol=1e-3)
        assert float(enhanced.GetAttribute("BoneXray.Enhance")) == value


def test_applying_again_fills_the_same_nodes(panel: Any, radiograph: Any) -> None:
    first = apply(panel)
    second = apply(panel)
    assert first == second
    assert len(list(slicer.util.getNodes("hand*"))) == 3


# -- the scene ------------------------------------------------------------------------------------
def test_a_saved_scene_brings_choices_results_and_enhancement_back(
    panel: Any, radiograph: Any, tmp_path: Path
) -> None:
    apply(panel)
    panel.ui.enhanceSlider.value = 1.5
    panel.ui.viewBox.currentIndex = 2
    before = pixels(slicer.util.getNode("hand enhanced")).copy()
    scene_file = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(scene_file))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(scene_file))
    enhanced, bones = slicer.util.getNode("hand enhanced"), slicer.util.getNode("hand bones")
    np.testing.assert_allclose(pixels(enhanced), before, atol=1e-3)
    assert panel.ui.radiographSelector.currentNode().GetName() == "hand"
    assert panel.ui.viewBox.currentText == "LAT-L"
    assert panel.ui.enhanceSlider.value == 1.5
    panel.ui.enhanceSlider.value = -1.0
    expected = pixels(slicer.util.getNode("hand")) - pixels(bones)
    np.testing.assert_allclose(pixels(enhanced), expected, atol=1e-3)


def test_removing_the_input_disables_apply(panel: Any, radiograph: Any) -> None:
    apply(panel)
    slicer.mrmlScene.RemoveNode(radiograph)
    assert not panel.ui.applyButton.enabled
    panel.ui.enhanceSlider.value = 0.0


def test_leaving_restores_the_layout_and_coming_back_shows_the_result(
    panel: Any, radiograph: Any
) -> None:
    manager = slicer.app.layoutManager()
    apply(panel)
    assert manager.layout == 5572
    panel.exit()
    assert manager.layout == 3
    panel.ui.enhanceSlider.value = 0.25
    panel.enter()
    assert manager.layout == 5572
    manager.setLayout(4)
    panel.exit()
    assert manager.layout == 4, "a layout the user chose meanwhile must stay"
    panel.enter()


def test_an_extraction_goes_on_while_another_module_is_open(panel: Any, radiograph: Any) -> None:
    go_on = threading.Event()
    real = panel.logic.extraction

    def held_back(*arguments: Any) -> Any:
        work = real(*arguments)

        def run(progress: Any, is_cancelled: Any) -> Any:
            go_on.wait(20)
            return work(progress, is_cancelled)

        return run

    panel.logic.extraction = held_back
    panel.ui.applyButton.click()
    panel.exit()
    manager = slicer.app.layoutManager()
    assert manager.layout == 3
    go_on.set()
    wait(lambda: slicer.mrmlScene.GetFirstNodeByName("hand enhanced") is not None)
    assert manager.layout == 3, "results must not take the layout of another module"
    panel.enter()
    assert layout_of(panel) == ("BoneXrayInput", "BoneXrayBones", "BoneXrayEnhanced")


def test_coming_back_while_work_runs_does_not_end_it(panel: Any, radiograph: Any) -> None:
    started = threading.Event()
    panel.logic.extraction = lambda *_: waiting_work(started)
    panel.ui.applyButton.click()
    panel.exit()
    panel.enter()
    assert panel.ui.applyButton.text == "Cancel"
    panel.ui.applyButton.click()
    wait(lambda: panel.ui.applyButton.text == "Extract bones")


# -- without the panel ----------------------------------------------------------------------------
def test_the_logic_works_without_a_window(tmp_path: Path, monkeypatch: Any) -> None:
    module = load_module("BoneXray")
    slicer.mrmlScene.Clear(False)
    monkeypatch.setattr(slicer.app, "headless", True)
    from BoneXrayLib.drr import DrrConfig
    from BoneXrayLib.extraction import ExtractConfig

    logic = module.BoneXrayLogic()
    made = logic.makeRadiographs(add_ct(), DrrConfig(size=(48, 48), pixel=6.0, view="LAT-R"))
    assert made.full.GetName() == "Limb LAT-R full"
    found = logic.extract(logic.loadRadiograph(write_png(tmp_path / "hand.png"), 0.2),
                          ExtractConfig("small"))  # fmt: skip
    logic.setEnhance(found.enhanced, 0.0)
    np.testing.assert_allclose(pixels(found.enhanced), pixels(slicer.util.getNode("hand")))
    of_drr = logic.extract(made.full, ExtractConfig("small", enhance=-1.0))
    assert of_drr.bones.GetName() == "Limb LAT-R full bones"


def test_samples_are_offered_and_load_when_their_button_is_pressed() -> None:
    module = load_module("BoneXray")
    slicer.mrmlScene.Clear(False)
    small_modules.samples.clear()
    module.registerSampleData()
    limb = next(s for s in small_modules.samples if s["sampleName"] == "Limb CT (synthetic)")
    node = limb["customDownloader"](None)
    assert node.GetImageData().GetDimensions()[2] > 1


def test_the_modules_own_test_passes() -> None:
    module = load_module("BoneXray")
    case = module.BoneXrayTest()
    case.runTest()
    slicer.mrmlScene.Clear(False)


def test_a_refused_model_is_named_with_its_reason(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_small_model(tmp_path / "models" / "forged", "forged")
    (folder / "model.onnx").write_bytes(b"another network")
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path / "models"))
    panel.exit()
    panel.enter()
    assert "Not offered: forged:" in panel.ui.modelText.toPlainText()
    assert all(
        "forged" not in panel.ui.modelBox.itemText(n) for n in range(panel.ui.modelBox.count)
    )
