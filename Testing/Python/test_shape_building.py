"""A shape model from surfaces: one mesh laid over all, what differs, and what parts tell."""

from __future__ import annotations

import numpy as np
import pytest
from surfaces import ball, long_bone

from BoneXrayTrainingLib.mesh_ct.meshes import Mesh
from BoneXrayTrainingLib.shape_building.alignment import aligned, fitted, procrustes
from BoneXrayTrainingLib.shape_building.building import short_root
from BoneXrayTrainingLib.shape_building.correspondence import Template, corresponding
from BoneXrayTrainingLib.shape_building.covariance import (
    SpreadConfig,
    likeliest_amplitudes,
    modes_of,
    rigid_basis,
    roots,
    subjects_root,
    without_rigid,
)
from BoneXrayTrainingLib.shape_building.kernels import kernel, kernel_basis, spread
from BoneXrayTrainingLib.shape_building.partial import posterior
from BoneXrayTrainingLib.shape_building.remeshing import remeshed
from BoneXrayTrainingLib.shape_building.surface import (
    borders,
    cloud_of,
    refined,
    surface_distances,
    vertex_normals,
)

TURN = np.array([[0.0, -1.0, 0.0], [0.6, 0.0, -0.8], [0.8, 0.0, 0.6]])


def ellipsoid(r: float, a: float, s: float) -> Mesh:
    """About as an end of a bone: half axes along R, A and S [mm]."""
    one = ball("ellipsoid", 1.0)
    return one.moved(one.vertices * (r, a, s))


@pytest.fixture(scope="module")
def common() -> Mesh:
    """Few evenly spread vertices on an ellipsoid of three different axes."""
    return remeshed(ellipsoid(20, 26, 45), 350, np.random.default_rng(1))


def test_refining_keeps_the_surface_closed_and_in_place() -> None:
    mesh = long_bone("bone", 120, 9)
    fine = refined(mesh, 3.0)
    corners = fine.vertices[fine.faces]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert edges.max() <= 3.0
    assert not borders(fine).any()
    assert area(fine) == pytest.approx(area(mesh))


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, n]] for n in range(3))
    return float(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())


def test_a_common_mesh_is_closed_even_and_on_the_surface(common: Mesh) -> None:
    assert not borders(common).any()
    # Euler: a closed surface without handles.
    assert len(common.faces) == 2 * len(common.vertices) - 4
    corners = common.vertices[common.faces]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert edges.max() < 2.2 * np.median(edges)
    on = (common.vertices / (20, 26, 45)) ** 2
    assert np.sqrt(on.sum(axis=1)) == pytest.approx(np.ones(len(on)), abs=0.03)
    outward = np.einsum("ij,ij->i", vertex_normals(common.vertices, common.faces), common.vertices)
    assert outward.min() > 0


def test_a_move_is_found_from_corresponding_points() -> None:
    points = np.random.default_rng(2).standard_normal((40, 3)) * 30
    moved = 1.2 * points @ TURN.T + [5, -8, 70]
    found = fitted(points, moved, sized=True)
    assert found.rotation == pytest.approx(TURN)
    assert found.scale == pytest.approx(1.2)
    assert found.back(moved) == pytest.approx(points)
    assert np.linalg.det(fitted(points, points * [-1, 1, 1]).rotation) == pytest.approx(1.0)


def test_a_bone_that_lies_upside_down_is_found_and_turned() -> None:
    bone = long_bone("bone", 150, 9)
    # Neither end nor side alike: a knob low at one side, a thick upper end.
    z = bone.vertices[:, 2] / 150
    shaped = bone.vertices * np.where(z > 0.5, 1.0 + 0.8 * (z - 0.5), 1.0)[:, None] ** [1, 1, 0]
    shaped[:, 0] += 14 * np.exp(-(((z - 0.15) / 0.1) ** 2)) * (bone.vertices[:, 0] > 0)
    target = cloud_of(bone.moved(shaped @ TURN.T + [300, 0, -80]), 3.0)
    move = aligned(shaped, target)
    assert np.abs(move.of(shaped) - (shaped @ TURN.T + [300, 0, -80])).max() < 1.5


def test_procrustes_takes_moves_out_and_keeps_size() -> None:
    shape = ellipsoid(20, 26, 45).vertices
    moved, mean = procrustes(np.stack([shape, 1.1 * shape @ TURN.T + [9, 9, 9]]))
    assert mean.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    sizes = np.sqrt((moved - moved.mean(axis=1, keepdims=True)).var(axis=(1, 2)))
    assert sizes[1] / sizes[0] == pytest.approx(1.1)
    assert moved[1] == pytest.approx(1.1 * moved[0], abs=1e-3)


def test_a_kernels_basis_gives_the_kernel(common: Mesh) -> None:
    scales = {40.0: 3.0, 25.0: 1.0}
    basis = kernel_basis(common.vertices, scales, 300)
    exact = kernel(common.vertices, common.vertices, scales)
    assert basis @ basis.T == pytest.approx(exact, abs=1e-3)
    assert exact[0, 0] == pytest.approx(10.0)
    assert len(set(spread(common.vertices, 50).tolist())) == 50


def test_the_mesh_laid_over_another_surface_is_that_surface(common: Mesh) -> None:
    target = ellipsoid(24, 25, 50)
    surface = cloud_of(target.moved(target.vertices @ TURN.T + [50, 60, 70]), 2.0)
    found = corresponding(Template.of(common, 120), surface)
    away = surface_distances(cloud_of(common.moved(found), 2.0), surface)
    assert away.mean() < 0.3
    # Vertices go where they belong, not only onto the surface: the poles stay poles.
    back = (found - [50, 60, 70]) @ TURN
    tip = common.vertices[:, 2].argmax()
    expected = common.vertices[tip] * (24 / 20, 25 / 26, 50 / 45)
    assert np.abs(np.abs(back[tip]) - np.abs(expected)).max() < 2.5


@pytest.fixture(scope="module")
def family(common: Mesh) -> np.ndarray:
    """Ellipsoids that differ in length (6 %) and, half as much, in width."""
    rng = np.random.default_rng(3)
    lengths, widths = 0.06 * rng.standard_normal(40), 0.03 * rng.standard_normal(40)
    return np.stack([
        common.vertices * (1 + w, 1, 1 + length) for length, w in zip(lengths, widths, strict=True)
    ])  # fmt: skip


def test_modes_of_a_family_of_ellipsoids_are_length_and_width(
    common: Mesh, family: np.ndarray
) -> None:
    modes, deviations = modes_of(subjects_root(family, family.mean(axis=0)), 5)
    known = np.stack([common.vertices * (0, 0, 1), common.vertices * (1, 0, 0)])
    known /= np.sqrt((known**2).sum(axis=2).mean(axis=1))[:, None, None]
    agreement = np.abs(np.einsum("mvc,nvc->mn", modes[:2], known)) / len(common.vertices)
    assert np.diag(agreement) == pytest.approx([1.0, 1.0], abs=0.02)
    assert deviations[2:].sum() < 1e-3 * deviations[0]
    length = np.sqrt((common.vertices[:, 2] ** 2).mean())
    assert deviations[0] == pytest.approx(0.06 * length, rel=0.35)


def test_modes_are_orthogonal_and_rigid_moves_are_none_of_them(family: np.ndarray) -> None:
    mean = family.mean(axis=0)
    parts = roots(family[:6], mean, SpreadConfig(rank=30))
    modes, deviations = modes_of(np.concatenate(parts, axis=1), 40)
    flat = modes.reshape(len(modes), -1)
    assert flat @ flat.T / len(mean) == pytest.approx(np.eye(len(modes)), abs=1e-6)
    assert (np.diff(deviations) <= 1e-12).all()
    assert np.abs(flat @ rigid_basis(mean)).max() < 1e-6
    turned = without_rigid(np.cross([0.0, 0.0, 1.0], mean - mean.mean(axis=0)).reshape(-1, 1), mean)
    assert np.abs(turned).max() < 1e-9


def test_smooth_deformations_are_weighed_by_what_subjects_left_out_need(
    common: Mesh, family: np.ndarray
) -> None:
    """Principal components explain a family of two modes; subjects that all differ, they don't."""
    some, config = spread(common.vertices, 40), SpreadConfig(rank=40)
    rng = np.random.default_rng(4)
    alike, _ = likeliest_amplitudes(family[:7], config, some)
    basis = kernel_basis(common.vertices, {20.0: 2.0}, 60)
    bumps = np.einsum("vr,nrc->nvc", basis, rng.standard_normal((7, basis.shape[1], 3)))
    unlike, _ = likeliest_amplitudes(common.vertices + bumps, config, some)
    assert alike.subjects >= 0.5
    assert alike.smooth + alike.local < alike.subjects
    assert unlike.smooth > max(alike.smooth, unlike.subjects)


def test_what_is_missing_of_a_bone_follows_from_what_is_there(common: Mesh) -> None:
    """In a family that grows as a whole, the lower half tells how large the upper one is."""
    vertices = common.vertices
    growth = without_rigid(0.1 * vertices.reshape(-1, 1), vertices)
    grown = refined(ellipsoid(20 * 1.15, 26 * 1.15, 45 * 1.15), 3.0)
    kept = grown.faces[(grown.vertices[grown.faces][:, :, 2] < 0).all(axis=1)]
    used, faces = np.unique(kept, return_inverse=True)
    part = cloud_of(Mesh("part", grown.vertices[used] + [7, 0, 30], faces.reshape(-1, 3)), 2.0)
    assert part.border.any()
    found = posterior(common, growth, part, 0.5)
    assert np.ptp(found.vertices, axis=0) == pytest.approx(
        1.15 * np.ptp(vertices, axis=0), rel=0.03
    )
    assert not found.known[vertices[:, 2] > 15].any()
    assert found.known[vertices[:, 2] < -20].mean() > 0.9
    assert found.covariance[0, 0] < 0.05


def test_a_single_subject_has_no_modes_of_its_own(common: Mesh) -> None:
    """Left with one subject, principal components explain nothing, and nothing breaks."""
    alone = subjects_root(common.vertices[None], common.vertices)
    assert short_root(alone, 10).shape == (common.vertices.size, 0)
    found = posterior(common, short_root(alone, 10), cloud_of(common, 3.0), 0.5)
    assert found.vertices == pytest.approx(common.vertices, abs=0.3)
