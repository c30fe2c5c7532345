"""The fast kernels against the plain one, for every structure of rays; preparing once."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import BEAMS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import prepare, project, project_bone, project_prepared
from BoneXrayLib.projection.prepared import axis_order
from BoneXrayLib.projection.rays import packed_lines, structure, voxel_rays
from BoneXrayLib.projection.reference import project_reference

SHAPE = (37, 44, 40)
POSES = {
    "untilted": (8.0, 0.0),
    "tilted": (20.0, 14.0),
    "steep": (3.0, 70.0),
    "end on": (0.0, 90.0),
}


def matrix_of(kind: str) -> np.ndarray:
    """A centred grid of that kind: of voxels of unequal size, mirrored, turned or sheared."""
    matrix = np.diag([2.0, 1.8, 2.4, 1.0])
    if kind == "mirrored":
        matrix[:3, :3] = matrix[:3, :3] @ np.diag([1.0, -1.0, -1.0])
    if kind == "sheared":
        matrix[0, 2], matrix[1, 2] = 0.3, -0.8
    if kind == "coronal":
        matrix[:3, :3] = matrix[:3, [0, 2, 1]]
    if kind == "oblique":
        c, s = np.cos(0.4), np.sin(0.4)
        matrix[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ matrix[:3, :3]
        matrix[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ matrix[:3, :3]
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(SHAPE[::-1]) - 1) / 2)
    return matrix


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    """Noise from air to metal with a hole of air: no error of a kernel averages out."""
    values = np.random.default_rng(3).integers(-1100, 2500, SHAPE).astype(np.int16)
    values[:, 12:24, 4:20] = -1000
    return values


def view(rotate: tuple[float, float], beam: str = "cone", **fields: object) -> Geometry:
    values = {"source_detector": 1000.0, "source_object": 800.0, "pixel": 2.5} | fields
    config = GeometryConfig(rotate=rotate, beam=beam, size=(50, 44), **values)
    return make_geometry(config, np.zeros(3))


def two_parts(hu: np.ndarray, kind: str = "plain") -> Parts:
    return Parts(hu, matrix_of(kind), (hu > 900).astype(np.uint8), None, ("rest", "bone"))


def assert_same(images: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the rounding of float32 sums and 16-bit columns."""
    assert np.abs(images - expected).max() < 3e-5 * expected.sum(axis=0).max()


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("beam", BEAMS)
def test_every_beam_and_pose_agrees_with_the_plain_projector(
    beam: str, pose: str, hu: np.ndarray
) -> None:
    parts, geometry = two_parts(hu), view(POSES[pose], beam)
    assert_same(project(parts, geometry), project_reference(parts, geometry))


@pytest.mark.parametrize("pose", ["untilted", "tilted"])
@pytest.mark.parametrize("kind", ["mirrored", "sheared", "coronal", "oblique"])
def test_every_grid_agrees_with_the_plain_projector(kind: str, pose: str, hu: np.ndarray) -> None:
    parts, geometry = two_parts(hu, kind), view(POSES[pose])
    assert_same(project(parts, geometry), project_reference(parts, geometry))


@pytest.mark.parametrize("rotate", [(0.0, 0.0), (0.0, 25.0)])
@pytest.mark.parametrize("place", [{"source_object": 995.0}, {"source_object": 20.0}])
def test_a_source_or_detector_within_the_patient_cuts_the_rays(
    place: dict, rotate: tuple[float, float], hu: np.ndarray
) -> None:
    parts, geometry = two_parts(hu), view(rotate, **place)
    assert_same(project(parts, geometry), project_reference(parts, geometry))


@pytest.mark.parametrize("pose", ["untilted", "tilted"])
def test_shares_of_voxels_and_many_labels_agree_with_the_plain_projector(
    pose: str, hu: np.ndarray, rng: np.random.Generator
) -> None:
    part = np.zeros(SHAPE, np.uint8)
    part[5:12, 5:30, 8:30] = 1
    part[20:, 20:40, :15] = 3
    fraction = rng.integers(0, 256, SHAPE).astype(np.uint8)
    names = ("rest", "one", "nowhere", "three")
    for share, bar in ((None, 3e-5), (fraction, 3e-4)):
        parts = Parts(hu, matrix_of("plain"), part, share, names)
        images, geometry = project(parts, view(POSES[pose])), view(POSES[pose])
        expected = project_reference(parts, geometry)
        assert np.abs(images - expected).max() < bar * expected.sum(axis=0).max()
        assert images[2].max() == 0.0
        whole = project(Parts(hu, parts.ijk_to_ras, part, None, ("rest",)), geometry)[0]
        assert images.sum(axis=0) == pytest.approx(whole, abs=1e-5 * float(whole.max()))


def test_each_structure_of_rays_is_told_apart() -> None:
    def kind(matrix: np.ndarray, geometry: Geometry) -> str:
        lines = packed_lines(voxel_rays(geometry, matrix), axis_order(matrix), (0, 0, 0))
        return structure(lines, geometry.size)

    plain, oblique = matrix_of("plain"), matrix_of("oblique")
    assert kind(plain, view((33.0, 0.0))) == "separable"
    assert kind(plain, view((33.0, 0.0), "localizer")) == "level"
    assert kind(plain, view((33.0, 0.0), "parallel")) == "level"
    assert kind(plain, view((33.0, 5.0))) == "any"
    assert kind(oblique, view((0.0, 0.0), "localizer")) == "any"
    assert kind(matrix_of("coronal"), view((33.0, 0.0))) == "separable"


@pytest.mark.parametrize("pose", ["untilted", "tilted"])
def test_bone_alone_is_the_bone_of_the_whole(pose: str, hu: np.ndarray) -> None:
    prepared, geometry = prepare(two_parts(hu)), view(POSES[pose])
    bone = project_bone(prepared, geometry)
    assert np.array_equal(bone, project_prepared(prepared, geometry)[1])
    labels = np.where(hu > 900, 1 + (np.arange(SHAPE[2]) > 20), 0).astype(np.uint8)
    several = Parts(hu, matrix_of("plain"), labels, None, ("rest", "left", "right"))
    assert project_bone(prepare(several), geometry) == pytest.approx(bone, abs=1e-4)


def test_one_voxel_of_bone_is_found_wherever_it_lies(rng: np.random.Generator) -> None:
    for at in rng.integers(4, np.array(SHAPE) - 4, (6, 3)):
        hu = np.full(SHAPE, -1000, np.int16)
        hu[tuple(at)] = 3000
        parts = two_parts(hu)
        for pose in ("untilted", "tilted"):
            geometry = view(POSES[pose])
            expected = project_reference(parts, geometry)
            assert expected[1].max() > 0
            assert project(parts, geometry) == pytest.approx(expected, abs=2e-5)


def test_what_is_prepared_takes_little_more_than_the_ct() -> None:
    hu = np.zeros((160, 160, 160), np.int16)
    prepared = prepare(two_parts(hu))
    assert prepared.nbytes < 1.25 * hu.nbytes
    assert prepared.whole.values.dtype == np.uint16


def test_preparing_can_be_cancelled_and_tells_its_progress(hu: np.ndarray) -> None:
    told: list[float] = []
    prepare(two_parts(hu), progress=lambda fraction, _: told.append(fraction))
    assert told[-1] == 1.0
    assert told == sorted(told)
    with pytest.raises(Cancelled):
        prepare(two_parts(hu), is_cancelled=lambda: True)


def test_hounsfield_units_beyond_the_packed_range_are_cut(hu: np.ndarray) -> None:
    extreme = hu.copy()
    extreme[0, 0, 0], extreme[1, 1, 1] = 32767, -32768
    cut = hu.copy()
    cut[0, 0, 0], cut[1, 1, 1] = 31767, -1000
    geometry = view((0.0, 0.0))
    images = [project(two_parts(values), geometry) for values in (extreme, cut)]
    assert np.array_equal(*images)
