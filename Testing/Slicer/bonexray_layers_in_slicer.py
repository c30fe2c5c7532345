"""The panel's group Bones apart in the real application: fading, colours, outline, two visits."""

import time
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from bonexray_in_slicer import HAS_WINDOW, drag, pixels, wait
from bonexray_models_in_slicer import HAS_ONNX, WithModel, coloured, on_screen
from slicer import ScriptedLoadableModule


def settled(view):
    """The mean of what a slice view shows once that has not changed for a second."""
    means = [-1.0]

    def is_still():
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            slicer.app.processEvents()
        means.append(on_screen(view).mean())
        return means[-1] == means[-2]

    wait(is_still)
    return means[-1]


def visits_in_scene():
    """The faded nodes of a joint in two visits, made without a network."""
    from small_layers import joint_visits

    from BoneXrayLib.scene.slicer_layers import layer_nodes
    from BoneXrayLib.scene.slicer_nodes import node_from_radiograph

    found = []
    for visit in joint_visits():
        found.append(layer_nodes(visit, node_from_radiograph(visit.radiograph)).faded)
    return found


class WithSeparator(WithModel):
    """A scene with a radiograph, and a model that pulls bones apart."""

    def write_model(self, folder):
        from small_model import write_small_separator

        write_small_separator(folder / "apart", "apart")


@unittest.skipUnless(HAS_ONNX, "needs the package onnx to make a model")
class BoneXrayLayersLogicInSlicer(WithSeparator, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What works without a window."""

    def test_layers_survive_a_saved_scene(self):
        from BoneXrayLib.layers import SeparateConfig

        made = self.logic.separate(self.source, SeparateConfig("apart"))
        whole = pixels(self.source).copy()
        upper = pixels(made.layers["upper bone"]).copy()
        np.testing.assert_allclose(sum(map(pixels, made.layers.values())), whole, atol=1e-3)
        self.logic.setShares(made.faded, {"upper bone": 0.0})
        self.logic.colourLayers(made.faded)
        scene = str(Path(self.folder.name) / "scene.mrb")
        slicer.util.saveScene(scene)
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(scene)
        faded = slicer.util.getNode("hand faded")
        np.testing.assert_allclose(pixels(faded), whole - upper, atol=1e-3)
        self.logic.setShares(faded, {"upper bone": 1.0})
        np.testing.assert_allclose(pixels(faded), whole, atol=1e-3)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        folder = hierarchy.GetItemParent(
            hierarchy.GetItemByDataNode(slicer.util.getNode("hand upper bone layer"))
        )
        assert hierarchy.GetItemName(folder) == "Bones apart"
        above = hierarchy.GetItemByDataNode(slicer.util.getNode("hand"))
        assert hierarchy.GetItemParent(folder) == above

    def test_a_drawn_segment_is_a_mask(self):
        from BoneXrayLib.layers import SeparateConfig

        drawn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
        drawn.CreateDefaultDisplayNodes()
        drawn.SetReferenceImageGeometryParameterFromVolumeNode(self.source)
        for name, rows in (("above", slice(10, 70)), ("below", slice(60, 110))):
            mask = np.zeros((1, 120, 80), np.uint8)
            mask[0, rows, 14:30] = 1
            identifier = drawn.GetSegmentation().AddEmptySegment("", name)
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, drawn, identifier, self.source)
        made = self.logic.separate(self.source, SeparateConfig("apart"), drawn)
        assert list(made.layers) == ["above", "below", "soft tissue"]
        assert pixels(made.layers["above"])[10:60, 16:28].min() > 0
        assert not pixels(made.layers["above"])[70:].any()
        assert made.overlap.GetSegmentation().GetNumberOfSegments() == 1

    def test_two_visits_give_tables_and_a_chart(self):
        made = self.logic.measureJointSpace(*visits_in_scene()[:1])
        assert made.chart.GetNumberOfPlotSeriesNodes() == 1
        first, second = (slicer.util.getNode(f"Finger {n} faded") for n in (1, 2))
        made = self.logic.measureJointSpace(first, secondNode=second)
        assert made.chart.GetNumberOfPlotSeriesNodes() == 2
        assert "(standard error)" in made.figures.GetDescription()


@unittest.skipUnless(HAS_WINDOW and HAS_ONNX, "needs the main window and the package onnx")
class BoneXrayLayersPanelInSlicer(WithSeparator, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What a user does."""

    def setUp(self):
        super().setUp()
        slicer.util.mainWindow().show()
        panel = self.open_panel()
        self.ui, self.parameters = panel.ui, panel.logic.getParameterNode()
        self.fades = next(s.fades for s in panel.sections._sections if hasattr(s, "fades"))
        self.ui.layersButton.collapsed = False
        self.ui.separateModelBox.currentIndex = 0

    def pulled(self):
        self.ui.separateButton.click()
        wait(lambda: self.ui.separateStatus.text.startswith("2 layers and soft tissue"))
        return slicer.util.getNode("hand faded")

    def test_a_slider_fades_a_bone_on_the_screen(self):
        self.pulled()
        assert self.fades.names == ["upper bone", "lower bone", "soft tissue"]
        before = settled("BoneXrayApart")
        seen, longest = drag(
            lambda value: setattr(self.fades.slider("lower bone"), "value", value),
            list(range(0, 101, 5)), lambda: on_screen("BoneXrayApart").mean(),
        )  # fmt: skip
        print(f"longest hold while a bone fades: {longest:.0f} ms")
        assert seen[-1] < before - 1
        assert (np.diff(seen) <= 0.01).all(), f"not darker with every step: {seen}"
        self.fades.slider("lower bone").value = 0
        wait(lambda: abs(on_screen("BoneXrayApart").mean() - before) < 0.5)

    def test_colours_and_the_outline_of_the_overlap_are_switched(self):
        self.pulled()
        assert slicer.util.getNode("hand overlap").GetSegmentation().GetNumberOfSegments() == 1
        wait(lambda: coloured("BoneXrayApart") > 0)
        outline = coloured("BoneXrayApart")
        self.ui.overlapOutlineBox.checked = False
        wait(lambda: coloured("BoneXrayApart") == 0)
        self.ui.layerColoursBox.checked = True
        wait(lambda: coloured("BoneXrayApart") > 2 * outline)
        assert coloured("BoneXrayInput") == 0
        self.ui.layerColoursBox.checked = False
        wait(lambda: coloured("BoneXrayApart") == 0)
        self.ui.overlapOutlineBox.checked = True

    def test_cancel_and_again(self):
        self.cancel(self.ui.separateButton, "Pull bones apart")
        self.pulled()

    def test_both_visits_stand_side_by_side_above_their_plot(self):
        visits_in_scene()
        self.ui.radiographSelector.setCurrentNode(slicer.util.getNode("Finger 1"))
        self.ui.jointButton.collapsed = False
        assert self.ui.secondVisitBox.count == 2
        self.ui.secondVisitBox.currentIndex = 1
        self.ui.measureJointButton.click()
        wait(lambda: "(standard error)" in self.ui.jointStatus.text)
        manager = slicer.app.layoutManager()
        for view, name in (("BoneXrayApart", "1"), ("BoneXraySecondVisit", "2")):
            composite = manager.sliceWidget(view).mrmlSliceCompositeNode()
            shown = slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())
            assert shown.GetName() == f"Finger {name} faded"
            wait(lambda view=view: coloured(view) > 0)
        view = slicer.mrmlScene.GetSingletonNode("BoneXrayWidths", "vtkMRMLPlotViewNode")
        chart = slicer.mrmlScene.GetNodeByID(view.GetPlotChartNodeID())
        assert chart.GetNumberOfPlotSeriesNodes() == 2

    def test_without_a_model_the_button_is_off_and_says_so(self):
        said = "There is no model that pulls bones apart yet"
        self.check_without_a_model(self.ui.separateButton, "separate", said)
