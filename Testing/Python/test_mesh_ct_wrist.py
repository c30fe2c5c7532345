"""A wrist that is moved and changed in shape: each bone as published, none inside another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from surfaces import REAL_HAND, ball, wrist

from BoneXrayTrainingLib.mesh_ct import MeshConfig, read_patient
from BoneXrayTrainingLib.mesh_ct.carpus import carpus_middle, wrist_bones
from BoneXrayTrainingLib.mesh_ct.contacts import Contacts, field_of, parted
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.mesh_ct.patient import Bone, as_bones, draw_patient
from BoneXrayTrainingLib.mesh_ct.pose import shaped, turned_joints
from BoneXrayTrainingLib.mesh_ct.refine import fitted_radius, refined
from BoneXrayTrainingLib.mesh_ct.shape import own_shapes, shared_shape
from BoneXrayTrainingLib.mesh_ct.voxels import closed
from BoneXrayTrainingLib.mesh_ct.wrist import (
    CARPALS,
    IN_PLANE,
    SHARES,
    WristPose,
    draw_wrist,
    forearm_frame,
    moved_wrist,
)

DEEPEST_MM = 0.5
MOVING = MeshConfig(articulation=1.0, deformation=0.05)


@pytest.fixture(scope="module")
def bones() -> list[Bone]:
    return as_bones(wrist())


@pytest.fixture(scope="module")
def real_hand() -> list[Mesh]:
    if not REAL_HAND.is_file():
        pytest.skip("the hand of shared data is not there")
    return [closed(mesh) for mesh in read_patient(REAL_HAND, MeshConfig(axes="ASR"))]


def by_name(bones: list[Bone]) -> dict[str, np.ndarray]:
    return {b.mesh.name: b.mesh.vertices for b in bones}


def turn_between(before: np.ndarray, after: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Degrees about the lateral, the anterior and the proximal axis, (3,)."""
    turn, _ = Rotation.align_vectors(after - after.mean(axis=0), before - before.mean(axis=0))
    return frame @ turn.as_rotvec(degrees=True)


def turns(bones: list[Bone], pose: WristPose) -> dict[str, np.ndarray]:
    frame = forearm_frame(next(b for b in bones if b.mesh.name == "radius"))
    before, after = by_name(bones), by_name(moved_wrist(bones, pose))
    return {name: turn_between(before[name], after[name], frame) for name in before}


def deepest(bones: list[Bone], spacing: float) -> float:
    """How deep a vertex of one bone lies in another, measured on a grid of its own [mm]."""
    near = [b for b in bones if b.kind.name in ("carpal", "metacarpal", "forearm")]
    around = np.concatenate([b.mesh.vertices for b in near if b.kind.name == "carpal"])
    box = (around.min(axis=0) - 8.0, around.max(axis=0) + 8.0)
    found = [field_of(b, box, spacing) for b in near]
    return max(
        -float(field.at(b.mesh.vertices).min())
        for n, field in enumerate(found)
        for m, b in enumerate(near)
        if field is not None and n != m
    )


def test_without_motion_and_deformation_every_vertex_stays(bones: list[Bone]) -> None:
    rng = np.random.default_rng(1)
    patient = draw_patient(rng)
    found = shaped(bones, patient, rng, 0.0)
    found, pose = wrist_bones(found, rng, MeshConfig())
    found = turned_joints(found, rng, 0.0)
    assert pose == WristPose()
    for one, was in zip(found, bones, strict=True):
        assert one.mesh.name == was.mesh.name
        assert np.array_equal(one.mesh.vertices, was.mesh.vertices)


def test_the_less_motion_and_deformation_the_nearer_the_original(bones: list[Bone]) -> None:
    tiny = draw_wrist(np.random.default_rng(2)).times(1e-6)
    middle = carpus_middle(bones)
    found = own_shapes(bones, np.random.default_rng(3), 1e-6, middle)
    found = moved_wrist(shared_shape(found, np.random.default_rng(3), 1e-6), tiny)
    for one, was in zip(found, bones, strict=True):
        away = np.abs(one.mesh.vertices - was.mesh.vertices).max()
        assert 0.0 < away < 2e-3 or one.mesh.name in CARPALS


@pytest.mark.parametrize("degrees", [20.0, -20.0])
def test_flexion_turns_capitate_and_proximal_row_by_their_shares(
    bones: list[Bone], degrees: float
) -> None:
    found = turns(bones, WristPose(flexion=degrees))
    for name in ("capitate", "hamate", "trapezoid", "trapezium", "3mc", "1mc"):
        assert found[name] == pytest.approx((degrees, 0, 0), abs=1e-6)
    for name, share in SHARES.items():
        wanted = degrees * (share.flexion if degrees > 0 else share.extension)
        assert found[name] == pytest.approx((wanted, 0, 0), abs=1e-6)
    assert found["radius"] == pytest.approx((0, 0, 0), abs=1e-6)


def test_a_flexed_hand_points_to_the_palm_and_a_deviated_one_to_the_ulna(
    bones: list[Bone],
) -> None:
    rest = by_name(bones)["3mc"].mean(axis=0)
    flexed = by_name(moved_wrist(bones, WristPose(flexion=20.0)))["3mc"].mean(axis=0)
    deviated = by_name(moved_wrist(bones, WristPose(deviation=20.0)))["3mc"].mean(axis=0)
    assert flexed[1] - rest[1] > 8.0
    assert deviated[0] - rest[0] < -8.0


def test_the_proximal_row_flexes_in_radial_and_extends_in_ulnar_deviation(
    bones: list[Bone],
) -> None:
    for degrees, in_plane in ((-10.0, IN_PLANE[0]), (20.0, IN_PLANE[1])):
        found = turns(bones, WristPose(deviation=degrees))
        assert found["capitate"] == pytest.approx((0, degrees, 0), abs=1e-6)
        for name in ("scaphoid", "lunate", "triquetrum"):
            flexion, deviation, _ = found[name]
            assert np.sign(flexion) == -np.sign(degrees)
            assert deviation == pytest.approx(in_plane * degrees, rel=0.05)


def test_the_ulna_turns_about_its_own_head(bones: list[Bone]) -> None:
    pose = WristPose(pronation=30.0)
    found = turns(bones, pose)
    assert np.linalg.norm(found["ulna"]) == pytest.approx(30.0, abs=1e-6)
    before, after = by_name(bones), by_name(moved_wrist(bones, pose))
    low = before["ulna"][:, 2] < before["ulna"][:, 2].min() + 7.0
    shift = (after["ulna"] - before["ulna"])[low].mean(axis=0)
    assert np.linalg.norm(shift) < 0.5
    assert np.array_equal(after["radius"], before["radius"])
    assert np.abs(after["ulna"] - before["ulna"]).max() > 5.0


def test_a_bone_that_is_only_posed_stays_rigid(bones: list[Bone]) -> None:
    config = dataclasses.replace(MOVING, deformation=0.0)
    found, pose = wrist_bones(bones, np.random.default_rng(4), config)
    assert abs(pose.flexion) > 1.0
    for one, was in zip(found, bones, strict=True):
        for n in (0, len(was.mesh.vertices) // 2):
            before = np.linalg.norm(was.mesh.vertices - was.mesh.vertices[n], axis=1)
            after = np.linalg.norm(one.mesh.vertices - one.mesh.vertices[n], axis=1)
            assert after == pytest.approx(before, abs=1e-9)


def test_twenty_wrists_keep_out_of_each_other(bones: list[Bone]) -> None:
    moved = {b.mesh.name: 0 for b in bones}
    for seed in range(20):
        found, pose = wrist_bones(bones, np.random.default_rng(seed), MOVING)
        assert deepest(found, 0.35 if seed < 2 else 0.6) < DEEPEST_MM
        assert -25 <= pose.flexion <= 25
        assert -10 <= pose.deviation <= 25
        for one, was in zip(found, bones, strict=True):
            moved[one.mesh.name] += np.abs(one.mesh.vertices - was.mesh.vertices).max() > 0.3
    assert min(moved.values()) > 12


def test_bones_that_overlap_are_pushed_apart_and_fingers_follow() -> None:
    near = [ball("lunate", 7.0), ball("capitate", 8.0, (0.0, 1.0, -12.0))]
    bones = as_bones([*near, ball("3mc", 5.0, (0, 2.0, -24.0)), ball("3proxph", 5, (0, 2, -36.0))])
    assert deepest(bones, 0.3) > 2.0
    found, gap = parted(bones)
    assert gap > 0.2
    assert deepest(found, 0.3) < 0.0
    before, after = by_name(bones), by_name(found)
    push = {n: (after[n] - before[n]).mean(axis=0) for n in before}
    assert push["3mc"][2] < -0.3
    assert push["3proxph"] == pytest.approx(push["3mc"])


def test_a_wrist_without_its_keystone_is_refused(bones: list[Bone]) -> None:
    some = [b for b in bones if b.mesh.name != "capitate"]
    with pytest.raises(ValueError, match=r"mesh.articulation: no capitate; expected a wrist"):
        wrist_bones(some, np.random.default_rng(1), MOVING)


def test_wrists_of_a_real_hand_keep_out_of_each_other(real_hand: list[Mesh]) -> None:
    fine = [refined(mesh, 1.5) for mesh in real_hand]
    bones = fitted_radius(as_bones(fine))
    gaps = []
    for seed in range(3):
        found, _ = wrist_bones(bones, np.random.default_rng(seed), MOVING)
        gaps.append(Contacts(found).narrowest())
    assert min(gaps) > -DEEPEST_MM
    assert deepest(found, 0.4) < DEEPEST_MM
