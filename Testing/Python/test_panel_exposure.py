"""The panel's group "Exposure" on Slicer's stand-in: chosen, live, made, refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from panels import add_ct, opened_panel, start_slicer, wait

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402

from BoneXrayLib import live  # noqa: E402
from BoneXrayLib.drr import simulate  # noqa: E402
from BoneXrayLib.exposure import expose_drr, named_exposure  # noqa: E402
from BoneXrayLib.scene.slicer_nodes import volume_from_node  # noqa: E402


@pytest.fixture
def panel() -> Iterator[Any]:
    """The opened panel with a CT and its preview; no exception may be lost in a slot."""
    for opened in opened_panel():
        opened.ui.ctSelector.setCurrentNode(add_ct())
        opened.ui.pixelBox.value = 4.0
        wait(lambda opened=opened: is_at_rest(opened), 60)
        yield opened


def is_at_rest(panel: Any) -> bool:
    """Whether the exact preview of what is chosen is shown."""
    exact = panel.sections._sections[0]._preview._exact
    parameters = panel.logic.getParameterNode()
    return (
        exact is not None
        and exact.config == parameters.drr_config()
        and exact.exposure == parameters.exposure_config()
    )


def shown(kind: str = "full") -> np.ndarray:
    node = slicer.mrmlScene.GetSingletonNode(f"BoneXrayPreview{kind}", "vtkMRMLScalarVolumeNode")
    return slicer.util.arrayFromVolume(node)[0].copy()


def choose(panel: Any, name: str) -> None:
    panel.ui.exposureBox.setCurrentText(name)
    wait(lambda: is_at_rest(panel), 60)


def test_a_fresh_panel_shows_line_integrals(panel: Any) -> None:
    assert panel.logic.getParameterNode().exposure_config() is None
    assert not panel.ui.kvpBox.enabled
    drr = simulate(volume_from_node(panel.ui.ctSelector.currentNode()),
                   panel.logic.getParameterNode().drr_config())  # fmt: skip
    np.testing.assert_allclose(shown(), drr.full, atol=1e-6)


def test_a_named_exposure_brings_its_settings_and_its_picture(panel: Any) -> None:
    choose(panel, "extremity")
    parameters = panel.logic.getParameterNode()
    assert parameters.exposure_config() == named_exposure("extremity")
    assert panel.ui.kvpBox.enabled
    assert panel.ui.kvpBox.value == 55
    assert panel.ui.exposureStatus.text.startswith("Half-value layer 2.")
    drr = simulate(volume_from_node(parameters.ct), parameters.drr_config())
    exposed = expose_drr(drr, named_exposure("extremity"))
    np.testing.assert_allclose(shown(), exposed.display.pixels, atol=1e-4)
    np.testing.assert_allclose(shown("bone"), exposed.bone.pixels, atol=1e-4)


def test_moving_a_setting_exposes_the_last_line_integrals_and_projects_nothing(
    panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(panel, "pelvis")
    parameters = panel.logic.getParameterNode()
    panel.ui.orbitalSlider.value = 20  # the integrals kept are the last ones, not the first
    wait(lambda: is_at_rest(panel), 60)
    before = shown("bone")
    drr = simulate(volume_from_node(parameters.ct), parameters.drr_config())

    def refuse(*_: object) -> None:
        raise AssertionError("projected again")

    monkeypatch.setattr(live.LiveCt, "_project", refuse)
    monkeypatch.setattr(live.LiveCt, "coarse", refuse)
    panel.ui.kvpBox.value = 120
    wait(lambda: is_at_rest(panel), 30)
    assert shown("bone").max() < 0.9 * before.max()
    choose(panel, "none")
    np.testing.assert_allclose(shown(), drr.full, atol=1e-6)  # line integrals again


def test_a_moved_bone_window_is_exposed_too(panel: Any) -> None:
    choose(panel, "extremity")
    assert shown("bone").max() > 0.1
    panel.ui.huRange.setValues(1500, 3071)
    wait(lambda: is_at_rest(panel), 60)
    assert np.abs(shown("bone")).max() < 1e-4


def test_what_is_made_is_named_kept_beneath_the_ct_and_in_its_own_window(panel: Any) -> None:
    choose(panel, "chest")
    panel.ui.makeButton.click()
    wait(lambda: panel.ui.ctStatus.text.startswith("Made"), 60)
    picture = slicer.util.getNode("Limb AP exposed")
    assert slicer.util.getNode("Limb AP exposed bone") is not None
    assert slicer.util.getNode("Limb AP full") is not None
    display = picture.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert picture.GetAttribute("BoneXray.Domain") == "display"
    assert slicer.util.arrayFromVolume(picture).min() >= 0


def test_a_collimator_that_closes_is_said_and_nothing_is_made(panel: Any) -> None:
    choose(panel, "pelvis")
    panel.ui.pixelBox.value = 1.0
    panel.ui.collimationBox.value = 300
    assert "collimation: got 300 mm" in panel.ui.ctStatus.text
    assert not panel.ui.makeButton.enabled


def test_the_logic_exposes_without_a_panel(panel: Any) -> None:
    nodes = panel.logic.expose(
        panel.ui.ctSelector.currentNode(), "c-arm", panel.logic.getParameterNode().drr_config()
    )
    assert nodes.full.GetName() == "Limb AP exposed"
    assert slicer.util.arrayFromVolume(nodes.bone).max() > 0.05


def test_another_choice_is_projected_though_the_exposure_stays(panel: Any) -> None:
    choose(panel, "pelvis")
    made = panel.sections._sections[0]._preview._made.drr
    panel.ui.couchBox.checked = not panel.ui.couchBox.checked
    wait(lambda: is_at_rest(panel), 60)
    assert panel.sections._sections[0]._preview._made.drr is not made
