"""Folders in the subject hierarchy, below a radiograph."""

from __future__ import annotations

from typing import Any

import slicer

from .slicer_nodes import place_beneath


def place_in_folder(node: Any, source: Any, folder: str) -> None:
    """Put a node into a folder below a radiograph; the folder is made where there is none."""
    place_beneath(node, source)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    above = hierarchy.GetItemByDataNode(source)
    item = hierarchy.GetItemChildWithName(above, folder)
    item = item or hierarchy.CreateFolderItem(above, folder)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), item)
