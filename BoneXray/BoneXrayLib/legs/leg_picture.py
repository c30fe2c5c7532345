"""Rebuilt bones over their radiographs: where rays touch them, and what was found in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..display import display_window, to_grey
from ..fitting.contour import Surface
from ..fitting.point_projection import rays_through
from ..geometry import Geometry
from ..leg_features import LegFeatures
from ..reconstruction import Reconstruction
from .leg_reconstruction import RebuiltLeg

COLOURS = {"femur": (255, 160, 50), "tibia": (80, 200, 255)}
FOUND_COLOUR = (120, 255, 120)
TRUTH_COLOUR = (60, 220, 60)
LONGEST = 1200
"""Side of a picture [pixels]."""
SMOOTHER = 2
"""Lines are drawn so many times as large and then shrunk."""
POINT_PX = 5.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """A surface whose contour is drawn: vertices (V, 3) RAS mm, faces (F, 3), how it is seen."""

    vertices: np.ndarray
    faces: np.ndarray
    geometry: Geometry
    colour: tuple[int, int, int]

    @classmethod
    def of(cls, bone: Reconstruction, geometry: Geometry) -> Drawn:
        """A rebuilt bone."""
        return cls(bone.vertices, bone.faces, geometry, COLOURS[bone.bone])


def contour_lines(vertices: np.ndarray, faces: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Pieces (N, 2, 2) of where rays touch a surface: piece, end, (row, column).

    Args:
        vertices: (V, 3) RAS mm.
        faces: (F, 3), counter-clockwise from outside.
        geometry: of the image.
    """
    normals = Surface(faces, len(vertices)).normals(vertices)
    facing = np.einsum("nc,nc->n", normals, rays_through(geometry, vertices))
    away = facing[faces] > 0
    turns = faces[away.any(axis=1) & ~away.all(axis=1)]
    # The corner that looks another way than the other two comes first: both sides at it turn.
    away = facing[turns] > 0
    lone = (away == (away.sum(axis=1) == 1)[:, None]).argmax(axis=1)
    order = (lone[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(turns, order, axis=1)
    ends = []
    for other in (1, 2):
        first, second = facing[corners[:, 0]], facing[corners[:, other]]
        share = (first / (first - second))[:, None]
        places = vertices[corners[:, 0]] * (1 - share) + vertices[corners[:, other]] * share
        ends.append(geometry.project_points(places))
    return np.stack(ends, axis=1)


def contour_picture(leg: RebuiltLeg, image: int, longest: int = LONGEST) -> np.ndarray:
    """One radiograph with the bones that were rebuilt of it, (rows, columns, 3) uint8.

    Contours of the femur are orange, those of the tibia blue; landmarks that were found are green.
    """
    bones = [
        Drawn.of(bone.found, bone.found.geometries[bone.images.index(image)])
        for bone in leg.bones
        if image in bone.images
    ]
    return drawn(leg.radiographs[image].pixels, bones, leg.features[image], longest)


def drawn(
    pixels: np.ndarray,
    bones: Sequence[Drawn],
    features: Sequence[LegFeatures] = (),
    longest: int = LONGEST,
) -> np.ndarray:
    """An image (rows, columns), bone bright, with contours of bones and features drawn on it."""
    from PIL import Image, ImageDraw

    scale = longest / max(pixels.shape)
    height, width = (max(1, round(n * scale)) for n in pixels.shape)
    picture = Image.fromarray(to_grey(pixels, *display_window(pixels))).convert("RGB")
    picture = picture.resize((SMOOTHER * width, SMOOTHER * height), Image.Resampling.BILINEAR)
    factor = np.array([picture.height, picture.width]) / pixels.shape
    draw, thin = ImageDraw.Draw(picture), max(2, longest * SMOOTHER // 700)

    def place(row_column: np.ndarray) -> list[tuple[float, float]]:
        return [(float(c), float(r)) for r, c in (np.atleast_2d(row_column) + 0.5) * factor]

    for bone in bones:
        for piece in contour_lines(bone.vertices, bone.faces, bone.geometry):
            draw.line(place(piece), fill=bone.colour, width=thin)
    reach = POINT_PX * SMOOTHER * longest / LONGEST
    for found in features:
        for point in found.points.values():
            ((x, y),) = place(np.array(point[:2]))
            for dx, dy in ((reach, 0.0), (0.0, reach)):
                draw.line([(x - dx, y - dy), (x + dx, y + dy)], fill=FOUND_COLOUR, width=thin)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))
