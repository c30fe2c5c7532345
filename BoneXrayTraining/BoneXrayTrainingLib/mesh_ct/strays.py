"""Bones of the hand that lie otherwise than the file's do: people differ beside shape and pose.

Of two hands, one laid over the other at the same size of carpus (`between.py`), the carpals lie
turned against each other by 5 to 21 degrees (root mean square 13) and 1.4 to 3.3 mm apart, the
metacarpals by 9 to 17 degrees; some of that is how the hands were held. Ranges of motion and
changes of shape make 7 degrees and 1.2 mm of it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from .patient import Bone
from .pose import DIGITS
from .wrist import CARPALS

METACARPALS = 0.7
"""What metacarpals are turned by over what carpals are."""


def strayed(
    bones: list[Bone],
    rng: np.random.Generator,
    turn: float,
    shift: float,
    centre: np.ndarray,
) -> list[Bone]:
    """Each carpal turned about its middle and shifted, each digit turned about its base.

    Args:
        bones: in their places.
        rng: draws as much, whatever the strength.
        turn: standard deviation about each axis [degrees].
        shift: standard deviation along each axis [mm]; of carpals alone.
        centre: (3,), the carpus; a digit's base is the end of its metacarpal nearest to it.
    """
    turns = {name: turn * rng.normal(size=3) for name in CARPALS}
    shifts = {name: shift * rng.normal(size=3) for name in CARPALS}
    bases: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    named = {b.mesh.name: b for b in bones}
    for digit in DIGITS:
        lot = METACARPALS * turn * rng.normal(size=3)
        if digit[0] in named:
            bases |= dict.fromkeys(digit, (lot, _base(named[digit[0]], centre)))
    if not turn and not shift:
        return bones
    out = []
    for bone in bones:
        name = bone.mesh.name
        if name in turns:
            bone = bone.turned(_rotation(turns[name]), bone.mesh.vertices.mean(axis=0))
            moved = bone.mesh.vertices + shifts[name]
            bone = dataclasses.replace(bone, mesh=bone.mesh.moved(moved))
        elif name in bases:
            lot, base = bases[name]
            bone = bone.turned(_rotation(lot), base)
        out.append(bone)
    return out


def _rotation(degrees: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(degrees, degrees=True).as_matrix()


def _base(metacarpal: Bone, centre: np.ndarray) -> np.ndarray:
    vertices = metacarpal.mesh.vertices
    far = np.linalg.norm(vertices - centre, axis=1)
    return vertices[far <= np.quantile(far, 0.15)].mean(axis=0)
