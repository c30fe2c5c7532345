"""A bone from its outlines and landmarks: laws that need no data."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from made_femur import made_features, made_model, made_view
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from BoneXrayLib.fitting.fit_problem import FitProblem, Stage
from BoneXrayLib.fitting.fit_state import FitState
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.leg_features import LegFeatures, PointFeature
from BoneXrayLib.reconstruction import (
    Reconstruction,
    ReconstructionConfig,
    View,
    reconstruct,
)

SEED = 3
TRUSTED = ReconstructionConfig(view_angle=0.0, view_shift=0.0)
NAMES = ("AP", "LAT-R")


@cache
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and vertices (V, 3) of a right thigh bone, somewhat turned and shifted."""
    rng, model = np.random.default_rng(SEED), made_model()
    coefficients = model.sample(rng, 2.5)
    turn = Rotation.from_rotvec(np.deg2rad(rng.normal(0, 8, 3))).as_matrix()
    return coefficients, model.shape(coefficients) @ turn.T + rng.normal(0, 12, 3)


@cache
def features(name: str, degrees: float = 0.0) -> LegFeatures:
    return made_features(made_model(), truth()[1], made_view(name, rotate=(degrees, 0)), name)


def fitted(config: ReconstructionConfig = TRUSTED, names=NAMES, **changes) -> Reconstruction:
    """The fit of the truth's features, changed, to geometries without any error."""
    views = [View(None, made_view(n), dataclasses.replace(features(n), **changes)) for n in names]
    return reconstruct(views, made_model(), config)


@cache
def two_views() -> Reconstruction:
    return fitted()


@cache
def one_view() -> Reconstruction:
    return fitted(names=NAMES[:1])


def distance(found: Reconstruction, vertices: np.ndarray) -> float:
    """Mean distance of vertices of the same number, mm: above that of the surfaces."""
    return float(np.linalg.norm(found.vertices - vertices, axis=1).mean())


def in_the_bone(found: Reconstruction, vertices: np.ndarray) -> np.ndarray:
    """(V,) distances after the best turn and shift."""
    turn, _ = Rotation.align_vectors(vertices - vertices.mean(axis=0),
                                     found.vertices - found.vertices.mean(axis=0))  # fmt: skip
    away = turn.apply(found.vertices - found.vertices.mean(axis=0)) + vertices.mean(axis=0)
    return np.linalg.norm(away - vertices, axis=1)


def test_two_views_give_a_bone_of_the_model_back() -> None:
    coefficients, vertices = truth()
    found = two_views()
    assert found.converged, found.verdict
    assert found.verdict.startswith("Converged")
    assert distance(found, vertices) < 0.2
    assert np.abs(found.coefficients - coefficients).max() < 0.15
    assert found.spheres["head"].radius == pytest.approx(
        made_model().spheres(vertices)["head"].radius, abs=0.1
    )
    np.testing.assert_allclose(
        found.pose.apply(made_model().shape(found.coefficients)), found.vertices, atol=1e-6
    )


def test_landmarks_alone_of_the_mean_give_coefficients_of_zero() -> None:
    model = made_model()
    views = [View(None, made_view(n), dataclasses.replace(
        made_features(model, model.mean, made_view(n)), outline=None)) for n in NAMES]  # fmt: skip
    found = reconstruct(views, model, TRUSTED)
    assert np.abs(found.coefficients).max() < 0.02
    assert found.converged
    assert "landmarks alone" in found.verdict


def test_one_view_of_known_scale_places_the_bone_in_the_image_plane() -> None:
    found, (_, vertices) = one_view(), truth()
    away = (found.vertices - vertices).mean(axis=0)
    assert np.abs(away[[0, 2]]).max() < 0.3
    assert found.converged, found.verdict
    assert in_the_bone(found, vertices).mean() < 1.5


def test_the_uncertainty_is_that_of_the_errors() -> None:
    for found, most in ((one_view(), 2.5), (two_views(), 2.5)):
        errors = in_the_bone(found, truth()[1])
        assert np.sqrt((errors**2 / found.uncertainty**2).mean()) < most
    assert one_view().uncertainty.mean() > 3 * two_views().uncertainty.mean()
    depth = np.sqrt(one_view().pose_covariance[4, 4])
    assert depth > 5 * np.sqrt(two_views().pose_covariance[4, 4])


def test_a_mirrored_image_gives_the_mirrored_bone() -> None:
    mirrored, mirror = made_model().mirrored(), np.array([-1.0, 1.0, 1.0])
    geometry, seen = made_view("AP"), features("AP")
    last = geometry.size[1] - 1
    flipped = LegFeatures(
        "femur",
        "left",
        "AP",
        None,
        {n: PointFeature(p.row, last - p.column, p.covariance) for n, p in seen.points.items()},
        {
            n: e._replace(column=last - e.column, angle=np.pi - e.angle)
            for n, e in seen.ellipses.items()
        },
        seen.outline[:, ::-1],
    )
    found = reconstruct([View(None, geometry, flipped)], mirrored, TRUSTED)
    plain = fitted(names=NAMES[:1], box=None)
    assert found.side == "left"
    np.testing.assert_allclose(found.vertices * mirror, plain.vertices, atol=0.05)
    corners = found.vertices[found.faces]
    assert np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0


def test_an_outline_that_is_wrong_in_a_fifth_changes_little() -> None:
    def spoilt(name: str) -> np.ndarray:
        share = features(name).outline.copy()
        rows = slice(250, 345)
        share[rows] = np.maximum(share[rows], np.roll(share[rows], 9, axis=1))
        share[60:100, :] = np.maximum(share[60:100, :], np.roll(share[60:100, :], -12, axis=1))
        return share

    views = [View(None, made_view(n), dataclasses.replace(features(n), outline=spoilt(n)))
             for n in NAMES]  # fmt: skip
    found = reconstruct(views, made_model(), TRUSTED)
    assert found.residuals[0].explained < 0.9
    assert np.linalg.norm(found.vertices - two_views().vertices, axis=1).mean() < 0.3
    assert found.converged, found.verdict


def test_what_lies_beyond_the_image_is_not_missed() -> None:
    geometry, seen = made_view("AP"), features("AP")
    rows = 330
    low = dataclasses.replace(
        geometry,
        size=(560 - rows, 260),
        centre=geometry.centre + geometry.row_axis * rows / 2 * geometry.pixel_mm[0],
    )
    cut = dataclasses.replace(
        seen,
        points={n: p._replace(row=p.row - rows) for n, p in seen.points.items() if p.row > rows},
        ellipses={},
        outline=seen.outline[rows:],
        box=None,
    )
    found = reconstruct([View(None, low, cut)], made_model(), TRUSTED)
    seen_ones = geometry.project_points(truth()[1])[:, 0] > rows + 5
    near = KDTree(low.project_points(truth()[1][seen_ones])).query(
        low.project_points(found.vertices[seen_ones])
    )[0]
    assert found.converged, found.verdict
    assert np.median(near) < 1.0
    assert found.uncertainty[~seen_ones].mean() > found.uncertainty[seen_ones].mean()
    assert found.uncertainty.mean() > 1.5 * one_view().uncertainty.mean()


def off_by_five_degrees(config: ReconstructionConfig) -> Reconstruction:
    views = [View(None, made_view(n), features(n, 5.0 * k)) for k, n in enumerate(NAMES)]
    return reconstruct(views, made_model(), config)


def test_an_error_of_the_second_views_angle_is_refined() -> None:
    # Outlines without any error may be believed.
    exact = ReconstructionConfig(view_angle=3.0, view_shift=1.0, outline_error=0.15)
    found = off_by_five_degrees(exact)
    true = made_view("LAT-R", rotate=(5.0, 0.0))
    assert found.converged, found.verdict
    assert angle_between(found.geometries[1], true) < 0.6
    assert angle_between(found.geometries[0], made_view("AP")) == 0
    assert in_the_bone(found, truth()[1]).mean() < in_the_bone(two_views(), truth()[1]).mean() + 0.3


def angle_between(first: Geometry, second: Geometry) -> float:
    """Degrees between the detectors' normals."""
    return float(np.rad2deg(np.arccos(np.clip(first.normal @ second.normal, -1, 1))))


def test_an_unknown_pixel_size_is_taken_up_by_the_scale() -> None:
    wrong = dataclasses.replace(made_view("AP"), pixel_mm=(1.2, 1.2))
    found = reconstruct([View(None, wrong, features("AP"))], made_model(),
                        ReconstructionConfig(knows_size=False))  # fmt: skip
    assert found.converged, found.verdict
    assert found.pose.scale == pytest.approx(1.2, rel=0.06)
    assert any("common factor" in note for note in found.notes)


@pytest.mark.parametrize("shape", ["disc", "upside down"])
def test_the_outline_of_something_else_does_not_converge(shape: str) -> None:
    share = features("AP").outline[::-1]
    if shape == "disc":
        row, column = np.mgrid[:560, :260]
        share = (np.hypot(row - 280, column - 130) < 90).astype(float)
    found = fitted(names=NAMES[:1], outline=share, points={}, ellipses={}, box=None)
    assert not found.converged
    assert found.verdict.startswith("Not converged: ")


def test_landmarks_of_somewhere_do_not_converge() -> None:
    rng = np.random.default_rng(0)
    points = {n: PointFeature(*rng.uniform(0, 260, 2), np.eye(2)) for n in features("AP").points}
    found = fitted(names=NAMES[:1], outline=None, points=points, ellipses={}, box=None)
    assert not found.converged
    assert "landmarks lie" in found.verdict


def test_too_few_features_do_not_converge() -> None:
    few = dict(list(features("AP").points.items())[:3])
    found = fitted(names=NAMES[:1], outline=None, points=few, ellipses={}, box=None)
    assert "only 6 coordinates" in found.verdict


def test_slopes_of_all_terms_are_those_of_their_residuals() -> None:
    views = [(made_view(n), features(n)) for n in NAMES]
    problem = FitProblem(views, made_model(), ReconstructionConfig())
    coefficients, _ = truth()
    small = np.array([np.zeros(6), [1e-4, -2e-4, 1e-4, 0.5, -0.3, 0.2]])
    state = FitState(Rotation.from_rotvec([0.05, 0.02, -0.04]).as_matrix(), np.array([3.0, 5, -4]),
                     0.02, coefficients, small)  # fmt: skip
    stage, far = Stage(len(coefficients), with_box=True), np.full(6, np.inf)
    plain = problem.terms(state, stage)
    assert len(plain) == 6
    for number in range(plain[0].slopes.shape[1]):
        step = np.zeros(plain[0].slopes.shape[1])
        step[number] = 1e-5
        plus, minus = (problem.terms(state.stepped(s * step, far), stage) for s in (1, -1))
        for term, up, down in zip(plain, plus, minus, strict=True):
            slope = (up.residuals - down.residuals) / 2e-5
            np.testing.assert_allclose(term.slopes[:, number], slope, atol=0.03)


def test_what_cannot_be_fitted_is_refused_by_name() -> None:
    seen, geometry = features("AP"), made_view("AP")
    left = dataclasses.replace(seen, side="left")
    nothing = LegFeatures("femur", "right", "AP")
    tibia = dataclasses.replace(seen, bone="tibia")
    for views, words in (
        ([], "views: got none"),
        ([View(None, geometry, seen), View(None, geometry, left)], "same bone"),
        ([View(None, geometry, tibia)], "model: of a femur"),
        ([View(None, geometry, nothing)], "some features"),
    ):
        with pytest.raises(ValueError, match=words):
            reconstruct(views, made_model())
    with pytest.raises(ValueError, match="depth: got 0"):
        ReconstructionConfig(depth=0)
    with pytest.raises(ValueError, match="point head: expected finite"):
        dataclasses.replace(seen, points={"head": (1.0, 2.0, [[1.0, 2.0], [2.0, 1.0]])})
