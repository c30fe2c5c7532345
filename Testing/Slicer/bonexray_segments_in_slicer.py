"""The panel's group Bones by name in the real application: segments drawn, edited, saved."""

import importlib.util
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk
from bonexray_in_slicer import HAS_WINDOW, wait
from bonexray_models_in_slicer import HAS_ONNX, WithModel, coloured
from slicer import ScriptedLoadableModule

GAINS = {"radius": 1.0, "ulna": 6.0, "lunate": 0.0}


def mask(node, number, source):
    """The mask of a segment, (rows, columns) bool."""
    identifier = node.GetSegmentation().GetNthSegmentID(number)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier, source)[0] > 0


class WithNames(WithModel):
    """A scene with a radiograph, and a model that names bones."""

    def write_model(self, folder):
        """It calls what is bright radius, and what is half as bright ulna."""
        from small_model import write_small_model

        write_small_model(folder / "names", "names", "segment", GAINS)

    def made(self):
        from BoneXrayLib.segmentation import SegmentConfig

        return self.logic.segment(self.source, SegmentConfig("names"))


@unittest.skipUnless(HAS_ONNX, "needs the package onnx to make a model")
class BoneXraySegmentsLogicInSlicer(WithNames, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What works without a window."""

    def test_segments_survive_a_saved_scene(self):
        nodes = self.made()
        masks = [mask(nodes.segments, n, self.source) for n in range(3)]
        colours = [nodes.segments.GetSegmentation().GetNthSegment(n).GetColor() for n in range(3)]
        assert (masks[0] & masks[1]).any()
        assert nodes.segments.GetSegmentation().GetNumberOfLayers() == 2
        rows = nodes.areas.GetNumberOfRows()
        scene = str(Path(self.folder.name) / "scene.mrb")
        slicer.util.saveScene(scene)
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(scene)
        node, source = (slicer.util.getNode(n) for n in ("hand segments", "hand"))
        segmentation = node.GetSegmentation()
        for number, name in enumerate(GAINS):
            one = segmentation.GetNthSegment(number)
            assert one.GetName() == name
            np.testing.assert_allclose(one.GetColor(), colours[number], atol=1e-4)
            assert np.array_equal(mask(node, number, source), masks[number])
        assert slicer.util.getNode("hand areas").GetNumberOfRows() == rows
        self.logic.measureSegments(node)

    def test_slicer_loads_the_written_segments_with_their_codes(self):
        nodes = self.made()
        files = self.logic.exportSegments(nodes.segments, Path(self.folder.name) / "out")
        node = slicer.util.loadSegmentation(str(files["segments.seg.nrrd"]))
        entry = slicer.vtkSlicerTerminologyEntry()
        for number, name in enumerate(GAINS):
            one = node.GetSegmentation().GetNthSegment(number)
            assert one.GetName() == name
            assert np.array_equal(
                mask(node, number, self.source), mask(nodes.segments, number, self.source)
            )
            text = vtk.reference("")
            one.GetTag("TerminologyEntry", text)
            logic = slicer.modules.terminologies.logic()
            assert logic.DeserializeTerminologyEntry(str(text), entry)
            assert entry.GetTypeObject().GetCodeMeaning().lower() == name

    @unittest.skipIf(importlib.util.find_spec("highdicom") is None, "needs highdicom")
    def test_a_dicom_seg_is_written(self):
        import pydicom

        folder = Path(self.folder.name) / "seg"
        files = self.logic.exportSegments(self.made().segments, folder, ("dicom",))
        assert pydicom.dcmread(files["segments.dcm"]).pixel_array.shape == (3, 120, 80)


@unittest.skipUnless(HAS_WINDOW and HAS_ONNX, "needs the main window and the package onnx")
class BoneXraySegmentsPanelInSlicer(WithNames, ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What a user does."""

    def setUp(self):
        super().setUp()
        self.ui = self.open_panel().ui
        self.ui.segmentsButton.collapsed = False
        box = self.ui.segmentModelBox
        box.currentIndex = next(n for n in range(box.count) if box.itemText(n) == "names 0.1")

    def segmented(self):
        self.ui.segmentButton.click()
        wait(lambda: self.ui.segmentStatus.text.startswith("2 of 3 bones in"))
        return slicer.util.getNode("hand segments")

    def test_segments_are_drawn_in_their_colours_and_hidden_again(self):
        self.segmented()
        wait(lambda: coloured("BoneXrayInput") > 0.02)
        filled = coloured("BoneXrayInput")
        self.ui.fillBox.checked = False
        wait(lambda: 0 < coloured("BoneXrayInput") < filled / 2)
        self.ui.outlineBox.checked = False
        wait(lambda: coloured("BoneXrayInput") == 0)
        self.ui.fillBox.checked = self.ui.outlineBox.checked = True

    def test_cancel_and_again(self):
        self.cancel(self.ui.segmentButton, "Segment bones")
        self.segmented()

    def test_the_segment_editor_edits_one_bone_and_leaves_the_others(self):
        node = self.segmented()
        before = [mask(node, n, self.source) for n in range(3)]
        editor = slicer.qMRMLSegmentEditorWidget()
        editor.setMRMLScene(slicer.mrmlScene)
        choices = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        choices.SetOverwriteMode(choices.OverwriteNone)
        editor.setMRMLSegmentEditorNode(choices)
        editor.setSegmentationNode(node)
        editor.setSourceVolumeNode(self.source)
        editor.setCurrentSegmentID(node.GetSegmentation().GetNthSegmentID(0))
        editor.setActiveEffectByName("Logical operators")
        effect = editor.activeEffect()
        effect.setParameter("Operation", "INVERT")
        effect.self().onApply()
        assert np.array_equal(mask(node, 0, self.source), ~before[0])
        for number in (1, 2):
            assert np.array_equal(mask(node, number, self.source), before[number])
        editor.setActiveEffect(None)
        editor.setMRMLSegmentEditorNode(None)
        editor.deleteLater()
        self.ui.measureButton.click()
        table = slicer.util.getNode("hand areas")
        assert float(table.GetCellText(0, 2)) == np.count_nonzero(~before[0]) * 0.25

    def test_without_a_model_the_button_is_off_and_says_so(self):
        said = "There is no model that names bones yet"
        self.check_without_a_model(self.ui.segmentButton, "segment", said)
