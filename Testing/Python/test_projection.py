"""Line integrals: against exact solids, against the exact projector, and as parts of a whole."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.attenuation import MU_WATER_70KEV
from BoneXrayLib.bone import BoneConfig, Parts, make_parts
from BoneXrayLib.geometry import BEAMS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.phantoms import Ellipsoid, GaussianBlob, sample_on_grid
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import project, project_exact
from BoneXrayLib.volume import Volume

SIDE, SPACING = 72, 2.0


def grid(turned: bool = False) -> np.ndarray:
    """A centred grid; turned: oblique direction cosines and a left-handed third axis."""
    matrix = np.eye(4)
    matrix[:3, :3] *= SPACING
    if turned:
        c, s = np.cos(0.4), np.sin(0.4)
        matrix[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ matrix[:3, :3]
        c, s = np.cos(-0.3), np.sin(-0.3)
        matrix[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ matrix[:3, :3]
        matrix[:3, 2] *= -1
    matrix[:3, 3] = -matrix[:3, :3] @ np.full(3, (SIDE - 1) / 2)
    return matrix


def whole(hu: np.ndarray, ijk_to_ras: np.ndarray) -> Parts:
    """Everything as one part."""
    return Parts(hu, ijk_to_ras, np.zeros(hu.shape, np.uint8), None, ("rest",))


def view(beam: str = "cone", name: str = "AP", size: int = 64, **fields: object) -> Geometry:
    """A small detector that sees the whole grid."""
    values = {"source_detector": 1000.0, "source_object": 800.0, "pixel": 3.0} | fields
    return make_geometry(
        GeometryConfig(view=name, beam=beam, size=(size, size), **values), np.zeros(3)
    )


def relative_rmse(image: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(((image - exact) ** 2).mean() / (exact**2).mean()))


@pytest.fixture(scope="module")
def blob() -> GaussianBlob:
    return GaussianBlob((5.0, -8.0, 3.0), 14.0, 1500.0)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("beam", BEAMS)
def test_a_smooth_solid_projects_to_its_exact_integrals(
    beam: str, turned: bool, blob: GaussianBlob
) -> None:
    parts = whole(sample_on_grid([blob], (SIDE,) * 3, grid(turned)) - 1000.0, grid(turned))
    for name, rotate in (("AP", (0, 0)), ("LAT-R", (0, 0)), ("RAO", (11, 17))):
        geometry = view(beam, name, rotate=rotate)
        exact = blob.line_integrals(geometry.sources(), geometry.detector_points())
        image = project(parts, geometry)[0]
        assert relative_rmse(image, exact * MU_WATER_70KEV / 1000) < 0.003


def test_the_path_through_a_sphere_of_water_is_its_diameter() -> None:
    sphere = Ellipsoid((0.0, 0.0, 0.0), (50.0, 50.0, 50.0), 1000.0)
    parts = whole(sample_on_grid([sphere], (SIDE,) * 3, grid(), 3) - 1000.0, grid())
    image = project(parts, view(size=65))[0]
    assert image[32, 32] == pytest.approx(100.0 * MU_WATER_70KEV, rel=0.002)


def test_the_fast_projector_agrees_with_the_exact_one(rng: np.random.Generator) -> None:
    hu = rng.normal(0.0, 300.0, (20, 22, 24)).astype(np.float32)
    matrix = grid(True)
    matrix[:3, 3] = -matrix[:3, :3] @ [11.5, 10.5, 9.5]
    parts = Parts(hu, matrix, (hu > 150).astype(np.uint8), None, ("rest", "bone"))
    geometry = view(name="LPO", size=24, rotate=(5, -12))
    pixels = np.argwhere(np.ones(geometry.size))[::7]
    exact = project_exact(parts, geometry, pixels=pixels)
    fast = project(parts, geometry)[:, pixels[:, 0], pixels[:, 1]]
    assert relative_rmse(fast[0], exact[0]) < 0.03
    assert relative_rmse(fast[1], exact[1]) < 0.08
    assert fast.sum() == pytest.approx(exact.sum(), rel=0.01)


def test_the_exact_projector_integrates_a_linear_ramp_exactly() -> None:
    k, j, i = np.mgrid[0:16, 0:16, 0:16]
    matrix = np.eye(4)
    matrix[:3, 3] = -7.5
    parts = whole((10.0 * i + 4.0 * j + k - 900.0).astype(np.float32), matrix)
    geometry = view("parallel", size=1)
    # through the middle of i and k, along the whole of j; half a cell of fade to air at each end
    mean_of_inside = 100.0 + 75.0 + 30.0 + 7.5
    expected = mean_of_inside * 15.0 + 0.5 * (mean_of_inside - 30.0) + 0.5 * (mean_of_inside + 30.0)
    assert project_exact(parts, geometry)[0, 0, 0] == pytest.approx(
        expected * MU_WATER_70KEV / 1000, rel=1e-6
    )


@pytest.mark.parametrize("preset", ["bone", "400-800", "soft-ramp"])
def test_bone_and_rest_add_up_to_the_whole(limb: Volume, preset: str) -> None:
    parts = make_parts(limb, BoneConfig(preset=preset, remove_couch=False))
    geometry = view(name="RAO", rotate=(0, 9))
    images = project(parts, geometry)
    alone = project(whole(parts.hu, parts.ijk_to_ras), geometry)[0]
    assert images.sum(axis=0) == pytest.approx(alone, abs=1e-5 * float(alone.max()))
    assert images[1].max() > 0.2


def test_a_part_of_zero_share_is_all_rest(limb: Volume) -> None:
    part = np.ones(limb.hu.shape, np.uint8)
    none = Parts(limb.hu, limb.ijk_to_ras, part, np.zeros_like(part), ("rest", "bone"))
    rest, bone = project(none, view())
    assert bone.max() == 0.0
    assert rest.max() > 1.0


def test_a_mirrored_patient_mirrors_the_image(limb: Volume) -> None:
    matrix = np.diag([-1.0, 1.0, 1.0, 1.0]) @ limb.ijk_to_ras
    straight = project(whole(limb.hu, limb.ijk_to_ras), view())[0]
    mirrored = project(whole(limb.hu, matrix), view())[0]
    assert mirrored == pytest.approx(straight[:, ::-1], abs=1e-4)


def test_a_flipped_grid_of_the_same_patient_gives_the_same_image(limb: Volume) -> None:
    counts = np.array(limb.hu.shape[::-1])
    matrix = limb.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ (counts - 1)
    matrix[:3, :3] *= -1
    flipped = np.ascontiguousarray(limb.hu[::-1, ::-1, ::-1])
    geometry = view(name="LAO", rotate=(0, 15))
    one = project(whole(limb.hu, limb.ijk_to_ras), geometry)[0]
    other = project(whole(flipped, matrix), geometry)[0]
    assert other == pytest.approx(one, abs=1e-4)


def test_ap_and_pa_of_a_parallel_beam_are_the_same_image(limb: Volume) -> None:
    parts = whole(limb.hu, limb.ijk_to_ras)
    front, back = (project(parts, view("parallel", name))[0] for name in ("AP", "PA"))
    assert back == pytest.approx(front, abs=1e-4)


@pytest.mark.parametrize("beam", BEAMS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_fiducial_shows_where_the_geometry_projects_it(beam: str, turned: bool) -> None:
    hu = np.full((SIDE,) * 3, -1000, np.int16)
    at = np.array([20, 45, 50])
    hu[at[2], at[1], at[0]] = 3000
    matrix = grid(turned)
    ras = matrix[:3, :3] @ at + matrix[:3, 3]
    geometry = view(beam, "LPO", size=128, pixel=1.5, rotate=(4, -8))
    image = project(whole(hu, matrix), geometry)[0]
    bright = np.argwhere(image > 0.5 * image.max())
    centre = np.average(bright, axis=0, weights=image[tuple(bright.T)])
    assert np.abs(centre - geometry.project_points(ras[None])[0]).max() < 0.5


def test_what_lies_behind_the_detector_does_not_count(limb: Volume) -> None:
    geometry = view(source_object=999.0)
    image = project(whole(limb.hu, limb.ijk_to_ras), geometry)[0]
    both = project(whole(limb.hu, limb.ijk_to_ras), view(source_object=800.0))[0]
    assert 0.3 * both.max() < image.max() < 0.7 * both.max()


def test_int16_and_float32_units_give_the_same_image(limb: Volume) -> None:
    geometry = view()
    whole_numbers = project(whole(limb.hu, limb.ijk_to_ras), geometry)
    floats = project(whole(limb.hu.astype(np.float32), limb.ijk_to_ras), geometry)
    assert np.array_equal(whole_numbers, floats)


def test_projection_tells_its_progress_and_can_be_cancelled(limb: Volume) -> None:
    told: list[float] = []
    project(whole(limb.hu, limb.ijk_to_ras), view(size=130), progress=lambda f, _: told.append(f))
    assert told[-1] == 1.0
    assert told == sorted(told)
    with pytest.raises(Cancelled):
        project(whole(limb.hu, limb.ijk_to_ras), view(), is_cancelled=lambda: True)
