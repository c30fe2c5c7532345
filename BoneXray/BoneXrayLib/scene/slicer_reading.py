"""The images of a reader study in the slice views: as they were made, under names that say nothing.

Their nodes are of the panel: hidden from lists, never saved, removed when reading ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer

from ..picture_files import read_picture
from ..radiograph import Radiograph
from ..reading import Showing
from .slicer_nodes import node_from_radiograph, set_window
from .slicer_views import SideBySide

BLACK_WHITE = (0.0, 255.0)


class ReadingImages:
    """Shows one case after the other in the same nodes."""

    def __init__(self, views: SideBySide) -> None:
        self._views = views
        self._nodes: dict[str, Any] = {}

    def show(self, showing: Showing) -> None:
        """Put the images of a case into the views, in the order in which they are judged.

        Raises:
            ValueError: a picture is damaged.
        """
        places = ("left", "right") if len(showing.images) > 1 else ("judged",)
        nodes = [
            self._filled(place, path) for place, path in zip(places, showing.images, strict=True)
        ]
        layout = "preference" if len(nodes) > 1 else "rating"
        if showing.beside is not None:
            layout += " beside"
            nodes.insert(len(nodes) - 1, self._filled("beside", showing.beside))
        self._views.forget()  # so that each image is fitted to its view
        self._views.show(layout, nodes)

    def remove(self) -> None:
        """Take the images out of the scene."""
        for node in self._nodes.values():
            if slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self._nodes.clear()

    def _filled(self, place: str, path: Path) -> Any:
        pixels, _notes = read_picture(path)
        image = Radiograph(pixels.astype(np.float32), "display", None, None, None, "Reader study")
        node = self._nodes.get(place)
        if node is not None and not slicer.mrmlScene.IsNodePresent(node):
            node = None
        node = node_from_radiograph(image, node)
        node.SetName(f"Reader study {place}")
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        set_window(node, BLACK_WHITE)
        self._nodes[place] = node
        return node
