"""How a hand lies in a CT, from the labels of its bones, and the turn that makes it stand.

A standing hand is that of a patient in the anatomical position: fingers down (-S), palm to the
front (+A), and so the thumb of a right hand to the patient's right (+R).

    along     from the wrist's end of the forearm, on the radius a quarter of the way to the ulna,
              to the capitate: towards the fingers
    sideways  from the ulna to the radius, at the wrist: towards the thumb. In pro- and supination
              the radius turns around the ulna's head, so this direction stays with the hand
    palm      across both, on the side of the pisiform
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

NEEDED = ("radius", "ulna", "capitate")
VOLAR = ("pisiform", "trapezium")
"""Bones that lie on the palm's side of the others, best first."""
DORSAL = ("capitate", "lunate", "triquetrum", "trapezoid")
ULNAR = 0.25
"""Where on the way from the radius to the ulna the forearm's axis meets the wrist: with a straight
wrist the capitate and the third metacarpal go on along it."""
REACH_MM = 25.0
"""What of radius and ulna counts, beyond their voxel nearest to the capitate: a longer forearm in
the CT then does not turn the hand."""


@dataclass(frozen=True, eq=False)
class HandFrame:
    """How a hand lies.

    Attributes:
        side: "right" or "left".
        to_standing: (4, 4) rigid, the CT's RAS mm to RAS mm of the standing hand; the capitate's
            middle stays in its place.
    """

    side: str
    to_standing: np.ndarray


def hand_frame(
    labels: np.ndarray, ijk_to_ras: np.ndarray, names: Mapping[int, str], where: str = "labels"
) -> HandFrame:
    """The frame of a hand from a label map, whichever way the CT has it.

    Args:
        labels: (k, j, i) integers, 0 = none.
        ijk_to_ras: (4, 4) RAS mm.
        names: {value: name}; the names of `NEEDED` and of one of `VOLAR` must be there.
        where: what the labels are called in an error.

    Raises:
        ValueError: a bone that is needed is not labelled, or bones that give no direction.
    """
    values = {name: value for value, name in names.items()}
    wanted = [n for n in dict.fromkeys((*NEEDED, *VOLAR, *DORSAL)) if n in values]
    boxes = ndimage.find_objects(labels, max_label=max(values.values(), default=0))
    places = {
        name: _voxels(labels, values[name], box, ijk_to_ras)
        for name in wanted
        if (box := boxes[values[name] - 1]) is not None
    }
    missing = [name for name in NEEDED if name not in places]
    if not missing and not set(VOLAR) & set(places):
        missing = [VOLAR[0]]
    if missing:
        raise ValueError(
            f"upright: {where} lacks {', '.join(missing)}; expected radius, ulna, capitate and "
            'pisiform (or trapezium), or upright = "as is"'
        )
    return _frame(places, where)


def _frame(places: dict[str, np.ndarray], where: str) -> HandFrame:
    middle = {name: points.mean(axis=0) for name, points in places.items()}
    centre = middle["capitate"]
    radius, ulna = (_near(places[name], centre) for name in ("radius", "ulna"))
    along = _unit(centre - (radius + ULNAR * (ulna - radius)), where)
    sideways = radius - ulna
    sideways = _unit(sideways - (sideways @ along) * along, where)
    across = np.cross(sideways, along)
    volar = next(middle[name] for name in VOLAR if name in middle)
    dorsal = np.mean([middle[name] for name in DORSAL if name in middle], axis=0)
    is_right = bool(across @ (volar - dorsal) > 0)
    right = sideways if is_right else -sideways
    rotation = np.stack([right, np.cross(right, along), -along])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = centre - rotation @ centre
    return HandFrame("right" if is_right else "left", matrix)


def _near(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Middle of what of a bone is within `REACH_MM` of its nearest point to a centre."""
    away = np.linalg.norm(points - centre, axis=1)
    return points[away <= away.min() + REACH_MM].mean(axis=0)


def _voxels(
    labels: np.ndarray, value: int, box: tuple[slice, ...], ijk_to_ras: np.ndarray
) -> np.ndarray:
    """Places of the voxels of a value within its box (k, j, i), (N, 3) RAS mm."""
    kji = np.argwhere(labels[box] == value) + [s.start for s in box]
    return kji[:, ::-1] @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]


def _unit(vector: np.ndarray, where: str) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if length < 1.0:
        raise ValueError(
            f"upright: the bones of {where} lie in one place; expected those of one hand"
        )
    return vector / length
