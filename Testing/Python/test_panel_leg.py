"""The panel's group "Leg bones in 3D" on Slicer's stand-in: draw, rebuild, look, save, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_femur import made_card, made_features, made_image, made_model, made_view
from panels import opened_panel, start_slicer, tip, wait

standin = start_slicer()

import qt  # noqa: E402
import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.leg_features import LegFeatures  # noqa: E402
from BoneXrayLib.leg_scene import slicer_leg_features, slicer_leg_markups, slicer_leg_nodes  # noqa: E402
from BoneXrayLib.legs.leg_config import LegConfig  # noqa: E402
from BoneXrayLib.legs.leg_drawing import Item  # noqa: E402
from BoneXrayLib.radiograph import radiograph_from_array  # noqa: E402
from BoneXrayLib.scene.slicer_nodes import node_from_radiograph  # noqa: E402
from BoneXrayLib.scene.slicer_scene import find_model  # noqa: E402
from BoneXrayLib.shape_model import write_shape_model  # noqa: E402

NAMES = ("AP", "LAT-R")


@pytest.fixture(scope="module", autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    write_shape_model(folder / "shape-made", made_model(), made_card())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONEXRAY_MODELS", str(folder))
        yield


@pytest.fixture
def panel() -> Iterator[Any]:
    yield from opened_panel()


@cache
def vertices() -> np.ndarray:
    model = made_model()
    return model.shape(model.sample(np.random.default_rng(5), 2.0))


@cache
def seen(name: str) -> LegFeatures:
    return made_features(made_model(), vertices(), made_view(name), name)


def image(name: str, knows_place: bool = True) -> Any:
    """A radiograph in the scene, on its detector or in a place of its own."""
    geometry = made_view(name) if knows_place else None
    return node_from_radiograph(
        radiograph_from_array(made_image(seen(name)), "optical density", 1.0, name, geometry)
    )


def choose(panel: Any, *names: str, knows_place: bool = True) -> list[Any]:
    """Radiographs, one or two, and the made model; what is chosen of the leg."""
    nodes = [image(name, knows_place) for name in names]
    panel.ui.radiographSelector.setCurrentNode(nodes[0])
    panel.ui.legSecondSelector.setCurrentNode(nodes[1] if len(nodes) > 1 else None)
    panel.ui.legBonesBox.currentIndex = 1
    panel.ui.legFemurBox.currentIndex = 0
    return nodes


def draw(panel: Any, node: Any, name: str) -> None:
    slicer_leg_features.show_features(node, [seen(name)])
    panel.logic.getParameterNode().Modified()


def rebuild(panel: Any) -> Any:
    """Press the button; the table."""
    assert tip(panel.ui.legButton) == "Fit the shape models to what is drawn on the radiographs"
    panel.ui.legButton.click()
    assert panel.ui.legButton.text == "Cancel"
    wait(lambda: panel.ui.legButton.text == "Rebuild", 300)
    assert application.messages == []
    return panel.logic.getParameterNode().leg


def test_defaults_are_the_commands(panel: Any) -> None:
    assert panel.logic.getParameterNode().leg_config() == LegConfig()


def test_the_tip_says_what_is_missing_one_after_the_other(panel: Any) -> None:
    ui = panel.ui
    assert tip(ui.legButton) == "Select or load a radiograph"
    (node,) = choose(panel, "AP", knows_place=False)
    assert tip(ui.legButton) == "Say how AP was taken: AP, PA, LAT-L or LAT-R"
    ui.legViewBox.currentIndex = 1
    assert tip(ui.legButton) == "Say which leg it is: right or left"
    ui.legSideBox.currentIndex = 1
    assert tip(ui.legButton) == "Place at least 3 points or round parts of femur"
    for number, (name, at) in enumerate(list(seen("AP").points.items())[:3]):
        assert not ui.legButton.enabled
        if number:
            assert tip(ui.legButton).startswith(f"Place {3 - number} more points")
        slicer_leg_markups.put_point(node, Item("femur", "point", name), np.array(at[:2]))
        panel.logic.getParameterNode().Modified()
    assert ui.legButton.enabled
    ui.legObjectBox.value, ui.legDetectorBox.value = 1200.0, 1000.0
    assert "expected less than source_detector" in tip(ui.legButton)


def test_a_bone_without_a_shape_model_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("BoneXrayLib.models.trained_folder", lambda: tmp_path)
    for panel in opened_panel():
        choose(panel, "AP")
        panel.ui.legBonesBox.currentIndex = 0
        assert tip(panel.ui.legButton) == "There is no shape model of a tibia: add its folder"


def test_features_are_drawn_where_they_are_and_read_back(panel: Any) -> None:
    for name, knows_place in (("AP", True), ("LAT-R", False)):
        node = image(name, knows_place)
        slicer_leg_features.show_features(node, [seen(name)])
        (back,) = slicer_leg_features.features_on(node, ("femur", "tibia"), "right", name)
        for landmark, point in seen(name).points.items():
            assert back.points[landmark][:2] == pytest.approx(point[:2], abs=1e-3)
        head = seen(name).ellipses["head"]
        assert back.ellipses["head"][:2] == pytest.approx(head[:2], abs=1e-3)
        area = back.ellipses["head"].a * back.ellipses["head"].b
        assert area == pytest.approx(head.a * head.b, rel=1e-4)
        assert np.array_equal(back.outline, seen(name).outline)
        assert back.box == pytest.approx(seen(name).box, abs=1e-3)


def test_placing_begins_in_the_radiographs_own_view_and_a_click_is_seen(panel: Any) -> None:
    nodes = choose(panel, *NAMES)
    listed = panel.ui.legFeatureList
    rows = {listed.item(n).text(): n for n in range(listed.count)}
    text = "– 2 · femur greater trochanter: one click"
    listed.setCurrentRow(rows[text])
    panel.ui.legPlaceButton.click()
    interaction = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    points = slicer.mrmlScene.GetNodeByID(selection.GetActivePlaceNodeID())
    assert points.GetName() == "LAT-R femur points"
    number = points.GetControlPointPlacementStartIndex()
    assert points.GetNthControlPointLabel(number) == "greater_trochanter"
    view = slicer.app.layoutManager().sliceWidget("BoneXrayLeg2")
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == nodes[1].GetID()
    assert list(points.GetDisplayNode().GetViewNodeIDs()) == [view.mrmlSliceNode().GetID()]
    points.SetNthControlPointPosition(number, 1.0, 2.0, 3.0)
    assert listed.item(rows[text]).text() == text.replace("–", "✓")
    panel.ui.legRemoveButton.click()
    assert listed.item(rows[text]).text() == text
    slicer.mrmlScene.RemoveNode(points)
    assert listed.item(rows[text]).text() == text


def test_a_geometry_from_a_file_takes_the_drawing_with_it(panel: Any, tmp_path: Path) -> None:
    (node,) = choose(panel, "AP", knows_place=False)
    draw(panel, node, "AP")
    assert tip(panel.ui.legButton).startswith("Say how")
    file = tmp_path / "drr.json"
    file.write_text(json.dumps({"geometry": made_view("AP").to_dict()}), encoding="utf-8")
    qt.QFileDialog.answers.append(str(file))
    panel.ui.legGeometryButton.click()
    assert application.messages == []
    on_detector = slicer.util.arrayFromVTKMatrix(_matrix(node))
    np.testing.assert_allclose(on_detector, made_view("AP").image_to_ras(), atol=1e-6)
    (back,) = slicer_leg_features.features_on(node, ("femur",), "right", "AP")
    assert back.points["neck_centre"][:2] == pytest.approx(
        seen("AP").points["neck_centre"][:2], abs=1e-3
    )
    assert tip(panel.ui.legButton) == "Say which leg it is: right or left"


def _matrix(node: Any) -> Any:
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    node.GetIJKToRASMatrix(matrix)
    return matrix


def test_two_radiographs_give_a_bone_in_3d_that_a_saved_scene_brings_back(
    panel: Any, tmp_path: Path
) -> None:
    nodes = choose(panel, *NAMES)
    panel.ui.legSideBox.currentIndex = 1
    draw(panel, nodes[0], "AP")
    assert tip(panel.ui.legButton) == "Place points or round parts on LAT-R, too"
    draw(panel, nodes[1], "LAT-R")
    table = rebuild(panel)
    assert panel.ui.legStatus.text.startswith("femur right: Converged")
    assert table.GetTable().GetValue(0, 0).ToString() == "femoral length" or (
        table.GetNumberOfRows() > 0
    )
    model = slicer.util.getNode("AP femur-right")
    found, faces = slicer_leg_nodes.surface_of(model)
    assert np.array_equal(faces, made_model().faces)
    assert np.linalg.norm(found - vertices(), axis=1).mean() < 0.8  # the image's edges are rough
    display = model.GetDisplayNode()
    assert display.GetActiveScalarName() == "Uncertainty [mm]"
    assert display.GetScalarVisibility()
    assert model.GetNthDisplayNode(1).GetTitleText() == "Uncertainty [mm]"
    planes = [find_model(f"leg plane {n}").GetPolyData().GetBounds() for n in (1, 2)]
    assert planes[0] != planes[1]
    assert find_model("leg femur over 2").GetPolyData().GetNumberOfLines() > 50
    panel.ui.legSceneBox.checked = False
    assert find_model("leg plane 1") is None
    panel.ui.legSceneBox.checked = True
    assert find_model("leg plane 1") is not None
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert panel.logic.getParameterNode().leg.GetName() == "AP leg measures"
    assert panel.ui.legStatus.text.startswith("femur right: Converged")
    assert find_model("leg femur over 2").GetPolyData().GetNumberOfLines() > 50
    assert panel.ui.legButton.enabled, "what was drawn came back, too"
    qt.QFileDialog.answers.append(str(tmp_path / "out"))
    panel.ui.legExportButton.click()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "femur-right.stl", "reconstruction.json",
    }  # fmt: skip
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("AP femur-right"))
    panel.ui.legSceneBox.checked = False
    panel.ui.legSceneBox.checked = True
    assert "is gone; rebuild it again" in panel.ui.legStatus.text
