"""A CT made up around surface meshes: the bones where they are, in flesh that suits them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from surfaces import ball, long_bone, volume_of

from BoneXrayLib.bone import make_parts
from BoneXrayTrainingLib.mappings import from_mapping
from BoneXrayTrainingLib.mesh_ct import MeshConfig, MeshCt, mesh_ct, read_patient
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.mesh_ct.patient import as_bones, draw_patient
from BoneXrayTrainingLib.mesh_ct.pose import posed
from BoneXrayTrainingLib.mesh_ct.voxels import bone_labels, closed, grid_around
from BoneXrayTrainingLib.sources import CtSource, load_source, load_variants

QUICK = MeshConfig(voxel=0.8)


def grid_of(mesh: Mesh, shift: float = 0.0):
    low = mesh.vertices.min(axis=0) - 3.0 + shift
    return grid_around(low, mesh.vertices.max(axis=0) + 3.0, 0.9)


@pytest.fixture(scope="module")
def made() -> MeshCt:
    bones = [long_bone("radius", 90, 7), long_bone("ulna", 90, 5, (-24.0, 0, 2.0))]
    return mesh_ct(bones, np.random.default_rng(3), QUICK)


def write(path: Path, meshes: list[Mesh]) -> Path:
    arrays = {f"{m.name}.vertices": m.vertices for m in meshes}
    np.savez(path, **arrays, **{f"{m.name}.faces": m.faces for m in meshes})
    return path


@pytest.mark.parametrize("shift", [0.0, 0.31, 0.45])
def test_a_ball_has_its_volume_in_voxels(shift: float) -> None:
    mesh, grid = ball(), grid_of(ball(), shift)
    voxels = bone_labels([mesh], grid).sum() * grid.spacing**3
    assert voxels == pytest.approx(volume_of(mesh), rel=0.01)
    assert voxels == pytest.approx(4 / 3 * np.pi * 15.0**3, rel=0.02)


def test_triangles_that_look_the_wrong_way_change_nothing() -> None:
    mesh, grid = ball(), grid_of(ball())
    faces = mesh.faces.copy()
    faces[::2] = faces[::2, ::-1]
    mixed = Mesh("mixed", mesh.vertices, faces)
    assert np.array_equal(bone_labels([mixed], grid), bone_labels([mesh], grid))


def test_holes_are_closed_and_a_wide_open_mesh_is_refused() -> None:
    whole, grid = ball(), grid_of(ball())
    middle = whole.vertices[whole.faces].mean(axis=1)
    torn = Mesh("torn", whole.vertices, whole.faces[middle @ (0.6, 0.0, 0.8) < 13.0])
    holed = closed(torn)
    voxels = bone_labels([holed], grid).sum() * grid.spacing**3
    assert voxels == pytest.approx(volume_of(whole), rel=0.05)
    half = Mesh("half", whole.vertices, whole.faces[middle[:, 2] < 0.0])
    with pytest.raises(ValueError, match=r"half is open, 3.% of its surface is missing"):
        closed(half)


def test_bones_that_overlap_are_parted_by_a_gap() -> None:
    meshes = [ball("a"), ball("b", at=(28.0, 0, 0))]
    grid = grid_around(np.array([-18.0, -18, -18]), np.array([46.0, 18, 18]), 0.9)
    labels = bone_labels(meshes, grid)
    near_a = ndimage.binary_dilation(labels == 1)
    assert not (near_a & (labels == 2)).any()
    assert ((labels == 1).sum(), (labels == 2).sum()) == pytest.approx(
        (volume_of(meshes[0]) / 0.9**3,) * 2, rel=0.08
    )


def test_the_cortex_is_dense_and_the_shaft_is_hollow(made: MeshCt) -> None:
    k = made.labels.shape[0] // 2
    shaft = made.labels[k] == 1
    depth = ndimage.distance_transform_edt(shaft) * 0.8
    hu = made.volume.hu[k]
    assert hu[(depth > 1.0) & (depth < 2.0)].mean() > 900
    assert hu[depth > 5.0].mean() < 250


def test_a_cortex_is_thicker_on_the_shaft_than_at_the_ends(made: MeshCt) -> None:
    count = made.labels.shape[0]

    def dense_share(low: float, high: float) -> float:
        part = slice(int(low * count), int(high * count))
        bone = made.labels[part] == 1
        return float((made.volume.hu[part][bone] > 700).mean())

    assert dense_share(0.45, 0.55) > 1.5 * dense_share(0.04, 0.14)


def test_every_bone_lies_in_flesh(made: MeshCt) -> None:
    around = ndimage.binary_dilation(made.labels > 0, iterations=3)
    assert made.volume.hu[around].min() > -250
    assert made.volume.hu[:, 0, 0].max() < -900


def test_the_limb_goes_on_where_the_volume_ends(made: MeshCt) -> None:
    for k in (0, -1):
        body, inner = made.volume.hu[k] > -250, made.volume.hu[made.labels.shape[0] // 2] > -250
        assert body.sum() > 0.3 * inner.sum()


def test_the_bone_preset_finds_the_cortex_and_nothing_else(made: MeshCt) -> None:
    found = make_parts(made.volume).part > 0
    bone = made.labels > 0
    surface = bone & ~ndimage.binary_erosion(bone, border_value=1)
    assert found[surface].mean() > 0.97
    assert not (found & ~ndimage.binary_dilation(bone, iterations=2)).any()


def test_the_same_seed_makes_the_same_patient_and_another_one_another(made: MeshCt) -> None:
    bones = [long_bone("radius", 90, 7), long_bone("ulna", 90, 5, (-24.0, 0, 2.0))]
    again = mesh_ct(bones, np.random.default_rng(3), QUICK)
    assert np.array_equal(again.volume.hu, made.volume.hu)
    assert again.patient == made.patient
    other = mesh_ct(bones, np.random.default_rng(4), QUICK)
    assert other.volume.hu.shape != made.volume.hu.shape


def test_a_left_side_is_the_right_one_mirrored() -> None:
    bones = [long_bone("5proxph", 36, 4), ball("5mc", 6, (4.0, 2.0, 44.0))]
    right, left = (
        mesh_ct(bones, np.random.default_rng(5), MeshConfig(side=side, voxel=1.0, both_sides=False))
        for side in ("right", "left")
    )
    assert np.array_equal(left.volume.hu, right.volume.hu[:, :, ::-1])
    assert np.array_equal(left.labels, right.labels[:, :, ::-1])
    assert left.volume.centre_ras == pytest.approx(right.volume.centre_ras * (-1, 1, 1))


def test_turned_fingers_and_a_bent_knee_do_not_run_into_each_other() -> None:
    finger = [
        long_bone("2mc", 60, 4, (0.0, 0, 0)),
        long_bone("2proxph", 38, 3.5, (0.0, 0, -40)),
        long_bone("2midph", 22, 3, (0.0, 0, -64)),
    ]
    leg = [long_bone("femur", 300, 14), long_bone("tibia", 300, 12, (0.0, 0, -304))]
    for meshes, seed in ((finger, 1), (finger, 2), (leg, 3)):
        rng = np.random.default_rng(seed)
        patient = draw_patient(rng)
        bones = posed(as_bones(meshes), patient, rng)
        turned = [b for b in bones if not np.allclose(b.frame, np.eye(3))]
        assert turned
        everything = np.concatenate([b.mesh.vertices for b in bones])
        grid = grid_around(everything.min(axis=0) - 2, everything.max(axis=0) + 2, 1.0)
        labels = bone_labels([b.mesh for b in bones], grid, gap=False)
        for number, bone in enumerate(bones, start=1):
            assert (labels == number).sum() == pytest.approx(volume_of(bone.mesh), rel=0.06)


def test_an_entry_of_a_configuration_becomes_patients_in_turn(tmp_path: Path) -> None:
    write(tmp_path / "two.npz", [ball("p1_talus", 12), ball("p2_talus", 18), ball("x", 9)])
    entry = {"path": "two.npz", "patient": "two", "licence": "CC0", "variants": 3}
    mesh = {"axes": "LPS", "side": "left", "each": "p?", "only": ["*talus"], "voxel": 1.5}
    source = from_mapping(CtSource, {**entry, "mesh": mesh}, "ct")
    loaded = load_variants(source, tmp_path, 1, 5.0)
    sizes = [int((parts.part == parts.names.index("bone")).sum()) for _, parts in loaded]
    assert sizes[1] > 1.3 * max(sizes[0], sizes[2])
    assert sum(one.share for one, _ in loaded) == pytest.approx(1.0)
    assert np.array_equal(load_source(source, tmp_path, 1).hu, loaded[0][1].hu)


def test_entries_of_one_patient_draw_others_where_their_seeds_differ(tmp_path: Path) -> None:
    write(tmp_path / "bone.npz", [long_bone("radius", 90, 7)])
    entry = {"path": "bone.npz", "patient": "p", "licence": "CC0", "variants": 2}
    entry["mesh"] = {"voxel": 1.5}
    own = {"seed": 0}, {"seed": 0, "share": 0.5}, {"seed": 1}
    sources = [from_mapping(CtSource, {**entry, **one}, "ct") for one in own]
    first, again, others = (
        [parts.hu for _, parts in load_variants(source, tmp_path, 3, 5.0)] for source in sources
    )
    for number in range(2):
        assert np.array_equal(first[number], again[number])
        for other in (first[1 - number], *others):
            assert not np.array_equal(first[number], other)
    with pytest.raises(ValueError, match=r"bone.npz: seed: got -1; expected 0 or more"):
        from_mapping(CtSource, {**entry, "seed": -1}, "ct")


def test_a_crop_keeps_the_lower_part_of_the_limb(tmp_path: Path) -> None:
    write(tmp_path / "bone.npz", [long_bone("radius", 90, 7)])
    mesh = MeshConfig(voxel=1.5)
    whole = CtSource("bone.npz", "p", "CC0", mesh=mesh)
    half = CtSource("bone.npz", "p", "CC0", mesh=mesh, crop={"k": (0.0, 0.5)})
    tall, short = (load_source(one, tmp_path, 1).hu.shape[0] for one in (whole, half))
    assert short == pytest.approx(tall / 2, abs=2)
    with pytest.raises(ValueError, match=r"crop: got k = \(0.5, 0.5\); expected i, j or k"):
        CtSource("bone.npz", "p", "CC0", mesh=mesh, crop={"k": (0.5, 0.5)})


def test_x_y_and_z_point_where_the_entry_says(tmp_path: Path) -> None:
    mesh = ball("one", 10, (1.0, 20.0, 300.0))
    path = write(tmp_path / "one.npz", [mesh])
    found = read_patient(path, MeshConfig(axes="PSR"))[0].vertices.mean(axis=0)
    assert found == pytest.approx((300.0, -1.0, 20.0), abs=0.2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a.faces": np.zeros((4, 3), int)}, "a.vertices; expected a plain array"),
        ({"a.vertices": np.eye(3), "a.faces": np.zeros((4, 3), int)}, "expected (N, 3)"),
        (
            {"a.vertices": 9 * np.eye(4, 3), "a.faces": np.full((4, 3), 4)},
            "numbers below 4",
        ),
        ({"a.vertices": np.eye(4, 3) / 9, "a.faces": np.zeros((4, 3), int)}, "0.111 mm long"),
        ({"a.vertices": np.array([None]), "a.faces": np.zeros((4, 3), int)}, "plain array"),
        ({"other": np.eye(3)}, "holds none of the meshes wanted; it holds none"),
    ],
)
def test_a_file_that_is_no_mesh_is_refused_in_one_line(
    arrays: dict, message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=f"^mesh: bad.npz.*{re.escape(message)}[^\n]*$"):
        read_patient(tmp_path / "bad.npz", MeshConfig())


def test_what_is_no_archive_and_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match=r"text.npz is no archive of arrays"):
        read_patient(tmp_path / "text.npz", MeshConfig())
    with pytest.raises(FileNotFoundError, match=r"mesh: .*none.npz"):
        read_patient(tmp_path / "none.npz", MeshConfig())
    with pytest.raises(ValueError, match=r"mesh.axes: got 'RRS'"):
        MeshConfig(axes="RRS")
    with pytest.raises(ValueError, match=r"scan.nrrd: mesh; expected none"):
        CtSource("scan.nrrd", "p", "CC0", mesh=QUICK)
