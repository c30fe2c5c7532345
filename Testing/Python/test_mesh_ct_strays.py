"""Bones that lie otherwise than the file's: each rigid, a digit as one, as much as asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from surfaces import long_bone, wrist

from BoneXrayTrainingLib.mesh_ct import MeshConfig
from BoneXrayTrainingLib.mesh_ct.between import somebody_between
from BoneXrayTrainingLib.mesh_ct.carpus import carpus_middle, wrist_bones
from BoneXrayTrainingLib.mesh_ct.contacts import DEEPEST_MM, Contacts
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh, Towards
from BoneXrayTrainingLib.mesh_ct.patient import Bone, as_bones
from BoneXrayTrainingLib.mesh_ct.strays import METACARPALS, strayed
from BoneXrayTrainingLib.mesh_ct.wrist import CARPALS

TURN, SHIFT, MANY = 6.0, 1.0, 60


@pytest.fixture(scope="module")
def bones() -> list[Bone]:
    return as_bones([*wrist(), long_bone("3proxph", 40, 4.0, (68.0, 9.0, -375.0))])


@pytest.fixture(scope="module")
def lots(bones: list[Bone]) -> list[dict[str, np.ndarray]]:
    """Vertices by bone of many wrists with strays."""
    middle = carpus_middle(bones)
    found = (
        strayed(bones, np.random.default_rng(n), TURN, SHIFT, middle) for n in range(MANY)
    )  # fmt: skip
    return [{b.mesh.name: b.mesh.vertices for b in one} for one in found]


def turn_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    turn, _ = Rotation.align_vectors(after - after.mean(axis=0), before - before.mean(axis=0))
    rigid = turn.apply(before - before.mean(axis=0)) + after.mean(axis=0)
    np.testing.assert_allclose(after, rigid, rtol=0, atol=1e-6)
    return turn.as_rotvec(degrees=True)


def test_each_carpal_is_turned_and_shifted_by_what_was_asked_and_stays_rigid(
    bones: list[Bone], lots: list[dict[str, np.ndarray]]
) -> None:
    named, found = {b.mesh.name: b.mesh.vertices for b in bones}, lots
    carpals = [name for name in CARPALS if name in named]
    turns = np.array([[turn_of(named[n], one[n]) for n in carpals] for one in found])
    shifts = np.array([[(one[n] - named[n]).mean(axis=0) for n in carpals] for one in found])
    assert turns.std(axis=(0, 1)) == pytest.approx([TURN] * 3, rel=0.15)
    assert shifts.std(axis=(0, 1)) == pytest.approx([SHIFT] * 3, rel=0.15)
    apart = np.corrcoef(turns[:, 0, 0], turns[:, 1, 0])[0, 1]
    assert abs(apart) < 0.4


def test_a_digit_turns_as_one_about_its_base_and_the_forearm_stays(
    bones: list[Bone], lots: list[dict[str, np.ndarray]]
) -> None:
    named, found = {b.mesh.name: b.mesh.vertices for b in bones}, lots
    digit = np.concatenate([named["3mc"], named["3proxph"]])
    middle = carpus_middle(bones)
    base = np.linalg.norm(named["3mc"] - middle, axis=1)
    base = base <= np.quantile(base, 0.15)
    turns = []
    for one in found:
        turns.append(turn_of(digit, np.concatenate([one["3mc"], one["3proxph"]])))
        moved = (one["3mc"] - named["3mc"])[base].mean(axis=0)
        assert np.linalg.norm(moved) < 1e-6
        for name in ("radius", "ulna"):
            assert np.array_equal(one[name], named[name])
    assert np.std(turns) == pytest.approx(METACARPALS * TURN, rel=0.2)


def test_strays_alone_make_wrists_that_keep_out_of_each_other(bones: list[Bone]) -> None:
    rng = np.random.default_rng(2)
    found, _ = wrist_bones(bones, rng, MeshConfig(own_turn=TURN, own_shift=SHIFT))
    assert any(
        not np.array_equal(a.mesh.vertices, b.mesh.vertices)
        for a, b in zip(found, bones, strict=True)
    )
    assert Contacts(found).narrowest() > -DEEPEST_MM - 0.1


def test_carpals_of_somebody_between_two_people_go_unlike_far(bones: list[Bone]) -> None:
    def larger(mesh: Mesh) -> Mesh:
        middle = mesh.vertices.mean(axis=0)
        return dataclasses.replace(mesh, vertices=middle + 1.2 * (mesh.vertices - middle))

    others = [larger(b.mesh) for b in bones if b.mesh.name != "3proxph"]

    def sizes(apart: float) -> np.ndarray:
        towards = Towards("a.npz", "b", "public domain", (0.5, 0.5), apart)
        found = somebody_between(bones, others, towards, np.random.default_rng(4))
        return np.array(
            [
                np.ptp(one.mesh.vertices, axis=0).max() / np.ptp(was.mesh.vertices, axis=0).max()
                for one, was in zip(found, bones, strict=True)
                if one.mesh.name in CARPALS
            ]
        )

    assert sizes(0.0) == pytest.approx(1.1, abs=0.01)
    assert sizes(0.4).std() > 0.03


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own_turn": 30.0}, r"mesh\.own_turn: got 30.0; expected 0 to 20"),
        ({"own_shift": -1.0}, r"mesh\.own_shift: got -1.0; expected 0 to 5"),
    ],
)
def test_what_no_wrist_has_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeshConfig(**changes)
    with pytest.raises(ValueError, match=r"mesh\.towards\.apart: got 2; expected 0 to 1"):
        Towards(apart=2)
