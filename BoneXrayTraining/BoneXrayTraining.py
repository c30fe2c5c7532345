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

PATHS = {"config": "configEdit", "data": "dataEdit", "run": "runEdit"}
"""User setting -> the widget that shows it."""


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
    """Three paths, three buttons, and what the child process says."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._stopping = False

    def setup(self):
        """Build the panel when the module is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/BoneXrayTraining.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = BoneXrayTrainingLogic()
        self.logic.follow(self.onProgress, self.onLog, self.onEnded)
        for name, edit in PATHS.items():
            widget = getattr(self.ui, edit)
            widget.currentPath = self.savedPath(name)
            widget.connect("currentPathChanged(QString)", self.onPathChanged)
        self.ui.startButton.connect("clicked(bool)", self.onStart)
        self.ui.resumeButton.connect("clicked(bool)", self.onResume)
        self.ui.stopButton.connect("clicked(bool)", self.onStop)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.onPathChanged("")

    def cleanup(self):
        """The panel goes: the run ends with a checkpoint if it is quick enough."""
        if self.logic is not None:
            self.logic.close()
        self.removeObservers()

    def onReload(self):
        """Developer's reload: the libraries are imported afresh, too."""
        libraries = ("BoneXrayLib", "BoneXrayTrainingLib")
        for name in [name for name in sys.modules if name.split(".")[0] in libraries]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller=None, event=None):
        """The user leaves this work: ask the run to end with a checkpoint."""
        if self.logic.isRunning:
            self.onStop()

    def onStart(self, checked=False):
        """Start a new run."""
        self.begin(resume=False)

    def onResume(self, checked=False):
        """Go on from the run's last checkpoint."""
        self.begin(resume=True)

    def begin(self, resume):
        """Ensure the packages, remember the paths, start the child."""
        from BoneXrayLib.slicer_messages import errors_shown
        from BoneXrayLib.slicer_packages import ensure_training_packages

        with errors_shown(_("The training could not be started.")):
            ensure_training_packages()
            for name in PATHS:
                qt.QSettings().setValue(f"BoneXrayTraining/{name}", self.path(name))
            self.ui.logBox.clear()
            self._stopping = False
            self.ui.progressBar.value = 0
            self.ui.statusText.text = _("Starting …")
            self.logic.start(self.path("config"), self.path("data"), self.path("run"), resume)
        self.update()

    def onStop(self, checked=False):
        """First ask for a checkpoint; pressed again, end at once."""
        if self._stopping:
            self.logic.kill()
            return
        self._stopping = True
        self.logic.stop()
        self.ui.statusText.text = _("Stopping after this step; press again to stop at once.")
        self.update()

    def onProgress(self, fraction, message):
        """A line of progress of the child."""
        self.ui.progressBar.value = round(100 * fraction)
        if not self._stopping:
            self.ui.statusText.text = message
        self.ui.logBox.appendPlainText(message)

    def onLog(self, line):
        """Any other line of the child."""
        self.ui.logBox.appendPlainText(line)

    def onEnded(self, code):
        """The child ended."""
        if code == 0:
            text = _("Stopped; a checkpoint is written.") if self._stopping else _("Trained.")
        elif self._stopping:
            text = _("Stopped without a new checkpoint.")
        else:
            text = _("The training ended with an error (code {code}); see the log.").format(
                code=code
            )
        self._stopping = False
        self.ui.statusText.text = text
        self.update()

    def onPathChanged(self, path):
        """Another path: what can be started may change."""
        self.update()
        if not self.logic.isRunning:
            self.ui.statusText.text = self.whyNot(resume=False)

    def update(self):
        """Enable what can be pressed now and say why the rest cannot."""
        running = self.logic.isRunning
        for button, resume in ((self.ui.startButton, False), (self.ui.resumeButton, True)):
            reason = _("A run is going on") if running else self.whyNot(resume)
            button.enabled = not reason
            button.toolTip = reason or _("Run the training as a process of its own")
        self.ui.stopButton.enabled = running
        self.ui.stopButton.text = _("Stop now") if self._stopping else _("Stop")

    def whyNot(self, resume):
        """Why no run can be started, or an empty text."""
        if not Path(self.path("config")).is_file():
            return _("Choose a training configuration (.toml)")
        if not self.path("data") or not Path(self.path("data")).is_dir():
            return _("Choose the folder of the CTs")
        if not self.path("run"):
            return _("Choose a folder for the run")
        started = (Path(self.path("run")) / "config.json").exists()
        if resume and not started:
            return _("There is no run in this folder yet")
        if started and not resume:
            return _("There is a run in this folder: resume it or choose another one")
        return ""

    def path(self, name):
        """The path in the panel."""
        return getattr(self.ui, PATHS[name]).currentPath

    def savedPath(self, name):
        """The path of last time; the shipped configuration at first."""
        shipped = Path(__file__).parent / "BoneXrayTrainingLib/configs/extract-general.toml"
        default = str(shipped) if name == "config" and shipped.is_file() else ""
        return slicer.util.settingsValue(f"BoneXrayTraining/{name}", default)


class BoneXrayTrainingLogic(ScriptedLoadableModuleLogic):
    """The child process. From the console: `logic.start(config, dataRoot, runFolder)`."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        from BoneXrayTrainingLib.slicer_process import TrainingProcess

        self._process = TrainingProcess(
            lambda fraction, message: print(f"{fraction:.0%} {message}"), print, print
        )

    def follow(self, told, logged, ended):
        """Who is told progress (fraction, message), log lines and the exit code."""
        self._process.told, self._process.logged, self._process.ended = told, logged, ended

    def start(self, config, dataRoot, runFolder, resume=False):
        """Start training; OSError when the child cannot be run."""
        from BoneXrayTrainingLib.slicer_process import train_command

        self._process.start(train_command(config, dataRoot, runFolder, resume), runFolder)

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
        from BoneXrayTrainingLib.slicer_process import train_command

        command = train_command("a.toml", "data", "run", resume=True)
        assert command[1:5] == ["-m", "BoneXrayTrainingLib", "train", "a.toml"]
        assert "--resume" in command
        self.delayDisplay("The training command is right")
