"""BoneXrayTraining in the real application: the child process that Slicer's Python runs."""

import json
import os
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from bonexray_in_slicer import HAS_WINDOW
from slicer import ScriptedLoadableModule


class BoneXrayTrainingInSlicer(ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """A wrong configuration must come back from the child as its one line."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_the_child_starts_and_answers(self):
        lines, ends = [], []
        logic = slicer.util.getModuleLogic("BoneXrayTraining")
        logic.follow(lambda fraction, message: lines.append(message), lines.append, ends.append)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "wrong.toml"
            config.write_text("colour = 'red'\n")
            logic.start(config, folder, Path(folder) / "run")
            stops = time.monotonic() + 120
            while not ends and time.monotonic() < stops:
                slicer.app.processEvents()
                time.sleep(0.02)
        assert ends == [2], (ends, lines)
        assert any("unknown 'colour'" in line or "torch" in line for line in lines), lines

    @unittest.skipUnless(HAS_WINDOW, "needs the main window")
    def test_ct_list_pairs_and_plots_are_shown_by_the_panel(self):
        from BoneXrayLib.phantoms import synthetic_limb
        from BoneXrayLib.radiograph import radiograph_from_array
        from BoneXrayLib.scene.slicer_layouts import LAYOUTS
        from BoneXrayLib.scene.slicer_nodes import node_from_radiograph
        from BoneXrayLib.scene.slicer_samples import node_from_volume

        slicer.util.selectModule("BoneXrayTraining")
        panel = slicer.modules.BoneXrayTrainingWidget
        limb = node_from_volume(synthetic_limb(8.0))
        panel.ui.sourceBox.currentIndex = 2
        wait(lambda: panel.ui.ctList.count == 1)
        assert panel.ui.ctList.item(0).text() == limb.GetName()
        assert panel.data.checked() == [0]
        images = [np.full((40, 60), level, np.float32) for level in (1.0, 0.5)]
        for image in images:
            image[0, 0] = 0
        nodes = [node_from_radiograph(radiograph_from_array(i, "display")) for i in images]
        panel.showPairs(nodes)
        with tempfile.TemporaryDirectory() as folder:
            records = [{"step": n, "of": 9, "loss": 1 / n} for n in range(1, 6)]
            records.append({"step": 5, "of": 9, "validation_psnr": 21.0})
            text = "".join(json.dumps(record) + "\n" for record in records)
            (Path(folder) / "log.jsonl").write_text(text)
            last = panel.run.curves.show(folder)
        panel.showCurves(panel.run.curves)
        wait(lambda: slicer.app.layoutManager().layout == LAYOUTS["pairs and plots"][0])
        assert last["step"] == 5
        view = slicer.mrmlScene.GetSingletonNode("BoneXrayLoss", "vtkMRMLPlotViewNode")
        assert view.GetPlotChartNode().GetTitle() == "Training loss"
        assert slicer.app.layoutManager().plotViewCount >= 2  # the joint space has one of its own
        widget = slicer.app.layoutManager().sliceWidget("BoneXrayImages")
        shown = widget.mrmlSliceCompositeNode().GetBackgroundVolumeID()
        assert shown == nodes[0].GetID()
        if os.environ.get("BONEXRAY_PICTURE"):
            for _turn in range(20):
                slicer.app.processEvents()
                time.sleep(0.05)
            slicer.util.mainWindow().grab().save(os.environ["BONEXRAY_PICTURE"])
        slicer.util.selectModule("BoneXray")
        assert slicer.app.layoutManager().layout != LAYOUTS["pairs and plots"][0]

    @unittest.skipUnless(HAS_WINDOW, "needs the main window")
    def test_bones_of_a_segmentation_are_listed_and_written_for_the_child(self):
        import qt

        from BoneXrayLib.label_maps import read_labels
        from BoneXrayLib.phantoms import synthetic_limb
        from BoneXrayLib.scene.slicer_samples import node_from_volume

        slicer.util.selectModule("BoneXrayTraining")
        panel = slicer.modules.BoneXrayTrainingWidget
        panel.ui.taskBox.currentIndex, panel.ui.sourceBox.currentIndex = 1, 2
        limb = node_from_volume(synthetic_limb(8.0))
        bone = slicer.util.arrayFromVolume(limb) > 300
        upper = np.arange(len(bone))[:, None, None] > len(bone) // 2
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(limb)
        for name, mask in (("Femur_left", bone & upper), ("Tibia_left", bone & ~upper)):
            node.GetSegmentation().AddEmptySegment(name, name)
            mask = mask.astype(np.uint8)
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, name, limb)
        panel.enter()
        bones = panel.ui.structureList
        assert [bones.item(n).text() for n in range(bones.count)] == ["femur left", "Tibia left"]
        assert panel.ui.ctList.item(0).text() == f"{limb.GetName()} with Bones"
        bones.item(1).setCheckState(qt.Qt.Unchecked)
        assert panel.data.labels.structures() == ["femur left"]
        assert not panel.data.why_not()
        given = []
        with tempfile.TemporaryDirectory() as folder:
            panel.data.configure(Path(folder), lambda *words: given.append(words), list)
            wait(lambda: given)
            config = json.loads(given[0][0].read_text())
            file = Path(config["data_root"]) / config["ct"][0]["labels"]
            labels, _, names = read_labels(file)
            again = slicer.util.loadSegmentation(str(file)).GetSegmentation()
        assert config["structures"] == ["femur left"]
        assert config["ct"][0]["names"] == {"femur left": ["1"]}
        assert names == {1: "Femur_left", 2: "Tibia_left"}
        assert np.array_equal(labels == 1, bone & upper)
        assert [again.GetNthSegment(n).GetName() for n in (0, 1)] == ["Femur_left", "Tibia_left"]
        if os.environ.get("BONEXRAY_PICTURE"):
            slicer.util.mainWindow().grab().save(os.environ["BONEXRAY_PICTURE"] + ".names.png")
        panel.ui.taskBox.currentIndex = 0
        slicer.util.selectModule("BoneXray")


def wait(condition, seconds=30):
    """Let the application live until `condition`."""
    stops = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > stops:
            raise TimeoutError(f"still not after {seconds} s")
        slicer.app.processEvents()
        time.sleep(0.02)
