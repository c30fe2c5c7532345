"""Layouts and slice views over Slicer's real layout and slice logics."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import numpy as np
import pytest
from panels import add_ct, start_slicer, wait

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.geometry import VIEWS
from BoneXrayLib.radiograph import Radiograph

start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402

from BoneXrayLib.scene import slicer_layouts, slicer_nodes, slicer_views  # noqa: E402


@pytest.fixture(autouse=True)
def _empty_scene() -> Iterator[None]:
    slicer.mrmlScene.Clear(False)
    slicer.app.layoutManager().setLayout(3)
    yield
    slicer.mrmlScene.Clear(False)


def corner_marks() -> Radiograph:
    """Dark, with marks of different brightness: top left 100, top right 200, bottom left 255."""
    pixels = np.zeros((60, 60), np.float32)
    pixels[5:15, 5:15], pixels[5:15, 45:55], pixels[45:55, 5:15] = 100, 200, 255
    return Radiograph(pixels, name="Marks")


def seen(node: object, side: int = 120) -> np.ndarray:
    """The view's picture of the node, (side, side)."""
    slicer_views.SideBySide().show("radiograph", [node])
    view = slicer.app.layoutManager().sliceWidget("BoneXrayInput")
    return view.picture(side, side)[..., 0].astype(int)


def test_a_radiograph_hangs_as_its_array_does() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    slicer_nodes.set_window(node, (0, 255))
    picture = seen(node)
    assert [picture[20, 20], picture[20, 100], picture[100, 20], picture[100, 100]] == (
        pytest.approx([100, 200, 255, 0], abs=3)
    )


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_named_view_hangs_as_its_array_does(view: str) -> None:
    config = DrrConfig(size=(40, 40), pixel=8.0, view=view, rotate=(10.0, 5.0))
    drr = simulate(slicer_nodes.volume_from_node(add_ct()), config)
    node = slicer_nodes.node_from_radiograph(drr.radiograph(drr.full, "full"))
    slicer_nodes.set_window(node, (0, float(drr.full.max())))
    picture = seen(node)[1::3, 1::3]
    expected = drr.full / drr.full.max() * 255
    as_it_is = np.abs(picture - expected).mean()
    assert as_it_is < 5
    assert as_it_is < np.abs(picture[:, ::-1] - expected).mean() / 2


def test_a_moved_radiograph_is_shown_where_it_is() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    slicer_nodes.set_window(node, (0, 255))
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.array([[0, 0, 1, 40], [1, 0, 0, 50], [0, 1, 0, 60], [0, 0, 0, 1.0]])
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert seen(node)[20, 100] == pytest.approx(200, abs=3)


def test_radiographs_without_geometry_lie_where_no_patient_is() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    assert slicer_nodes.ijk_to_world(node, "radiograph")[2, 3] == slicer_nodes.OWN_PLACE_S


@pytest.mark.parametrize("layout", list(slicer_layouts.LAYOUTS))
def test_a_layout_is_sound_and_its_views_are_ours(layout: str) -> None:
    number, views = slicer_layouts.LAYOUTS[layout]
    tree = ElementTree.fromstring(slicer_layouts.description(layout))
    assert number >= 500
    slices = [view for view in tree.iter("view") if view.get("class") == "vtkMRMLSliceNode"]
    tags = [view.get("singletontag") for view in slices]
    ours = [tag for tag in tags if tag.startswith("BoneXray")]
    assert ours == list(views)
    users = ["1", *slicer_layouts.SLICES] if layout == "drr in scene" else []
    assert [tag for tag in tags if tag not in ours] == users[1:]
    node = slicer_nodes.node_from_radiograph(corner_marks())
    shown = slicer_views.SideBySide()
    shown.set_in_scene(layout == "drr in scene")
    shown.show(layout, [node] * len(views))
    assert slicer.app.layoutManager().sliceViewNames() == (*views, *users[1:])


def test_zooming_the_user_did_is_kept_while_the_image_changes() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    shown = slicer_views.SideBySide()
    shown.show("radiograph", [node])
    slice_node = slicer.app.layoutManager().sliceWidget("BoneXrayInput").mrmlSliceNode()
    slice_node.SetFieldOfView(11.0, 11.0, 1.0)
    shown.show("radiograph", [node])
    assert slice_node.GetFieldOfView()[0] == 11.0


def test_a_view_stays_on_its_slice_after_what_slicer_queued() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    slicer_views.SideBySide().show("extraction", [node] * 3)
    manager = slicer.app.layoutManager()
    settled = time.monotonic() + 0.1
    wait(lambda: time.monotonic() > settled)
    for name in manager.sliceViewNames():
        widget = manager.sliceWidget(name)
        place = slicer.util.arrayFromVTKMatrix(widget.mrmlSliceNode().GetSliceToRAS())[2, 3]
        assert place == slicer_nodes.OWN_PLACE_S
        assert not widget.sliceController().showSliceOffsetSlider
        assert widget.interactorObserver().disabled == {widget.interactorObserver().BrowseSlice}


def test_only_our_views_are_linked() -> None:
    node = slicer_nodes.node_from_radiograph(corner_marks())
    slicer_views.SideBySide().show("drr", [node, node])
    manager = slicer.app.layoutManager()
    groups = {manager.sliceWidget(name).mrmlSliceNode().GetViewGroup()
              for name in manager.sliceViewNames()}  # fmt: skip
    assert groups == {slicer_layouts.VIEW_GROUP}
