"""The panel's group "Reader study" on Slicer's stand-in: shown blinded, answered, gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import opened_panel, start_slicer, tip
from studies import write_images

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.panels import slicer_panel_reader  # noqa: E402
from BoneXrayLib.reading import Reading, read_answers  # noqa: E402
from BoneXrayLib.reading_study import read_study  # noqa: E402
from BoneXrayTrainingLib.readers.reader_study import StudyConfig, make_study  # noqa: E402


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


def make(folder: Path, scale: str = "rating", beside: bool = True) -> Path:
    """A study of two images a condition, with one decoy."""
    good = write_images(folder / "good", 2)
    other = write_images(folder / "other", 2, seed=7)
    conditions = [f"good={good}", f"other={other}"]
    config = StudyConfig(scale=scale, same=1, bad=0)
    return make_study(folder / "study", conditions, str(good) if beside else None, config)[0]


def begin(panel: Any, study: Path, reader: str = "r1") -> None:
    panel.ui.studyEdit.currentPath = str(study)
    panel.ui.readerEdit.text = reader
    panel.ui.readButton.click()


def shown() -> dict[str, np.ndarray]:
    """What the slice views show, by their names."""
    manager = slicer.app.layoutManager()
    found = {}
    for name in manager.sliceViewNames():
        composite = manager.sliceWidget(name).mrmlSliceCompositeNode()
        node = slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())
        found[name] = slicer.util.arrayFromVolume(node)[0]
    return found


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path)).astype(np.float32)


def test_the_button_says_what_is_missing_and_the_reading_is_folded_away(
    panel: Any, tmp_path: Path
) -> None:
    ui = panel.ui
    assert ui.readerButton.collapsed
    assert tip(ui.readButton) == "Choose the folder of a study"
    ui.studyEdit.currentPath = str(tmp_path)
    assert tip(ui.readButton) == "Say who reads"
    ui.readerEdit.text = "Dr. A"
    assert tip(ui.readButton).startswith("reader: got 'Dr. A'; expected 1 to 40 letters")
    assert not ui.readButton.enabled
    ui.readerEdit.text = "reader-a"
    assert ui.readButton.enabled
    ui.readButton.click()
    assert application.messages[-1].startswith("The study could not be read.\n\nstudy: ")
    assert ui.readButton.text == "Start reading"


def test_a_rating_shows_the_judged_image_as_it_is_beside_what_it_was_made_from(
    panel: Any, tmp_path: Path
) -> None:
    study = make(tmp_path)
    begin(panel, study)
    showing = Reading(read_study(study), "r1").current
    assert list(shown()) == ["BoneXrayInput", "BoneXrayJudged"]
    np.testing.assert_array_equal(shown()["BoneXrayJudged"], pixels(showing.images[0]))
    np.testing.assert_array_equal(shown()["BoneXrayInput"], pixels(showing.beside))
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert {n.GetName() for n in nodes} == {"Reader study judged", "Reader study beside"}
    for node in nodes:
        display = node.GetDisplayNode()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 255)
        assert node.GetHideFromEditors()
        assert not node.GetSaveWithScene()


def test_answers_are_kept_by_next_and_every_case_comes_once(panel: Any, tmp_path: Path) -> None:
    study, ui = make(tmp_path), panel.ui
    begin(panel, study)
    assert [b.text for b in buttons(ui)] == list("12345")
    assert not ui.nextButton.enabled
    for number in range(5):
        assert ui.readingStatus.text == f"Image {number + 1} of 5, {number} answered."
        buttons(ui)[1].click()
        buttons(ui)[number].click()
        assert [b.checked for b in buttons(ui)] == [n == number for n in range(5)]
        ui.nextButton.click()
    answers = read_answers(read_study(study), "r1")
    assert sorted(a.value for a in answers.values()) == [1, 2, 3, 4, 5]
    assert ui.readingStatus.text == "Done: all 5 answered. Thank you."
    assert ui.readButton.text == "Start reading"
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_the_time_runs_while_an_image_is_shown(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(slicer_panel_reader.time, "monotonic", lambda: clock[0])
    study = make(tmp_path)
    begin(panel, study)
    for seconds in (2.5, 4.0):
        clock[0] += seconds
        buttons(panel.ui)[0].click()
        panel.ui.nextButton.click()
    answers = read_answers(read_study(study), "r1").values()
    assert [a.seconds for a in answers] == [2.5, 4.0]


def test_a_stopped_reading_goes_on_and_another_reader_starts_afresh(
    panel: Any, tmp_path: Path
) -> None:
    study, ui = make(tmp_path), panel.ui
    begin(panel, study)
    buttons(ui)[2].click()
    ui.nextButton.click()
    seen = shown()["BoneXrayJudged"].copy()
    ui.readButton.click()
    assert ui.readingStatus.text == "Stopped: 1 of 5 answered."
    assert not any(b.enabled for b in buttons(ui))
    begin(panel, study)
    np.testing.assert_array_equal(shown()["BoneXrayJudged"], seen)
    assert ui.readingStatus.text == "Image 2 of 5, 1 answered."
    ui.readButton.click()
    begin(panel, study, "r2")
    assert ui.readingStatus.text == "Image 1 of 5, 0 answered."


def test_back_lets_an_answer_be_replaced(panel: Any, tmp_path: Path) -> None:
    study, ui = make(tmp_path), panel.ui
    begin(panel, study)
    assert not ui.backButton.enabled
    first = shown()["BoneXrayJudged"].copy()
    buttons(ui)[0].click()
    ui.nextButton.click()
    ui.backButton.click()
    np.testing.assert_array_equal(shown()["BoneXrayJudged"], first)
    buttons(ui)[4].click()
    ui.nextButton.click()
    assert ui.readingStatus.text == "Image 2 of 5, 1 answered."
    assert [a.value for a in read_answers(read_study(study), "r1").values()] == [5]


def test_a_preference_shows_left_and_right_and_keeps_the_chosen_file(
    panel: Any, tmp_path: Path
) -> None:
    study, ui = make(tmp_path, "preference", beside=False), panel.ui
    begin(panel, study)
    assert list(shown()) == ["BoneXrayLeft", "BoneXrayRight"]
    assert [b.text for b in buttons(ui) if b.enabled] == ["left", "none", "right"]
    right = shown()["BoneXrayRight"].copy()
    buttons(ui)[2].click()
    ui.nextButton.click()
    (answer,) = read_answers(read_study(study), "r1").values()
    assert answer.value == "right"
    np.testing.assert_array_equal(pixels(study / answer.chosen), right)


def test_closing_the_scene_ends_the_reading_and_keeps_the_answers(
    panel: Any, tmp_path: Path
) -> None:
    study = make(tmp_path)
    begin(panel, study)
    buttons(panel.ui)[0].click()
    panel.ui.nextButton.click()
    slicer.mrmlScene.Clear(False)
    assert panel.ui.readButton.text == "Start reading"
    assert len(read_answers(read_study(study), "r1")) == 1


def buttons(ui: Any) -> list[Any]:
    return [getattr(ui, f"answerButton{n}") for n in range(1, 6)]
