"""People between two people: neither end is changed, and no bone shrinks on the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from surfaces import ball, long_bone, volume_of, wrist

from BoneXrayLib.models import Model
from BoneXrayTrainingLib.atlas.meshes_file import write_meshes
from BoneXrayTrainingLib.evaluating_segments.labelled_cts import load_labelled
from BoneXrayTrainingLib.evaluating_segments.segmentation_data import (
    LabelledSource,
    segmentation_sources,
)
from BoneXrayTrainingLib.evaluating_segments.segmentation_evaluation import leaks
from BoneXrayTrainingLib.exporting.export_card import make_card
from BoneXrayTrainingLib.generation.config import GenerateSource, SampleConfig
from BoneXrayTrainingLib.generation.hashes import path_sha256
from BoneXrayTrainingLib.generation.sample import load_ct
from BoneXrayTrainingLib.generation.splits import refuse_shared_people
from BoneXrayTrainingLib.labelled import named_variants
from BoneXrayTrainingLib.learning.configuration import TrainConfig
from BoneXrayTrainingLib.mesh_ct import MeshConfig, read_patient
from BoneXrayTrainingLib.mesh_ct.between import drawn_towards
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh, Towards
from BoneXrayTrainingLib.mesh_ct.patient import Bone, as_bones
from BoneXrayTrainingLib.sampling.dataset import CtSource

TURN = Rotation.from_rotvec([0.4, -0.9, 0.7]).as_matrix()
PISIFORM = 1.5


@pytest.fixture(scope="module")
def bones() -> list[Bone]:
    finger = long_bone("3proxph", 40, 4.0, (68.0, 9.0, -375.0))
    return as_bones([*wrist(), finger])


def somebody_else(meshes: list[Mesh]) -> list[Mesh]:
    """Their hand lies elsewhere: all a fifth larger, the pisiform more so; no fingers."""
    found = []
    for mesh in meshes:
        vertices = mesh.vertices
        if mesh.name == "pisiform":
            vertices = vertices.mean(axis=0) + PISIFORM * (vertices - vertices.mean(axis=0))
        if mesh.name != "3proxph":
            found.append(mesh.moved(1.2 * vertices @ TURN.T + (5.0, 90.0, -20.0)))
    return found


@pytest.fixture(scope="module")
def others(bones: list[Bone]) -> list[Mesh]:
    return somebody_else([b.mesh for b in bones])


def size_of(found: list[Bone], bones: list[Bone], name: str) -> float:
    one, was = (next(b.mesh for b in some if b.mesh.name == name) for some in (found, bones))
    return (volume_of(one) / volume_of(was)) ** (1 / 3)


def test_no_part_of_the_way_leaves_every_vertex(bones: list[Bone], others: list[Mesh]) -> None:
    for one, was in zip(drawn_towards(bones, others, 0.0), bones, strict=True):
        assert np.abs(one.mesh.vertices - was.mesh.vertices).max() < 1e-9
        assert np.abs(one.frame - was.frame).max() < 1e-9


def test_the_whole_way_gives_the_other_hand_laid_over_the_first(
    bones: list[Bone], others: list[Mesh]
) -> None:
    found = {b.mesh.name: b.mesh.vertices for b in drawn_towards(bones, others, 1.0)}
    theirs = np.concatenate([m.vertices for m in others])
    there = np.concatenate([found[m.name] for m in others])
    turn, off = Rotation.align_vectors(there - there.mean(0), theirs - theirs.mean(0))
    assert off < 1e-6 * np.linalg.norm(there - there.mean(0))
    assert np.abs(turn.as_matrix() - TURN.T).max() < 1e-6


@pytest.mark.parametrize("share", [-0.3, 0.5, 1.3])
def test_sizes_change_in_proportion_and_a_finger_grows_with_its_metacarpal(
    bones: list[Bone], others: list[Mesh], share: float
) -> None:
    found = drawn_towards(bones, others, share)
    assert size_of(found, bones, "capitate") == pytest.approx(1 + 0.2 * share, abs=1e-6)
    whole = 1.2 * PISIFORM - 1
    assert size_of(found, bones, "pisiform") == pytest.approx(1 + whole * share, abs=1e-6)
    assert size_of(found, bones, "3proxph") == pytest.approx(1 + 0.2 * share, abs=1e-6)


def test_a_bone_turned_half_round_stays_a_bone_half_way() -> None:
    """Vertices that went straight to their goals would meet in the middle."""
    bones = as_bones([ball("capitate", 8.0), ball("hamate", 7.0, (18.0, 0.0, 0.0)),
                      ball("lunate", 7.0, (0.0, 3.0, 18.0))])  # fmt: skip
    middle = bones[1].mesh.vertices.mean(axis=0)
    half_round = (bones[1].mesh.vertices - middle) * (1.0, -1.0, -1.0) + middle
    others = [bones[0].mesh, bones[1].mesh.moved(half_round), bones[2].mesh]
    assert size_of(drawn_towards(bones, others, 0.5), bones, "hamate") > 0.95


def test_bones_with_other_triangles_are_refused(bones: list[Bone], others: list[Mesh]) -> None:
    swapped = [dataclasses.replace(m, faces=m.faces[:, ::-1]) for m in others]
    with pytest.raises(ValueError, match="other triangles; expected these meshes"):
        drawn_towards(bones, swapped, 0.5)
    with pytest.raises(ValueError, match="no bone of these meshes"):
        drawn_towards(bones, [dataclasses.replace(others[0], name="talus")], 0.5)


MESH = MeshConfig(voxel=1.2, both_sides=False, variation=0.0,
                  towards=Towards("other.npz", "other hand", "CC0", (1.0, 1.0)))  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, bones: list[Bone]) -> Path:
    path = write_meshes(tmp_path / "hand.npz", [b.mesh for b in bones])
    write_meshes(tmp_path / "other.npz", somebody_else(read_patient(path, MeshConfig())))
    return tmp_path


def test_patients_to_train_on_have_the_bones_of_the_other(folder: Path) -> None:
    def volume(mesh: MeshConfig) -> float:
        source = CtSource("hand.npz", "hand", "MIT", mesh=mesh)
        [(_, parts)] = named_variants(source, folder, 1, 0.0, ["pisiform"])
        voxel = abs(np.linalg.det(parts.ijk_to_ras[:3, :3]))
        return float((parts.part == parts.names.index("pisiform")).sum() * voxel)

    own = volume(dataclasses.replace(MESH, towards=Towards()))
    assert volume(MESH) / own == pytest.approx((1.2 * PISIFORM) ** 3, rel=0.08)


def test_a_list_to_measure_on_finds_the_other_beside_it(folder: Path) -> None:
    listed = folder / "list.toml"
    listed.write_text(
        '[[ct]]\npath = "hand.npz"\npatient = "hand"\nanatomy = "wrist"\n'
        "mesh = { voxel = 1.2, both_sides = false, variation = 0.0, "
        'towards = { path = "other.npz", patient = "other", licence = "CC0", '
        "between = [1.0, 1.0] } }\n"
    )
    [source] = segmentation_sources([listed])
    there = load_labelled(source, ["pisiform"])
    own = load_labelled(
        dataclasses.replace(source, mesh=dataclasses.replace(source.mesh, towards=Towards())),
        ["pisiform"],
    )
    counts = [int((found.labels == 1).sum()) for found in (there, own)]
    assert counts[0] / counts[1] == pytest.approx((1.2 * PISIFORM) ** 3, rel=0.08)


def test_the_other_is_on_the_card_and_never_in_validation() -> None:
    source = CtSource("hand.npz", "hand", "MIT", mesh=MESH)
    third = CtSource("third.npz", "other hand", "MIT")
    config = TrainConfig(name="x", task="extract", ct=(source, third))
    card = make_card(config, "0.0.1", {"working_size": 64, "framing": "content"}, 1, [])
    assert {"name": "other hand", "licence": "CC0"} in card.trained_on["sources"]
    assert "3 files of bone surfaces in made-up flesh only" in card.limits
    for kept in ("other hand", "hand"):
        with pytest.raises(ValueError, match="other hand is trained on and in validation"):
            dataclasses.replace(config, validation=(kept,))
    listed = LabelledSource("hand.npz", patient="hand", mesh=MESH)
    told = {"sources": [{"name": "other hand", "licence": "CC0"}]}
    model = SimpleNamespace(card=SimpleNamespace(name="x", trained_on=told))
    assert "was trained on other hand" in leaks(cast("Model", model), [listed])[0]


def test_a_data_set_has_the_other_in_one_split_and_knows_its_file(folder: Path) -> None:
    mesh = dataclasses.replace(MESH, towards=Towards("other.npz", "other", "CC0"))
    one = GenerateSource("hand.npz", "hand", "MIT", mesh=mesh)
    two = GenerateSource("third.npz", "other", "MIT")
    refuse_shared_people((one, two), {"hand": "train", "other": "train"})
    with pytest.raises(ValueError, match=r"mesh\.towards: other is in train and test"):
        refuse_shared_people((one, two), {"hand": "train", "other": "test"})
    made_of = load_ct(one, 0, SampleConfig(), folder).sha256
    assert made_of["towards"] == path_sha256(folder / "other.npz")


def test_a_licence_and_a_range_are_asked_for() -> None:
    with pytest.raises(ValueError, match="patient and licence"):
        Towards("other.npz")
    with pytest.raises(ValueError, match=r"between: got \[1.0, 0.0\]"):
        Towards("other.npz", "a", "b", (1.0, 0.0))
