"""The preview follows the hand: a range slider and an orbit dragged, the event loop watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from panels import drag, load_module, start_slicer, wait

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.drr import simulate  # noqa: E402
from BoneXrayLib.phantoms import synthetic_limb  # noqa: E402
from BoneXrayLib.scene.slicer_nodes import volume_from_node  # noqa: E402
from BoneXrayLib.scene.slicer_samples import node_from_volume  # noqa: E402
from BoneXrayLib.volume import Volume  # noqa: E402

HELD_MS = 50.0


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    module = load_module("BoneXray")
    slicer.mrmlScene.Clear(False)
    standin.clear_errors()
    panel = application.open_panel(module)
    panel.ui.ctSelector.setCurrentNode(node_from_volume(graded_limb()))
    wait(lambda: is_ready(panel), 60)
    yield panel
    panel.cleanup()
    slicer.mrmlScene.Clear(False)
    assert standin.errors() == []


def graded_limb() -> Volume:
    """Its bones denser from one end to the other: each step of a slider takes some away."""
    limb = synthetic_limb(2.0)
    along = np.linspace(0.1, 1.2, len(limb.hu))[:, None, None]
    hu = np.where(limb.hu > 100, limb.hu * along + 150, limb.hu)
    return Volume(hu.astype(np.int16), limb.ijk_to_ras, limb.name)


@pytest.fixture
def panel(opened: Any) -> Any:
    """The panel as a user finds it: an exact preview of the front, sorted."""
    opened.ui.huRange.setValues(200, 3071)
    opened.ui.orbitalSlider.value = 0
    wait(lambda: is_ready(opened), 60)
    return opened


def is_ready(panel: Any) -> bool:
    parameters = panel.logic.getParameterNode()
    live = panel.logic.liveCt(parameters.ct)
    config = parameters.drr_config()
    at_rest = panel.ui.ctStatus.text.startswith("Preview")
    return at_rest and live.is_sorted(config) and shown_config(panel) == config


def shown_config(panel: Any) -> Any:
    exact = panel.sections._sections[0]._preview._exact
    return None if exact is None else exact.config


def shown(kind: str) -> np.ndarray:
    node = slicer.mrmlScene.GetSingletonNode(f"BoneXrayPreview{kind}", "vtkMRMLScalarVolumeNode")
    return slicer.util.arrayFromVolume(node)[0].copy()


def best_of(attempts: int, run: Callable[[], tuple]) -> tuple:
    """The attempt whose longest hold is shortest: other programs hold a machine up, too."""
    found = [run() for _ in range(attempts)]
    return min(found, key=lambda one: one[1])


def test_the_bone_image_follows_a_dragged_range_slider(panel: Any) -> None:
    lows = np.linspace(200, 1190, 100).round().tolist()
    full = shown("full")
    panel.ui.huRange.minimumValue = 1200
    wait(lambda: is_ready(panel))

    def run() -> tuple:
        panel.ui.huRange.minimumValue = 200
        wait(lambda: is_ready(panel))
        return drag(
            lambda low: setattr(panel.ui.huRange, "minimumValue", low),
            lows,
            lambda: float(shown("bone").sum()),
        )

    sums, held = best_of(3, run)
    print(f"range slider: event loop held {held:.1f} ms at most")
    assert (np.diff(sums) <= 1e-3 * sums[0]).all(), "a raised threshold never adds bone"
    assert len(set(sums)) > 90, "the image follows nearly every position"
    assert held < HELD_MS
    np.testing.assert_array_equal(shown("full"), full, "the window is of the bones alone")


def test_what_rests_is_exact(panel: Any) -> None:
    for low in (333, 421, 777):
        panel.ui.huRange.minimumValue = low
    config = panel.logic.getParameterNode().drr_config()
    assert config.hu == (777, np.inf)
    wait(lambda: is_ready(panel))
    wanted = simulate(volume_from_node(panel.logic.getParameterNode().ct), config)
    np.testing.assert_array_equal(shown("bone"), wanted.bone)


def test_the_radiographs_follow_a_dragged_orbit_and_none_is_older(
    panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = []
    section = panel.sections._sections[0]
    real = section._preview._show
    monkeypatch.setattr(
        section._preview, "_show", lambda drr, *rest: (arrived.append(drr), real(drr, *rest))
    )

    def run() -> tuple:
        panel.ui.orbitalSlider.value = 0
        wait(lambda: is_ready(panel))
        arrived.clear()
        angles = np.linspace(3, 60, 20).tolist()
        return drag(
            lambda angle: setattr(panel.ui.orbitalSlider, "value", angle), angles, lambda: None
        )

    _, held = best_of(3, run)
    print(f"orbit: event loop held {held:.1f} ms at most")
    wait(lambda: is_ready(panel))
    angles = [drr.config.rotate[0] for drr in arrived]
    assert angles == sorted(angles), "no image is followed by an older one"
    assert len(set(angles)) >= 5, f"the images follow the hand, got {angles}"
    assert angles[-1] == 60
    assert arrived[0].full.shape == (192, 192)
    assert arrived[-1].full.shape == (512, 512)
    assert held < HELD_MS


def test_a_newer_choice_ends_exact_work_on_an_older_one(panel: Any) -> None:
    preview = panel.sections._sections[0]._preview
    panel.ui.orbitalSlider.value = 30
    wait(lambda: preview._job is not None and preview._step == "preview")
    older = preview._job
    panel.ui.orbitalSlider.value = 31
    assert older._stop.is_set()
    wait(lambda: is_ready(panel))
    assert shown_config(panel).rotate[0] == 31


def test_a_switched_off_preview_computes_nothing(panel: Any) -> None:
    panel.ui.previewBox.checked = False
    before = shown("bone")
    panel.ui.huRange.minimumValue = 600
    panel.ui.orbitalSlider.value = 45
    slicer.app.processEvents()
    assert panel.sections._sections[0]._preview._job is None
    np.testing.assert_array_equal(shown("bone"), before)
    panel.ui.previewBox.checked = True
    wait(lambda: is_ready(panel))
    assert np.abs(shown("bone") - before).max() > 0.1
