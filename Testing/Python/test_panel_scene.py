"""The panel's group "In the scene" on Slicer's stand-in: models, outlines, rays, the 3D camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import vtk.util.numpy_support
from panels import add_ct, opened_panel, start_slicer, wait

standin = start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
from standin import application  # noqa: E402

from BoneXrayLib.beam_models import beam_outline  # noqa: E402
from BoneXrayLib.geometry import Geometry, make_geometry  # noqa: E402
from BoneXrayLib.scene import slicer_layouts, slicer_scene  # noqa: E402
from BoneXrayLib.scene.slicer_nodes import volume_from_node  # noqa: E402


@pytest.fixture
def panel() -> Iterator[Any]:
    """The opened panel with a CT and its preview; no exception may be lost in a slot."""
    for opened in opened_panel():
        opened.ui.ctSelector.setCurrentNode(add_ct())
        wait(lambda opened=opened: "Preview" in opened.ui.ctStatus.text, 60)
        yield opened


def points(kind: str) -> np.ndarray:
    mesh = slicer_scene.find_model(kind).GetPolyData()
    return vtk.util.numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).copy()


def kinds() -> set[str]:
    """What is in the scene of what we put there."""
    return {kind for kind in slicer_scene.LOOKS if slicer_scene.find_model(kind) is not None}


def chosen_geometry(panel: Any) -> Geometry:
    parameters = panel.logic.getParameterNode()
    return make_geometry(parameters.drr_config(), volume_from_node(parameters.ct).centre_ras)


def add_bones(ct: Any) -> Any:
    """A red and a green bone, the lower and the upper half of the rod."""
    hu = slicer.util.arrayFromVolume(ct)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    lower = hu > 500
    lower[12:] = False
    for name, mask, colour in (
        ("tibia", lower, (1, 0, 0)),
        ("talus", (hu > 500) & ~lower, (0, 1, 0)),
    ):
        segment = segmentation.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), segmentation, segment, ct
        )
        segmentation.GetSegmentation().GetSegment(segment).SetColor(*colour)
    return segmentation


def point_at(view: str, ras: np.ndarray) -> None:
    """Move the cursor in a slice view to the place that shows this point."""
    node = slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode()
    to_xy = np.linalg.inv(slicer.util.arrayFromVTKMatrix(node.GetXYToRAS()))
    xyz = (to_xy @ [*ras, 1.0])[:3]
    crosshair = slicer.mrmlScene.GetSingletonNode("default", "vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([float(v) for v in xyz], node)


# -- tube, beam and detector ----------------------------------------------------------------------
def test_nothing_is_in_the_scene_until_it_is_asked_for(panel: Any) -> None:
    assert kinds() == set()
    assert slicer.app.layoutManager().layout == 5571


def test_tube_and_detector_stand_where_the_radiograph_is_computed_from(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    geometry = chosen_geometry(panel)
    np.testing.assert_allclose(points("beam"), beam_outline(geometry).points, atol=1e-3)
    full = slicer.util.getNode("Limb AP full (preview)")
    np.testing.assert_allclose(points("detector"), beam_outline(geometry).corners, atol=0.01)
    display = slicer_scene.find_model("detector").GetDisplayNode()
    shown = full.GetDisplayNode().GetImageDataConnection().GetProducer()
    assert display.GetTextureImageDataConnection().GetProducer() is shown
    bounds = np.zeros(6)
    panel.ui.ctSelector.currentNode().GetRASBounds(bounds)
    np.testing.assert_allclose(points("bounds").min(axis=0), bounds[::2], atol=1e-3)
    np.testing.assert_allclose(points("bounds").max(axis=0), bounds[1::2], atol=1e-3)


def test_the_tube_follows_the_sliders_in_the_same_nodes_as_the_user_left_them(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    tube = slicer_scene.find_model("tube")
    tube.GetDisplayNode().SetColor(1, 0, 0)
    number = slicer.mrmlScene.GetNumberOfNodes()
    for angle in (10, 20, 30):
        panel.ui.orbitalSlider.value = angle
        panel.ui.tiltSlider.value = angle / 2
        expected = beam_outline(chosen_geometry(panel)).points
        np.testing.assert_allclose(points("beam"), expected, atol=1e-3)
    assert slicer_scene.find_model("tube") is tube
    assert tube.GetDisplayNode().GetColor() == (1, 0, 0)
    assert slicer.mrmlScene.GetNumberOfNodes() == number


def test_the_picture_stays_on_its_own_detector_until_the_next_one_comes(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    before = points("detector")
    panel.ui.orbitalSlider.value = 40
    np.testing.assert_array_equal(points("detector"), before)
    expected = beam_outline(chosen_geometry(panel)).corners
    wait(lambda: np.allclose(points("detector"), expected, atol=0.01))


def test_the_models_lie_beneath_the_ct_and_are_not_saved(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    ct = panel.ui.ctSelector.currentNode()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    for kind in slicer_scene.EXPOSURE:
        node = slicer_scene.find_model(kind)
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        assert hierarchy.GetItemDataNode(parent) is ct
        assert not node.GetSaveWithScene()
        assert not node.GetDisplayNode().GetSaveWithScene()


def test_switching_off_takes_models_and_views_away(panel: Any) -> None:
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayNode")
    manager = slicer.app.layoutManager()
    fitted = getattr(manager.threeDWidget(0), "fitted", 0)
    panel.ui.sceneBox.checked = True
    assert kinds() == set(slicer_scene.EXPOSURE)
    assert manager.sliceViewNames() == ("BoneXrayFull", "BoneXrayBone", "Red", "Green", "Yellow")
    red = manager.sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == panel.ui.ctSelector.currentNode().GetID()
    wait(lambda: manager.threeDWidget(0).fitted == fitted + 1)
    panel.ui.sceneBox.checked = False
    assert kinds() == set()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLDisplayNode") == before
    assert manager.sliceViewNames() == ("BoneXrayFull", "BoneXrayBone")
    panel.exit()
    assert manager.layout == 3


def test_a_contradiction_leaves_the_last_tube_and_a_removed_ct_takes_it_away(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    before = points("beam")
    panel.ui.sourceObjectBox.value = 1900
    np.testing.assert_array_equal(points("beam"), before)
    slicer.mrmlScene.RemoveNode(panel.ui.ctSelector.currentNode())
    assert slicer_scene.find_model("beam") is None


def test_a_closed_scene_and_models_the_user_deleted_come_back_when_asked_for(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    slicer.mrmlScene.RemoveNode(slicer_scene.find_model("tube"))
    panel.ui.orbitalSlider.value = 10
    assert slicer_scene.find_model("tube") is not None
    slicer.mrmlScene.Clear(False)
    assert not panel.ui.sceneBox.checked
    assert slicer_scene.find_model("tube") is None


def test_the_logic_shows_a_radiograph_that_was_made_and_refuses_others(panel: Any) -> None:
    from BoneXrayLib.drr import DrrConfig

    ct = panel.ui.ctSelector.currentNode()
    config = DrrConfig(size=(40, 30), pixel=8.0, view="LAT-L", beam="localizer")
    made = panel.logic.makeRadiographs(ct, config)
    panel.logic.showInScene(made.full)
    geometry = make_geometry(config, volume_from_node(ct).centre_ras)
    np.testing.assert_allclose(points("detector"), beam_outline(geometry).corners, atol=1e-3)
    np.testing.assert_allclose(points("beam"), beam_outline(geometry).points, atol=1e-3)
    with pytest.raises(ValueError, match="radiograph: 'Limb' knows no tube"):
        panel.logic.showInScene(ct)


# -- the 3D camera --------------------------------------------------------------------------------
def test_the_tube_goes_where_the_3d_view_is_looked_at_from(panel: Any) -> None:
    panel.ui.sceneBox.checked = True
    panel.ui.sourceDetectorBox.value = 1200
    panel.ui.sourceObjectBox.value = 800
    camera = slicer.app.layoutManager().threeDWidget(0).cameraNode()
    camera.SetFocalPoint(5, 6, 7)
    camera.SetPosition(5 - 300, 6 + 200, 7 + 100)
    panel.ui.cameraButton.click()
    geometry = chosen_geometry(panel)
    towards = (geometry.source - geometry.isocentre) / 800
    np.testing.assert_allclose(towards, np.array([-3, 2, 1]) / np.sqrt(14), atol=2e-3)
    assert panel.ui.viewBox.currentText == "LPO" or panel.ui.viewBox.currentText == "RPO"
    assert "turned by" in panel.ui.sceneStatus.text
    assert geometry.source_detector_mm == pytest.approx(1200)


def test_without_a_3d_view_one_message_says_so(panel: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(slicer.app.layoutManager(), "threeDWidget", lambda number: None)
    panel.ui.cameraButton.click()
    assert application.messages == [
        "The view could not be taken from the 3D camera.\n\n"
        "camera: there is no 3D view; open a layout with one"
    ]


# -- outlines -------------------------------------------------------------------------------------
def test_each_segment_has_its_outline_in_its_colour_over_the_radiographs(panel: Any) -> None:
    assert not panel.ui.outlinesBox.enabled
    panel.ui.outlinesBox.checked = True
    assert slicer_scene.find_model("outlines") is None
    panel.ui.labelsSelector.setCurrentNode(add_bones(panel.ui.ctSelector.currentNode()))
    assert panel.ui.outlinesBox.enabled
    wait(lambda: slicer_scene.find_model("outlines") is not None
         and slicer_scene.find_model("outlines").GetPolyData().GetNumberOfCells() > 0)  # fmt: skip
    node = slicer_scene.find_model("outlines")
    table, shade = node.GetDisplayNode().GetColorNode(), [0.0] * 4
    bones = vtk.util.numpy_support.vtk_to_numpy(node.GetPolyData().GetCellData().GetScalars())
    seen = []
    for bone in (0, 1):
        table.GetColor(bone, shade)
        pieces = points("outlines").reshape(-1, 2, 3)[bones == bone]
        seen.append((tuple(shade[:3]), bool(pieces[..., 2].mean() > 0)))
    low, high = node.GetDisplayNode().GetScalarRange()
    assert [int((bone - low) / (high - low) * 2) for bone in (0, 1)] == [0, 1]
    assert seen == [((1, 0, 0), False), ((0, 1, 0), True)]
    bone = slicer.util.getNode("Limb AP bone (preview)")
    to_ijk = np.linalg.inv(slicer_scene.ijk_to_world(bone, "radiograph"))
    places = (np.c_[points("outlines"), np.ones(node.GetPolyData().GetNumberOfPoints())]
              @ to_ijk.T)[:, :2]  # fmt: skip
    np.testing.assert_allclose(places - 0.5, np.rint(places - 0.5), atol=1e-3)
    hit = np.argwhere(slicer.util.arrayFromVolume(bone)[0] > 0.02)
    np.testing.assert_allclose(places.min(axis=0), hit.min(axis=0)[::-1] - 0.5, atol=1e-3)
    np.testing.assert_allclose(places.max(axis=0), hit.max(axis=0)[::-1] + 0.5, atol=1e-3)


def test_outlines_are_drawn_in_no_slice_view_but_the_radiographs(panel: Any) -> None:
    panel.ui.outlinesBox.checked = True
    panel.ui.labelsSelector.setCurrentNode(add_bones(panel.ui.ctSelector.currentNode()))
    wait(lambda: slicer_scene.find_model("outlines") is not None)
    display = slicer_scene.find_model("outlines").GetDisplayNode()
    assert set(slicer_layouts.drr_views()) <= set(display.GetViewNodeIDs())
    assert not set(slicer_layouts.foreign_views()) & set(display.GetViewNodeIDs())
    tables = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")
    panel.ui.outlinesBox.checked = False
    assert slicer_scene.find_model("outlines") is None
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorTableNode") == tables - 1


# -- rays -----------------------------------------------------------------------------------------
def test_the_pixel_under_the_cursor_shows_its_ray_and_its_value(panel: Any) -> None:
    panel.ui.rayBox.checked = True
    full = slicer.util.getNode("Limb AP full (preview)")
    geometry = slicer_scene.geometry_of_node(full)
    rod = np.array([-42.0, -2.0, 10.0])
    row, column = np.rint(geometry.project_points(rod)[0]).astype(int)
    point_at("BoneXrayFull", geometry.detector_points()[row, column])
    value = slicer.util.arrayFromVolume(full)[0, row, column]
    text = panel.ui.sceneStatus.text
    assert text.startswith(f"Row {row}, column {column}: optical density {value:.3f}; ")
    assert text.endswith("within Limb")
    start, end = points("ray")
    np.testing.assert_allclose(start, geometry.source, atol=1e-3)
    np.testing.assert_allclose(end, geometry.detector_points()[row, column], atol=1e-3)
    piece = points("ray in ct")
    bounds = np.zeros(6)
    panel.ui.ctSelector.currentNode().GetRASBounds(bounds)
    assert sorted(piece[:, 1]) == pytest.approx([bounds[2], bounds[3]], abs=1e-3)
    assert np.abs(geometry.project_points(piece) - [row, column]).max() < 1e-3


def test_a_ray_goes_when_the_cursor_leaves_and_nothing_is_watched_when_off(panel: Any) -> None:
    panel.ui.rayBox.checked = True
    geometry = slicer_scene.geometry_of_node(slicer.util.getNode("Limb AP full (preview)"))
    point_at("BoneXrayBone", geometry.detector_points()[30, 40])
    assert "Row 30, column 40" in panel.ui.sceneStatus.text
    point_at("Red", np.zeros(3))
    assert panel.ui.sceneStatus.text == ""
    assert not slicer_scene.find_model("ray").GetDisplayVisibility()
    point_at("BoneXrayBone", geometry.detector_points()[31, 40])
    assert slicer_scene.find_model("ray").GetDisplayVisibility()
    point_at("BoneXrayBone", geometry.detector_points()[0, 0] - 50 * geometry.row_axis)
    assert panel.ui.sceneStatus.text == ""
    panel.ui.rayBox.checked = False
    point_at("BoneXrayBone", geometry.detector_points()[30, 40])
    assert panel.ui.sceneStatus.text == ""
    assert slicer_scene.find_model("ray") is None


def test_a_new_image_under_a_resting_cursor_brings_its_own_ray(panel: Any) -> None:
    panel.ui.rayBox.checked = True
    geometry = slicer_scene.geometry_of_node(slicer.util.getNode("Limb AP full (preview)"))
    point_at("BoneXrayFull", geometry.detector_points()[240, 240])
    before = points("ray")
    panel.ui.sourceDetectorBox.value = 1700
    wait(lambda: abs(points("ray")[1] - before[1]).max() > 50)
    assert "Row" in panel.ui.sceneStatus.text or panel.ui.sceneStatus.text == ""


def test_the_ray_within_the_ct_is_drawn_in_the_ct_views_alone(panel: Any) -> None:
    panel.ui.rayBox.checked = True
    geometry = slicer_scene.geometry_of_node(slicer.util.getNode("Limb AP full (preview)"))
    point_at("BoneXrayFull", geometry.detector_points()[240, 240])
    within = slicer_scene.find_model("ray in ct").GetDisplayNode()
    assert set(slicer_layouts.foreign_views()) <= set(within.GetViewNodeIDs())
    assert not set(slicer_layouts.drr_views()) & set(within.GetViewNodeIDs())
    assert not slicer_scene.find_model("ray").GetDisplayNode().GetVisibility2D()
