"""Surfaces in files, configurations and the commands on shape models."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from surfaces import long_bone, volume_of

from BoneXrayLib.shape_model import read_shape_model
from BoneXrayTrainingLib.__main__ import main
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.shape_building.config import (
    ShapeModelConfig,
    SurfaceSource,
    read_shape_config,
)
from BoneXrayTrainingLib.shape_building.samples import write_stl
from BoneXrayTrainingLib.shape_building.surface import borders
from BoneXrayTrainingLib.shape_building.surface_files import read_subjects, read_surface

CONFIGS = Path(__file__).parents[2] / "BoneXrayTraining/BoneXrayTrainingLib/configs"
LPS = np.array([-1.0, -1.0, 1.0])


def a_bone(at: tuple = (10.0, 20.0, 30.0)) -> Mesh:
    return long_bone("bone", 90, 8, at)


def config_of(*sources: SurfaceSource, **changes: object) -> ShapeModelConfig:
    return ShapeModelConfig("shape-test", "femur", sources, "bone", **changes)


def write_vtp(path: Path, mesh: Mesh, form: str, packed: bool = True) -> None:
    """A VTP file as VTK writes it: text, base64 within, or raw bytes at the end."""
    ends = np.arange(3, 3 * len(mesh.faces) + 1, 3)
    arrays = {
        "Points": mesh.vertices.astype("<f4"),
        "connectivity": mesh.faces.astype("<i8").reshape(-1),
        "offsets": ends.astype("<i8"),
    }
    kinds = {"Points": "Float32", "connectivity": "Int64", "offsets": "Int64"}
    texts, appended = {}, b""
    for name, array in arrays.items():
        head, body = f'type="{kinds[name]}" Name="{name}" NumberOfComponents="3"', ""
        if form == "ascii":
            body = " ".join(f"{v:.9g}" for v in array.reshape(-1))
        elif form == "binary":
            parts = blocks(array.tobytes(), packed)
            body = "".join(base64.b64encode(part).decode() for part in parts)
        else:
            head += f' offset="{len(appended)}"'
            appended += b"".join(blocks(array.tobytes(), packed))
        texts[name] = f'<DataArray {head} format="{form}">{body}</DataArray>'
    by = ' compressor="vtkZLibDataCompressor"' if packed else ""
    start = (
        f'<VTKFile type="PolyData" byte_order="LittleEndian" header_type="UInt32"{by}><PolyData>'
        f"<Piece><Points>{texts['Points']}</Points><Polys>{texts['connectivity']}"
        f"{texts['offsets']}</Polys></Piece></PolyData>"
    ).encode()
    tail = b'<AppendedData encoding="raw">_' + appended + b"</AppendedData>" if appended else b""
    path.write_bytes(start + tail + b"</VTKFile>")


def blocks(data: bytes, packed: bool) -> list[bytes]:
    """A header and its data; packed ones in blocks of 4000 bytes, each part encoded on its own."""
    if not packed:
        return [np.array(len(data), "<u4").tobytes() + data]
    size = 4000
    pieces = [zlib.compress(data[n : n + size]) for n in range(0, len(data), size)]
    header = [len(pieces), size, len(data) % size, *map(len, pieces)]
    return [np.array(header, "<u4").tobytes(), b"".join(pieces)]


@pytest.mark.parametrize(
    ("form", "packed"),
    [("ascii", False), ("binary", True), ("binary", False), ("appended", True),
     ("appended", False)],
)  # fmt: skip
def test_a_vtp_file_of_any_form_is_read(form: str, packed: bool, tmp_path: Path) -> None:
    mesh = a_bone()
    write_vtp(tmp_path / "bone.vtp", mesh, form, packed)
    read = read_surface(tmp_path / "bone.vtp")
    assert read.vertices == pytest.approx(mesh.vertices, abs=1e-4)
    assert np.array_equal(read.faces, mesh.faces)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj"])
def test_surfaces_of_other_programs_are_read(suffix: str, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = a_bone()
    trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / f"bone{suffix}")
    source = SurfaceSource(f"bone{suffix}", "CC0", axes="RAS")
    (subject,) = read_subjects(config_of(source, data_root=str(tmp_path)))
    assert not borders(subject.mesh).any()
    assert volume_of(subject.mesh) == pytest.approx(volume_of(mesh), rel=1e-4)


def test_a_left_bone_in_lps_is_the_right_bone_in_ras_mirrored(tmp_path: Path) -> None:
    mesh = a_bone()
    arrays = {"bone.vertices": mesh.vertices * LPS * (-1, 1, 1), "bone.faces": mesh.faces}
    np.savez(tmp_path / "left.npz", **arrays)
    source = SurfaceSource("left.npz", "CC0", side="left", axes="LPS")
    (subject,) = read_subjects(config_of(source, data_root=str(tmp_path)))
    ours, theirs = (v[np.lexsort(v.round(3).T)] for v in (subject.mesh.vertices, mesh.vertices))
    assert ours == pytest.approx(theirs)


def test_a_bone_cut_off_above_is_open_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", **{"m.vertices": a_bone().vertices, "m.faces": a_bone().faces})
    source = SurfaceSource("m.npz", "CC0", axes="RAS", cut="S")
    (subject,) = read_subjects(config_of(source, data_root=str(tmp_path)))
    open_at = subject.mesh.vertices[borders(subject.mesh)]
    assert open_at[:, 2].min() > subject.mesh.vertices[:, 2].max() - 3.0
    assert not subject.is_whole


def test_a_written_surface_says_its_frame_and_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("trimesh")
    mesh = a_bone()
    write_stl(tmp_path / "bone.stl", mesh.vertices, mesh.faces)
    assert (tmp_path / "bone.stl").read_bytes().startswith(b"SPACE=LPS")
    read = read_surface(tmp_path / "bone.stl")
    assert read.vertices[read.faces] == pytest.approx((mesh.vertices * LPS)[mesh.faces], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bone.vtp", b"<VTKFile/>", "bone.vtp cannot be read"),
        ("bone.vtp", b"no XML", "bone.vtp cannot be read"),
        ("bone.txt", b"1 2 3", r"bone.txt; expected .npz, .stl"),
        ("bone.npz", b"PK", "no archive of arrays"),
    ],
)
def test_a_file_that_is_no_surface_is_refused_in_one_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_subjects(config_of(SurfaceSource(name, "CC0"), data_root=str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_a_subject_is_left_out_by_name_only_where_it_is_there(tmp_path: Path) -> None:
    bones = {f"{n}.{key}": value for n in "ab" for key, value in
             (("vertices", a_bone().vertices), ("faces", a_bone().faces))}  # fmt: skip
    np.savez(tmp_path / "two.npz", **bones)
    source = SurfaceSource("two.npz", "CC0", axes="RAS")
    kept = read_subjects(config_of(source, data_root=str(tmp_path), without=("a",)))
    assert [subject.name for subject in kept] == ["b"]
    with pytest.raises(ValueError, match="without: got 'c'; expected one of a, b"):
        read_subjects(config_of(source, data_root=str(tmp_path), without=("c",)))
    with pytest.raises(ValueError, match="the subject 'a' is there twice"):
        read_subjects(config_of(source, source, data_root=str(tmp_path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"axes": "XYZ"}, "surface.axes: got 'XYZ'"), ({"side": "up"}, "surface.side: got 'up'"),
     ({"cut": "S"}, "surface.cut: got 'S'; expected nothing, or S beside axes")],
)  # fmt: skip
def test_a_source_is_right_from_birth(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SurfaceSource("x.npz", "CC0", **change)


def test_the_shipped_configurations_are_read_and_replaced_in_part() -> None:
    for bone in ("femur", "tibia"):
        config = read_shape_config(CONFIGS / f"shape-{bone}.toml", "there", ("lhdl",))
        assert (config.bone, config.data_root, config.without) == (bone, "there", ("lhdl",))


def test_the_shipped_femur_is_a_femur() -> None:
    """Head up and medial, condyles behind the shaft, sizes of adults; a left one is its mirror."""
    model = read_shape_model("femur")
    places, spheres = model.landmarks(model.mean), model.spheres(model.mean)
    assert 380 < np.ptp(model.mean[:, 2]) < 520
    assert 19 < spheres["head"].radius < 28
    assert places["head_centre"][0] < places["shaft_proximal"][0] - 20
    assert places["head_centre"][2] > places["lesser_trochanter"][2] > places["medial_condyle"][2]
    assert places["medial_condyle_centre"][0] < places["lateral_condyle_centre"][0]
    for side in ("medial", "lateral"):
        assert places[f"{side}_condyle_centre"][1] < places["shaft_distal"][1]
        assert 15 < spheres[f"{side}_condyle"].radius < 30
    left = model.of_side("left")
    assert left.landmarks(left.mean)["head_centre"][0] == pytest.approx(-places["head_centre"][0])


def test_the_shipped_tibia_is_a_tibia() -> None:
    """Tuberosity in front, malleolus medial and lowest, plateaux level."""
    model = read_shape_model("tibia")
    places = model.landmarks(model.mean)
    assert 300 < np.ptp(model.mean[:, 2]) < 460
    assert places["tibial_tuberosity"][1] > places["shaft_proximal"][1] + 5
    assert places["medial_malleolus"][0] < places["plafond_centre"][0] - 10
    assert places["medial_malleolus"][2] < places["plafond_centre"][2] - 5
    assert places["medial_plateau"][0] < places["lateral_plateau"][0] - 30
    assert places["intercondylar_eminence"][2] > places["medial_plateau"][2]


@pytest.mark.parametrize("bone", ["femur", "tibia"])
def test_drawn_bones_stay_bones(bone: str) -> None:
    """Triangles of drawn shapes don't turn inside out, but for a few."""
    model, rng = read_shape_model(bone), np.random.default_rng(1)
    for _ in range(5):
        turned = np.einsum("ij,ij->i", normals(model.mean, model.faces),
                           normals(model.shape(model.sample(rng)), model.faces)) < 0  # fmt: skip
        assert turned.mean() < 0.01


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, n]] for n in range(3))
    return np.cross(b - a, c - a)


def test_shapes_are_drawn_from_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["shape-model", "sample", "femur", "-o", str(tmp_path / "out"), "--count", "2"]
    assert main([*words, "--side", "left", "--mean"]) == 0
    record = json.loads((tmp_path / "out" / "shapes.json").read_text())
    assert record["side"] == "left"
    pytest.importorskip("trimesh")
    model = read_shape_model("femur", "left")
    read = read_surface(tmp_path / "out" / "shape-002.stl")
    shape = model.shape(np.array(record["coefficients"]["shape-002"]))
    assert (read.vertices * LPS)[read.faces] == pytest.approx(shape[model.faces], abs=0.01)
    assert main(["shape-model", "show", "femur"]) == 0
    assert "head_radius" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "femur", "--count", "0"], "count: got 0; expected 1 to 1000"),
        (["sample", "skull"], "model: 'skull' is neither a model nor a folder"),
        (["build", "none.toml"], "config: none.toml not found; expected a TOML file"),
    ],
)
def test_a_wrong_argument_ends_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["shape-model", *words, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()
