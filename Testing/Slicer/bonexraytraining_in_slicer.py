"""BoneXrayTraining in the real application: the child process that Slicer's Python runs."""

import tempfile
import time
from pathlib import Path

import slicer
import slicer.util
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
