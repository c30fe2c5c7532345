"""Nodes of Slicer's real MRML to volumes, labels and radiographs, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from panels import add_ct, start_slicer

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.geometry import VIEWS
from BoneXrayLib.radiograph import Radiograph

start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
import vtk  # noqa: E402

from BoneXrayLib.scene import slicer_nodes, slicer_results  # noqa: E402
from BoneXrayLib.thinning import thinned  # noqa: E402


@pytest.fixture(autouse=True)
def _empty_scene() -> Iterator[None]:
    slicer.mrmlScene.Clear(False)
    yield
    slicer.mrmlScene.Clear(False)


def add_transform(matrix: np.ndarray) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def turned(degrees: float, shift: tuple[float, float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = shift
    return matrix


def add_segmentation(ct: Any, segments: dict[str, np.ndarray]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for name, mask in segments.items():
        identifier = node.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask.astype(np.uint8), node, identifier, ct
        )
    return node


def a_radiograph(**changes: Any) -> Radiograph:
    pixels = np.arange(20 * 30, dtype=np.float32).reshape(20, 30)
    return Radiograph(**{"pixels": pixels, "pixel_mm": (0.2, 0.3), "name": "Hand", **changes})


# -- CT -------------------------------------------------------------------------------------------
def test_a_ct_keeps_its_array_and_its_place() -> None:
    node = add_ct()
    volume = slicer_nodes.volume_from_node(node)
    assert volume.hu.dtype == np.int16
    assert np.shares_memory(volume.hu, slicer.util.arrayFromVolume(node))
    np.testing.assert_allclose(volume.ijk_to_ras, np.diag([-4, -4, 6, 1]) + np.array(
        [[0, 0, 0, 94], [0, 0, 0, 78], [0, 0, 0, -69], [0, 0, 0, 0]]))  # fmt: skip


def test_parent_transforms_move_the_ct_as_hardening_them_does() -> None:
    node = add_ct()
    inner, outer = add_transform(turned(30, (10, -20, 5))), add_transform(turned(-75, (0, 0, 90)))
    inner.SetAndObserveTransformNodeID(outer.GetID())
    node.SetAndObserveTransformNodeID(inner.GetID())
    moved = slicer_nodes.volume_from_node(node)
    node.HardenTransform()
    hardened = slicer_nodes.volume_from_node(node)
    np.testing.assert_allclose(moved.ijk_to_ras, hardened.ijk_to_ras, atol=1e-9)
    assert abs(moved.ijk_to_ras[0, 1]) > 1


def test_a_transform_that_bends_is_refused_by_name() -> None:
    node = add_ct()
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "Bend")
    warp = vtk.vtkThinPlateSplineTransform()
    points = vtk.vtkPoints()
    for corner in np.random.default_rng(1).normal(0, 50, (6, 3)):
        points.InsertNextPoint(corner)
    moved = vtk.vtkPoints()
    moved.DeepCopy(points)
    moved.SetPoint(0, 1, 2, 3)
    warp.SetSourceLandmarks(points)
    warp.SetTargetLandmarks(moved)
    warp.SetBasisToR()
    bend.SetAndObserveTransformToParent(warp)
    node.SetAndObserveTransformNodeID(bend.GetID())
    with pytest.raises(ValueError, match="transform 'Bend' of 'Limb' bends the image"):
        slicer_nodes.volume_from_node(node)


def test_what_is_no_ct_is_refused_by_name() -> None:
    flat = slicer_nodes.node_from_radiograph(a_radiograph())
    with pytest.raises(ValueError, match="ct: 'Hand' has one slice"):
        slicer_nodes.volume_from_node(flat)
    colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colour")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(image)
    with pytest.raises(ValueError, match="'Colour' holds 3 values for each pixel"):
        slicer_nodes.volume_from_node(colour)
    with pytest.raises(ValueError, match="ct: no scalar volume"):
        slicer_nodes.volume_from_node(None)


def test_the_thinned_ct_of_a_preview_keeps_each_voxels_place() -> None:
    node = add_ct()
    node.SetSpacing(0.5, 0.7, 6.0)
    volume = slicer_nodes.volume_from_node(node)
    labels = (volume.hu > 500).astype(np.uint8)
    thin, thin_labels = thinned(volume, labels)
    assert thin.spacing_mm == pytest.approx((2.0, 1.4, 6.0))
    place = thin.ijk_to_ras @ [3, 4, 5, 1]
    index = np.rint(np.linalg.inv(volume.ijk_to_ras) @ place).astype(int)[:3]
    np.testing.assert_allclose(volume.ijk_to_ras @ [*index, 1], place, atol=1e-9)
    assert thin.hu[5, 4, 3] == volume.hu[tuple(index[::-1])]
    np.testing.assert_array_equal(thin_labels == 1, thin.hu > 500)


# -- labels ---------------------------------------------------------------------------------------
def test_segments_become_labels_on_the_grid_of_the_ct() -> None:
    ct = add_ct()
    hu = slicer.util.arrayFromVolume(ct)
    upper, lower = hu > 500, hu > 500
    upper[:12], lower[12:] = False, False
    labels, names = slicer_nodes.labels_from_node(
        add_segmentation(ct, {"tibia": upper, "talus": lower}), ct
    )
    assert names == {1: "tibia", 2: "talus"}
    np.testing.assert_array_equal(labels == 1, upper)
    np.testing.assert_array_equal(labels == 2, lower)


def test_hidden_segments_are_no_bones() -> None:
    ct = add_ct()
    mask = slicer.util.arrayFromVolume(ct) > 500
    segmentation = add_segmentation(ct, {"tibia": mask, "muscle": ~mask})
    segmentation.CreateDefaultDisplayNodes()
    segmentation.GetDisplayNode().SetSegmentVisibility("muscle", False)
    labels, names = slicer_nodes.labels_from_node(segmentation, ct)
    assert names == {1: "tibia"}
    np.testing.assert_array_equal(labels == 1, mask)


def test_labels_follow_the_transform_that_both_nodes_have() -> None:
    ct = add_ct()
    mask = slicer.util.arrayFromVolume(ct) > 500
    segmentation = add_segmentation(ct, {"rod": mask})
    transform = add_transform(turned(20, (5, 6, 7)))
    for node in (ct, segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    labels, _ = slicer_nodes.labels_from_node(segmentation, ct)
    np.testing.assert_array_equal(labels == 1, mask)


def test_segments_outside_the_ct_and_empty_segmentations_are_refused() -> None:
    ct = add_ct()
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    with pytest.raises(ValueError, match="labels: 'Empty' has no visible segment"):
        slicer_nodes.labels_from_node(empty, ct)
    far = add_segmentation(ct, {"rod": slicer.util.arrayFromVolume(ct) > 500})
    far.SetAndObserveTransformNodeID(add_transform(turned(0, (0, 0, 5000))).GetID())
    before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(
        ValueError, match="labels: no visible segment of 'Bones' lies within 'Limb'"
    ):
        slicer_nodes.labels_from_node(far, ct)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


# -- radiographs ----------------------------------------------------------------------------------
def test_a_radiograph_survives_its_node() -> None:
    given = a_radiograph(domain="optical density", magnification=1.2, notes=("a; b", "c: d"))
    node = slicer_nodes.node_from_radiograph(given)
    assert node.GetImageData().GetDimensions() == (30, 20, 1)
    assert node.GetSpacing()[:2] == (0.3, 0.2)
    back = slicer_nodes.radiograph_from_node(node)
    np.testing.assert_array_equal(back.pixels, given.pixels)
    assert (back.domain, back.pixel_mm, back.magnification, back.name, back.notes) == (
        given.domain,
        given.pixel_mm,
        given.magnification,
        given.name,
        given.notes,
    )


def test_a_radiograph_survives_a_saved_scene(tmp_path: Any) -> None:
    drr = simulate(slicer_nodes.volume_from_node(add_ct()), DrrConfig(size=(20, 24), pixel=9.0))
    slicer_nodes.node_from_radiograph(drr.radiograph(drr.full, "full"))
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    back = slicer_nodes.radiograph_from_node(slicer.util.getNode("Limb AP full"))
    np.testing.assert_allclose(back.pixels, drr.full, rtol=1e-6)
    assert back.domain == "optical density"
    assert back.geometry.to_dict() == drr.geometry.to_dict()


@pytest.mark.parametrize("view", list(VIEWS))
def test_a_simulated_radiograph_lies_on_its_detector(view: str) -> None:
    drr = simulate(
        slicer_nodes.volume_from_node(add_ct()), DrrConfig(size=(16, 20), pixel=10.0, view=view)
    )
    node = slicer_nodes.node_from_radiograph(drr.radiograph(drr.full, "full"))
    ijk_to_ras = slicer_nodes.ijk_to_world(node, "radiograph")
    assert np.linalg.det(ijk_to_ras[:3, :3]) > 0
    j, i = np.mgrid[:16, :20]
    ijk = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1)
    np.testing.assert_allclose(
        (ijk @ ijk_to_ras.T)[..., :3], drr.geometry.detector_points(), atol=1e-3
    )


def test_a_radiograph_of_others_is_taken_as_a_display_image() -> None:
    node = slicer.util.addVolumeFromArray(
        np.arange(400, dtype=np.uint16).reshape(1, 20, 20), name="From DICOM"
    )
    assert slicer_nodes.radiograph_from_node(node).pixel_mm is None
    assert slicer_nodes.radiograph_from_node(node, 0.2).pixel_mm == (0.2, 0.2)
    node.SetSpacing(0.15, 0.14, 1.0)
    taken = slicer_nodes.radiograph_from_node(node, 0.2)
    assert (taken.domain, taken.pixel_mm) == ("display", (0.14, 0.15))
    with pytest.raises(ValueError, match="'Limb' has 24 slices; expected one"):
        slicer_nodes.radiograph_from_node(add_ct())


def test_filling_a_node_again_keeps_it_and_its_name() -> None:
    node = slicer_nodes.node_from_radiograph(a_radiograph())
    again = slicer_nodes.node_from_radiograph(
        a_radiograph(pixels=np.eye(16, dtype=np.float32)), node
    )
    assert again is node
    assert (node.GetName(), node.GetImageData().GetDimensions()) == ("Hand", (16, 16, 1))


# -- results --------------------------------------------------------------------------------------
def test_labelled_bones_become_layers_that_add_up_to_the_whole() -> None:
    ct = add_ct()
    hu = slicer.util.arrayFromVolume(ct)
    upper, lower = hu > 500, hu > 500
    upper[:12], lower[12:] = False, False
    labels, names = slicer_nodes.labels_from_node(
        add_segmentation(ct, {"full": upper, "bone": lower}), ct
    )
    drr = simulate(
        slicer_nodes.volume_from_node(ct), DrrConfig(size=(32, 32), pixel=8.0), labels, names
    )
    nodes = slicer_results.drr_nodes(drr, ct)
    assert list(nodes.layers) == ["rest", "full", "bone"]
    arrays = [slicer.util.arrayFromVolume(n) for n in nodes.layers.values()]
    np.testing.assert_allclose(
        sum(arrays), slicer.util.arrayFromVolume(nodes.full), rtol=1e-5, atol=1e-5
    )
    assert len({n.GetID() for n in (nodes.full, nodes.bone, *nodes.layers.values())}) == 5


def test_enhancing_without_its_input_is_refused() -> None:
    node = slicer_nodes.node_from_radiograph(a_radiograph())
    with pytest.raises(ValueError, match="the input or the bones of 'Hand' are gone"):
        slicer_results.set_enhance(node, 1.0)
