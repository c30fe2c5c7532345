"""How the bones lie: body size, a smooth change of shape, turned fingers, a bent knee."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from scipy.spatial.transform import Rotation

from .patient import Bone, Patient

DIGITS = (
    ("1mc", "thumbprox", "thumbdist"),
    *((f"{n}mc", f"{n}proxph", f"{n}midph", f"{n}distph") for n in range(2, 6)),
)
"""Bones of each digit from the hand outwards; each turns about the head of the one before."""
BELOW_THE_KNEE = ("tibia", "fibula", "foot")
WARP_MM = (80.0, 250.0)
"""Wavelengths of the change of shape."""


def posed(bones: list[Bone], patient: Patient, rng: np.random.Generator) -> list[Bone]:
    """The bones of this patient: scaled, a little out of shape, and turned in their joints."""
    return turned_joints(shaped(bones, patient, rng), rng)


def turned_joints(
    bones: list[Bone], rng: np.random.Generator, variation: float = 1.0
) -> list[Bone]:
    """The bones with turned fingers and a bent knee, times `variation`."""
    return _bent_knee(_turned_fingers(bones, rng, variation), rng, variation)


def shaped(
    bones: list[Bone], patient: Patient, rng: np.random.Generator, variation: float = 1.0
) -> list[Bone]:
    """The bones scaled and a little out of shape together, times `variation`."""
    everything = np.concatenate([b.mesh.vertices for b in bones])
    middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
    span = float(np.ptp(everything, axis=0).max())
    scale = np.array(patient.scale) ** variation
    waves = []
    for _ in range(4):
        length = float(rng.uniform(*WARP_MM))
        direction = rng.normal(size=3) * (1.0, 1.0, 2.0)
        direction *= 2 * np.pi / length / np.linalg.norm(direction)
        push = variation * rng.normal(0.0, 0.006 * min(length, span), 3)
        waves.append((direction, push, float(rng.uniform(0, 2 * np.pi))))

    if not variation:
        return bones

    def place(vertices: np.ndarray) -> np.ndarray:
        out = (vertices - middle) * scale
        for direction, push, phase in waves:
            out = out + np.sin(out @ direction + phase)[:, None] * push
        return out

    return [dataclasses.replace(b, mesh=b.mesh.moved(place(b.mesh.vertices))) for b in bones]


def _turned_fingers(bones: list[Bone], rng: np.random.Generator, variation: float) -> list[Bone]:
    """Flexion towards the palm and spreading, joint by joint, as one hand does it."""
    now = {b.mesh.name: b for b in bones}
    flexion = float(rng.gamma(1.5, 6.0))
    spread = float(rng.uniform(-1.5, 5.0))
    for digit, chain in enumerate(DIGITS, start=1):
        lot = rng.normal(size=(3, 2))
        there = [name for name in chain if name in now]
        for joint, (one, after) in enumerate(itertools.pairwise(there)):
            head = _head(now[one], now[after])
            along = now[after].mesh.vertices.mean(axis=0) - head
            bend = min(35.0, flexion * (1.0, 1.2, 0.6)[joint]) + 3.0 * lot[joint, 0]
            aside = (spread * (3 - digit) if joint == 0 and digit > 1 else 0.0) + lot[joint, 1]
            if not variation:
                continue
            turn = _towards(along, np.array([1.0, 0, 0]), variation * aside)
            turn = _towards(turn @ along, np.array([0, 1.0, 0]), variation * bend) @ turn
            for name in there[joint + 1 :]:
                now[name] = now[name].turned(turn, head)
    return [now[b.mesh.name] for b in bones]


def _head(bone: Bone, after: Bone) -> np.ndarray:
    """Middle of the end of a bone that faces the next one, (3,)."""
    vertices = bone.mesh.vertices
    way = vertices @ (after.mesh.vertices.mean(axis=0) - vertices.mean(axis=0))
    end = vertices[way >= np.quantile(way, 0.85)]
    return (end.min(axis=0) + end.max(axis=0)) / 2


def _towards(along: np.ndarray, direction: np.ndarray, degrees: float) -> np.ndarray:
    """The rotation that turns `along` towards `direction` by an angle, (3, 3)."""
    axis = np.cross(along, direction)
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return np.eye(3)
    return Rotation.from_rotvec(np.radians(degrees) * axis / length).as_matrix()


def _bent_knee(bones: list[Bone], rng: np.random.Generator, variation: float) -> list[Bone]:
    """The lower leg rolled about the middle of the femur's condyles, the kneecap half as far."""
    degrees = variation * min(60.0, float(rng.gamma(1.0, 12.0)))
    femora = [b for b in bones if b.kind.name == "femur"]
    if len(femora) != 1 or not degrees or not any(b.kind.name in BELOW_THE_KNEE for b in bones):
        return bones
    vertices = femora[0].mesh.vertices
    bottom, length = vertices[:, 2].min(), np.ptp(vertices[:, 2])
    condyles = vertices[vertices[:, 2] < bottom + 0.1 * length]
    low, high = condyles.min(axis=0), condyles.max(axis=0)
    radius = 0.25 * (high[0] - low[0])
    centre = np.array([(low[0] + high[0]) / 2, low[1] + radius, bottom + radius])
    out = []
    for bone in bones:
        share = 1.0 if bone.kind.name in BELOW_THE_KNEE else 0.0
        share = 0.6 if bone.kind.name == "patella" else share
        turn = Rotation.from_euler("x", -degrees * share, degrees=True).as_matrix()
        out.append(bone.turned(turn, centre) if share else bone)
    return out
