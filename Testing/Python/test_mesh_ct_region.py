"""The CT of a wrist alone: masks where the bones are, casts and rings beside them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from surfaces import CARPUS, wrist

from BoneXrayLib.attenuation import MU_WATER_70KEV
from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.projection import project
from BoneXrayTrainingLib.mesh_ct import MeshConfig, MeshCt, mesh_ct
from BoneXrayTrainingLib.mesh_ct.worn import METALS

FROM_THE_FILE = MeshConfig(region="wrist", voxel=0.4, variation=0.0, both_sides=False)
DRAWN = MeshConfig(
    region="wrist", voxel=1.0, articulation=1.0, deformation=0.04, refine=1.5, both_sides=False
)
PIXEL_MM = 0.3
SHORTEST_MM = 1.0
"""Path through a bone that counts."""


@pytest.fixture(scope="module")
def still() -> MeshCt:
    """As in the file, the carpus only."""
    return mesh_ct(wrist(), np.random.default_rng(1), FROM_THE_FILE, keep=(0.2, 0.6))


def seen(view: str, at: np.ndarray, size: int, pixel: float) -> Geometry:
    config = GeometryConfig(view, (0.0, 0.0), "cone", 1100.0, 1000.0, pixel, (size, size))
    return make_geometry(config, at)


def masks(ct: MeshCt, geometry: Geometry) -> dict[str, np.ndarray]:
    """Where rays go through `SHORTEST_MM` of a bone."""
    water = np.where(ct.labels > 0, 0, -1000).astype(np.int16)
    names = ("rest", *ct.names.values())
    layers = project(Parts(water, ct.volume.ijk_to_ras, ct.labels, None, names), geometry)
    return dict(zip(names[1:], layers[1:] > SHORTEST_MM * MU_WATER_70KEV, strict=True))


@pytest.mark.parametrize("view", ["PA", "LAT-R"])
def test_a_mask_is_the_outline_of_the_solid_within_a_pixel(still: MeshCt, view: str) -> None:
    size, finer = 256, 4
    geometry = seen(view, np.array(CARPUS["capitate"][0]), size, PIXEL_MM)
    found = masks(still, geometry)
    for mesh in wrist():
        if mesh.name not in CARPUS:
            continue
        at = geometry.project_points(mesh.vertices)
        at = (at + 0.5) * finer - 0.5
        picture = Image.new("1", (size * finer, size * finer))
        pen = ImageDraw.Draw(picture)
        for face in mesh.faces:
            pen.polygon([(at[n, 1], at[n, 0]) for n in face], fill=1)
        solid = np.asarray(picture)[finer // 2 :: finer, finer // 2 :: finer]
        mask = found[mesh.name]
        assert mask.sum() > 300
        for one, other in ((mask, solid), (solid, mask)):
            assert ndimage.distance_transform_edt(~other)[one].max() <= 1.0, mesh.name


def test_labels_keep_the_names_of_the_meshes(still: MeshCt) -> None:
    assert list(still.names.values()) == [m.name for m in wrist()]
    numbers = {name: n for n, name in still.names.items()}
    for name, (at, _) in CARPUS.items():
        i, j, k = np.rint(np.linalg.solve(still.volume.ijk_to_ras, [*at, 1.0])[:3]).astype(int)
        assert still.labels[k, j, i] == numbers[name]


def test_a_wrist_reaches_from_the_palm_to_some_forearm() -> None:
    config = dataclasses.replace(FROM_THE_FILE, voxel=1.5)
    made = mesh_ct(wrist(), np.random.default_rng(1), config)
    low, high = made.volume.corners_ras[:, 2].min(), made.volume.corners_ras[:, 2].max()
    assert -345.0 < low < -300.0
    assert -180.0 < high < -130.0
    assert made.volume.hu[-1].max() > 300


def test_a_mirrored_wrist_has_mirrored_masks() -> None:
    right, left = (
        mesh_ct(wrist(), np.random.default_rng(2), dataclasses.replace(DRAWN, side=side))
        for side in ("right", "left")
    )
    assert np.array_equal(left.volume.hu, right.volume.hu[:, :, ::-1])
    assert np.array_equal(left.labels, right.labels[:, :, ::-1])
    assert left.pose == right.pose
    # A lateral of the one is the other lateral of the other.
    for view, other in (("PA", "PA"), ("LAT-R", "LAT-L")):
        ours = masks(right, seen(view, right.volume.centre_ras, 160, 1.0))
        theirs = masks(left, seen(other, left.volume.centre_ras, 160, 1.0))
        for name, mask in ours.items():
            assert mask.any()
            assert (mask != theirs[name][:, ::-1]).mean() < 1e-3


def test_a_cast_lies_around_the_skin_and_in_no_bone() -> None:
    config = dataclasses.replace(DRAWN, casts=1.0)
    made = mesh_ct(wrist(), np.random.default_rng(3), config)
    assert any(name.endswith("cast") for name in made.worn)
    hu, bone = made.volume.hu, made.labels > 0
    pieces, _ = ndimage.label((hu > 90) & ~ndimage.binary_dilation(bone, iterations=5))
    sizes = np.bincount(pieces.ravel())[1:] * 1.0**3
    assert sizes.max() > 15e3
    assert 100 < np.median(hu[pieces == sizes.argmax() + 1]) < 900


def test_a_ring_is_metal_on_the_skin() -> None:
    config = dataclasses.replace(DRAWN, rings=1.0, voxel=1.1)
    made = mesh_ct(wrist(), np.random.default_rng(4), config)
    assert made.worn[0] == "ring"
    assert made.worn[1] in ("bracelet", "watch")
    bare = mesh_ct(wrist(), np.random.default_rng(4), dataclasses.replace(config, rings=0.0))
    assert bare.volume.hu.max() < 2500
    metal = made.volume.hu > 0.3 * min(METALS.values())
    assert metal.any()
    assert not (metal & ndimage.binary_dilation(made.labels > 0)).any()


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mesh.region: got 'knee'; expected nothing or wrist"):
        MeshConfig(region="knee")
    with pytest.raises(ValueError, match=r"mesh.deformation: got 0.5; expected 0 to 0.1"):
        MeshConfig(deformation=0.5)
    some = [m for m in wrist() if "mc" not in m.name]
    with pytest.raises(ValueError, match=r"mesh.region: no radius or no metacarpals"):
        mesh_ct(some, np.random.default_rng(1), FROM_THE_FILE)


def test_a_hand_that_points_up_is_refused_in_one_line() -> None:
    over = [mesh.moved(mesh.vertices * (1.0, -1.0, -1.0)) for mesh in wrist()]
    with pytest.raises(ValueError, match=r"^mesh\.region: no wrist .*hangs down \(mesh\.axes\)$"):
        mesh_ct(over, np.random.default_rng(1), FROM_THE_FILE)
