"""Pulling a radiograph's bones apart with nodes, and fading them out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import slicer.util

from ..layer_blending import fade
from ..layers import Layers, SeparateConfig, separate
from ..segments.structures import Structure, structure
from .slicer_folders import place_in_folder
from .slicer_jobs import Work
from .slicer_layer_looks import colour_layers, colours_of
from .slicer_layer_nodes import (
    LAYERS_ROLE,
    MASKS_ROLE,
    OVERLAP_ROLE,
    SOFT,
    LayerNodes,
    nodes_of,
    shares_of,
)
from .slicer_nodes import PREFIX, radiograph_from_node, set_window
from .slicer_results import INPUT_ROLE, input_of, result_node, same_place, same_window
from .slicer_segments import fill_segments, masks_on

FOLDER = "Bones apart"
OVERLAP_COLOUR = (255, 225, 60)


def separation_work(radiograph: Any, config: SeparateConfig, segmentation: Any = None) -> Work:
    """Pulling apart this node's bones as work(progress, is_cancelled) -> Layers.

    The nodes are read here, on the main thread; the function given back touches arrays only.

    Args:
        radiograph: volume node of one slice.
        config: which model; where masks come from, without a segmentation.
        segmentation: node whose visible segments are the bones, drawn or named, or None.

    Raises:
        ValueError: no radiograph, or no visible segment that lies on it.
    """
    given = radiograph_from_node(radiograph, config.pixel)
    masks, structures = None, None
    if segmentation is not None:
        structures, masks = masks_of(segmentation, radiograph)

    def run(progress: Any, is_cancelled: Any) -> Layers:
        return separate(
            given, config, masks, structures, progress=progress, is_cancelled=is_cancelled
        )

    return run


def masks_of(segmentation: Any, radiograph: Any) -> tuple[tuple[Structure, ...], np.ndarray]:
    """The bones that a segmentation's visible segments are on a radiograph; empty ones are none.

    Raises:
        ValueError: there is none, a bone's name is that of the soft tissue's layer, or the
            segments belong to another radiograph.
    """
    name = segmentation.GetName()
    if (owner := segmentation.GetNodeReference(INPUT_ROLE)) not in (None, radiograph):
        raise ValueError(
            f"masks: {name!r} belongs to {owner.GetName()!r}; expected segments of "
            f"{radiograph.GetName()!r}"
        )
    structures, masks = masks_on(segmentation, radiograph, visible_only=True)
    there = [n for n, mask in enumerate(masks) if mask.any()]
    if not there:
        raise ValueError(
            f"masks: no visible segment of {name!r} lies on {radiograph.GetName()!r}; expected "
            "one for each bone"
        )
    found = tuple(structures[n] for n in there)
    if SOFT in (one.name for one in found):
        raise ValueError(f"masks: a segment of {name!r} is named {SOFT!r}; expected bones only")
    return found, masks[there]


def layer_nodes(found: Layers, source: Any) -> LayerNodes:
    """Layers beneath `source`; the same model and bones fill their nodes again, not faded."""
    given, name = found.radiograph, source.GetName()
    tags = {"Model": found.model, "Bones": json.dumps(found.names)}
    faded = result_node(given, given.pixels, f"{name} faded", source, {"Result": "faded", **tags})
    same_window(faded, source)
    layers = {}
    for bone, pixels in zip((*found.names, SOFT), (*found.layers, found.soft), strict=True):
        tag = {"Result": f"layer {bone}", **tags}
        node = result_node(given, pixels, f"{name} {bone} layer", source, tag)
        if bone != SOFT:  # most of it is empty: a window of its bones' own
            set_window(node, (0.0, float(pixels.max()) or 1.0))
        layers[bone] = node
    for place, node in enumerate(layers.values()):
        faded.SetNthNodeReferenceID(LAYERS_ROLE, place, node.GetID())
    masks = _segments(faded, source, MASKS_ROLE, f"{name} layer masks")
    fill_segments(masks, found.structures, found.masks, source)
    overlap = _segments(faded, source, OVERLAP_ROLE, f"{name} overlap")
    shared = found.overlap()[None]
    bones = [replace(structure("overlap"), colour=OVERLAP_COLOUR)] if shared.any() else []
    fill_segments(overlap, bones, shared[: len(bones)], source)
    nodes = LayerNodes(faded, layers, masks, overlap)
    for node in (faded, *layers.values()):
        same_place(node, source)
    for node in layers.values():
        place_in_folder(node, source, FOLDER)
    source.SetAttribute(PREFIX + "Warnings", json.dumps(found.warnings))
    set_shares(faded, dict.fromkeys(layers, 1.0))
    return nodes


def _segments(faded: Any, source: Any, role: str, name: str) -> Any:
    """The segmentation node that a faded radiograph refers to; a new one is hidden."""
    node = faded.GetNodeReference(role)
    if node is None:
        wanted = slicer.mrmlScene.GenerateUniqueName(name)
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", wanted)
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetVisibility(False)
        faded.SetNodeReferenceID(role, node.GetID())
        place_in_folder(
            node, source, FOLDER
        )  # before it is filled: Slicer lists segments beneath it
    return node


def set_shares(faded: Any, shares: Mapping[str, float]) -> None:
    """Show each of the named layers this much (0 leaves it out, 1 as it is, up to 2).

    Layers that are not named stay as they are now.

    Raises:
        ValueError: no such layer, a share out of range, or nodes that are gone or were changed.
    """
    nodes = nodes_of(faded)
    if unknown := sorted(set(shares) - set(nodes.layers)):
        raise ValueError(f"shares: got {unknown[0]!r}; expected some of {', '.join(nodes.layers)}")
    kept = dict.fromkeys(nodes.layers, 1.0) | shares_of(faded) | dict(shares)
    image, shown = (slicer.util.arrayFromVolume(n) for n in (input_of(faded), faded))
    layers = [slicer.util.arrayFromVolume(node) for node in nodes.layers.values()]
    if any(array.shape != image.shape for array in (shown, *layers)):
        raise ValueError(
            f"faded: {input_of(faded).GetName()!r} was changed since its bones were pulled apart; "
            "do it again"
        )
    fade(image[0], [layer[0] for layer in layers], [kept[n] for n in nodes.layers], shown[0])
    slicer.util.arrayFromVolumeModified(faded)
    faded.SetAttribute(PREFIX + "Shares", json.dumps(kept))
    if colours_of(faded) is not None:
        colour_layers(faded)
