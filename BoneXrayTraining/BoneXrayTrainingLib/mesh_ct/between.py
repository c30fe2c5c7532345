"""Somebody between two people: bones of one file drawn towards the same bones of another.

The other file holds the bones of the first, vertex for vertex, as `bone-xray label --fitted` lays
them over another person's CT. A bone's shape and size change as its vertices do once it is turned
onto its counterpart, its place and direction change beside that: no bone shrinks while it turns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .meshes import Mesh, MeshConfig, Towards, read_meshes
from .patient import Bone
from .pose import DIGITS

CARRIES = {name: chain[0] for chain in DIGITS for name in chain[1:]}
"""Metacarpal that takes a phalanx with it."""
KINDS = ("carpal", "metacarpal")
"""Bones by which one hand is laid over the other, where there are any."""


def read_others(data_root: Path, config: MeshConfig) -> list[Mesh]:
    """The same bones of somebody else, where patients between both are wanted; else none.

    Raises:
        FileNotFoundError, ValueError: as `read_patient`.
    """
    return read_meshes(data_root / config.towards.path) if config.towards.path else []


def somebody_between(
    bones: list[Bone], others: list[Mesh], towards: Towards, rng: np.random.Generator
) -> list[Bone]:
    """The bones drawn towards their counterparts as far as `towards` lets `rng` say.

    Each carpal goes somewhat further or less far than the bones around it.
    """
    share = float(rng.uniform(*towards.between))
    if not towards.apart:
        return drawn_towards(bones, others, share)
    own = [b.mesh.name for b in bones if b.kind.name == "carpal"]
    apart = dict(zip(own, towards.apart * rng.normal(size=len(own)), strict=True))
    return drawn_towards(bones, others, share, apart)


def drawn_towards(
    bones: list[Bone], others: list[Mesh], share: float, apart: Mapping[str, float] | None = None
) -> list[Bone]:
    """The bones, `share` of the way to their counterparts: 0 leaves them, 1 gives the others.

    Args:
        bones: in their places, RAS mm.
        others: some of them of somebody else, in any place and direction; phalanges that are not
            there go and grow with their metacarpals.
        share: of the way; below 0 and above 1 it goes on beyond either.
        apart: what is added to it for bones by name.

    Raises:
        ValueError: a counterpart with other triangles, or none at all.
    """
    named = {b.mesh.name: b for b in bones}
    pairs = {m.name: (named[m.name].mesh, m) for m in others if m.name in named}
    if not pairs:
        raise ValueError("mesh.towards: no bone of these meshes; expected the same names")
    for name, (own, other) in pairs.items():
        if len(own.vertices) != len(other.vertices) or not np.array_equal(own.faces, other.faces):
            raise ValueError(
                f"mesh.towards: {name} has other triangles; expected these meshes as "
                "`bone-xray label --fitted` lays them over another CT"
            )
    told = [b.mesh.name for b in bones if b.kind.name in KINDS and b.mesh.name in pairs]
    chosen = [pairs[name] for name in told or pairs]
    own, other = (np.concatenate(v) for v in zip(*_vertices(chosen), strict=True))
    each = np.concatenate([np.full(len(a.vertices), 1.0 / len(a.vertices)) for a, _ in chosen])
    over, before, after = _rigid(other, own, each)
    moves = {
        name: _part_way(
            one, (two.vertices - before) @ over.T + after, share + (apart or {}).get(name, 0.0)
        )
        for name, (one, two) in pairs.items()
    }
    return [_moved(bone, moves) for bone in bones]


def _vertices(pairs: list[tuple[Mesh, Mesh]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(own.vertices, other.vertices) for own, other in pairs]


def _rigid(
    before: np.ndarray, after: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rotation (3, 3) that lays points (N, 3) over others, and the middles of both (3,)."""
    share = weights / weights.sum()
    middles = share @ before, share @ after
    turn, _ = Rotation.align_vectors(after - middles[1], before - middles[0], weights)
    return turn.as_matrix(), *middles


@dataclasses.dataclass(frozen=True, eq=False)
class Move:
    """A bone's vertices (N, 3) in their new places; its turn (3, 3) and growth about `middle`."""

    vertices: np.ndarray
    turn: np.ndarray
    growth: float
    middle: np.ndarray
    shift: np.ndarray


def _part_way(own: Mesh, other: np.ndarray, share: float) -> Move:
    """Part of the way from a bone to vertices (N, 3): shape, place and direction."""
    whole, middle, goal = _rigid(own.vertices, other, np.ones(len(other)))
    change = (other - goal) @ whole - (own.vertices - middle)
    turn = Rotation.from_rotvec(share * Rotation.from_matrix(whole).as_rotvec()).as_matrix()
    shape = own.vertices - middle + share * change
    shift = share * (goal - middle)
    growth = float(np.linalg.norm(shape) / np.linalg.norm(own.vertices - middle))
    return Move(shape @ turn.T + middle + shift, turn, growth, middle, shift)


def _moved(bone: Bone, moves: dict[str, Move]) -> Bone:
    own = moves.get(bone.mesh.name)
    if own is not None:
        mesh, turn = bone.mesh.moved(own.vertices), own.turn
        return dataclasses.replace(bone, mesh=mesh, frame=bone.frame @ turn.T)
    carrier = moves.get(CARRIES.get(bone.mesh.name, ""))
    if carrier is None:
        return bone
    turned = bone.turned(carrier.turn, carrier.middle).mesh.vertices
    grown = carrier.middle + carrier.growth * (turned - carrier.middle) + carrier.shift
    return dataclasses.replace(bone, mesh=bone.mesh.moved(grown), frame=bone.frame @ carrier.turn.T)
