"""Surfaces in files of any make, for shape models."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
from surfaces import long_bone, volume_of

from BoneXrayLib.legs.reconstruction_files import write_stl
from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.shape_building.config import (
    ShapeModelConfig,
    SurfaceSource,
)
from BoneXrayTrainingLib.shape_building.surface import borders
from BoneXrayTrainingLib.shape_building.surface_files import read_subjects, read_surface

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
    assert b"SPACE=RAS" in (tmp_path / "bone.stl").read_bytes()[:80]
    read = read_surface(tmp_path / "bone.stl")
    assert read.vertices[read.faces] == pytest.approx(mesh.vertices[mesh.faces], abs=1e-4)


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
