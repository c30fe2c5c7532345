"""A rebuilt leg where it was X-rayed: radiographs on their detectors, contours over them.

None of it is saved with the scene: it is made again of the models and the geometries that are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..legs.leg_picture import contour_lines
from ..scene.slicer_nodes import ijk_to_world
from ..scene.slicer_scene import LOOKS, fill_model, fill_picture, mesh_of, remove_models
from .slicer_leg_nodes import nodes_of_leg, surface_of, views_of

KINDS = tuple(kind for kind in LOOKS if kind.startswith("leg "))


def show_leg(table: Any) -> None:
    """Show radiographs and contours of a rebuilt leg.

    Raises:
        ValueError: some of it is gone.
    """
    nodes = nodes_of_leg(table)
    shown: set[str] = set()
    for (name, model), views in zip(nodes.bones.items(), views_of(table), strict=True):
        vertices, faces = surface_of(model)
        bone = name.split("-")[0]
        for image, geometry in views.items():
            source, number = nodes.radiographs[image], image + 1
            on_detector = geometry.image_to_ras()
            pieces = contour_lines(vertices, faces, geometry)
            places = {"over": ijk_to_world(source, "radiograph"), "on": on_detector}
            for where, image_to_world in places.items():
                kind = f"leg {bone} {where} {number}"
                fill_model(kind, _lines(pieces, image_to_world), table)
                shown.add(kind)
            if f"leg plane {number}" not in shown:
                fill_picture(f"leg plane {number}", source, on_detector, table)
                shown.add(f"leg plane {number}")
    remove_models(set(KINDS) - shown)


def hide_leg() -> None:
    """Take radiographs and contours out of the scene; the models stay."""
    remove_models(KINDS)


def _lines(pieces: np.ndarray, image_to_world: np.ndarray) -> Any:
    ends = pieces.reshape(-1, 2)[:, ::-1]
    places = np.c_[ends, np.zeros(len(ends)), np.ones(len(ends))] @ image_to_world.T
    return mesh_of(places[:, :3], lines=np.arange(len(ends)).reshape(-1, 2))
