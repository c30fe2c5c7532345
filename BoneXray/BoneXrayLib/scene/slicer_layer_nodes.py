"""What pulling a radiograph's bones apart left in the scene, found again from one node.

The faded radiograph is the node to hold: it refers to its layers, to the masks of their bones and
to the outline of what overlaps, and keeps how much of each layer it shows. So all of it works in
loaded scenes, and without running the model again.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import slicer
import slicer.util

from ..layers import Layers
from .slicer_nodes import PREFIX, radiograph_from_node
from .slicer_results import INPUT_ROLE, input_of, results_of
from .slicer_segments import masks_on

SOFT = "soft tissue"
"""What the layer of all that is no bone is called."""
LAYERS_ROLE, MASKS_ROLE, OVERLAP_ROLE = "BoneXrayLayers", "BoneXrayMasks", "BoneXrayOverlap"


class LayerNodes(NamedTuple):
    """What pulling bones apart makes.

    Attributes:
        faded: the radiograph, each layer in it as much as was chosen.
        layers: by bone, and `SOFT` last.
        masks: segmentation of the bones, hidden at first.
        overlap: segmentation of what two bones or more share; empty where none do.
    """

    faded: Any
    layers: dict[str, Any]
    masks: Any
    overlap: Any


def nodes_of(faded: Any) -> LayerNodes:
    """What a faded radiograph was made with.

    Raises:
        ValueError: it is none, or some of it is gone.
    """
    count = 0 if faded is None else faded.GetNumberOfNodeReferences(LAYERS_ROLE)
    if not count:
        name = "none" if faded is None else repr(faded.GetName())
        raise ValueError(f"faded: got {name}; expected a radiograph whose bones were pulled apart")
    nodes = [faded.GetNthNodeReference(LAYERS_ROLE, n) for n in range(count)]
    others = [faded.GetNodeReference(role) for role in (MASKS_ROLE, OVERLAP_ROLE, INPUT_ROLE)]
    names = (*json.loads(faded.GetAttribute(PREFIX + "Bones")), SOFT)
    if None in (*nodes, *others) or len(names) != count:
        raise ValueError(
            f"faded: the radiograph, a layer or the masks of {faded.GetName()!r} are gone; pull "
            "its bones apart again"
        )
    return LayerNodes(faded, dict(zip(names, nodes, strict=True)), *others[:2])


def layers_from_node(faded: Any, pixel_mm: float | None = None) -> Layers:
    """The layers of a faded radiograph as arrays; `soft` is what they leave of the radiograph.

    Args:
        faded: the node.
        pixel_mm: pixel size at the detector [mm], where the radiograph does not say it.

    Raises:
        ValueError: some of it is gone or was changed.
    """
    nodes, source = nodes_of(faded), input_of(faded)
    structures, masks = masks_on(nodes.masks, source)
    bones = [slicer.util.arrayFromVolume(n)[0] for n in list(nodes.layers.values())[:-1]]
    names = tuple(one.name for one in structures)
    if names != tuple(nodes.layers)[:-1]:
        raise ValueError(
            f"masks: {nodes.masks.GetName()!r} holds {', '.join(names)}; expected the bones of "
            f"{faded.GetName()!r}: {', '.join(list(nodes.layers)[:-1])}"
        )
    model = faded.GetAttribute(PREFIX + "Model") or ""
    return Layers(radiograph_from_node(source, pixel_mm), structures, np.stack(bones), masks, model)


def separations_of(source: Any) -> list[Any]:
    """The faded radiographs made from a radiograph node, the newest last."""
    return [node for node in results_of(source) if is_separation(node)]


def all_separations() -> list[Any]:
    """The faded radiographs of the scene whose radiograph is there, too."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [n for n in nodes if is_separation(n) and input_of(n) is not None]


def is_separation(node: Any) -> bool:
    """Whether a volume node is a faded radiograph."""
    return node.GetAttribute(PREFIX + "Result") == "faded"


def shares_of(faded: Any) -> dict[str, float]:
    """How much of each layer a faded radiograph shows: 0 none, 1 as it is."""
    return json.loads(faded.GetAttribute(PREFIX + "Shares") or "{}")
