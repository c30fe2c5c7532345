"""A patient's wrist: its shape, its pose, nothing inside anything else, and where it is cut off."""

from __future__ import annotations

import dataclasses

import numpy as np

from .contacts import DEEPEST_MM, parted
from .flesh import Region
from .meshes import MeshConfig
from .patient import Bone, Patient
from .shape import own_shapes, shared_shape
from .strays import strayed
from .wrist import CARPALS, WristPose, draw_wrist, moved_wrist

DRAWN_BACK = (1.0, 0.7, 0.4, 0.15)
"""Where bones cannot be parted, shape and pose are drawn back by and by."""
FOREARM_MM = (65.0, 95.0)
METACARPALS = (0.5, 1.1)
"""Length of metacarpals below the carpus that is made, as a share of theirs."""
EVENED_MM = 7.0
"""A wrist's outline is smooth: tendons and skin bridge the joints."""


def wrist_bones(
    bones: list[Bone], rng: np.random.Generator, config: MeshConfig
) -> tuple[list[Bone], WristPose]:
    """The bones of one wrist in shape and pose, and the pose.

    Without deformation, articulation and strays they are what they were, vertex for vertex. No
    bone lies more than `DEEPEST_MM` in another.
    """
    if not (config.articulation or config.deformation or config.own_turn or config.own_shift):
        return bones, WristPose()
    pose = draw_wrist(rng).times(config.articulation)
    seed = int(rng.integers(2**62))
    middle = carpus_middle(bones)
    for share in DRAWN_BACK:
        lot = np.random.default_rng(seed)
        strength = share * config.deformation
        found = own_shapes(shared_shape(bones, lot, strength), lot, strength, middle)
        turn, shift = share * config.own_turn, share * config.own_shift
        found = strayed(found, lot, turn, shift, middle)
        found, gap = parted(moved_wrist(found, pose.times(share)))
        if gap > -DEEPEST_MM:
            return found, pose.times(share)
    return bones, WristPose()


def carpus_middle(bones: list[Bone]) -> np.ndarray:
    """Middle of the carpal bones (3,) RAS mm; of all bones where there are none."""
    own = [b.mesh.vertices for b in bones if b.mesh.name in CARPALS]
    return np.concatenate(own or [b.mesh.vertices for b in bones]).mean(axis=0)


def region_of(
    bones: list[Bone], rng: np.random.Generator, config: MeshConfig, room_mm: float
) -> Region:
    """What of the limb to make; draws where a wrist is cut off.

    Raises:
        ValueError: a wrist without a radius or without metacarpals.
    """
    if config.region != "wrist":
        return Region(room_mm=room_mm)
    forearm, hand = rng.uniform(*FOREARM_MM), rng.uniform(*METACARPALS)
    named = {b.mesh.name: b for b in bones}
    palm = [b.mesh.vertices for b in bones if b.kind.name == "metacarpal" and b.mesh.name != "1mc"]
    if "radius" not in named or not palm:
        raise ValueError("mesh.region: no radius or no metacarpals; expected a wrist")
    base = float(np.mean([v[:, 2].max() for v in palm]))
    length = float(np.mean([np.ptp(v[:, 2]) for v in palm]))
    top = float(named["radius"].mesh.vertices[:, 2].min()) + 10.0
    return Region((base - hand * length, top + forearm), room_mm, EVENED_MM)


def wrist_patient(patient: Patient, rng: np.random.Generator) -> Patient:
    """The patient with the cortex and the struts of small bones, and less fat than elsewhere.

    A carpal's cortex is 0.3 to 1 mm thick; struts stand out the more the fewer there are.
    """
    return dataclasses.replace(
        patient,
        flesh=patient.flesh**0.6,
        thin=float(np.clip(np.exp(rng.normal(0.0, 0.25)), 0.67, 1.6)),
        grain=float(rng.uniform(0.35, 0.65)),
    )
