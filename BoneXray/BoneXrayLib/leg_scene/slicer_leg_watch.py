"""Tells when something is drawn on a radiograph of a leg, moved out of it, or deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.util import VTKObservationMixin

from .slicer_leg_markups import markups_of


class DrawingWatch(VTKObservationMixin):
    """Calls back when control points of the watched radiographs get a place or lose it."""

    def __init__(self, changed: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._changed = changed
        self._watched: set[str] = set()

    def follow(self, sources: Sequence[Any]) -> None:
        """Watch what is drawn on these radiographs now, and on no others."""
        nodes = {node.GetID(): node for source in sources for node in markups_of(source)}
        if set(nodes) == self._watched:
            return
        self.stop()
        self._watched = set(nodes)
        for node in nodes.values():
            for event in (node.PointPositionDefinedEvent, node.PointPositionUndefinedEvent,
                          node.PointRemovedEvent):  # fmt: skip
                self.addObserver(node, event, self._on_change)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeRemovedEvent, self._on_removed)

    def stop(self) -> None:
        """Watch nothing."""
        self.removeObservers()
        self._watched = set()

    def _on_change(self, caller: Any = None, event: Any = None) -> None:
        self._changed()

    def _on_removed(self, caller: Any = None, event: Any = None) -> None:
        gone = [n for n in self._watched if slicer.mrmlScene.GetNodeByID(n) is None]
        if gone:
            self._changed()
