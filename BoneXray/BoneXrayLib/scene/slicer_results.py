"""Results as nodes: named after their input, beneath it, and knowing what they were made from.

A result points to its input by node references, so "whose bones are these" is answered after a
scene was saved and loaded, and the enhancement can be moved on without running the model again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util

from ..drr import Drr
from ..exposure import Exposed
from ..extraction import ExtractConfig, Extraction, enhance
from ..image_names import named_layers
from ..long_leg import LongLeg
from ..radiograph import Radiograph
from .slicer_nodes import PREFIX, node_from_radiograph, place_beneath, set_window

INPUT_ROLE = "BoneXrayInput"
BONES_ROLE = "BoneXrayBones"
SHOWN_RANGE = (0.0, 1.0)
"""Window of a display image: its curve has been chosen already."""


class DrrNodes(NamedTuple):
    """Volume nodes of one simulated exposure."""

    full: Any
    bone: Any
    layers: dict[str, Any]


class ExtractionNodes(NamedTuple):
    """Volume nodes of one extraction; `uncertainty` is None where it was not asked for."""

    bones: Any
    enhanced: Any
    uncertainty: Any = None


def drr_nodes(drr: Drr, ct: Any) -> DrrNodes:
    """Full and bone-only radiograph, and a node a layer where there are several bones.

    The same exposure of the same CT fills its nodes again; another one gets new nodes.
    """
    return _exposure_nodes(drr, ct, "drr", drr.config.label)


def long_leg_nodes(found: LongLeg, ct: Any) -> DrrNodes:
    """As `drr_nodes`, of a long-leg view; the attribute LongLeg keeps its shots (JSON)."""
    nodes = _exposure_nodes(found, ct, "long leg", f"{found.config.view} long leg")
    plan = json.dumps(found.plan.to_dict())
    for node in (nodes.full, nodes.bone, *nodes.layers.values()):
        node.SetAttribute(PREFIX + "LongLeg", plan)
    return nodes


def _exposure_nodes(found: Drr | LongLeg, ct: Any, what: str, label: str) -> DrrNodes:
    made_with = json.dumps(dataclasses.asdict(found.config), sort_keys=True)
    exposure = found.radiograph(found.full, "full")

    def node(kind: str, name: str, pixels: np.ndarray) -> Any:
        tags = {"Result": f"{what} {kind}", "Config": made_with}
        return result_node(exposure, pixels, f"{ct.GetName()} {label} {name}", ct, tags)

    full, bone = node("full", "full", exposure.pixels), node("bone", "bone", found.bone)
    layers = named_layers(found.layers).items()
    made = {name: node(f"layer {name}", name, pixels) for name, pixels in layers}
    return DrrNodes(full, bone, made)


def exposed_nodes(exposed: Exposed, drr: Drr, ct: Any) -> DrrNodes:
    """What a detector shows (display image), and what the bones add to it; no layers."""
    made_with = json.dumps([dataclasses.asdict(c) for c in (drr.config, exposed.config)])
    pictures = {"exposed": exposed.display, "exposed bone": exposed.bone}
    nodes = [
        result_node(
            picture, picture.pixels, f"{ct.GetName()} {drr.config.label} {kind}", ct,
            {"Result": kind, "Config": made_with},
        )
        for kind, picture in pictures.items()
    ]  # fmt: skip
    set_window(nodes[0], SHOWN_RANGE)
    return DrrNodes(*nodes, {})


def preview_nodes(drr: Drr, ct: Any, exposed: Exposed | None = None) -> DrrNodes:
    """The pair that follows the sliders: hidden from lists, not saved with the scene.

    Line integrals, or with `exposed` its display image and bones.
    """
    full = drr.radiograph(drr.full, "full") if exposed is None else exposed.display
    nodes = []
    for kind, pixels in (
        ("full", full.pixels),
        ("bone", drr.bone if exposed is None else exposed.bone.pixels),
    ):
        tag = f"BoneXrayPreview{kind}"
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLScalarVolumeNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
            node.UnRegister(None)
            node.SetSingletonTag(tag)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node = slicer.mrmlScene.AddNode(node)
        node_from_radiograph(full, node, pixels=pixels)
        node.SetName(f"{ct.GetName()} {drr.config.label} {kind} (preview)")
        nodes.append(node)
    if exposed is not None:
        set_window(nodes[0], SHOWN_RANGE)
    return DrrNodes(nodes[0], nodes[1], {})


def move_bone(nodes: DrrNodes | None, bone: np.ndarray) -> None:
    """Put another bone image, (rows, columns), into a pair of the same view and size."""
    if nodes is None or not slicer.mrmlScene.IsNodePresent(nodes.bone):
        return
    shown = slicer.util.arrayFromVolume(nodes.bone)
    if shown.shape[1:] == bone.shape:
        shown[0] = bone
        slicer.util.arrayFromVolumeModified(nodes.bone)


def remove_previews() -> None:
    """Take the preview nodes out of the scene."""
    for kind in ("full", "bone"):
        tag = f"BoneXrayPreview{kind}"
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLScalarVolumeNode")
        if node is not None:
            if node.GetDisplayNode() is not None:
                slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
            slicer.mrmlScene.RemoveNode(node)


def extraction_nodes(found: Extraction, source: Any, config: ExtractConfig) -> ExtractionNodes:
    """Bones and enhanced radiograph beneath `source`; the same model fills its nodes again."""
    given, name = found.radiograph, source.GetName()
    tags = {"Model": found.model}
    bones = result_node(given, found.bone, f"{name} bones", source, {"Result": "bones", **tags})
    enhanced = result_node(
        given, found.enhanced(config.enhance), f"{name} enhanced", source,
        {"Result": "enhanced", **tags},
    )  # fmt: skip
    uncertainty = None
    if found.uncertainty is not None:
        uncertainty = result_node(
            given, found.uncertainty, f"{name} uncertainty", source,
            {"Result": "uncertainty", **tags},
        )  # fmt: skip
    for node in filter(None, (bones, enhanced, uncertainty)):
        same_place(node, source)
    enhanced.SetNodeReferenceID(BONES_ROLE, bones.GetID())
    enhanced.SetAttribute(PREFIX + "Enhance", f"{config.enhance:g}")
    same_window(enhanced, source)
    source.SetAttribute(PREFIX + "Warnings", json.dumps(found.warnings))
    return ExtractionNodes(bones, enhanced, uncertainty)


def set_enhance(enhanced: Any, enhance_by: float) -> None:
    """Fill an enhanced node again as input + λ · bones, from the nodes it refers to.

    Raises:
        ValueError: input or bones are gone or were changed, or λ is out of range.
    """
    source = enhanced.GetNodeReference(INPUT_ROLE)
    bones = enhanced.GetNodeReference(BONES_ROLE)
    if source is None or bones is None:
        raise ValueError(
            f"enhance: the input or the bones of {enhanced.GetName()!r} are gone; extract again"
        )
    pixels = slicer.util.arrayFromVolume(source)
    bone = slicer.util.arrayFromVolume(bones)
    shown = slicer.util.arrayFromVolume(enhanced)
    if not pixels.shape == bone.shape == shown.shape:
        raise ValueError(
            f"enhance: {source.GetName()!r} was changed since its bones were extracted; "
            "extract again"
        )
    shown[:] = enhance(pixels.astype(np.float32), bone, enhance_by)
    slicer.util.arrayFromVolumeModified(enhanced)
    enhanced.SetAttribute(PREFIX + "Enhance", f"{enhance_by:g}")


def results_of(source: Any) -> Iterator[Any]:
    """Nodes made from `source`."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if node.GetNodeReferenceID(INPUT_ROLE) == source.GetID():
            yield node


def input_of(result: Any) -> Any:
    """What a result was made from, or None."""
    return result.GetNodeReference(INPUT_ROLE)


def bones_of(enhanced: Any) -> Any:
    """The bones an enhanced radiograph was made with, or None."""
    return enhanced.GetNodeReference(BONES_ROLE)


def result_node(
    radiograph: Radiograph, pixels: np.ndarray, name: str, source: Any, tags: dict[str, str]
) -> Any:
    """The node of this result of `source`: the one that is there, or a new one beneath it."""
    wanted = {PREFIX + tag: value for tag, value in tags.items()}
    existing = next(
        (n for n in results_of(source) if all(n.GetAttribute(k) == v for k, v in wanted.items())),
        None,
    )
    node = node_from_radiograph(radiograph, existing, name, pixels)
    for tag, value in wanted.items():
        node.SetAttribute(tag, value)
    node.SetNodeReferenceID(INPUT_ROLE, source.GetID())
    place_beneath(node, source)
    return node


def same_place(node: Any, like: Any) -> None:
    """Put a volume where another of the same size lies."""
    matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
    like.GetIJKToRASMatrix(matrix)
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveTransformNodeID(like.GetTransformNodeID())


def same_window(node: Any, like: Any) -> None:
    """Show a volume in the window of another, as that is now."""
    display = like.GetDisplayNode()
    if display is not None:
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        set_window(node, (low, high))
