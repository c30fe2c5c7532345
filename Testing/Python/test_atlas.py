"""Bones of a CT named by meshes that are laid over them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from surfaces import ball, long_bone

from BoneXrayLib.label_maps import read_labels
from BoneXrayLib.volume import Volume
from BoneXrayLib.volume_files import write_image_file
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.atlas import Labelled, Start, label_by_meshes, read_start
from BoneXrayTrainingLib.atlas.placing import similarity
from BoneXrayTrainingLib.atlas.surface import surface_of
from BoneXrayTrainingLib.atlas.voxel_labels import GROW_MM, voxel_labels
from BoneXrayTrainingLib.mesh_ct import MeshConfig, mesh_ct
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh

MIDDLES = {
    "capitate": (0.0, 0.0, 0.0),
    "hamate": (17.5, 2.0, 1.0),
    "lunate": (4.0, -2.0, 19.0),
    "pisiform": (20.0, 16.0, 13.0),
}
RADII = {"capitate": 9.0, "hamate": 8.0, "lunate": 9.5, "pisiform": 5.0}


def wrist() -> list[Mesh]:
    """Four egg-shaped carpals that nearly touch, and a radius on top."""
    meshes = []
    for name, middle in MIDDLES.items():
        egg = ball(name, RADII[name])
        meshes.append(egg.moved(egg.vertices * (1.0, 0.85, 1.1) + middle))
    return [*meshes, long_bone("radius", 90, 9, (0.0, 0.0, 32.0))]


def told(points: np.ndarray) -> tuple[float, ...]:
    """As a person reads coordinates off a CT: a millimetre or two beside."""
    return tuple(float(2 * round(x / 2)) for x in points.ravel())


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    volume: Volume
    truth: np.ndarray
    names: dict[int, str]
    start: Start


@pytest.fixture(scope="module")
def case() -> Case:
    """The wrist in a CT, larger, turned and moved, and a start typed for it."""
    turn = Rotation.from_euler("xyz", [8, -14, 20], degrees=True).as_matrix()

    def place(x: np.ndarray) -> np.ndarray:
        return 1.12 * x @ turn.T + (30.0, -12.0, 200.0)

    there = [m.moved(place(m.vertices)) for m in wrist()]
    # A patient of his own size and shape on top of that is more than the start knows of.
    made = mesh_ct(there, np.random.default_rng(8), MeshConfig(voxel=1.1, both_sides=False))
    middles = {}
    for value, name in made.names.items():
        k, j, i = np.nonzero(made.labels == value)
        ras = np.stack([i, j, k], axis=1) @ made.volume.ijk_to_ras[:3, :3].T
        ras += made.volume.ijk_to_ras[:3, 3]
        middles[name] = ras
    points = {n: told((r.min(0) + r.max(0)) / 2) for n, r in middles.items() if n != "radius"}
    shaft = middles["radius"]
    height = shaft[:, 2] - shaft[:, 2].min()
    ends = [shaft[height < 5].mean(0), shaft[np.abs(height - 50) < 3].mean(0)]
    points["radius"] = told(np.stack(ends))
    return Case(made.volume, made.labels, made.names, Start(points))


@pytest.fixture(scope="module")
def found(case: Case) -> Labelled:
    return label_by_meshes(case.volume, wrist(), case.start)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def by_name(labels: np.ndarray, names: dict[int, str]) -> dict[str, np.ndarray]:
    return {name: labels == value for value, name in names.items()}


def test_a_wrist_moved_turned_and_grown_gets_its_names_back(case: Case, found: Labelled) -> None:
    ours, truth = by_name(found.labels, found.names), by_name(case.truth, case.names)
    assert set(ours) == set(truth)
    for name, mask in truth.items():
        assert dice(ours[name], mask) > 0.9, name


def test_a_mirrored_ct_gets_the_mirrored_labels(case: Case, found: Labelled) -> None:
    matrix = case.volume.ijk_to_ras.copy()
    matrix[0] *= -1
    mirrored = Volume(case.volume.hu, matrix)
    flip = (-1.0, 1.0, 1.0)
    points = {
        name: tuple((np.reshape(p, (-1, 3)) * flip).ravel())
        for name, p in case.start.points.items()
    }
    start = dataclasses.replace(case.start, points=points, side="left")
    left = label_by_meshes(mirrored, wrist(), start)
    assert left.names == found.names
    for value in found.names:
        assert dice(left.labels == value, found.labels == value) > 0.99


def test_a_bone_outside_the_ct_gets_no_label_and_is_named_in_a_note(case: Case) -> None:
    start_points = {n: p for n, p in case.start.points.items() if n != "radius"}
    matrix = case.volume.ijk_to_ras.copy()
    low = int(np.argwhere(case.truth == 5).min(axis=0)[0]) - 2
    cut = Volume(case.volume.hu[:low], matrix)
    part = label_by_meshes(cut, wrist(), dataclasses.replace(case.start, points=start_points))
    assert set(part.names.values()) == set(MIDDLES)
    assert any("radius" in note for note in part.notes)


def test_each_bone_is_one_piece_and_lies_on_bone(case: Case, found: Labelled) -> None:
    from scipy import ndimage

    for value in found.names:
        assert ndimage.label(found.labels == value)[1] == 1
    surface = (found.labels > 0) & ~ndimage.binary_erosion(found.labels > 0)
    assert (case.volume.hu[surface] >= 200).mean() > 0.9


def test_a_label_grows_as_far_through_thick_slices_as_along_them() -> None:
    shape, spacing = (41, 161, 161), (0.5, 0.5, 2.0)
    matrix = np.diag([*spacing, 1.0])
    matrix[:3, 3] = -np.array([40.0, 40.0, 40.0])
    hu = np.full(shape, 500, np.int16)
    hu[:, :4], hu[:, :, :4] = 0, 0
    labels = voxel_labels([ball("pisiform", 8.0)], Volume(hu, matrix, "slab"), 300.0)
    k, j, i = np.nonzero(labels)
    reach = [np.abs(n * step - 40.0).max() for n, step in zip((i, j, k), spacing, strict=True)]
    assert max(reach) < 8.0 + GROW_MM + 2.0
    assert min(reach) > 8.0


def test_no_bone_reaches_between_two_others_in_a_thread() -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = -30.0
    hu = np.full((61, 61, 61), 500, np.int16)
    hu[:4], hu[:, :4], hu[:, :, :4] = 0, 0, 0
    pisiform = ball("pisiform", 8.0, (0.0, 0.0, 12.0))
    below = [ball(name, 12.0, (x, 0.0, -8.0)) for name, x in (("hamate", -12.5), ("lunate", 12.5))]
    drawn = pisiform.vertices.copy()
    drawn[drawn[:, 2].argmin(), 2] = -8.0  # into the gap between them
    lowest = []
    for vertices in (pisiform.vertices, drawn):
        labels = voxel_labels(
            [pisiform.moved(vertices), *below], Volume(hu, matrix, "block"), 300.0
        )
        lowest.append(int(np.nonzero(labels == 1)[0].min()))
    assert lowest[1] >= lowest[0] - 4


def test_a_similarity_is_found_back_and_its_scale_is_kept_in_bounds(rng) -> None:
    before = rng.normal(size=(20, 3)) * 10
    turn = Rotation.from_rotvec([0.4, -0.2, 0.9]).as_matrix()
    after = 1.3 * before @ turn.T + (1.0, 2.0, 3.0)
    move = similarity(before, after, rng.uniform(0.1, 1.0, 20))
    np.testing.assert_allclose(move(before), after, atol=1e-9)
    assert similarity(before, after, np.ones(20), (0.9, 1.1)).scale == pytest.approx(1.1)
    mirrored = similarity(before, before * (-1, 1, 1), np.ones(20))
    assert np.linalg.det(mirrored.rotation) == pytest.approx(1.0)


def test_normals_look_outwards_however_the_triangles_turn() -> None:
    egg = ball("egg", 9.0, (5.0, 0.0, 0.0))
    turned = Mesh("turned", egg.vertices + np.array([40, 0, 0]), egg.faces[:, ::-1])
    surface = surface_of([egg, turned])
    normals = surface.normals()
    middles = np.array([(5.0, 0, 0), (45.0, 0, 0)])[surface.owner]
    outwards = np.einsum("ij,ij->i", normals, surface.vertices - middles)
    assert outwards.min() > 0.9 * 9.0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[points]\ncapitate = [0, 0]", "capitate has .0.0, 0.0.; expected 3 numbers, or 6"),
        ("[points]\nfemur = [0, 0, 0]", "got 'femur'; expected meshes in use: capitate"),
        ("[points]\ncapitate = [0, 0, 0]", "got 1 bones; expected at least 3, not in a line"),
        ('side = "both"\n[points]', "side: got 'both'; expected right or left"),
        ("[points]\n[sizes]\nlunate = 3", "lunate = 3; expected 0.5 to 2 for bones that have"),
    ],
)
def test_a_wrong_start_is_refused_in_one_line(
    lines: str, message: str, case: Case, tmp_path: Path
) -> None:
    path = tmp_path / "start.toml"
    path.write_text(lines)
    with pytest.raises(ValueError, match=message):
        label_by_meshes(case.volume, wrist(), read_start(path))


def test_points_outside_the_ct_are_refused(case: Case) -> None:
    points = {name: tuple(np.add(p[:3], 900.0)) for name, p in case.start.points.items()}
    with pytest.raises(ValueError, match="none lies in the CT"):
        label_by_meshes(case.volume, wrist(), Start(points))


def test_the_command_writes_segments_with_names(
    case: Case, found: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_image_file(tmp_path / "ct.nrrd", case.volume.hu, case.volume.ijk_to_ras)
    arrays = {f"{m.name}.vertices": m.vertices for m in wrist()}
    np.savez(tmp_path / "wrist.npz", **arrays, **{f"{m.name}.faces": m.faces for m in wrist()})
    points = "\n".join(f"{name} = {list(p)}" for name, p in case.start.points.items())
    (tmp_path / "start.toml").write_text(f"[points]\n{points}\n")
    words = ["label", str(tmp_path / "ct.nrrd"), "--meshes", str(tmp_path / "wrist.npz")]
    words += ["--start", str(tmp_path / "start.toml"), "-o"]
    assert main([*words, str(tmp_path / "out.nii.gz")]) == 2
    assert "output: " in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    assert main([*words, str(tmp_path / "out.seg.nrrd")]) == 0
    labels, matrix, names = read_labels(tmp_path / "out.seg.nrrd")
    assert names == found.names
    # A file keeps its matrix to fewer digits: a voxel on a border may change sides.
    assert all(dice(labels == value, found.labels == value) > 0.99 for value in names)
    np.testing.assert_allclose(matrix, case.volume.ijk_to_ras, atol=1e-6)
    assert {p.name for p in tmp_path.iterdir()} == {
        "ct.nrrd", "wrist.npz", "start.toml", "out.seg.nrrd"
    }  # fmt: skip


def test_the_shipped_starts_can_be_read(repository: Path) -> None:
    files = list((repository / "BoneXrayTraining/BoneXrayTrainingLib/atlas/starts").glob("*.toml"))
    assert files
    for path in files:
        assert len(read_start(path).points) >= 3


def test_a_file_for_the_meshes_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["label", "no.nrrd", "--meshes", "no.npz", "--start", "no.toml"]
    words += ["-o", str(tmp_path / "found.seg.nrrd"), "--fitted", str(tmp_path / "fitted.stl")]
    assert main(words) == 2
    assert "fitted.stl; expected the name of an .npz file" in capsys.readouterr().err
