"""What the tests of groups that run a model share: model, radiograph, a look at the screen."""

import importlib.util
import os
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk
import vtk.util.numpy_support
from bonexray_in_slicer import wait, write_png

sys.path.append(str(Path(__file__).parents[1] / "Python"))
HAS_ONNX = importlib.util.find_spec("onnx") is not None


def on_screen(view):
    """The pixels (N, 3) that a slice view shows now, as they are on the screen."""
    slice_view = slicer.app.layoutManager().sliceWidget(view).sliceView()
    slice_view.forceRender()
    capture = vtk.vtkWindowToImageFilter()
    capture.SetInput(slice_view.renderWindow())
    capture.ReadFrontBufferOff()
    capture.Update()
    scalars = capture.GetOutput().GetPointData().GetScalars()
    return vtk.util.numpy_support.vtk_to_numpy(scalars).astype(int)


def coloured(view):
    """The share of a slice view's pixels that have a colour."""
    return (np.ptp(on_screen(view), axis=1) > 25).mean()


class WithModel:
    """A scene with a radiograph, and a model in the folder of the user's models."""

    def write_model(self, folder):
        """Make the model, in a folder of its own below `folder`."""
        raise NotImplementedError

    def setUp(self):
        slicer.mrmlScene.Clear()
        self.folder = tempfile.TemporaryDirectory()
        self.before = os.environ.get("BONEXRAY_MODELS")
        self.write_model(Path(self.folder.name))
        os.environ["BONEXRAY_MODELS"] = self.folder.name
        self.logic = slicer.util.getModuleLogic("BoneXray")
        self.source = self.logic.loadRadiograph(write_png(Path(self.folder.name) / "hand.png"), 0.5)

    def tearDown(self):
        os.environ.pop("BONEXRAY_MODELS")
        if self.before is not None:
            os.environ["BONEXRAY_MODELS"] = self.before
        self.folder.cleanup()

    def open_panel(self):
        """The panel with the radiograph chosen."""
        slicer.util.selectModule("Welcome")
        slicer.util.selectModule("BoneXray")
        panel = slicer.util.getModuleWidget("BoneXray")
        panel.ui.radiographSelector.setCurrentNode(self.source)
        return panel

    def cancel(self, button, text):
        """Press a button twice; it says again what it does."""
        button.click()
        button.click()
        wait(lambda: button.text == text)

    def check_without_a_model(self, button, task, said):
        """The button is off and says so where no model of a task is installed."""
        from BoneXrayLib.models import list_models

        os.environ["BONEXRAY_MODELS"] = str(Path(self.folder.name) / "nowhere")
        if list_models(task=task):
            raise unittest.SkipTest(f"a model to {task} is shipped")
        self.open_panel()
        assert not button.enabled
        assert said in button.toolTip
