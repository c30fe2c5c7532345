"""The panel's groups Exposure and Reader study, and the map of doubt, in the real application."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from bonexray_in_slicer import HAS_WINDOW, add_limb, pixels, wait, write_png
from slicer import ScriptedLoadableModule


@unittest.skipUnless(HAS_WINDOW, "needs the main window")
class BoneXrayGroupsInSlicer(ScriptedLoadableModule.ScriptedLoadableModuleTest):
    """What a user does in the panel's later groups."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        slicer.util.selectModule("Welcome")
        slicer.util.selectModule("BoneXray")
        self.ui = slicer.util.getModuleWidget("BoneXray").ui
        self.logic = slicer.util.getModuleLogic("BoneXray")

    def test_an_exposure_is_chosen_changed_made_and_taken_away(self):
        ui = self.ui
        ui.ctSelector.setCurrentNode(add_limb())
        wait(lambda: "Preview" in ui.ctStatus.text)

        def brightest():
            node = slicer.mrmlScene.GetSingletonNode(
                "BoneXrayPreviewfull", "vtkMRMLScalarVolumeNode"
            )
            return 0.0 if node is None else pixels(node).max()

        integrals = brightest()
        ui.exposureBox.setCurrentText("extremity")
        wait(lambda: ui.exposureStatus.text.startswith("Half-value layer"))
        wait(lambda: brightest() <= 1.0 < integrals)
        assert ui.kvpBox.enabled
        assert ui.kvpBox.value == 55
        softer = ui.exposureStatus.text
        ui.kvpBox.value = 110
        wait(lambda: ui.exposureStatus.text != softer)
        ui.makeButton.click()
        wait(lambda: ui.ctStatus.text.startswith("Made"))
        made = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        assert any(node.GetName().endswith("exposed bone") for node in made)
        ui.exposureBox.setCurrentText("none")
        wait(lambda: brightest() > 1.0)
        assert not ui.kvpBox.enabled

    def test_a_reader_answers_a_study_and_its_images_go(self):
        from BoneXrayLib.reading import read_answers
        from BoneXrayLib.reading_study import read_study
        from BoneXrayTrainingLib.readers.reader_study import StudyConfig, make_study

        ui = self.ui
        with tempfile.TemporaryDirectory() as folder:
            for name in ("first", "second"):
                (Path(folder) / name).mkdir()
                write_png(Path(folder) / name / "hand.png")
            conditions = [f"{name}={Path(folder) / name}" for name in ("first", "second")]
            config = StudyConfig(scale="rating", same=0, bad=0)
            study = make_study(Path(folder) / "study", conditions, None, config)[0]
            ui.readerButton.collapsed = False
            ui.studyEdit.currentPath = str(study)
            ui.readerEdit.text = "reader-a"
            ui.readButton.click()
            assert ui.readingStatus.text == "Image 1 of 2, 0 answered."
            manager = slicer.app.layoutManager()
            assert "BoneXrayJudged" in manager.sliceViewNames()
            for number in (2, 4):
                getattr(ui, f"answerButton{number}").click()
                ui.nextButton.click()
            assert ui.readingStatus.text.startswith("Done: all 2 answered")
            answers = read_answers(read_study(study), "reader-a")
            assert sorted(a.value for a in answers.values()) == [2, 4]
        assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []

    def test_the_map_of_doubt_stands_beside_the_bones(self):
        ui = self.ui
        if not self.logic.models():
            raise unittest.SkipTest("no trained model is shipped")
        with tempfile.TemporaryDirectory() as folder:
            node = self.logic.loadRadiograph(write_png(Path(folder) / "hand.png"), 0.5)
        ui.radiographSelector.setCurrentNode(node)
        ui.uncertaintyBox.checked = True
        ui.applyButton.click()
        wait(lambda: slicer.mrmlScene.GetFirstNodeByName("hand uncertainty") is not None)
        doubt = pixels(slicer.util.getNode("hand uncertainty"))
        assert doubt.shape == pixels(node).shape
        assert doubt.min() >= 0
        assert np.isfinite(doubt).all()
        names = slicer.app.layoutManager().sliceViewNames()
        assert "BoneXrayUncertainty" in names, names
        ui.uncertaintyBox.checked = False
