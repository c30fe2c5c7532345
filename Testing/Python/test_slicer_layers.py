"""Layers on Slicer's real MRML: volumes, what is faded, what overlaps, what a scene keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panels import start_slicer
from small_layers import small_layers

from BoneXrayLib.layers import Layers

start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402

from BoneXrayLib.scene import (  # noqa: E402
    slicer_layer_looks,
    slicer_layer_nodes,
    slicer_layers,
    slicer_nodes,
    slicer_segments,
    slicer_views,
)


@pytest.fixture(autouse=True)
def _empty_scene() -> Iterator[None]:
    slicer.mrmlScene.Clear(False)
    slicer.app.layoutManager().setLayout(3)
    yield
    slicer.mrmlScene.Clear(False)


def made(count: int = 2, **changes: Any) -> tuple[Layers, Any, slicer_layer_nodes.LayerNodes]:
    """Layers, the node of their radiograph, and the nodes made of both."""
    found = small_layers(count, **changes)
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    return found, source, slicer_layers.layer_nodes(found, source)


def pixels(node: Any) -> np.ndarray:
    return slicer.util.arrayFromVolume(node)[0]


def test_layers_are_volumes_on_the_radiographs_pixels_and_add_up_to_it() -> None:
    found, source, nodes = made()
    assert list(nodes.layers) == ["radius", "ulna", "soft tissue"]
    np.testing.assert_allclose(sum(map(pixels, nodes.layers.values())), pixels(source), atol=1e-4)
    for layer, node in zip(found.layers, nodes.layers.values(), strict=False):
        assert np.array_equal(pixels(node), layer)
    place = slicer_nodes.ijk_to_world(source, "radiograph")
    for node in (nodes.faded, *nodes.layers.values()):
        np.testing.assert_allclose(slicer_nodes.ijk_to_world(node, "radiograph"), place)
    assert nodes.layers["ulna"].GetName() == "Hand ulna layer"
    assert np.array_equal(pixels(nodes.faded), pixels(source))


def test_layers_follow_a_radiograph_that_was_moved() -> None:
    found = small_layers()
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    source.SetAndObserveTransformNodeID(moved.GetID())
    nodes = slicer_layers.layer_nodes(found, source)
    for node in (nodes.faded, nodes.masks, nodes.overlap, *nodes.layers.values()):
        assert node.GetTransformNodeID() == moved.GetID()


def test_they_lie_in_a_folder_beneath_the_radiograph_and_are_filled_again() -> None:
    found, source, nodes = made()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    above = hierarchy.GetItemByDataNode(source)
    folder = hierarchy.GetItemChildWithName(above, "Bones apart")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(nodes.faded)) == above
    for node in (nodes.masks, nodes.overlap, *nodes.layers.values()):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    slicer_layers.set_shares(nodes.faded, {"radius": 0.0})
    assert slicer_layers.layer_nodes(found, source) == nodes
    assert np.array_equal(pixels(nodes.faded), pixels(source)), "not faded any more"
    other = slicer_layers.layer_nodes(small_layers(3), source)
    assert other.faded is not nodes.faded, "other bones have nodes of their own"
    assert slicer_layer_nodes.separations_of(source) == [nodes.faded, other.faded]


def test_a_bone_fades_out_of_the_radiograph_and_comes_back() -> None:
    found, source, nodes = made()
    slicer_layers.set_shares(nodes.faded, {"radius": 0.0})
    np.testing.assert_allclose(pixels(nodes.faded), found.alone("ulna"), atol=1e-4)
    slicer_layers.set_shares(nodes.faded, {"ulna": 0.25, "soft tissue": 0.0})
    np.testing.assert_allclose(pixels(nodes.faded), 0.25 * found.layers[1], atol=1e-4)
    shares = {"radius": 0.0, "ulna": 0.25, "soft tissue": 0.0}
    assert slicer_layer_nodes.shares_of(nodes.faded) == shares
    slicer_layers.set_shares(nodes.faded, dict.fromkeys(shares, 1.0))
    assert np.array_equal(pixels(nodes.faded), pixels(source))


def test_a_step_of_a_slider_takes_less_than_thirty_milliseconds_at_1024_squared() -> None:
    found, rng = small_layers(), np.random.default_rng(1)
    layers = rng.random((2, 1024, 1024), dtype=np.float32)
    image = replace(found.radiograph, pixels=layers.sum(axis=0))
    source = slicer_nodes.node_from_radiograph(image)
    large = Layers(image, found.structures, layers, layers > 0.5, "m 1")
    faded = slicer_layers.layer_nodes(large, source).faded
    spent = []
    for share in np.linspace(0, 0.9, 6):
        began = time.process_time()
        slicer_layers.set_shares(faded, {"radius": float(share)})
        spent.append(1e3 * (time.process_time() - began))
    assert min(spent) < 30


def test_each_layer_has_the_colour_of_its_segment() -> None:
    found, _source, nodes = made()
    picture = slicer_layer_looks.colour_layers(nodes.faded)
    assert picture.GetClassName() == "vtkMRMLVectorVolumeNode"
    slicer_layers.set_shares(nodes.faded, {"soft tissue": 0.0, "ulna": 0.0})
    shown = pixels(picture).astype(float)
    alone = found.masks[0] & ~found.masks[1]
    hue = shown[alone].mean(axis=0)
    np.testing.assert_allclose(hue / hue.max(), np.array([240, 150, 50]) / 240, atol=0.03)
    assert not shown[~found.masks[0]].any()
    segment = nodes.masks.GetSegmentation().GetNthSegment(0)
    segment.SetColor(0, 0, 1)
    assert slicer_layer_looks.colour_layers(nodes.faded) is picture
    assert not pixels(picture)[..., :2].any()
    assert pixels(picture)[alone][..., 2].all()


def test_what_overlaps_is_outlined_and_nothing_where_nothing_does() -> None:
    found, source, nodes = made()
    mask = slicer_segments.masks_on(nodes.overlap, source)[1]
    assert np.array_equal(mask[0], found.overlap())
    display = nodes.overlap.GetDisplayNode()
    assert not display.GetVisibility()
    slicer_layer_looks.show_overlaps(nodes.faded)
    assert display.GetVisibility()
    assert display.GetVisibility2DOutline()
    assert not display.GetVisibility2DFill()
    slicer_layer_looks.show_overlaps(nodes.faded, wanted=False)
    assert not display.GetVisibility()
    apart = replace(found, masks=found.masks & ~found.overlap())
    assert slicer_layers.layer_nodes(apart, source).overlap is nodes.overlap
    assert nodes.overlap.GetSegmentation().GetNumberOfSegments() == 0


def test_with_two_visits_each_outline_is_in_its_own_view_only() -> None:
    _found, _source, nodes = made()
    other = replace(small_layers().radiograph, name="Later")
    later = slicer_nodes.node_from_radiograph(other)
    second = slicer_layers.layer_nodes(replace(small_layers(), radiograph=other), later)
    views = slicer_views.SideBySide()
    slicer_layer_looks.show_layers(views, nodes.faded, second.faded, False, "visits")
    assert views.shown == ("visits", [nodes.faded, second.faded])
    slicer_layer_looks.show_overlaps(nodes.faded, second.faded)
    own, its = (n.overlap.GetDisplayNode() for n in (nodes, second))
    manager = slicer.app.layoutManager()
    first_view, second_view = (
        manager.sliceWidget(name).mrmlSliceNode().GetID()
        for name in ("BoneXrayApart", "BoneXraySecondVisit")
    )
    assert own.IsDisplayableInView(first_view)
    assert not own.IsDisplayableInView(second_view)
    assert its.IsDisplayableInView(second_view)
    assert not its.IsDisplayableInView(first_view)
    slicer_layer_looks.show_overlaps(nodes.faded)
    assert own.IsDisplayableInView(second_view)


def test_a_saved_scene_brings_layers_shares_and_colours_back(tmp_path: Path) -> None:
    found, _source, nodes = made()
    slicer_layer_looks.colour_layers(nodes.faded)
    slicer_layers.set_shares(nodes.faded, {"radius": 0.0})
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    faded = slicer.util.getNode("Hand faded")
    assert slicer_layer_nodes.separations_of(slicer.util.getNode("Hand")) == [faded]
    back = slicer_layer_nodes.layers_from_node(faded)
    assert np.array_equal(back.layers, found.layers)
    assert np.array_equal(back.masks, found.masks)
    assert back.structures == found.structures
    np.testing.assert_allclose(pixels(faded), found.alone("ulna"), atol=1e-4)
    slicer_layers.set_shares(faded, {"radius": 1.0})
    np.testing.assert_allclose(pixels(faded), found.radiograph.pixels, atol=1e-4)
    assert slicer_layer_looks.colours_of(faded) is slicer.util.getNode("Hand faded in colours")


def test_segments_that_a_user_drew_are_the_masks_and_hidden_ones_are_left_out() -> None:
    found, source, _nodes = made()
    drawn = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    drawn.CreateDefaultDisplayNodes()
    drawn.SetReferenceImageGeometryParameterFromVolumeNode(source)
    for name, mask in zip(("my radius", "my ulna"), found.masks, strict=True):
        identifier = drawn.GetSegmentation().AddEmptySegment("", name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            mask[None].astype(np.uint8), drawn, identifier, source
        )
    structures, masks = slicer_layers.masks_of(drawn, source)
    assert [one.name for one in structures] == ["my radius", "my ulna"]
    assert np.array_equal(masks, found.masks)
    drawn.GetDisplayNode().SetSegmentVisibility(drawn.GetSegmentation().GetNthSegmentID(0), False)
    structures, masks = slicer_layers.masks_of(drawn, source)
    assert [one.name for one in structures] == ["my ulna"]
    drawn.GetSegmentation().GetNthSegment(1).SetName("soft tissue")
    with pytest.raises(ValueError, match="is named 'soft tissue'"):
        slicer_layers.masks_of(drawn, source)
    drawn.GetDisplayNode().SetSegmentVisibility(drawn.GetSegmentation().GetNthSegmentID(1), False)
    with pytest.raises(ValueError, match="no visible segment of 'Drawn' lies on 'Hand'"):
        slicer_layers.masks_of(drawn, source)


def test_segments_of_another_radiograph_are_refused() -> None:
    found, source, _nodes = made()
    named = slicer_segments.segment_nodes(_named(found), source).segments
    other = slicer_nodes.node_from_radiograph(replace(found.radiograph, name="Other"))
    assert len(slicer_layers.masks_of(named, source)[0]) == 2
    with pytest.raises(ValueError, match="'Hand segments' belongs to 'Hand'; expected segments"):
        slicer_layers.masks_of(named, other)


def _named(found: Layers) -> Any:
    from BoneXrayLib.segmentation import Segmentation

    return Segmentation(found.radiograph, found.structures, found.masks, "names 1")


def test_the_masks_are_not_taken_for_the_radiographs_named_bones() -> None:
    _found, source, _nodes = made()
    assert slicer_segments.segmentations_of(source) == []


def test_what_cannot_be_faded_is_refused_in_one_line() -> None:
    _found, source, nodes = made()
    with pytest.raises(ValueError, match="shares: got 'tibia'; expected some of radius, ulna"):
        slicer_layers.set_shares(nodes.faded, {"tibia": 0})
    with pytest.raises(ValueError, match="shares: got 3; expected 0 to 2"):
        slicer_layers.set_shares(nodes.faded, {"ulna": 3})
    with pytest.raises(ValueError, match="faded: got 'Hand'; expected a radiograph whose bones"):
        slicer_layers.set_shares(source, {"ulna": 0})
    with pytest.raises(ValueError, match="faded: got none"):
        slicer_layer_nodes.nodes_of(None)
    slicer.mrmlScene.RemoveNode(nodes.layers["ulna"])
    with pytest.raises(ValueError, match="masks of 'Hand faded' are gone; pull its bones apart"):
        slicer_layers.set_shares(nodes.faded, {"radius": 0})
