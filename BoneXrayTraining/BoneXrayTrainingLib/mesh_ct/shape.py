"""Bones out of shape: smooth changes that never fold a surface, shared or of one bone alone.

A displacement x + sum_n sin(k_n·x + phase_n) push_n maps no two points to one as long as
sum_n |k_n| |push_n| < 1: no triangle turns over, no surface runs through itself.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from .patient import Bone
from .wrist import with_fingers

WAVES = 4
STEEPEST = 0.6
"""Of the sum above."""
SHARED_MM = (35.0, 90.0)
"""Wavelengths of the change that neighbours share: joints stay as they fit."""
OWN_SIZES = (0.9, 2.0)
"""Wavelengths of a bone's own change, relative to its size."""
LARGEST_SCALE = 0.06
LARGEST_SIZE = 0.16
"""Logarithms: along one axis, and of a bone as a whole against its neighbours. Of two
hands that were laid over each other one is 1.26 times as large; beside that most carpals differ in
size by 0.03 to 0.06, the trapezoid by 0.13, the pisiform by 0.28."""
CARPUS_MM = 32.0


@dataclass(frozen=True, eq=False)
class Waves:
    """A smooth displacement.

    Attributes:
        k: (n, 3) wave vectors [1/mm].
        push: (n, 3) mm.
        phase: (n,).
    """

    k: np.ndarray
    push: np.ndarray
    phase: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """The points (N, 3) displaced."""
        return points + np.sin(points @ self.k.T + self.phase) @ self.push


def draw_waves(rng: np.random.Generator, wavelengths: tuple[float, float], rms: float) -> Waves:
    """A displacement of `rms` mm, less where that were too steep."""
    k = rng.normal(size=(WAVES, 3))
    length = rng.uniform(*wavelengths, WAVES)
    k *= (2 * np.pi / length / np.linalg.norm(k, axis=1))[:, None]
    push = rng.normal(size=(WAVES, 3))
    push *= rms / np.sqrt((push**2).sum() / 2)
    steep = float((np.linalg.norm(k, axis=1) * np.linalg.norm(push, axis=1)).sum())
    return Waves(k, push * min(1.0, STEEPEST / max(steep, 1e-9)), rng.uniform(0, 2 * np.pi, WAVES))


def shared_shape(bones: list[Bone], rng: np.random.Generator, strength: float) -> list[Bone]:
    """All bones out of shape together, by about 0.6 of `strength` of the carpus's size."""
    waves = draw_waves(rng, SHARED_MM, 0.6 * strength * CARPUS_MM)
    if not strength:
        return bones
    return [dataclasses.replace(b, mesh=b.mesh.moved(waves.at(b.mesh.vertices))) for b in bones]


def own_shapes(
    bones: list[Bone], rng: np.random.Generator, strength: float, centre: np.ndarray
) -> list[Bone]:
    """Each bone of the wrist out of shape on its own.

    Args:
        bones: in their places; phalanges only follow their metacarpals.
        rng: draws as much for each bone, whatever the strength.
        strength: displacement over a bone's size; 0 changes nothing.
        centre: (3,), the carpus; long bones keep the end that is nearest to it.
    """
    pushes = {}
    out = []
    for bone in bones:
        if bone.kind.name not in ("carpal", "metacarpal", "forearm"):
            out.append(bone)
            continue
        shaped = _own_shape(bone, rng, strength, centre)
        if bone.kind.name == "metacarpal":
            change = shaped.mesh.vertices - bone.mesh.vertices
            far = np.linalg.norm(bone.mesh.vertices - centre, axis=1)
            pushes[bone.mesh.name] = change[far > np.quantile(far, 0.85)].mean(axis=0)
        out.append(shaped)
    if not strength:
        return bones
    shaped = {b.mesh.name for b in out if b.kind.name != "phalanx"}
    followed = with_fingers(out, pushes)
    return [b if b.mesh.name in shaped else f for b, f in zip(out, followed, strict=True)]


def _own_shape(bone: Bone, rng: np.random.Generator, strength: float, centre: np.ndarray) -> Bone:
    vertices = bone.mesh.vertices
    _, _, axes = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)
    widths = np.ptp(vertices @ axes.T, axis=0)
    size = float(np.prod(widths) ** (1 / 3))
    long = widths[0] > 2.5 * widths[1]
    far = np.linalg.norm(vertices - centre, axis=1)
    near = vertices[far <= np.quantile(far, 0.15)] if long else vertices
    fixed = (near.min(axis=0) + near.max(axis=0)) / 2
    scale = np.clip(rng.normal(0.0, 0.75 * strength, 3), -LARGEST_SCALE, LARGEST_SCALE)
    scale = np.exp(scale + np.clip(rng.normal(0.0, strength), -LARGEST_SIZE, LARGEST_SIZE))
    waves = draw_waves(
        rng, (OWN_SIZES[0] * size, OWN_SIZES[1] * size), rng.uniform(0.4, 1.2) * strength * size
    )
    if not strength:
        return bone
    scaled = ((vertices - fixed) @ axes.T * scale) @ axes + fixed
    return dataclasses.replace(bone, mesh=bone.mesh.moved(waves.at(scaled)))
