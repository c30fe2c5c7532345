"""A CT of a standing leg: bones in flesh, femur and tibia by name, and where their marks are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.bone import BoneConfig, Parts
from BoneXrayLib.progress import Progress

from ..labelled import with_structures
from ..mesh_ct import MeshConfig, mesh_ct
from ..pairs import crop_to_body, tissue_parts
from .bones import Bones, LegBone
from .config import REGIONS, LegsConfig
from .landmarks import Marks
from .standing import standing_leg

NAMES = ("femur", "tibia")
AROUND_MM = {"knee": (-170.0, 170.0), "hip": (-200.0, 110.0), "ankle": (-95.0, 230.0)}
"""What of the leg is made, below and above a joint."""
CUT_MM = 8.0
"""A mark nearer to where the CT is cut off is not there."""
MESH_NAMES = {"foot": "talus"}


@dataclass(frozen=True, eq=False)
class LegPatient:
    """A right leg to look at.

    Attributes:
        parts: `TISSUES`, then femur and tibia.
        marks: of femur and tibia, RAS mm.
        region: one of `REGIONS`.
        name: what was put together.
    """

    parts: Parts
    marks: Mapping[str, Marks]
    region: str
    name: str

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest place of the CT [RAS mm along S]."""
        low = float(self.parts.ijk_to_ras[2, 3])
        return low, low + float(self.parts.ijk_to_ras[2, 2]) * (len(self.parts.hu) - 1)

    def holds(self, place: np.ndarray) -> bool:
        """Whether the CT reaches to a place (3,) RAS mm."""
        low, high = self.span
        return bool(low + CUT_MM < place[2] < high - CUT_MM)


def leg_patients(
    bones: Bones, config: LegsConfig, seed: int, progress: Progress | None = None
) -> list[LegPatient]:
    """So many legs as the configuration says; the same seed gives the same ones."""
    regions = regions_of(config)
    made = []
    for number, region in enumerate(regions):
        if progress is not None:
            progress(0.0, f"putting together leg {number + 1} of {len(regions)}")
        made.append(leg_patient(bones, region, config, np.random.default_rng([seed, 29, number])))
    return made


def regions_of(config: LegsConfig) -> list[str]:
    """The region of each patient, shared out as asked for, evenly mixed."""
    given = {name: 0.0 for name in REGIONS if config.regions.get(name)}
    total, out = sum(config.regions.values()), []
    for _ in range(config.patients):
        for name in given:
            given[name] += config.regions[name] / total
        most = max(given, key=lambda name: given[name])
        given[most] -= 1.0
        out.append(most)
    return out


def leg_patient(
    bones: Bones, region: str, config: LegsConfig, rng: np.random.Generator
) -> LegPatient:
    """One leg: its bones are drawn, joined and put in flesh."""
    leg = standing_leg(bones, rng, config)
    marks = {bone.kind: bone.marks for bone in leg[:2]}
    names = [MESH_NAMES.get(bone.mesh.name, bone.mesh.name) for bone in leg]
    meshes = [dataclasses.replace(b.mesh, name=n) for b, n in zip(leg, names, strict=True)]
    mesh = MeshConfig(variation=0.0, both_sides=False, voxel=config.voxel.get(region, 0.0))
    name = " + ".join(f"{bone.kind} of {bone.subject}" for bone in leg[:2])
    made = mesh_ct(meshes, rng, mesh, _kept(leg, marks, region), name)
    numbers = np.zeros(made.labels.shape, np.uint8)
    for value, called in made.names.items():
        if called in NAMES:
            numbers[made.labels == value] = NAMES.index(called) + 1
    found = tissue_parts(made.volume, BoneConfig(remove_couch=False), crop=False)
    return LegPatient(crop_to_body(with_structures(found, numbers, NAMES)), marks, region, name)


def _kept(leg: list[LegBone], marks: Mapping[str, Marks], region: str) -> tuple[float, float]:
    """What of the leg a region is, as fractions of its height from below."""
    heights = np.concatenate([bone.mesh.vertices[:, 2] for bone in leg])
    low, high = heights.min() - 1.0, heights.max() + 1.0
    if region not in AROUND_MM:
        return 0.0, 1.0
    joints = {
        "knee": 0.0,
        "hip": float(marks["femur"].points["head_centre"][2]),
        "ankle": float(marks["tibia"].points["plafond_centre"][2]),
    }
    ends = (joints[region] + np.array(AROUND_MM[region]) - low) / (high - low)
    first, last = np.clip(ends, 0.0, 1.0)
    return float(first), float(last)
