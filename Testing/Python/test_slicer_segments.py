"""Named bones on Slicer's real MRML: segments, areas, what is saved, and what is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_writing import CR_CLASS, image_dataset, save
from panels import load_module, start_slicer
from small_bones import small_bones

from BoneXrayLib.segment_files import image_plane
from BoneXrayLib.segmentation import Segmentation
from BoneXrayLib.segments.segment_nrrd import read_seg_nrrd, write_seg_nrrd

start_slicer()

import slicer  # noqa: E402
import slicer.util  # noqa: E402
import vtk  # noqa: E402

from BoneXrayLib.scene import slicer_nodes, slicer_segments  # noqa: E402


@pytest.fixture(autouse=True)
def _empty_scene() -> Iterator[None]:
    slicer.mrmlScene.Clear(False)
    yield
    slicer.mrmlScene.Clear(False)


def made(**changes: Any) -> tuple[Segmentation, Any, slicer_segments.SegmentNodes]:
    """Bones, the node of their radiograph, and the nodes made of both."""
    found = small_bones(**changes)
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    return found, source, slicer_segments.segment_nodes(found, source)


def mask_of(node: Any, name: str) -> np.ndarray:
    identifier = node.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, identifier)[0] > 0


def test_each_bone_is_a_segment_with_its_name_colour_and_code() -> None:
    found, _source, nodes = made()
    segmentation = nodes.segments.GetSegmentation()
    assert nodes.segments.GetName() == "Hand segments"
    assert segmentation.GetNumberOfSegments() == 4
    for number, named in enumerate(found.structures):
        one = segmentation.GetNthSegment(number)
        assert one.GetName() == named.name
        np.testing.assert_allclose(np.array(one.GetColor()) * 255, named.colour, atol=0.01)
        entry = vtk.reference("")
        assert one.GetTag("TerminologyEntry", entry)
        assert f"~{named.scheme}^{named.code}^{named.meaning}~" in str(entry)
        assert np.array_equal(mask_of(nodes.segments, named.name), found.masks[number])


def test_bones_that_overlap_are_kept_in_layers_that_the_others_share() -> None:
    _found, _source, nodes = made()
    segmentation = nodes.segments.GetSegmentation()
    assert segmentation.GetNumberOfLayers() == 2
    maps = [segmentation.GetNthSegment(n).GetRepresentation("Binary labelmap") for n in range(4)]
    assert maps[0] is maps[2] is maps[3]
    assert maps[1] is not maps[0]


def test_segments_lie_on_the_radiographs_pixels_also_where_it_was_moved() -> None:
    found = small_bones()
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = (10, 20, 30)
    moved.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    source.SetAndObserveTransformNodeID(moved.GetID())
    node = slicer_segments.segment_nodes(found, source).segments
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is source
    bounds, own = [0.0] * 6, [0.0] * 6
    node.GetRASBounds(bounds)
    source.GetRASBounds(own)
    np.testing.assert_allclose(bounds[4:], own[4:], atol=1e-6)
    assert own[0] - 1e-6 <= bounds[0] <= bounds[1] <= own[1] + 1e-6
    assert np.array_equal(slicer_segments.segmentation_from_node(node).masks, found.masks)


def test_segments_and_areas_lie_beneath_the_radiograph_and_are_filled_again() -> None:
    found, source, nodes = made()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = [hierarchy.GetItemByDataNode(n) for n in (nodes.areas, nodes.segments, source)]
    assert hierarchy.GetItemParent(items[0]) == hierarchy.GetItemParent(items[1]) == items[2]
    again = slicer_segments.segment_nodes(found, source)
    assert again == nodes
    assert nodes.segments.GetSegmentation().GetNumberOfSegments() == 4
    other = Segmentation(found.radiograph, found.structures, found.masks, "another 1.0")
    assert slicer_segments.segment_nodes(other, source).segments is not nodes.segments


def test_the_table_has_areas_and_shared_areas_in_square_millimetres() -> None:
    found, _, nodes = made()
    table = nodes.areas
    heads = [table.GetColumnName(n) for n in range(3)]
    assert heads == ["Bone", "Shared with", "Area [mm²]"]
    rows = [[table.GetCellText(r, c) for c in range(3)] for r in range(table.GetNumberOfRows())]
    assert len(rows) == 5
    assert (rows[0][:2], float(rows[0][2])) == (["radius", ""], found.areas()["radius"])
    assert rows[4][:2] == ["radius", "ulna"]
    assert float(rows[4][2]) == pytest.approx(found.overlaps()["radius", "ulna"], rel=1e-5)


def test_a_saved_scene_brings_masks_names_colours_and_codes_back(tmp_path: Path) -> None:
    found, _, _ = made()
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert slicer.mrmlScene.GetFirstNodeByName("Hand segments") is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    node = slicer.util.getNode("Hand segments")
    back = slicer_segments.segmentation_from_node(node)
    assert np.array_equal(back.masks, found.masks)
    assert back.structures == found.structures
    assert back.areas() == found.areas()
    assert back.model == found.model
    assert slicer_segments.areas_of(node).GetNumberOfRows() == 5
    assert slicer_segments.segmentations_of(slicer.util.getNode("Hand")) == [node]


def test_edited_segments_are_measured_and_written_as_they_are(tmp_path: Path) -> None:
    found, source, nodes = made()
    edited = found.masks[0].copy()
    edited[4:12] = False
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        edited[None].astype(np.uint8), nodes.segments, "Segment_1", source
    )
    nodes.segments.GetSegmentation().GetSegment("Segment_2").SetName("my ulna")
    assert slicer_segments.measure(nodes.segments) is nodes.areas
    assert float(nodes.areas.GetCellText(0, 2)) == np.count_nonzero(edited) * 0.125
    slicer_segments.export_segments(nodes.segments, tmp_path / "out", ("nrrd",))
    slicer_segments.export_segments(nodes.segments, tmp_path / "out", ("png",))
    assert (tmp_path / "out" / "segments.seg.nrrd").is_file(), "of the export before"
    files = slicer_segments.export_segments(nodes.segments, tmp_path / "out")
    back = read_seg_nrrd(files["segments.seg.nrrd"])
    assert np.array_equal(back.masks[0], edited)
    assert np.array_equal(back.masks[1:], found.masks[1:])
    assert (back.structures[1].name, back.structures[1].code) == ("my ulna", "23416004")
    np.testing.assert_allclose(
        back.ijk_to_ras, slicer_nodes.ijk_to_world(source, "radiograph"), atol=1e-6
    )
    assert "my-ulna.png" in files


def test_slicer_reads_the_written_file_as_the_same_segments(tmp_path: Path) -> None:
    found = small_bones()
    write_seg_nrrd(tmp_path / "a.seg.nrrd", found.masks, found.structures, image_plane(found))
    source = slicer_nodes.node_from_radiograph(found.radiograph)
    source.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(image_plane(found)))
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = node.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    assert storage.ReadData(node)
    node.SetNodeReferenceID("BoneXrayInput", source.GetID())
    back = slicer_segments.segmentation_from_node(node)
    assert np.array_equal(back.masks, found.masks)
    assert back.structures == found.structures


def test_what_slicer_writes_is_read_by_us(tmp_path: Path) -> None:
    found, _, nodes = made()
    storage = nodes.segments.CreateDefaultStorageNode()
    storage.SetFileName(str(tmp_path / "b.seg.nrrd"))
    assert storage.WriteData(nodes.segments)
    back = read_seg_nrrd(tmp_path / "b.seg.nrrd")
    assert back.structures == found.structures
    assert [np.count_nonzero(m) for m in back.masks] == [np.count_nonzero(m) for m in found.masks]


def test_a_dicom_seg_of_a_loaded_dicom_file_belongs_to_its_study(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    import pydicom

    found = small_bones()
    pixels = (found.radiograph.pixels * 100).astype(np.uint16)
    fields = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.4", "PatientID": "P1"}
    file = save(image_dataset(pixels, CR_CLASS, "CR", **fields), tmp_path / "hand.dcm")
    logic = load_module("BoneXray").BoneXrayLogic()
    source = logic.loadRadiograph(file)
    node = slicer_segments.segment_nodes(
        Segmentation(
            slicer_nodes.radiograph_from_node(source), found.structures, found.masks, "m 1"
        ),
        source,
    ).segments
    files = logic.exportSegments(node, tmp_path / "out", ("dicom",))
    assert "source.dcm" not in files
    assert pydicom.dcmread(files["segments.dcm"]).StudyInstanceUID == "1.2.3"


def test_what_cannot_be_measured_is_refused_in_one_line() -> None:
    _found, source, nodes = made()
    with pytest.raises(ValueError, match="segments: there are none"):
        slicer_segments.segmentation_from_node(None)
    nodes.segments.GetSegmentation().GetSegment("Segment_2").SetName("radius")
    with pytest.raises(ValueError, match="structures: two are named 'radius'"):
        slicer_segments.measure(nodes.segments)
    slicer.mrmlScene.RemoveNode(source)
    with pytest.raises(ValueError, match="the radiograph of 'Hand segments' is gone"):
        slicer_segments.segmentation_from_node(nodes.segments)
