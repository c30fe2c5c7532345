"""Bones out of shape and coarse bones made fine: nothing folds, volumes are kept."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import REAL_HAND, ball, volume_of, wrist

from BoneXrayTrainingLib.mesh_ct import MeshConfig, read_patient
from BoneXrayTrainingLib.mesh_ct.carpus import carpus_middle
from BoneXrayTrainingLib.mesh_ct.contacts import field_of
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.mesh_ct.patient import Bone, as_bones
from BoneXrayTrainingLib.mesh_ct.refine import FACET_MM, fitted_radius, refined
from BoneXrayTrainingLib.mesh_ct.shape import own_shapes, shared_shape
from BoneXrayTrainingLib.mesh_ct.voxels import closed, fill, grid_around


@pytest.fixture(scope="module")
def bones() -> list[Bone]:
    return as_bones(wrist())


@pytest.mark.parametrize("strength", [0.04, 0.08])
def test_no_triangle_turns_over_when_a_bone_changes_shape(
    bones: list[Bone], strength: float
) -> None:
    def normals(bone: Bone) -> np.ndarray:
        a, b, c = (bone.mesh.vertices[bone.mesh.faces[:, n]] for n in range(3))
        return np.cross(b - a, c - a)

    middle = carpus_middle(bones)
    sizes = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = own_shapes(shared_shape(bones, rng, strength), rng, strength, middle)
        for one, was in zip(found, bones, strict=True):
            assert (np.einsum("ij,ij->i", normals(one), normals(was)) > 0).all()
            if one.kind.name == "carpal":
                sizes.append(volume_of(one.mesh) / volume_of(was.mesh))
    assert 0.5 < min(sizes) < 0.96
    assert 1.04 < max(sizes) < 2.0


def test_a_coarse_surface_is_refined_at_its_volume_and_a_fine_one_is_left() -> None:
    fine = ball("radius", 15.0)
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(c, n) for n in range(3) for c in corners]) * 8.0
    near = np.linalg.norm(corners[:, None] - corners, axis=2) < 17.0
    faces = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    coarse = Mesh("radius", corners, np.array(faces))
    assert len(faces) == 20
    assert refined(fine, 4.0) is fine
    middles = corners[coarse.faces].mean(axis=1)
    coarse_faces = Mesh("with middles", np.concatenate([corners, middles]), coarse.faces)
    found = refined(coarse, 2.0)
    assert found.name == "radius"
    assert len(found.faces) > 500
    # A regular icosahedron, by its edge.
    assert volume_of(found) == pytest.approx(2.1817 * 16.0**3, rel=0.02)
    rounder, edgy = (np.ptp(np.linalg.norm(m.vertices, axis=1)) for m in (found, coarse_faces))
    assert rounder < 0.7 * edgy
    edges = np.sort(
        np.concatenate([found.faces[:, [0, 1]], found.faces[:, 1:], found.faces[:, ::2]])
    )
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_a_radius_is_fitted_to_the_bones_in_its_facets(bones: list[Bone]) -> None:
    bones = [b for b in bones if b.mesh.name != "ulna"]
    found = fitted_radius(bones)
    before, after = ({b.mesh.name: b.mesh.vertices for b in some} for some in (bones, found))
    for name in before:
        assert (name == "radius") != np.array_equal(before[name], after[name])
    box = (before["radius"].min(axis=0) - 12.0, before["radius"].max(axis=0) + 12.0)
    fields = [field_of(b, box, 0.6, 10.0) for b in bones if b.mesh.name in ("scaphoid", "lunate")]

    def away(vertices: np.ndarray) -> np.ndarray:
        """Distance to the nearer carpal; 11 mm is far."""
        found = [np.where(f.holds(vertices), f.at(vertices), 11.0) for f in fields]
        return np.min(found, axis=0)

    was, now = away(before["radius"]), away(after["radius"])
    near, far = was < 5.0, was > 10.0
    assert near.sum() >= 5
    assert np.abs(was[near] - FACET_MM).mean() > 1.5
    assert np.abs(now[near] - FACET_MM).mean() < 0.5
    assert np.array_equal(after["radius"][far], before["radius"][far])


@pytest.mark.skipif(not REAL_HAND.is_file(), reason="the hand of shared data is not there")
def test_the_forearm_of_a_real_hand_is_refined_at_its_volume() -> None:
    for mesh in map(closed, read_patient(REAL_HAND, MeshConfig(axes="ASR"))):
        if mesh.name in ("radius", "ulna"):
            found = refined(mesh, 1.2)
            assert len(found.vertices) > 20 * len(mesh.vertices)
            grid = grid_around(mesh.vertices.min(axis=0) - 3, mesh.vertices.max(axis=0) + 3, 1.2)
            before, after = (fill(m, grid, rounded=False) for m in (mesh, found))
            assert after[0].sum() == pytest.approx(before[0].sum(), rel=0.04)
