"""The training module: titles, and a panel that starts, follows and stops the training command."""

import sys
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class BoneXrayTraining(ScriptedLoadableModule):
    """What the module selector shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("BoneXray Training")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["BoneXray"]
        parent.contributors = ["The BoneXray contributors"]
        parent.helpText = _(
            "Trains the networks of BoneXray on radiographs simulated from your CTs. "
            "Research use only. Not a medical device."
        )
        parent.acknowledgementText = _("Built on 3D Slicer, MONAI and PyTorch.")


class BoneXrayTrainingWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel. Its sections do the work; this class follows the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None

    def setup(self):
        """Build the panel when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from BoneXrayLib.scene.slicer_views import SideBySide
        from BoneXrayTrainingLib.panels.slicer_panel_data import PATHS, DataSection
        from BoneXrayTrainingLib.panels.slicer_panel_model import ModelSection
        from BoneXrayTrainingLib.panels.slicer_panel_pairs import PairsSection
        from BoneXrayTrainingLib.panels.slicer_panel_run import RunSection

        panel = slicer.util.loadUI(self.resourcePath("UI/BoneXrayTraining.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = BoneXrayTrainingLogic()
        self.views = SideBySide()
        self._pairs = []
        for name, edit in PATHS.items():
            getattr(self.ui, edit).currentPath = self.savedPath(name)
        self.data = DataSection(self.ui, self.onChoice)
        self.pairs = PairsSection(self.ui, self.data, self.showPairs)
        self.run = RunSection(self.ui, self.logic, self.data, self.update, self.showCurves)
        self.model = ModelSection(self.ui, self.data, self.run)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndImportEvent):
            self.addObserver(scene, event, self.onSceneChanged)
        self.data.refresh()

    def cleanup(self):
        """The panel goes: the run ends with a checkpoint if it is quick enough."""
        if self.logic is not None:
            self.logic.close()
            self.pairs.stop()
            self.data.close()
            self.model.close()
            self.views.restore()
        self.removeObservers()

    def enter(self):
        """The user opened the module."""
        self.data.learning.list_models()
        self.data.refresh()
        self.views.resume()
        self.run.curves.put_into_views()

    def exit(self):
        """The user opened another module: a run goes on."""
        self.views.restore()

    def onReload(self):
        """Developer's reload: the libraries are imported afresh, too."""
        libraries = ("BoneXrayLib", "BoneXrayTrainingLib")
        for name in [name for name in sys.modules if name.split(".")[0] in libraries]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller=None, event=None):
        """The user leaves this work: ask the run to end with a checkpoint."""
        if self.run.is_busy:
            self.run.on_stop()
        self.views.forget()
        self.run.curves.forget()
        self._pairs = []

    def onSceneChanged(self, caller=None, event=None):
        """A node came or went: once it is complete, list the CTs again."""
        qt.QTimer.singleShot(0, self.onSceneSettled)

    def onSceneSettled(self):
        """List the CTs of the scene, where they are what is chosen from."""
        if self.logic is not None and self.data.lists_scene:
            self.data.refresh()

    def update(self):
        """Something was chosen, began or ended: every section says what can be done now."""
        if self.logic is not None and hasattr(self, "model"):
            self.pairs.update()
            self.run.update()
            self.model.update()

    def onChoice(self):
        """The user chose something: say what is missing for a run."""
        self.update()
        if self.logic is not None and hasattr(self, "model") and not self.run.is_busy:
            self.ui.statusText.text = self.run.why_not(resume=False)

    def showPairs(self, nodes):
        """Show sample images beside their bones, above the plots of a run if there is one."""
        self._pairs = nodes
        self.views.show("pairs and plots" if self.run.curves.are_shown else "pairs", nodes)
        self.run.curves.put_into_views()

    def showCurves(self, curves):
        """Show the plots of a run, with the sample pairs if there are any."""
        there = [node for node in self._pairs if slicer.mrmlScene.IsNodePresent(node)]
        layout = "pairs and plots" if there else "plots"
        if self.views.shown is None or self.views.shown[0] != layout:
            self.views.show(layout, there)
        curves.put_into_views()

    def savedPath(self, name):
        """The path of last time; the shipped configuration at first."""
        shipped = Path(__file__).parent / "BoneXrayTrainingLib/configs/extract-general.toml"
        default = str(shipped) if name == "config" and shipped.is_file() else ""
        return slicer.util.settingsValue(f"BoneXrayTraining/{name}", default)


class BoneXrayTrainingLogic(ScriptedLoadableModuleLogic):
    """The child process. From the console: `logic.start(config, dataRoot, runFolder)`."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        from BoneXrayTrainingLib.panels.slicer_process import TrainingProcess

        self._process = TrainingProcess(
            lambda fraction, message: print(f"{fraction:.0%} {message}"), print, print
        )

    def follow(self, told, logged, ended):
        """Who is told progress (fraction, message), log lines and the exit code."""
        self._process.told, self._process.logged, self._process.ended = told, logged, ended

    def start(self, config, dataRoot, runFolder, resume=False, startFrom=""):
        """Start training; OSError when the child cannot be run."""
        from BoneXrayTrainingLib.panels.slicer_process import train_command

        command = train_command(config, dataRoot, runFolder, resume, startFrom)
        self._process.start(command, runFolder)

    def stop(self):
        """End after the step at hand, with a checkpoint."""
        self._process.stop()

    def kill(self):
        """End at once."""
        self._process.kill()

    def close(self):
        """Stop, wait a little, kill."""
        self._process.close()

    @property
    def isRunning(self):
        """Whether a child runs."""
        return self._process.is_running


class BoneXrayTrainingTest(ScriptedLoadableModuleTest):
    """Reload & Test: the command of the child is the one the shell has."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def test_the_command_names_config_data_and_run(self):
        """Paths arrive at the child as they are."""
        from BoneXrayTrainingLib.panels.slicer_process import train_command

        command = train_command("a.toml", "data", "run", resume=True)
        assert command[1:5] == ["-m", "BoneXrayTrainingLib", "train", "a.toml"]
        assert "--resume" in command
        self.delayDisplay("The training command is right")
