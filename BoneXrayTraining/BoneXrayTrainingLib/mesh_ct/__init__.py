"""A CT from surface meshes of bones: limbs in flesh where no CT is to be had, any number of them.

meshes   the file: which bones, where they point to
patient  what a bone's name says, what is drawn for a patient
between  somebody between two people
pose     size, shape, turned fingers, a bent knee
refine   coarse surfaces made fine, a radius that fits its carpals
shape    each bone's own smooth change of shape
wrist    how a wrist moves
strays   each bone's own turn and shift
contacts bones pushed apart where they run into each other
carpus   shape, pose and cut of a patient's wrist
voxels   triangles to voxels
texture  uneven tissue
bones    cortex, spongy bone, marrow
flesh    skin, fat, muscle, vessels, tendons
worn     casts, rings, bracelets
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneXrayLib.volume import Volume

from .between import read_others, somebody_between
from .bones import paint_bones
from .carpus import region_of, wrist_bones, wrist_patient
from .flesh import cropped, envelope, soft_tissue
from .meshes import SUFFIX, Mesh, MeshConfig, read_patient
from .patient import Bone, Patient, as_bones, draw_patient
from .pose import shaped, turned_joints
from .refine import fitted_radius, refined
from .texture import Texture
from .voxels import Grid, bone_labels, closed, grid_around
from .worn import LARGEST_HU, draw_worn, put_on
from .wrist import WristPose

__all__ = ["SUFFIX", "MeshConfig", "MeshCt", "mesh_ct", "prepared", "read_others", "read_patient"]

FINE_VOXELS = 14e6
FINE_MM = (0.4, 1.2)
"""Voxel sizes that suit a hand and a whole leg."""
BLUR_VOXELS = 0.55
"""A scanner's blur."""


@dataclass(frozen=True, eq=False)
class MeshCt:
    """A CT that was made up.

    Attributes:
        volume: Hounsfield units.
        labels: (k, j, i) uint8 on the same grid, the bone in each voxel, 0 = none.
        names: {value: name of the mesh}.
        patient: what was drawn.
        pose: of the wrist, where one was drawn.
        worn: what the patient wears.
    """

    volume: Volume
    labels: np.ndarray
    names: dict[int, str]
    patient: Patient
    pose: WristPose = WristPose()  # noqa: RUF009 - frozen
    worn: tuple[str, ...] = ()


def mesh_ct(
    meshes: list[Mesh],
    rng: np.random.Generator,
    config: MeshConfig | None = None,
    keep: tuple[float, float] = (0.0, 1.0),
    name: str = "mesh CT",
    others: list[Mesh] | None = None,
) -> MeshCt:
    """A patient with these bones: the same meshes and the same `rng` give the same CT.

    Args:
        meshes: of one right side, RAS mm, as `read_patient` gives them.
        rng: source of all that is drawn.
        config: kind of nameless bones, voxel size.
        keep: part of the limb to make, as fractions of its length from below.
        name: of the volume.
        others: the same bones of somebody else, to make people between both; see `between`.

    Raises:
        ValueError: a mesh that is wide open, counterparts that are none, or a part of the limb
            without bones.
    """
    config = config or MeshConfig()
    patient = draw_patient(rng, config.both_sides)
    if config.side == "left":
        patient = dataclasses.replace(patient, mirrored=not patient.mirrored)
    bones = prepared(meshes, config)
    if others:
        bones = somebody_between(bones, others, config.towards, rng)
    bones = shaped(bones, patient, rng, config.variation)
    bones, pose = wrist_bones(bones, rng, config)
    bones = turned_joints(bones, rng, config.variation)
    if config.region == "wrist":
        patient = wrist_patient(patient, rng)
    worn = draw_worn(rng, config)
    region = region_of(bones, rng, config, worn.room_mm)
    texture = Texture(rng, smooth=config.region == "wrist")
    limb = cropped(envelope(bones, patient, texture, keep, region), 3.0 + worn.room_mm)
    grid = _fine_grid(limb.grid, config.voxel)
    labels = bone_labels([b.mesh for b in bones], grid)
    hu = soft_tissue(limb, grid, patient, texture, rng)
    put_on(hu, worn, limb, grid, bones, texture)
    paint_bones(hu, labels, bones, grid, patient, texture)
    hu = ndimage.gaussian_filter(hu, BLUR_VOXELS, mode="nearest", truncate=3.0)
    values = np.rint(np.minimum(hu, LARGEST_HU)).astype(np.int16)
    matrix = grid.ijk_to_ras
    if patient.mirrored:
        values, labels = (np.ascontiguousarray(a[:, :, ::-1]) for a in (values, labels))
        matrix[0, 3] = -grid.coordinates(0)[-1]
    names = {n: b.mesh.name for n, b in enumerate(bones, start=1)}
    return MeshCt(Volume(values, matrix, name), labels, names, patient, pose, worn.names)


def prepared(meshes: list[Mesh], config: MeshConfig) -> list[Bone]:
    """The bones as the file has them, coarse ones refined where that is asked for."""
    bones = as_bones([closed(mesh) for mesh in meshes], config.kind)
    if not config.refine:
        return bones
    fine = [dataclasses.replace(b, mesh=refined(b.mesh, config.refine)) for b in bones]
    return fitted_radius(fine)


def _fine_grid(coarse: Grid, voxel: float) -> Grid:
    half = coarse.spacing / 2
    extent = np.array(coarse.shape[::-1]) * coarse.spacing
    if not voxel:
        voxel = float(np.clip((np.prod(extent) / FINE_VOXELS) ** (1 / 3), *FINE_MM))
    low = coarse.origin - half
    return grid_around(low, low + extent, voxel)
