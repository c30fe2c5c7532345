"""The training panel on Slicer's stand-in: paths, start, progress, stop, resume, a closed scene."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import add_ct, load_module, start_slicer, tip, wait
from small_model import write_small_model

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.scene.slicer_layouts import LAYOUTS  # noqa: E402
from BoneXrayLib.volume import read_volume  # noqa: E402

CHILD = """
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[1]); steps = int(sys.argv[2]); run.mkdir(exist_ok=True)
(run / "config.json").write_text("{}")
print("a line for the log")
for step in range(1, steps + 1):
    record = {"step": step, "of": steps, "loss": 1 / step, "eta_s": 7200, "wait_share": 0.25}
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps(record) + "\\n")
        if step % 2 == 0:
            watched = {"validation_psnr": 20.0 + step, "validation_floor_psnr": 17.0}
            log.write(json.dumps({"step": step, "of": steps, **watched}) + "\\n")
    told = {"stage": "train", "fraction": step / steps, "message": f"step {step}: loss 1"}
    print(json.dumps(told))
    time.sleep(float(sys.argv[3]))
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
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path / "models"))
    slicer.mrmlScene.Clear(False)
    standin.clear_errors()
    application.messages.clear()
    qt.QSettings._values.clear()
    slicer.app.layoutManager().setLayout(3)
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


def play(panel: Any, steps: int, monkeypatch: pytest.MonkeyPatch, pause: float = 0.02) -> None:
    """Put a child in the command's place that speaks as it does, a step each `pause` seconds."""
    from BoneXrayTrainingLib.panels import slicer_process

    def command(config: str, data: str, run: str, resume: bool, start_from: str) -> list[str]:
        return [sys.executable, "-u", "-c", CHILD, run, str(steps), str(pause)]

    monkeypatch.setattr(slicer_process, "train_command", command)


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
    assert slicer.app.layoutManager().layout == LAYOUTS["plots"][0]
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
    from BoneXrayTrainingLib.panels import slicer_process

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


def of(kind: str, name: str) -> Any:
    """The node of this kind and name."""
    return next(n for n in slicer.util.getNodesByClass(kind) if n.GetName() == name)


def test_loss_and_validation_grow_into_tables_and_plots(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slow enough for a busy computer to see the panel between a step and the end.
    play(ready, 5, monkeypatch, pause=0.3)
    ready.ui.startButton.click()
    wait(lambda: "Step " in ready.ui.statusText.text, 15)
    assert ", about 2 h 0 min left, waits for samples 25% of the time" in ready.ui.statusText.text
    wait(lambda: not ready.logic.isRunning, 15)
    loss = of("vtkMRMLTableNode", "Training loss: loss").GetTable()
    rows = [[loss.GetValue(n, c).ToDouble() for c in (0, 1)] for n in range(loss.GetNumberOfRows())]
    assert rows == [[n, 1 / n] for n in range(1, 6)]
    watched = of("vtkMRMLTableNode", "On the CT kept out: network").GetTable()
    assert [watched.GetValue(n, 1).ToDouble() for n in range(watched.GetNumberOfRows())] == [22, 24]
    for view, title, count in (
        ("BoneXrayLoss", "Training loss", 1), ("BoneXrayQuality", "On the CT kept out", 2)
    ):  # fmt: skip
        node = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLPlotViewNode")
        assert node.GetPlotChartNode().GetTitle() == title
        assert node.GetPlotChartNode().GetNumberOfPlotSeriesNodes() == count
    names = [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")]
    assert len(names) == len(set(names)) == 3, "plots are filled again where they are"


def test_a_resumed_run_takes_the_configuration_it_was_started_with(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from BoneXrayTrainingLib.panels import slicer_process

    given: list[tuple] = []
    monkeypatch.setattr(
        slicer_process,
        "train_command",
        lambda *words: given.append(words) or [sys.executable, "-V"],
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    ready.ui.configEdit.currentPath = str(tmp_path / "gone.toml")
    ready.ui.resumeButton.click()
    wait(lambda: not ready.logic.isRunning, 15)
    run = tmp_path / "run"
    assert given == [(str(run / "config.json"), "", str(run), True, "")]


def started_with(panel: Any, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Press Start; the configuration that the child is given."""
    from BoneXrayTrainingLib.panels import slicer_process

    given: list[str] = []
    monkeypatch.setattr(
        slicer_process,
        "train_command",
        lambda config, *rest: given.append(config) or [sys.executable, "-V"],
    )
    panel.ui.startButton.click()
    wait(lambda: bool(given) and not panel.logic.isRunning, 15)
    return json.loads(Path(given[0]).read_text())


def tick(panel: Any, number: int, wanted: bool) -> None:
    state = qt.Qt.Checked if wanted else qt.Qt.Unchecked
    panel.ui.ctList.item(number).setCheckState(state)


def test_the_cts_of_a_folder_are_listed_and_the_ticked_ones_trained_on(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "cts"
    (folder / "series").mkdir(parents=True)
    (folder / "series/1.dcm").touch()
    (folder / "pictures").mkdir()
    (folder / "pictures/a.png").touch()
    for name in ("a.nii.gz", "b.nrrd", "c.mha", "notes.txt"):
        (folder / name).touch()
    ready.ui.sourceBox.currentIndex = 1
    ready.ui.dataEdit.currentPath = str(folder)
    names = [ready.ui.ctList.item(n).text() for n in range(ready.ui.ctList.count)]
    assert names == ["a.nii.gz", "b.nrrd", "c.mha", "series"]
    for number in (0, 2, 3):
        tick(ready, number, False)
    ready.ui.validationBox.currentIndex = 2
    assert tip(ready.ui.startButton) == "Tick a CT to train on, besides the one kept out"
    tick(ready, 0, True)
    tick(ready, 1, False)
    ready.ui.licenceEdit.text = "CC0"
    config = started_with(ready, monkeypatch)
    assert [c["path"] for c in config["ct"]] == ["a.nii.gz", "b.nrrd"], "the one kept out, too"
    assert config["validation"] == ["b.nrrd"]
    assert {c["licence"] for c in config["ct"]} == {"CC0"}
    assert (config["data_root"], config["run"]) == (str(folder), str(tmp_path / "run"))
    assert config["name"] == "x", "the rest is that of the configuration"


def test_cts_of_the_scene_are_written_where_the_child_reads_them(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.ui.sourceBox.currentIndex = 2
    assert tip(ready.ui.startButton) == "There is no CT in the scene"
    node = add_ct("Left leg, 2")
    wait(lambda: ready.ui.startButton.enabled, 15)
    config = started_with(ready, monkeypatch)
    assert [c["path"] for c in config["ct"]] == ["1-Left-leg-2.nrrd"]
    written = read_volume(Path(config["data_root"]) / config["ct"][0]["path"])
    assert np.array_equal(written.hu, slicer.util.arrayFromVolume(node))
    matrix = slicer.vtkMRMLScalarVolumeNode.GetIJKToRASMatrix
    import vtk

    ijk_to_ras = vtk.vtkMatrix4x4()
    matrix(node, ijk_to_ras)
    assert np.allclose(written.ijk_to_ras, slicer.util.arrayFromVTKMatrix(ijk_to_ras))


def test_a_data_set_is_trained_on_in_place_of_cts(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready.ui.sourceBox.currentIndex = 3
    assert tip(ready.ui.startButton) == "Choose the folder of a data set"
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "dataset.json").write_text('{"samples": {"validation": 2}}')
    ready.ui.dataEdit.currentPath = str(folder)
    assert ready.ui.startButton.enabled
    assert not ready.ui.licenceEdit.enabled, "the data set says it"
    config = started_with(ready, monkeypatch)
    assert (config["dataset"], config["run"]) == (str(folder), str(tmp_path / "run"))
    assert "ct" not in config


PAIRS = """
import sys; sys.path[:0] = sys.argv[2:]
from pathlib import Path
import numpy as np
from BoneXrayLib.radiograph import write_float_nrrd
from BoneXrayLib.radiograph import radiograph_from_array
folder = Path(sys.argv[1]); folder.mkdir()
for name, level in (("images", 2.0), ("bones", 1.0)):
    picture = np.full((24, 32), level, np.float32); picture[0, 0] = 0
    write_float_nrrd(folder / f"{name}.nrrd", radiograph_from_array(picture, "display"))
"""


def test_sample_pairs_are_shown_side_by_side_before_training(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from BoneXrayTrainingLib.panels import slicer_panel_pairs

    def command(config: Path, data: str, folder: Path) -> list[str]:
        return [sys.executable, "-c", PAIRS, str(folder), *sys.path]

    monkeypatch.setattr(slicer_panel_pairs, "preview_command", command)
    for _again in range(2):
        ready.ui.previewButton.click()
        assert ready.ui.previewButton.text == "Cancel"
        wait(lambda: not ready.pairs.is_busy, 30)
        assert ready.ui.dataStatus.text == "Left: images to train on. Right: their bones."
    manager = slicer.app.layoutManager()
    assert manager.layout == LAYOUTS["pairs"][0]
    shown = [
        slicer.mrmlScene.GetNodeByID(
            manager.sliceWidget(name).mrmlSliceCompositeNode().GetBackgroundVolumeID()
        )
        for name in LAYOUTS["pairs"][1]
    ]
    assert [slicer.util.arrayFromVolume(node).max() for node in shown] == [2.0, 1.0]
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2
    play(ready, 3, monkeypatch)
    ready.ui.startButton.click()
    wait(lambda: not ready.logic.isRunning, 15)
    assert manager.layout == LAYOUTS["pairs and plots"][0]
    ready.exit()
    assert manager.layout == 3, "the user's own layout is back"


def test_sample_pairs_that_fail_or_are_cancelled_say_so(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from BoneXrayTrainingLib.panels import slicer_panel_pairs

    for code, said in (("sys.exit('ct: it is broken')", "ct: it is broken"), ("1", "Cancelled.")):
        program = f"import sys, time; {code}; time.sleep(60)"
        words = [sys.executable, "-c", program]
        monkeypatch.setattr(slicer_panel_pairs, "preview_command", lambda *_, words=words: words)
        ready.ui.previewButton.click()
        if code == "1":
            ready.ui.previewButton.click()
        wait(lambda: not ready.pairs.is_busy, 15)
        assert ready.ui.dataStatus.text == said
        assert ready.ui.previewButton.text == "Show sample pairs"


def test_a_model_of_the_run_is_exported_and_chosen_in_bonexray(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from BoneXrayTrainingLib.panels import slicer_panel_model

    assert tip(ready.ui.exportButton) == "There is no checkpoint in the folder of the run yet"
    run = tmp_path / "run"
    (run / "checkpoint-00000001").mkdir(parents=True)
    (run / "checkpoint-00000001/state.json").write_text("{}")
    (run / "config.json").write_text('{"name": "knee", "task": "segment"}')
    ready.update()
    assert ready.ui.nameEdit.text == "knee-run"
    ready.ui.nameEdit.text = "my knee"
    assert tip(ready.ui.exportButton).startswith("Name the model with letters")
    ready.ui.nameEdit.text = "knee"
    given: list[tuple] = []

    def command(run: str, folder: Path, name: str, version: str, **choices: object) -> list[str]:
        given.append((run, folder, name, version, choices))
        write_small_model(folder, name=name)
        return [sys.executable, "-V"]

    monkeypatch.setattr(slicer_panel_model, "export_command", command)
    ready.ui.versionEdit.text = "2.0"
    assert ready.ui.workingSizeBox.text == "as in training"
    ready.ui.workingSizeBox.value = 320
    assert ready.ui.finestBox.text == "any"
    ready.ui.finestBox.value = 1.4
    ready.ui.closerEdit.text = "lunate, meta*,"
    ready.ui.framingBox.currentText = "the whole image"
    ready.ui.gainBox.value = 1.1
    other = tmp_path / "other"
    ready.ui.meanEdit.currentPath, ready.ui.meanShareBox.value = str(other), 0.25
    ready.ui.weightsBox.currentText = "4 bits"
    ready.ui.exportButton.click()
    wait(lambda: " is in " in ready.ui.modelStatus.text, 15)
    choices = {"best": False, "working_size": 320, "finest_mm": 1.4, "framing": "whole",
               "closer": ("lunate", "meta*"), "gain": 1.1, "bits": 4,
               "mean_with": str(other), "mean_share": 0.25}  # fmt: skip
    assert given == [(str(run), tmp_path / "models/knee", "knee", "2.0", choices)]
    bonexray = slicer.modules.BoneXrayWidget
    assert bonexray.ui.modelBox.currentText.startswith("knee ")
    assert bonexray.parent.isEntered
    assert not ready.parent.isEntered
    bonexray.cleanup()


def test_the_child_understands_its_command() -> None:
    from BoneXrayTrainingLib import commands
    from BoneXrayTrainingLib.__main__ import _parse
    from BoneXrayTrainingLib.panels import slicer_process

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
    words = slicer_process.train_command("c.json", "", "run", start_from="m")
    parsed = _parse(commands.COMMANDS["train"], "train", words[4:])
    assert (parsed.data_root, parsed.start_from, parsed.resume) == (None, "m", False)
    words = slicer_process.preview_command("c.toml", "data", "pairs")
    assert str(_parse(commands.COMMANDS["train"], "train", words[4:]).preview) == "pairs"
    words = slicer_process.export_command("run", "model", "knee", "2.0", best=True)
    parsed = _parse(commands.COMMANDS["export"], "export", words[4:])
    assert (str(parsed.run_folder), str(parsed.output)) == ("run", "model")
    assert (parsed.name, parsed.version, parsed.best) == ("knee", "2.0", True)
    assert (parsed.working_size, parsed.bits) == (None, 16)
    choices = {"best": False, "working_size": 320, "finest_mm": 1.4, "framing": "whole",
               "closer": ("lunate", "meta*"), "gain": 1.1, "bits": 4,
               "mean_with": "other", "mean_share": 0.25}  # fmt: skip
    words = slicer_process.export_command("run", "model", "knee", "2.0", **choices)
    parsed = _parse(commands.COMMANDS["export"], "export", words[4:])
    assert {name: getattr(parsed, name) for name in choices} == choices


def test_what_is_for_named_bones_alone_is_asked_for_there_only(ready: Any, tmp_path: Path) -> None:
    for task, asked in (("extract", False), ("segment", True)):
        run = tmp_path / task
        run.mkdir()
        (run / "config.json").write_text(json.dumps({"name": "knee", "task": task}))
        ready.ui.runEdit.currentPath = str(run)
        assert ready.ui.finestBox.enabled is ready.ui.closerEdit.enabled is asked


def test_the_panel_starts_from_the_defaults_of_the_command(panel: Any) -> None:
    from BoneXrayTrainingLib.commands.exporting import Export
    from BoneXrayTrainingLib.panels.slicer_panel_model import BITS, FRAMINGS

    defaults = {field.name: field.default for field in dataclasses.fields(Export)}
    ui = panel.ui
    assert ui.gainBox.value == defaults["gain"]
    assert FRAMINGS[ui.framingBox.currentIndex] == defaults["framing"]
    assert BITS[ui.weightsBox.currentIndex] == defaults["bits"]
    assert (ui.finestBox.value or None, ui.workingSizeBox.value or None) == (None, None)
    assert (ui.closerEdit.text, defaults["closer"]) == ("", ())
    assert (ui.meanEdit.currentPath or None, ui.meanShareBox.value) == (
        defaults["mean_with"], defaults["mean_share"]
    )  # fmt: skip


def test_the_stop_file_is_the_one_the_trainer_looks_for() -> None:
    pytest.importorskip("torch")
    from BoneXrayTrainingLib.learning import run_folder
    from BoneXrayTrainingLib.panels import slicer_curves, slicer_process

    assert slicer_process.STOP_FILE == run_folder.STOP_FILE
    assert slicer_curves.LOG_FILE == run_folder.LOG_FILE


def test_the_modules_own_test_passes() -> None:
    load_module("BoneXrayTraining").BoneXrayTrainingTest().runTest()
