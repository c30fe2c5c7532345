"""The training panel on Slicer's stand-in: paths, start, progress, stop, resume, a closed scene."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from panels import load_module, start_slicer, tip, wait

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
from standin import application  # noqa: E402

CHILD = """
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[1]); steps = int(sys.argv[2]); run.mkdir(exist_ok=True)
(run / "config.json").write_text("{}")
print("a line for the log")
for step in range(1, steps + 1):
    told = {"stage": "train", "fraction": step / steps, "message": f"step {step}: loss 1"}
    print(json.dumps(told))
    time.sleep(0.02)
    if (run / "stop").exists():
        (run / "stop").unlink()
        break
if steps == 2:
    sys.exit("config: got 'x'; expected a table")
"""


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The opened panel, its paths empty; no exception may be lost in a slot."""
    load_module("BoneXray")
    module = load_module("BoneXrayTraining")
    slicer.mrmlScene.Clear(False)
    standin.clear_errors()
    application.messages.clear()
    qt.QSettings._values.clear()
    opened = application.open_panel(module)
    yield opened
    opened.cleanup()
    assert standin.errors() == []


@pytest.fixture
def ready(panel: Any, tmp_path: Path) -> Any:
    """A panel with all paths chosen."""
    (tmp_path / "config.toml").write_text("name = 'x'\n")
    panel.ui.configEdit.currentPath = str(tmp_path / "config.toml")
    panel.ui.dataEdit.currentPath = str(tmp_path)
    panel.ui.runEdit.currentPath = str(tmp_path / "run")
    return panel


def play(panel: Any, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a child in the command's place that speaks as it does."""
    from BoneXrayTrainingLib import slicer_process

    def command(config: str, data: str, run: str, resume: bool = False) -> list[str]:
        return [sys.executable, "-u", "-c", CHILD, run, str(steps)]

    monkeypatch.setattr(slicer_process, "train_command", command)


def press_until(condition: Callable[[], bool]) -> None:
    wait(condition, 15)


def test_start_waits_for_the_paths_and_says_which(panel: Any, tmp_path: Path) -> None:
    panel.ui.configEdit.currentPath = str(tmp_path / "no.toml")
    assert not panel.ui.startButton.enabled
    assert tip(panel.ui.startButton) == "Choose a training configuration (.toml)"
    (tmp_path / "config.toml").write_text("")
    panel.ui.configEdit.currentPath = str(tmp_path / "config.toml")
    assert tip(panel.ui.startButton) == "Choose the folder of the CTs"
    panel.ui.dataEdit.currentPath = str(tmp_path)
    assert tip(panel.ui.startButton) == "Choose a folder for the run"
    panel.ui.runEdit.currentPath = str(tmp_path / "run")
    assert panel.ui.startButton.enabled
    assert tip(panel.ui.resumeButton) == "There is no run in this folder yet"


def test_the_shipped_configuration_is_offered_first(panel: Any) -> None:
    assert Path(panel.ui.configEdit.currentPath).name == "extract-general.toml"


def test_progress_and_log_arrive_and_the_end_is_told(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(ready, 5, monkeypatch)
    ready.ui.startButton.click()
    assert ready.ui.stopButton.enabled
    assert not ready.ui.startButton.enabled
    wait(lambda: not ready.logic.isRunning, 15)
    assert ready.ui.progressBar.value == 100
    assert ready.ui.statusText.text == "Trained."
    log = ready.ui.logBox.toPlainText().splitlines()
    assert log[0] == "a line for the log"
    assert log[-1] == "step 5: loss 1"
    assert not ready.ui.startButton.enabled
    assert ready.ui.resumeButton.enabled


def test_stop_lets_the_run_write_its_checkpoint(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(ready, 5000, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: ready.ui.progressBar.value > 0 or "step 3" in ready.ui.logBox.toPlainText(), 15)
    ready.ui.stopButton.click()
    assert ready.ui.stopButton.text == "Stop now"
    wait(lambda: not ready.logic.isRunning, 15)
    assert ready.ui.statusText.text == "Stopped; a checkpoint is written."
    assert ready.ui.stopButton.text == "Stop"


def test_stop_pressed_twice_ends_at_once(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from BoneXrayTrainingLib import slicer_process

    sleeper = [sys.executable, "-u", "-c", "import time; print('deaf'); time.sleep(60)"]
    monkeypatch.setattr(slicer_process, "train_command", lambda *_: sleeper)
    ready.ui.startButton.click()
    wait(lambda: "deaf" in ready.ui.logBox.toPlainText(), 15)
    began = time.monotonic()
    ready.ui.stopButton.click()
    ready.ui.stopButton.click()
    wait(lambda: not ready.logic.isRunning, 15)
    assert time.monotonic() - began < 5
    assert ready.ui.statusText.text == "Stopped without a new checkpoint."


def test_an_error_of_the_child_is_told_with_its_line_in_the_log(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(ready, 2, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: not ready.logic.isRunning, 15)
    assert ready.ui.statusText.text.startswith("The training ended with an error (code 1)")
    assert "expected a table" in ready.ui.logBox.toPlainText()


def test_closing_the_scene_asks_the_run_to_stop(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(ready, 5000, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: "step 3" in ready.ui.logBox.toPlainText(), 15)
    slicer.mrmlScene.Clear(False)
    wait(lambda: not ready.logic.isRunning, 15)
    assert ready.ui.statusText.text == "Stopped; a checkpoint is written."


def test_leaving_the_application_ends_the_child(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(ready, 5000, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: "step 1" in ready.ui.logBox.toPlainText(), 15)
    ready.cleanup()
    assert not ready.logic.isRunning


def test_paths_are_remembered_for_the_next_time(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(ready, 1, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: not ready.logic.isRunning, 15)
    again = application.open_panel(sys.modules["BoneXrayTraining"])
    assert again.ui.runEdit.currentPath == str(tmp_path / "run")
    again.cleanup()


def test_the_child_understands_its_command() -> None:
    from BoneXrayTrainingLib import commands, slicer_process
    from BoneXrayTrainingLib.__main__ import _parse

    words = slicer_process.train_command("c.toml", "data", "run", resume=True)
    assert words[1:4] == ["-m", "BoneXrayTrainingLib", "train"]
    parsed = _parse(commands.COMMANDS["train"], "train", words[4:])
    assert (str(parsed.config), str(parsed.data_root), str(parsed.run_folder)) == (
        "c.toml",
        "data",
        "run",
    )
    assert parsed.resume
    assert parsed.json_progress


def test_the_stop_file_is_the_one_the_trainer_looks_for() -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib import slicer_process, trainer

    assert slicer_process.STOP_FILE == trainer.STOP_FILE


def test_the_modules_own_test_passes() -> None:
    load_module("BoneXrayTraining").BoneXrayTrainingTest().runTest()
