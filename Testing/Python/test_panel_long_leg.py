"""The panel's group "Long-leg view" on Slicer's stand-in: foretold, made, cancelled, refused."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import add_ct, opened_panel, start_slicer, tip, wait, waiting_work

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

import BoneXrayLib.long_leg  # noqa: E402
from BoneXrayLib.long_leg import LongLegConfig, long_leg, plan_shots  # noqa: E402
from BoneXrayLib.panels import slicer_panel_long_leg  # noqa: E402
from BoneXrayLib.progress import Cancelled  # noqa: E402
from BoneXrayLib.scene import slicer_scene  # noqa: E402
from BoneXrayLib.scene.slicer_nodes import volume_from_node  # noqa: E402


@pytest.fixture
def panel() -> Iterator[Any]:
    """The opened panel on an empty scene, without preview; no exception may be lost in a slot."""
    for opened in opened_panel():
        opened.ui.previewBox.checked = False
        yield opened


@pytest.fixture
def ct(panel: Any) -> Any:
    """A CT, chosen in the panel, with large detector pixels."""
    node = add_ct()
    panel.ui.ctSelector.setCurrentNode(node)
    panel.ui.pixelBox.value = 4.0
    return node


def pixels(node: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(node)[0]


def chosen(panel: Any) -> LongLegConfig:
    return panel.logic.getParameterNode().long_leg_config()


def kept(node: Any, name: str) -> Any:
    return json.loads(node.GetAttribute(f"BoneXray.{name}"))


def make(panel: Any) -> tuple[Any, Any]:
    """Press the button, wait; full and bone."""
    panel.ui.makeLongLegButton.click()
    wait(lambda: panel.ui.longLegStatus.text.startswith("Made"), 60)
    view = panel.ui.viewBox.currentText
    return tuple(slicer.util.getNode(f"Limb {view} long leg {kind}") for kind in ("full", "bone"))


# -- what can be chosen ---------------------------------------------------------------------------
def test_a_fresh_panel_chooses_what_the_command_and_python_do(panel: Any) -> None:
    assert chosen(panel) == LongLegConfig()


def test_every_field_of_the_configuration_can_be_set_in_the_panel(panel: Any) -> None:
    ui = panel.ui
    ui.methodBox.currentIndex = 0
    ui.shotsBox.value = 4
    ui.overlapBox.value, ui.lengthBox.value, ui.widthBox.value = 12.5, 900, 300
    ui.viewBox.currentIndex = 2
    ui.orbitalSlider.value, ui.tiltSlider.value = 3, -2
    ui.sourceDetectorBox.value, ui.sourceObjectBox.value, ui.pixelBox.value = 1700, 1400, 2
    ui.presetBox.currentIndex = 1
    ui.huRange.setValues(300, 900)
    ui.couchBox.checked = False
    ui.contrastBox.checked = True
    wanted = LongLegConfig(
        method="translate", shots=4, overlap=12.5, length=900, width=300, view="LAT-L",
        rotate=(3, -2), source_detector=1700, source_object=1400, pixel=2, preset="400-800",
        hu=(300, 900), remove_couch=False, remove_contrast=True,
    )  # fmt: skip
    assert chosen(panel) == wanted
    default = LongLegConfig()
    same = [f.name for f in dataclasses.fields(default)
            if getattr(wanted, f.name) == getattr(default, f.name)]  # fmt: skip
    assert same == [], "a field that no widget of the panel sets"


def test_no_overlap_is_another_choice_than_as_much_as_is_needed(panel: Any) -> None:
    box = panel.ui.overlapBox
    assert (box.text, chosen(panel).overlap) == ("as needed", None)
    box.value = 0
    assert (box.text, chosen(panel).overlap) == ("0.0 mm", 0)
    box.stepDown()
    assert (box.text, chosen(panel).overlap) == ("as needed", None)


def test_the_group_waits_folded_for_a_ct_and_then_foretells_the_picture(panel: Any) -> None:
    ui = panel.ui
    assert ui.longLegButton.collapsed
    assert not ui.makeLongLegButton.enabled
    assert tip(ui.makeLongLegButton) == ui.longLegStatus.text == "Select a CT"
    node = add_ct()
    ui.ctSelector.setCurrentNode(node)
    assert ui.makeLongLegButton.enabled
    plan = plan_shots(LongLegConfig(), volume_from_node(node))
    rows, columns = plan.size
    assert f"{rows} × {columns} pixels." in ui.longLegStatus.text
    assert ui.longLegStatus.text.startswith("3 shots of ")
    ui.methodBox.currentIndex = 0
    ui.overlapBox.value = 0
    assert "falls between the shots" in ui.longLegStatus.text


# -- the picture ----------------------------------------------------------------------------------
def test_the_picture_of_a_tube_that_stays_is_one_perspective(panel: Any, ct: Any) -> None:
    full, bone = make(panel)
    expected = long_leg(volume_from_node(ct), chosen(panel))
    np.testing.assert_allclose(pixels(full), expected.full, atol=1e-5)
    np.testing.assert_allclose(pixels(bone), expected.bone, atol=1e-5)
    assert pixels(bone).max() > 0.5
    for node in (full, bone):
        assert kept(node, "Geometry") == expected.plan.whole.to_dict()
        assert kept(node, "PixelMm") == [4.0, 4.0]
        assert kept(node, "LongLeg") == json.loads(json.dumps(expected.plan.to_dict()))
        assert node.GetNodeReference("BoneXrayInput") is ct
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        assert hierarchy.GetItemDataNode(parent) is ct
    to_ras = slicer.util.vtkMatrixFromArray(np.eye(4))
    full.GetIJKToRASMatrix(to_ras)
    place = slicer.util.arrayFromVTKMatrix(to_ras)
    np.testing.assert_allclose(place, expected.plan.whole.image_to_ras())


def test_the_picture_of_a_moved_tube_has_its_shots_and_no_single_geometry(
    panel: Any, ct: Any
) -> None:
    panel.ui.methodBox.currentIndex = 0
    panel.ui.shotsBox.value = 2
    panel.ui.viewBox.currentIndex = 2
    full, bone = make(panel)
    plan = plan_shots(chosen(panel), volume_from_node(ct))
    assert kept(full, "Geometry") is None
    assert kept(full, "PixelMm") == [4.0, 4.0]
    assert kept(full, "Magnification") == pytest.approx(1.2)
    shots = kept(bone, "LongLeg")["shots"]
    assert [shot["first_row"] for shot in shots] == list(plan.first_rows)
    assert [shot["geometry"] for shot in shots] == [shot.to_dict() for shot in plan.shots]
    assert plan.statement in panel.ui.longLegStatus.text
    assert plan.statement in kept(full, "Notes")


def test_full_and_bone_stand_side_by_side_and_can_go_to_the_extraction(panel: Any, ct: Any) -> None:
    full, bone = make(panel)
    manager = slicer.app.layoutManager()
    assert manager.sliceViewNames() == ("BoneXrayFull", "BoneXrayBone")
    shown = [manager.sliceWidget(name).mrmlSliceCompositeNode().GetBackgroundVolumeID()
             for name in manager.sliceViewNames()]  # fmt: skip
    assert shown == [full.GetID(), bone.GetID()]
    assert panel.ui.radiographSelector.currentNode() is full
    assert not panel.ui.longLegProgress.visible
    assert panel.ui.makeLongLegButton.text == "Make long-leg view"


def test_the_same_choices_fill_the_same_nodes_and_a_radiograph_has_its_own(
    panel: Any, ct: Any
) -> None:
    first = make(panel)
    panel.ui.makeLongLegButton.click()
    assert panel.ui.longLegStatus.text == "Computing …"
    wait(lambda: panel.ui.longLegStatus.text.startswith("Made"))
    panel.ui.rowsBox.value = panel.ui.columnsBox.value = 64
    panel.ui.makeButton.click()
    wait(lambda: "Made" in panel.ui.ctStatus.text)
    assert {node.GetName() for node in slicer.util.getNodes("Limb *").values()} == {
        "Limb AP long leg full", "Limb AP long leg bone", "Limb AP full", "Limb AP bone",
    }  # fmt: skip
    assert pixels(first[0]).shape != (64, 64)


def test_labelled_bones_become_layers_that_add_up(panel: Any, ct: Any) -> None:
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    dense = slicer.util.arrayFromVolume(ct) > 500
    upper = dense & (np.arange(len(dense)) >= 12)[:, None, None]
    for name, mask in (("tibia", upper), ("talus", dense & ~upper)):
        identifier = segmentation.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, identifier, ct
        )
    panel.ui.labelsSelector.setCurrentNode(segmentation)
    full, bone = make(panel)
    layers = [slicer.util.getNode(f"Limb AP long leg {n}") for n in ("rest", "tibia", "talus")]
    rest, tibia, talus = map(pixels, layers)
    np.testing.assert_allclose(rest + tibia + talus, pixels(full), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(tibia + talus, pixels(bone), rtol=1e-5, atol=1e-5)
    head, foot = np.array_split(np.arange(len(tibia)), 2)
    assert tibia[head].sum() > 3 * tibia[foot].sum()
    assert talus[foot].sum() > 3 * talus[head].sum()


def test_the_scene_shows_the_tube_and_the_detector_of_the_picture(panel: Any, ct: Any) -> None:
    panel.ui.sceneBox.checked = True
    full, _ = make(panel)
    detector = slicer_scene.find_model("detector").GetPolyData().GetBounds()
    geometry = slicer_scene.geometry_of_node(full)
    assert detector[5] - detector[4] == pytest.approx(geometry.size[0] * 4.0)


def test_the_console_makes_the_same_nodes_without_the_panel(panel: Any) -> None:
    node = add_ct()
    config = LongLegConfig(shots=2, pixel=8.0, view="PA")
    made = panel.logic.makeLongLeg(node, config)
    assert made.full.GetName() == "Limb PA long leg full"
    np.testing.assert_allclose(
        pixels(made.bone), long_leg(volume_from_node(node), config).bone, atol=1e-5
    )
    assert panel.logic.makeLongLeg(node, config).full is made.full


# -- cancelled, refused, closed -------------------------------------------------------------------
def test_the_button_turns_into_cancel_and_a_cancelled_picture_leaves_no_node(
    panel: Any, ct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    work = waiting_work(started)
    monkeypatch.setattr(slicer_panel_long_leg, "long_leg_work", lambda *_: work)
    panel.ui.longLegButton.collapsed = False
    panel.ui.makeLongLegButton.click()
    wait(started.is_set)
    wait(lambda: panel.ui.longLegProgress.value == 50)
    assert panel.ui.longLegStatus.text == "Computing: halfway …"
    assert panel.ui.makeLongLegButton.text == "Cancel"
    panel.ui.makeLongLegButton.click()
    wait(lambda: panel.ui.longLegStatus.text == "Cancelled.")
    assert panel.ui.makeLongLegButton.text == "Make long-leg view"
    assert panel.ui.makeLongLegButton.enabled
    assert slicer.util.getNodes("Limb *") == {}


def test_real_work_stops_while_bone_is_looked_for(ct: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    late = lambda *_, **__: pytest.fail("too late")  # noqa: E731
    monkeypatch.setattr(BoneXrayLib.long_leg, "project_prepared", late)
    work = slicer_panel_long_leg.long_leg_work(ct, LongLegConfig())
    with pytest.raises(Cancelled):
        work(None, lambda: True)


def test_what_cannot_be_stitched_disables_the_button_with_one_line(panel: Any, ct: Any) -> None:
    ui = panel.ui
    ui.lengthBox.value = 400
    for widget, attribute, value, line in (
        (ui.sourceObjectBox, "value", 1900, "source_object: got 1900.0; expected less than source"),
        (ui.sourceObjectBox, "value", 20, "source_object: got 20; the tube would stand within the"),
        (ui.overlapBox, "value", 3000, "overlap: got 3000; expected less than the length, 400 mm"),
        (ui.lengthBox, "value", 0.1, "shots: got 3; expected one a row at most, 0.1 mm long"),
        (ui.beamBox, "currentIndex", 1, "beam: got 'parallel'; expected 'cone' for a long-leg"),
    ):
        assert ui.makeLongLegButton.enabled
        before = getattr(widget, attribute)
        setattr(widget, attribute, value)
        assert not ui.makeLongLegButton.enabled
        assert tip(ui.makeLongLegButton) == ui.longLegStatus.text
        assert ui.longLegStatus.text.startswith(line)
        assert "\n" not in ui.longLegStatus.text
        setattr(widget, attribute, before)


def test_a_pose_file_and_a_radiograph_as_ct_are_refused(
    panel: Any, ct: Any, tmp_path: Path
) -> None:
    panel.ui.poseEdit.currentPath = str(tmp_path / "drr.json")
    assert panel.ui.longLegStatus.text.startswith("pose: got ")
    panel.ui.poseClearButton.click()
    assert panel.ui.makeLongLegButton.enabled
    flat = slicer.util.addVolumeFromArray(np.zeros((1, 8, 8), np.int16), name="Flat")
    panel.ui.ctSelector.setCurrentNode(flat)
    assert panel.ui.longLegStatus.text == "ct: 'Flat' has one slice; expected a CT of several"


def test_what_fails_while_it_is_made_is_one_message(
    panel: Any, ct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(progress: Any, is_cancelled: Any) -> None:
        raise ValueError("hu: window 5 to 2; expected low below high")

    monkeypatch.setattr(slicer_panel_long_leg, "long_leg_work", lambda *_: work)
    panel.ui.makeLongLegButton.click()
    wait(lambda: bool(application.messages))
    assert application.messages == [
        "The long-leg view could not be made.\n\nhu: window 5 to 2; expected low below high"
    ]
    assert panel.ui.longLegStatus.text == "hu: window 5 to 2; expected low below high"
    assert panel.ui.makeLongLegButton.enabled


def test_closing_the_scene_ends_the_work(
    panel: Any, ct: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, stopped = threading.Event(), threading.Event()

    def work(progress: Any, is_cancelled: Callable[[], bool]) -> None:
        try:
            waiting_work(started)(progress, is_cancelled)
        finally:
            stopped.set()

    monkeypatch.setattr(slicer_panel_long_leg, "long_leg_work", lambda *_: work)
    panel.ui.makeLongLegButton.click()
    wait(started.is_set)
    slicer.mrmlScene.Clear(False)
    assert stopped.wait(20)
    slicer.app.processEvents()
    assert panel.ui.longLegStatus.text == "Select a CT"
    assert panel.ui.makeLongLegButton.text == "Make long-leg view"
    assert not panel.ui.makeLongLegButton.enabled


def test_a_saved_scene_brings_the_choices_and_the_picture_back(
    panel: Any, ct: Any, tmp_path: Path
) -> None:
    panel.ui.shotsBox.value = 2
    panel.ui.overlapBox.value = 0
    full, _ = make(panel)
    before, plan = pixels(full).copy(), kept(full, "LongLeg")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert chosen(panel).shots == panel.ui.shotsBox.value == 2
    assert chosen(panel).overlap == 0
    loaded = slicer.util.getNode("Limb AP long leg full")
    np.testing.assert_allclose(pixels(loaded), before)
    assert kept(loaded, "LongLeg") == plan
