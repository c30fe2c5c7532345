"""Legs that are put together from bones: landmarks, the knee, and where features are in images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.transform import Rotation
from small_leg import CONFIG, HEAD, HEAD_RADIUS, femur, leg_source, tibia

from BoneXrayLib.geometry import GeometryConfig, make_geometry
from BoneXrayLib.legs.leg_channels import FEMUR_POINTS, POINTS, TIBIA_POINTS
from BoneXrayLib.projection import project
from BoneXrayLib.shape_marks import Mark
from BoneXrayLib.shape_model import ShapeModel
from BoneXrayTrainingLib.evaluating_legs.silhouettes import silhouette
from BoneXrayTrainingLib.labelled import MASK_OD
from BoneXrayTrainingLib.legs.bones import Bones, modelled_bone, read_bones, sampled_bone
from BoneXrayTrainingLib.legs.config import LegsConfig
from BoneXrayTrainingLib.legs.foot import drawn_foot
from BoneXrayTrainingLib.legs.landmarks import Marks, femur_marks, tibia_marks
from BoneXrayTrainingLib.legs.marking import model_marks
from BoneXrayTrainingLib.legs.patient import LegPatient, leg_patient, leg_patients, regions_of
from BoneXrayTrainingLib.legs.standing import femur_place, joint_gap, standing_leg
from BoneXrayTrainingLib.mesh_ct import MeshConfig
from BoneXrayTrainingLib.mesh_ct.meshes import Towards
from BoneXrayTrainingLib.pairs import TISSUES, PairConfig, place
from BoneXrayTrainingLib.sampling.leg_images import EDGE_OD
from BoneXrayTrainingLib.sampling.leg_views import (
    LegTruth,
    draw_leg,
    ellipse_form,
    leg_pair,
    projected,
    turned,
)
from BoneXrayTrainingLib.sources import CtSource

PAIRS = PairConfig(size=160, source_detector=(1000.0, 2000.0), magnification=(1.05, 1.3))


@pytest.fixture(scope="module")
def bones(tmp_path_factory: pytest.TempPathFactory) -> Bones:
    folder = tmp_path_factory.mktemp("leg")
    return read_bones([leg_source(folder)], folder, CONFIG)


@pytest.fixture(scope="module")
def legs(bones: Bones) -> list[LegPatient]:
    return leg_patients(bones, CONFIG, seed=1)


def test_the_head_is_found_as_the_sphere_that_it_is() -> None:
    marks = femur_marks(femur()[0])
    assert np.allclose(marks.rounds["head"].centre, HEAD, atol=0.05)
    assert marks.rounds["head"].radius == pytest.approx(HEAD_RADIUS, abs=0.05)
    assert set(marks.points) == set(FEMUR_POINTS)
    assert set(tibia_marks(tibia()[0]).points) == set(TIBIA_POINTS)


def test_a_foot_lies_below_and_before_the_ankle_and_is_closed() -> None:
    axes = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()
    origin = np.array([5.0, -8.0, -400.0])
    foot = drawn_foot(origin, axes, 46.0, np.random.default_rng(2))
    for bone in foot:
        v, f = bone.mesh.vertices, bone.mesh.faces
        edges = np.sort(np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), bone.mesh.name
        a, b, c = (v[f[:, n]] - v.mean(0) for n in range(3))
        assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0, "faces look outwards"
    at = {bone.mesh.name: (bone.mesh.vertices - origin) @ axes.T for bone in foot}
    assert max(v[:, 2].max() for v in at.values()) < -15.0, "the talus has room"
    assert at["calcaneus"][:, 1].min() < -40.0
    assert at["metatarsal 2"][:, 1].max() > 100.0
    assert at["metatarsal 1"][:, 0].mean() < at["metatarsal 5"][:, 0].mean(), "a right foot"


def test_legs_have_feet_as_often_as_asked_for(bones: Bones) -> None:
    for share, wanted in ((0.0, 0), (1.0, 11)):
        config = dataclasses.replace(CONFIG, foot=share)
        leg = standing_leg(bones, np.random.default_rng(4), config)
        assert sum(bone.kind == "foot" for bone in leg) == wanted
    with pytest.raises(ValueError, match=r"legs\.foot: got 1\.2; expected 0 to 1"):
        LegsConfig(foot=1.2)


def test_an_ankle_with_a_foot_has_bone_below_it_that_nobody_names(bones: Bones) -> None:
    found = {}
    for share in (0.0, 1.0):
        config = dataclasses.replace(CONFIG, foot=share, voxel={"ankle": 2.5})
        ankle = leg_patient(bones, "ankle", config, np.random.default_rng(5))
        low = ankle.span[0]
        plafond = ankle.marks["tibia"].points["plafond_centre"][2]
        end = max(0, int((plafond - 35.0 - low) / 2.5))
        found[share] = int((ankle.parts.hu[:end] > 250).sum())
    assert found[1.0] > 500
    assert found[0.0] < 0.05 * found[1.0]


def test_landmarks_move_with_their_bone(bones: Bones) -> None:
    bone = bones.whole["femur"][0]
    turn = 1.1 * np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moved = bone.moved(turn, np.array([5.0, 6.0, 7.0]))
    assert moved.marks.rounds["head"].radius == pytest.approx(1.1 * HEAD_RADIUS, abs=0.1)
    on_surface = np.linalg.norm(
        moved.mesh.vertices - moved.marks.points["medial_condyle"], axis=1
    ).min()
    assert on_surface < 1e-9


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_knee_is_as_open_as_was_drawn_and_the_leg_stands(bones: Bones, seed: int) -> None:
    config = dataclasses.replace(CONFIG, gap=(5.0, 5.0), flexion=0.0, varus=2.0)
    leg = standing_leg(bones, np.random.default_rng(seed), config)
    assert [bone.kind for bone in leg] == ["femur", "tibia"]
    assert joint_gap(leg[0], leg[1]) == pytest.approx(5.0, abs=1.0)
    head, ankle = (
        leg[0].marks.points["head_centre"],
        leg[1].marks.points["plafond_centre"],
    )
    up = (head - ankle) / np.linalg.norm(head - ankle)
    assert up[2] > np.cos(np.radians(12))


def test_a_flexed_lower_leg_points_backwards(bones: Bones) -> None:
    straight = dataclasses.replace(CONFIG, flexion=0.0, varus=0.0)
    flexed = dataclasses.replace(CONFIG, flexion=30.0, varus=0.0)
    ankles = []
    for config in (straight, flexed):
        leg = standing_leg(bones, np.random.default_rng(4), config)
        knee = femur_place(leg[0])
        ankles.append(knee.axes @ (leg[1].marks.points["plafond_centre"] - knee.origin))
    assert ankles[1][1] < ankles[0][1] - 10.0


def test_legs_differ_in_size_as_much_as_is_said(bones: Bones) -> None:
    def lengths(size: float) -> np.ndarray:
        config = dataclasses.replace(CONFIG, size=size, sampled=0.0, shape=0.0)
        legs = [standing_leg(bones, np.random.default_rng(n), config) for n in range(12)]
        ends = [leg[0].marks.points for leg in legs]
        return np.array([np.linalg.norm(p["head_centre"] - p["shaft_distal"]) for p in ends])

    assert np.ptp(lengths(0.0)) < 1e-6
    assert lengths(0.08).std() == pytest.approx(2 * lengths(0.04).std(), rel=0.1)
    with pytest.raises(ValueError, match=r"legs\.size: got 0\.3; expected 0 to 0\.15"):
        LegsConfig(size=0.3)


def test_landmarks_are_where_the_rays_put_them(legs: list[LegPatient]) -> None:
    """The sphere of the head by its shadow: of femur's layer, the middle of the ball's top rows."""
    leg = legs[0]
    rng = np.random.default_rng(3)
    config = dataclasses.replace(CONFIG, lateral_share=0.0)
    for _ in range(3):
        draw = draw_leg(rng, "leg", leg, config, PAIRS)
        _, geometry = place(leg.parts, draw)
        truth = projected(leg, draw, geometry)
        for (bone, name), at in zip(POINTS, truth.points, strict=True):
            ras = leg.marks[bone].points[name]
            if np.isfinite(at).all():
                # By hand: similar triangles from the source through the point to the detector.
                way = ras - geometry.source
                far = (geometry.centre - geometry.source) @ geometry.normal
                hit = geometry.source + way * far / (way @ geometry.normal) - geometry.centre
                row = hit @ geometry.row_axis / draw.pixel + (draw.size - 1) / 2
                column = hit @ geometry.column_axis / draw.pixel + (draw.size - 1) / 2
                assert np.hypot(row - at[0], column - at[1]) < 1e-6


def test_the_ellipse_of_the_head_is_the_shadow_of_its_sphere(legs: list[LegPatient]) -> None:
    leg, rng = legs[0], np.random.default_rng(8)
    draw = draw_leg(rng, "leg", leg, CONFIG, PAIRS)
    _, geometry = place(leg.parts, draw)
    ellipse = projected(leg, draw, geometry).ellipses["head"]
    sphere = leg.marks["femur"].rounds["head"]
    # Points on the sphere where rays from the source touch it.
    way = sphere.centre - geometry.source
    far = float(np.linalg.norm(way))
    across = np.linalg.svd(way[None])[2][1:]
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.column_stack([np.cos(turn), np.sin(turn)]) @ across
    touch = sphere.centre - way * sphere.radius**2 / far**2
    touch = touch + ring * sphere.radius * np.sqrt(1 - (sphere.radius / far) ** 2)
    at = geometry.project_points(touch)[:, ::-1] - (ellipse.column, ellipse.row)
    form = np.linalg.inv(ellipse_form(ellipse))
    assert np.allclose(np.einsum("ni,ij,nj->n", at, form, at), 1.0, atol=1e-6)


def test_layers_and_landmarks_are_of_the_same_leg(legs: list[LegPatient]) -> None:
    """What is projected of voxels and of landmarks lies within half a voxel of each other."""
    leg = legs[1]
    config = dataclasses.replace(CONFIG, lateral_share=0.0, rotation=2.0, tilt=2.0)
    pair = leg_pair(leg, draw_leg(np.random.default_rng(2), "leg", leg, config, PAIRS))
    mask = np.asarray(pair.layers[len(TISSUES)], np.float32) > 0.02
    columns = np.flatnonzero(mask.any(axis=0))
    wide = [pair.truth.points[POINTS.index(("femur", f"{side}_epicondyle"))][1]
            for side in ("medial", "lateral")]  # fmt: skip
    voxel = CONFIG.voxel["knee"] * pair.magnification / pair.draw.pixel
    assert columns[0] == pytest.approx(min(wide), abs=1.0 + voxel)
    assert columns[-1] == pytest.approx(max(wide), abs=1.0 + voxel)


def test_masks_end_where_the_silhouette_of_the_bone_does(bones: Bones) -> None:
    """Between the two, over the outline's length, there is less than an eighth of a voxel."""
    config = dataclasses.replace(CONFIG, voxel={"leg": 1.6, "knee": 1.6})
    femur = standing_leg(bones, np.random.default_rng(3), config)[0]
    leg = leg_patient(bones, "leg", config, np.random.default_rng(3))
    shown = GeometryConfig(view="AP", source_detector=1500.0, source_object=1400.0, pixel=0.6,
                           size=(800, 400))  # fmt: skip
    geometry = make_geometry(shown, femur.mesh.vertices.mean(axis=0))
    outline = silhouette(femur.mesh, geometry) > 0.5
    layer = project(leg.parts, geometry)[len(TISSUES)]
    rim = outline & ~binary_erosion(outline)

    def thicker(od: float) -> float:
        return 0.6 * ((layer > od).sum() - outline.sum()) / rim.sum()

    assert abs(thicker(EDGE_OD)) < 0.2
    assert thicker(MASK_OD) > 0.4


def test_a_mirrored_leg_mirrors_all_features_and_is_the_other_side(legs: list[LegPatient]) -> None:
    pair = leg_pair(legs[0], draw_leg(np.random.default_rng(5), "leg", legs[0], CONFIG, PAIRS))
    truth, side = pair.truth, pair.draw.size
    mirrored = turned(truth, np.diag([-1.0, 1.0]), np.zeros(2), (side, side))
    assert np.allclose(mirrored.points[:, 0], truth.points[:, 0], equal_nan=True)
    assert np.allclose(mirrored.points[:, 1], side - 1 - truth.points[:, 1], equal_nan=True)
    assert mirrored.is_right is not truth.is_right
    for name, ellipse in truth.ellipses.items():
        other = mirrored.ellipses[name]
        assert (other.row, other.a, other.b) == pytest.approx((ellipse.row, ellipse.a, ellipse.b))
        assert np.sin(other.angle + ellipse.angle) == pytest.approx(0.0, abs=1e-6)


def test_features_follow_what_is_shown_of_a_sample() -> None:
    """A dot at each landmark stays under it when the sample is turned, scaled and shifted."""
    import torch

    from BoneXrayTrainingLib.sampling.augmentation import AugmentationConfig, sampled, turned_by

    config = AugmentationConfig(crop=96, warp=0.0)
    matrix, shift = turned_by(0.3, 1.2), np.array([6.0, -4.0])
    matrix[:, 0] *= -1
    place_of = np.array([[61.0, 83.0]])
    rows, columns = np.mgrid[:140, :140]
    dot = np.exp(-0.5 * ((rows - 61.0) ** 2 + (columns - 83.0) ** 2) / 3.0**2)
    rng = np.random.default_rng(0)
    seen = sampled(torch.from_numpy(dot.astype(np.float32))[None], matrix, shift, config, rng)[0]
    truth = turned(LegTruth(place_of, {}, True, True), matrix, shift, (140, 96))
    weight = seen.numpy()
    at = [(np.indices(weight.shape)[n] * weight).sum() / weight.sum() for n in range(2)]
    assert np.allclose(at, truth.points[0], atol=0.02)


def test_bones_of_a_shape_model_carry_its_landmarks() -> None:
    vertices, faces = femur()
    marks = femur_marks(vertices)
    head = np.flatnonzero(np.abs(np.linalg.norm(vertices - HEAD, axis=1) - HEAD_RADIUS) < 0.01)
    modes = np.ones((1, *vertices.shape)) / np.sqrt(3)
    model = ShapeModel("femur", vertices, faces, modes, np.array([4.0]), rounds={"head": head})
    bone = sampled_bone(model, np.random.default_rng(3))
    moved = bone.mesh.vertices[0] - vertices[0]
    assert np.linalg.norm(moved) > 0.1
    assert np.allclose(bone.marks.points["head_centre"], HEAD + moved, atol=0.02)
    farther = sampled_bone(model, np.random.default_rng(3), 1.5).mesh.vertices[0] - vertices[0]
    assert np.allclose(farther, 1.5 * moved)
    assert isinstance(modelled_bone(model, vertices, "mean").marks, Marks)
    assert marks.rounds["head"].radius == pytest.approx(HEAD_RADIUS, abs=0.05)


def test_a_surface_is_marked_as_the_shape_model_marks_it() -> None:
    """A shape of the model, moved: its landmarks come back however they were guessed."""
    vertices, faces = femur()
    head = np.flatnonzero(np.abs(np.linalg.norm(vertices - HEAD, axis=1) - HEAD_RADIUS) < 0.01)
    longer = vertices * (0.0, 0.0, 1.0)
    thicker = (vertices - vertices.mean(axis=0)) * (1.0, 1.0, 0.0)
    modes = np.stack([longer, thicker])
    modes /= np.sqrt((modes**2).sum((1, 2)) / len(vertices))[:, None, None]
    modes[1] -= modes[0] * (modes[0] * modes[1]).sum() / (modes[0] ** 2).sum()
    marks = {"lesser_trochanter": Mark(np.array([2500, 2501]), np.array([0.5, 0.5])),
             "medial_condyle": Mark(np.array([5]), np.ones(1)),
             "lateral_epicondyle": Mark(np.array([300]), np.ones(1)),
             "greater_trochanter": Mark(np.array([4300]), np.ones(1))}  # fmt: skip
    model = ShapeModel(
        "femur", vertices, faces, modes, np.array([9.0, 2.0]), marks=marks, rounds={"head": head}
    )
    shape = model.shape(np.array([1.2, -0.8]))
    turn = Rotation.from_euler("xyz", (4.0, -3.0, 6.0), degrees=True).as_matrix()
    there = modelled_bone(model, shape, "one").moved(turn, np.array([8.0, -5.0, 30.0]))
    rng = np.random.default_rng(6)
    guess = {n: at + rng.normal(0.0, 4.0, 3) for n, at in there.marks.points.items()}
    found = model_marks(model, there.mesh, Marks(guess, {}))
    for name, at in there.marks.points.items():
        assert np.linalg.norm(found.points[name] - at) < 0.5, name
    assert found.rounds["head"].radius == pytest.approx(there.marks.rounds["head"].radius, abs=0.2)


def test_a_subject_that_the_shape_model_knows_cannot_be_kept_out(bones: Bones) -> None:
    vertices, faces = femur()
    model = ShapeModel("femur", vertices, faces, np.ones((1, *vertices.shape)), np.ones(1))
    card = SimpleNamespace(trained_on={"sources": [{"name": "anna"}, {"name": "bert"}]})
    object.__setattr__(model, "card", card)
    known = dataclasses.replace(bones, models={"femur": model})
    known.refuse_known(("carl",), "legs.leave_out")
    with pytest.raises(ValueError, match=r"legs\.leave_out: bert is a subject of the shape"):
        known.refuse_known(("b*",), "legs.leave_out")


def test_regions_are_shared_out_as_asked_for() -> None:
    regions = regions_of(LegsConfig(patients=20))
    assert [regions.count(r) for r in ("leg", "knee", "hip", "ankle")] == [8, 6, 4, 2]


def test_subjects_that_are_left_out_are_not_there(tmp_path: Path) -> None:
    source = leg_source(tmp_path)
    left_out = dataclasses.replace(CONFIG, leave_out=("made-*",))
    bones = read_bones([source], tmp_path, left_out)
    assert not any(bones.whole.values())
    with pytest.raises(ValueError, match="no whole femur in the files and no shape model"):
        bones.check()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"patients": 0}, "legs.patients: got 0; expected at least 1"),
        ({"gap": (9.0, 4.0)}, "legs.gap: got .* expected two rising lengths"),
        ({"regions": {"foot": 1.0}}, "legs.regions: got .* expected leg, knee, hip, ankle"),
        ({"lateral_share": 1.5}, "legs.lateral_share: got 1.5; expected 0 to 1"),
        ({"tilt": 80.0}, "legs.tilt: got 80.0; expected 0 to 30"),
    ],
)
def test_a_wrong_entry_is_named(entry: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LegsConfig(**entry)


def test_a_source_that_is_no_file_of_meshes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected surface meshes"):
        read_bones([CtSource(path="ct.nrrd", patient="a", licence="b")], tmp_path, CONFIG)
    towards = MeshConfig(towards=Towards("other.npz", "c", "d"))
    with pytest.raises(ValueError, match=r"mesh\.towards; expected none for task 'features'"):
        read_bones([CtSource("leg.npz", "a", "b", mesh=towards)], tmp_path, CONFIG)
