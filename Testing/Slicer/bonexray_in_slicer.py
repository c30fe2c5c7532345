"""BoneXray in the real application: logic without a window, and the panel where there is one."""

import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from slicer import ScriptedLoadableModule

HAS_WINDOW = slicer.util.mainWindow() is not None


def wait(condition, seconds=120):
    """Let the application live until `condition`."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"still not after {seconds} s"
        slicer.app.processEvents()
        time.sleep(0.01)


def drag(move, positions, see):
    """Move a widget a step each 16 ms; what was seen after each, the longest hold [ms]."""
    seen, longest = [], 0.0
    for position in positions:
        began = time.perf_counter()
        move(float(position))
        slicer.app.processEvents()
        longest = max(longest, time.perf_counter() - began)
        ends = began + 0.016
        while time.perf_counter() < ends:
            time.sleep(0.002)
            again = time.perf_counter()
            slicer.app.processEvents()
            longest = max(longest, time.perf_counter() - again)
        seen.append(see())
    return seen, 1e3 * longest


def pixels(node):
    return slicer.util.arrayFromVolume(node)[0]


def write_png(path):
    """A bright bar on the left and a bright spot on top right."""
    from PIL import Image

    image = np.full((120, 80), 60, np.uint8)
    image[:, 16:28] = 200
    image[8:20, -20:-8] = 250
    image += np.arange(120, dtype=np.uint8)[:, None] // 4
    Image.fromarray(image).save(path)
    return path


def add_limb():
    from BoneXrayLib.phantoms import synthetic_limb
    from BoneXrayLib.scene.slicer_samples import node_from_volume

    return node_from_volume(synthetic_limb(4.0))


class BoneXrayLogicInSlicer(ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What works without a window."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.logic = slicer.util.getModuleLogic("BoneXray")

    def test_radiographs_of_a_ct(self):
        from BoneXrayLib.drr import DrrConfig

        ct = add_limb()
        nodes = self.logic.makeRadiographs(ct, DrrConfig(size=(64, 48), pixel=4.0))
        assert pixels(nodes.full).shape == (64, 48)
        assert (pixels(nodes.bone) <= pixels(nodes.full) + 1e-4).all()
        assert pixels(nodes.bone).max() > 0.5
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.full))
        assert hierarchy.GetItemDataNode(parent).GetID() == ct.GetID()

    def test_a_long_leg_view_of_a_ct(self):
        from BoneXrayLib.long_leg_config import LongLegConfig

        ct = add_limb()
        made = self.logic.makeLongLeg(ct, LongLegConfig(shots=2, pixel=4.0))
        assert made.full.GetName() == f"{ct.GetName()} AP long leg full"
        assert pixels(made.bone).max() > 0.5
        assert made.full.GetAttribute("BoneXray.LongLeg").count('"first_row"') == 2

    def test_labels_of_a_segmentation(self):
        from BoneXrayLib.scene.slicer_nodes import labels_from_node

        ct = add_limb()
        mask = slicer.util.arrayFromVolume(ct) > 200
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
        identifier = segmentation.GetSegmentation().AddEmptySegment("bone", "bone")
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, identifier, ct
        )
        before = slicer.mrmlScene.GetNumberOfNodes()
        labels, names = labels_from_node(segmentation, ct)
        assert names == {1: "bone"}
        assert ((labels == 1) == mask).all()
        assert slicer.mrmlScene.GetNumberOfNodes() == before

    def test_bones_of_a_radiograph_and_a_saved_scene(self):
        models = self.logic.models()
        if not models:
            raise unittest.SkipTest("no trained model is shipped")
        with tempfile.TemporaryDirectory() as folder:
            source = self.logic.loadRadiograph(write_png(Path(folder) / "hand.png"), 0.5)
            found = self.logic.extract(source)
            self.logic.setEnhance(found.enhanced, -1.0)
            expected = pixels(source) - pixels(found.bones)
            np.testing.assert_allclose(pixels(found.enhanced), expected, atol=1e-3)
            slicer.util.saveScene(str(Path(folder) / "scene.mrb"))
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(str(Path(folder) / "scene.mrb"))
            enhanced = slicer.util.getNode("hand enhanced")
            self.logic.setEnhance(enhanced, 0.0)
            np.testing.assert_allclose(
                pixels(enhanced), pixels(slicer.util.getNode("hand")), atol=1e-3
            )


@unittest.skipUnless(HAS_WINDOW, "needs the main window")
class BoneXrayPanelInSlicer(ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What a user does."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("Welcome")
        slicer.app.layoutManager().setLayout(3)
        slicer.util.selectModule("BoneXray")
        self.panel = slicer.util.getModuleWidget("BoneXray")

    def test_a_slider_moves_the_preview(self):
        ui = self.panel.ui
        ui.ctSelector.setCurrentNode(add_limb())
        wait(lambda: "Preview" in ui.ctStatus.text)
        bone = next(n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
                    if n.GetName().endswith("AP bone (preview)"))  # fmt: skip
        before = pixels(bone).copy()
        ui.orbitalSlider.value = 60
        wait(lambda: not np.array_equal(before, pixels(bone)))
        names = slicer.app.layoutManager().sliceViewNames()
        assert {"BoneXrayFull", "BoneXrayBone"} <= set(names)

    def test_the_images_follow_a_dragged_window_and_a_dragged_orbit(self):
        from BoneXrayLib.drr import simulate
        from BoneXrayLib.scene.slicer_nodes import volume_from_node

        ui, ct = self.panel.ui, add_limb()
        ui.ctSelector.setCurrentNode(ct)
        parameters = self.panel.logic.getParameterNode()
        live = self.panel.logic.liveCt(ct)
        wait(lambda: live.is_sorted(parameters.drr_config()))
        full, bone = (
            slicer.mrmlScene.GetSingletonNode(f"BoneXrayPreview{kind}", "vtkMRMLScalarVolumeNode")
            for kind in ("full", "bone")
        )
        sums, held = drag(lambda low: setattr(ui.huRange, "minimumValue", low),
                          np.linspace(210, 1200, 100), lambda: pixels(bone).sum())  # fmt: skip
        print(f"window dragged: held {held:.0f} ms at most")
        assert sums[-1] < sums[0]
        assert held < 500
        turned, held = drag(lambda angle: setattr(ui.orbitalSlider, "value", angle),
                            np.linspace(3, 60, 20), lambda: pixels(full).shape[0])  # fmt: skip
        print(f"orbit dragged: held {held:.0f} ms at most")
        assert 192 in turned
        assert held < 500
        wait(lambda: live.is_sorted(parameters.drr_config()))
        exact = simulate(volume_from_node(ct), parameters.drr_config())
        np.testing.assert_allclose(pixels(bone), exact.bone, atol=1e-5)

    def test_a_radiograph_hangs_upright(self):
        with tempfile.TemporaryDirectory() as folder:
            node = self.panel.logic.loadRadiograph(write_png(Path(folder) / "hand.png"), 0.5)
        self.panel.ui.radiographSelector.setCurrentNode(node)
        settled = time.monotonic() + 1
        wait(lambda: time.monotonic() > settled)
        view = slicer.app.layoutManager().sliceWidget("BoneXrayInput")
        slice_to_ras = slicer.util.arrayFromVTKMatrix(view.mrmlSliceNode().GetSliceToRAS())
        np.testing.assert_allclose(slice_to_ras[:3, 0], (-1, 0, 0), atol=1e-6)
        np.testing.assert_allclose(slice_to_ras[:3, 1], (0, 1, 0), atol=1e-6)
        ras = [0.0] * 6
        node.GetRASBounds(ras)
        assert ras[4] < slice_to_ras[2, 3] < ras[5], "the view is off the image's plane"

    def test_tube_outlines_and_rays_are_in_the_scene(self):
        from BoneXrayLib.scene.slicer_scene import LOOKS, find_model, geometry_of_node

        ui, ct = self.panel.ui, add_limb()
        ui.ctSelector.setCurrentNode(ct)
        wait(lambda: "Preview" in ui.ctStatus.text)
        ui.sceneBox.checked = ui.rayBox.checked = True
        ui.orbitalSlider.value = 30
        manager = slicer.app.layoutManager()
        wait(lambda: {"BoneXrayFull", "Red"} <= set(manager.sliceViewNames()))
        detector = find_model("detector").GetDisplayNode()
        assert detector.GetTextureImageDataConnection() is not None
        colour = find_model("tube").GetDisplayNode().GetColor()
        np.testing.assert_allclose(colour, LOOKS["tube"].colour)
        full = next(n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
                    if n.GetName().endswith("AP full (preview)"))  # fmt: skip
        settled = time.monotonic() + 2
        wait(lambda: time.monotonic() > settled)
        view = manager.sliceWidget("BoneXrayFull").sliceView()
        node = manager.sliceWidget("BoneXrayFull").mrmlSliceNode()
        place = geometry_of_node(full).detector_points()[60, 80]
        to_xy = np.linalg.inv(slicer.util.arrayFromVTKMatrix(node.GetXYToRAS()))
        x, y = (to_xy @ [*place, 1.0])[:2]
        mouse = view.renderWindow().GetInteractor()
        mouse.SetEventPosition(round(x), round(y))
        mouse.InvokeEvent("EnterEvent")
        mouse.InvokeEvent("MouseMoveEvent")
        wait(lambda: ui.sceneStatus.text.startswith("Row "))
        row, column = (int(word.strip(",:")) for word in ui.sceneStatus.text.split()[1:4:2])
        assert abs(row - 60) <= 1
        assert abs(column - 80) <= 1
        camera = manager.threeDWidget(0).threeDView().cameraNode()
        camera.SetFocalPoint(0, 0, 0)
        camera.SetPosition(-500, 500, 0)
        ui.cameraButton.click()
        assert (ui.viewBox.currentText, ui.orbitalSlider.value) == ("RPO", 0)
        ui.sceneBox.checked = ui.rayBox.checked = False
        assert find_model("tube") is None
        assert find_model("ray") is None

    def test_the_long_leg_button_makes_cancels_and_refuses(self):
        ui, ct = self.panel.ui, add_limb()
        ui.previewBox.checked = False
        ui.ctSelector.setCurrentNode(ct)
        ui.longLegButton.collapsed = False
        assert (ui.methodBox.currentText, ui.shotsBox.value) == ("tilt", 3)
        assert (ui.overlapBox.text, ui.lengthBox.text) == ("as needed", "as the CT needs")
        assert ui.longLegStatus.text.startswith("3 shots of ")
        ui.overlapBox.value = 0
        assert "0 mm shared" in ui.longLegStatus.text
        ui.overlapBox.value = 5000
        assert not ui.makeLongLegButton.enabled
        assert ui.longLegStatus.text.startswith("overlap: got 5000; expected less than the length")
        assert "overlap: got 5000" in ui.makeLongLegButton.toolTip  # Slicer makes rich text of it
        ui.overlapBox.value = ui.overlapBox.minimum
        ui.makeLongLegButton.click()
        assert ui.makeLongLegButton.text == "Cancel"
        ui.makeLongLegButton.click()
        wait(lambda: ui.longLegStatus.text == "Cancelled.")
        name = f"{ct.GetName()} AP long leg full"
        assert slicer.mrmlScene.GetFirstNodeByName(name) is None
        ui.makeLongLegButton.click()
        wait(lambda: ui.longLegStatus.text.startswith("Made"))
        manager = slicer.app.layoutManager()
        shown = manager.sliceWidget("BoneXrayFull").mrmlSliceCompositeNode()
        assert shown.GetBackgroundVolumeID() == slicer.util.getNode(name).GetID()
        ui.previewBox.checked = True

    def test_leaving_gives_the_layout_back(self):
        ui = self.panel.ui
        ui.ctSelector.setCurrentNode(add_limb())
        wait(lambda: "Preview" in ui.ctStatus.text)
        assert slicer.app.layoutManager().layout != 3
        slicer.util.selectModule("Data")
        assert slicer.app.layoutManager().layout == 3

    def test_apply_cancel_and_apply(self):
        ui = self.panel.ui
        if not self.panel.logic.models():
            raise unittest.SkipTest("no trained model is shipped")
        with tempfile.TemporaryDirectory() as folder:
            node = self.panel.logic.loadRadiograph(write_png(Path(folder) / "hand.png"), 0.5)
        ui.radiographSelector.setCurrentNode(node)
        ui.applyButton.click()
        ui.applyButton.click()
        wait(lambda: ui.applyButton.text == "Extract bones")
        ui.applyButton.click()
        wait(lambda: slicer.mrmlScene.GetFirstNodeByName("hand enhanced") is not None)
        enhanced = slicer.util.getNode("hand enhanced")
        ui.enhanceSlider.value = -1
        expected = pixels(node) - pixels(slicer.util.getNode("hand bones"))
        np.testing.assert_allclose(pixels(enhanced), expected, atol=1e-3)

    def test_a_closed_scene_leaves_an_empty_panel(self):
        self.panel.ui.ctSelector.setCurrentNode(add_limb())
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        assert self.panel.ui.ctSelector.currentNode() is None
        assert not self.panel.ui.makeButton.enabled
