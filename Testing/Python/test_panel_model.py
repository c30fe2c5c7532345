"""What the panel's groups that run a model have in common, on Slicer's stand-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from panels import load_picture, opened_panel, start_slicer, tip, wait, waiting_work
from small_model import write_small_model, write_small_separator

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402


@dataclass(frozen=True)
class Group:
    """A group's widgets by name, the logic's call behind it, and what it says."""

    button: str
    progress: str
    status: str
    box: str
    text: str
    work: str
    run: str
    can: str
    failed: str
    none: str
    made: str


GROUPS = {
    "extract": Group(
        "applyButton", "applyProgress", "resultStatus", "modelBox", "modelText", "extraction",
        "Extract bones", "Find the bones with the chosen model",
        "The bones could not be extracted.", "There is no trained model.", "hand bones",
    ),
    "segment": Group(
        "segmentButton", "segmentProgress", "segmentStatus", "segmentModelBox",
        "segmentModelText", "segmentation", "Segment bones", "Name the bones with the chosen model",
        "The bones could not be named.", "There is no model that names bones yet.",
        "hand segments",
    ),
    "separate": Group(
        "separateButton", "separateProgress", "separateStatus", "separateModelBox",
        "separateModelText", "separation", "Pull bones apart",
        "Find what each bone adds to the radiograph, with the chosen model",
        "The bones could not be pulled apart.", "There is no model that pulls bones apart yet.",
        "hand faded",
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    write_small_model(folder / "small")
    write_small_model(folder / "names", "names", "segment", {"radius": 1.0, "ulna": 6.0})
    write_small_separator(folder / "apart", "apart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEXRAY_MODELS", str(folder))
        yield


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


@pytest.fixture(params=GROUPS)
def group(request: pytest.FixtureRequest) -> Group:
    return GROUPS[request.param]


@pytest.fixture
def of_hand(panel: Any, group: Group, tmp_path: Path) -> Any:
    """The group's widgets, by what they are for, a radiograph and a model being chosen."""
    load_picture(panel, tmp_path / "hand.png")
    found = widgets(panel.ui, group)
    found.box.currentIndex = 0
    return found


def widgets(ui: Any, group: Group) -> Any:
    names = ("button", "progress", "status", "box", "text")
    return type("Widgets", (), {name: getattr(ui, getattr(group, name)) for name in names})


def test_without_a_model_the_group_says_so_and_its_button_is_off(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BONEXRAY_MODELS", str(tmp_path))
    monkeypatch.setattr("BoneXrayLib.models.trained_folder", lambda: tmp_path)
    panels = opened_panel()
    seen = widgets(next(panels).ui, group)
    assert not seen.button.enabled
    assert tip(seen.button) == f"{group.none} Train one, or add its folder."
    assert seen.text.toPlainText() == group.none
    assert not seen.box.enabled
    assert list(panels) == []


def test_it_waits_for_a_radiograph_and_says_so(panel: Any, group: Group) -> None:
    seen = widgets(panel.ui, group)
    assert not seen.button.enabled
    assert tip(seen.button) == "Select or load a radiograph"


def test_a_model_that_is_gone_is_named(panel: Any, group: Group, of_hand: Any) -> None:
    for name in ("model", "segment_model", "separate_model"):
        setattr(panel.logic.getParameterNode(), name, "gone")
    assert not of_hand.button.enabled
    assert "model named gone" in tip(of_hand.button)


def test_the_button_turns_into_cancel(panel: Any, group: Group, of_hand: Any) -> None:
    started = threading.Event()
    setattr(panel.logic, group.work, lambda *_: waiting_work(started))
    of_hand.button.click()
    assert of_hand.button.text == "Cancel"
    wait(lambda: of_hand.progress.value == 50)
    assert of_hand.status.text == "halfway"
    of_hand.button.click()
    wait(lambda: of_hand.button.text == group.run)
    assert of_hand.status.text == "Cancelled."
    assert tip(of_hand.button) == group.can
    assert slicer.mrmlScene.GetFirstNodeByName(group.made) is None


def test_an_error_in_the_model_is_one_message(panel: Any, group: Group, of_hand: Any) -> None:
    def work(progress: Any, is_cancelled: Any) -> None:
        raise ValueError("model: small: model.onnx is broken")

    setattr(panel.logic, group.work, lambda *_: work)
    of_hand.button.click()
    wait(lambda: bool(application.messages))
    assert application.messages == [f"{group.failed}\n\nmodel: small: model.onnx is broken"]
    assert tip(of_hand.button) == group.can


def test_closing_the_scene_while_work_runs_leaves_an_empty_panel(
    panel: Any, group: Group, of_hand: Any
) -> None:
    started = threading.Event()
    setattr(panel.logic, group.work, lambda *_: waiting_work(started))
    of_hand.button.click()
    wait(started.is_set)
    slicer.mrmlScene.Clear(False)
    slicer.app.processEvents()
    assert panel.ui.radiographSelector.currentNode() is None
    assert of_hand.button.text == group.run
    assert not of_hand.button.enabled
