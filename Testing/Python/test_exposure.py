"""An exposure as a whole: what the picture shows, and that its parts belong together."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.exposure import (
    EXPOSURES,
    ExposureConfig,
    expose,
    expose_drr,
    named_exposure,
    write_exposed,
)
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.physics.beam_field import lead_in_beam, side_letter
from BoneXrayLib.physics.thicknesses import Object
from BoneXrayLib.radiograph import read_radiograph

QUIET = {"noise": False, "marker": "none"}


def geometry(**fields: object) -> Geometry:
    """A view on a small detector."""
    return make_geometry(GeometryConfig(**{"size": (80, 90), "pixel": 2.0, **fields}), np.zeros(3))


def leg(shape: tuple[int, int] = (80, 90)) -> Object:
    """Soft tissue thick in the middle, a bone left of it, air at the sides."""
    across = np.linspace(-1, 1, shape[1])
    soft = np.tile(12.0 * np.sqrt(np.clip(0.8 - across**2, 0, None)), (shape[0], 1))
    bone = np.zeros(shape)
    bone[:, 30:40] = 2.0
    return Object({"soft tissue": soft, "cortical bone": bone}, {"soft tissue": soft})


def test_bone_is_brighter_than_soft_tissue_and_that_than_air() -> None:
    for name in EXPOSURES:
        seen = expose(leg(), geometry(), named_exposure(name, marker="none"))
        for image in (seen.full.pixels, seen.display.pixels):
            bone, soft, air = image[40, 32:38].mean(), image[40, 52:58].mean(), image[40, 1]
            assert bone > soft > air, name


def test_the_display_image_keeps_the_order_of_the_densities() -> None:
    seen = expose(leg(), geometry(), named_exposure("extremity"))
    order = np.argsort(seen.full.pixels, axis=None)
    assert (np.diff(seen.display.pixels.ravel()[order]) >= 0).all()
    assert 0.0 <= seen.display.pixels.min() < 0.15
    assert 0.75 < seen.display.pixels.max() <= 1.0


def test_the_picture_without_bones_and_the_bones_are_the_picture() -> None:
    config = named_exposure("pelvis", scatter=False, **QUIET)
    full, bare = leg(), Object(leg().rest, leg().rest)
    seen, without = expose(full, geometry(), config), expose(bare, geometry(), config)
    np.testing.assert_allclose(without.full.pixels + seen.bone.pixels, seen.full.pixels, atol=1e-5)
    assert seen.bone.pixels[40, 35] > 0.3
    assert abs(seen.bone.pixels[40, 55]) < 1e-4
    assert np.abs(without.bone.pixels).max() == 0.0


def test_noise_is_in_the_picture_and_not_in_its_bones() -> None:
    noisy, clear = (
        expose(leg(), geometry(), named_exposure("extremity", mas=0.05, marker="none", noise=n))
        for n in (True, False)
    )
    assert np.abs(noisy.full.pixels - clear.full.pixels).max() > 0.01
    np.testing.assert_array_equal(noisy.bone.pixels, clear.bone.pixels)


def test_a_seed_gives_the_same_picture_again_and_another_seed_another() -> None:
    one, again, other = (
        expose(leg(), geometry(), named_exposure("chest", seed=s)).full.pixels for s in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("blur", [True, False])
def test_four_times_the_mas_halves_the_noise(blur: bool) -> None:
    water = np.full((80, 90), 10.0)
    flat = Object({"water": water}, {"water": water})
    settings = {"scatter": False, "blur": blur, "marker": "none"}
    spread = [
        expose(flat, geometry(pixel=0.2), named_exposure("pelvis", mas=m, **settings))
        .full.pixels.std()
        for m in (10.0, 40.0)
    ]  # fmt: skip
    assert spread[0] / spread[1] == pytest.approx(2.0, rel=0.05)


def test_noise_through_a_blurred_detector_is_smoother() -> None:
    water = np.full((80, 90), 10.0)
    flat = Object({"water": water}, {"water": water})
    sharp, soft = (
        expose(flat, geometry(pixel=0.2),
               named_exposure("pelvis", scatter=False, blur=b, marker="none")).full.pixels.std()
        for b in (False, True)
    )  # fmt: skip
    assert soft < 0.8 * sharp


def test_the_brightness_does_not_follow_the_mas() -> None:
    one, other = (
        expose(leg(), geometry(), named_exposure("chest", mas=m, **QUIET)).full.pixels
        for m in (1.0, 50.0)
    )
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_scatter_takes_contrast_and_the_grid_gives_most_of_it_back() -> None:
    thick = Object(
        {
            "soft tissue": np.full((80, 90), 20.0),
            "cortical bone": leg().everything["cortical bone"],
        },
        {"soft tissue": np.full((80, 90), 20.0)},
    )
    contrast = [
        expose(thick, geometry(), named_exposure("pelvis", **QUIET, **s)).bone.pixels[40, 35]
        for s in ({"scatter": False}, {"grid": True}, {"grid": False})
    ]
    assert contrast[0] > contrast[1] > contrast[2] > 0
    assert contrast[1] > 1.5 * contrast[2]


def test_a_higher_voltage_shows_less_bone() -> None:
    low, high = (
        expose(leg(), geometry(), ExposureConfig(kvp=k, scatter=False, **QUIET)).bone.pixels.max()
        for k in (55.0, 120.0)
    )
    assert low > 1.4 * high


def test_a_larger_focal_spot_blurs_what_is_away_from_the_detector() -> None:
    far = geometry(pixel=0.5, source_detector=1000.0, source_object=500.0)
    near = geometry(pixel=0.5, source_detector=1000.0, source_object=990.0)
    edge = {}
    for name, at in (("far", far), ("near", near)):
        seen = [
            expose(leg(), at, ExposureConfig(focal_spot=f, scatter=False, **QUIET)).bone.pixels
            for f in (0.0, 2.0)
        ]
        edge[name] = [float(np.abs(np.diff(image[40])).max()) for image in seen]
    assert edge["far"][1] < 0.9 * edge["far"][0]
    assert edge["near"][1] == pytest.approx(edge["near"][0], rel=0.01)


def test_a_mirrored_patient_gives_a_mirrored_picture() -> None:
    seen = leg()
    mirrored = Object(*({n: i[:, ::-1] for n, i in part.items()}
                        for part in (seen.everything, seen.rest)))  # fmt: skip
    one, other = (
        expose(parts, geometry(), named_exposure("chest", **QUIET)).full.pixels
        for parts in (seen, mirrored)
    )
    np.testing.assert_allclose(other[:, ::-1], one, atol=1e-4)


def test_the_letter_stands_at_its_side_of_the_patient() -> None:
    for view, letter, on_right in (("AP", "R", False), ("PA", "R", False), ("AP", "L", True)):
        assert side_letter(geometry(view=view), letter) == (letter, on_right)
        assert side_letter(geometry(view=view), "auto")[0] == "R"
    assert side_letter(geometry(view="LAT-L"), "auto")[0] == "L"
    assert side_letter(geometry(view="LAT-R"), "auto")[0] == "R"
    assert side_letter(geometry(), "none") == ("", False)


def test_the_letter_is_on_the_side_where_the_patients_right_is_projected() -> None:
    at = geometry()
    lead = lead_in_beam(at, 0.0, "R")
    column = float(np.flatnonzero(lead.any(axis=0)).mean())
    right_of_patient = at.project_points(at.isocentre + np.array([50.0, 0.0, 0.0]))[0, 1]
    middle = (at.size[1] - 1) / 2
    assert np.sign(column - middle) == np.sign(right_of_patient - middle)


def test_lead_letter_and_collimator_are_bright_and_do_not_move_the_rest() -> None:
    at = geometry()
    plain, leaded = (
        expose(leg(), at, named_exposure("extremity", noise=False, scatter=False, **fields))
        for fields in ({"marker": "none"}, {"marker": "R", "collimation": 10.0})
    )
    lead = lead_in_beam(at, 10.0, "R") > 0
    assert lead[:5].all()
    assert not lead[40, 20:70].any()
    assert leaded.full.pixels[lead].min() > plain.full.pixels.max()
    shown = [np.abs(s.display.pixels[40, 20:70]) for s in (plain, leaded)]
    np.testing.assert_allclose(shown[0], shown[1], atol=0.1)


def test_the_letter_is_as_high_as_a_lead_letter_in_pixels_of_any_size() -> None:
    for pixel in (0.5, 1.0):
        rows = np.flatnonzero(lead_in_beam(geometry(pixel=pixel), 0.0, "R").any(axis=1))
        assert len(rows) * pixel == pytest.approx(14.0 * 1.2, abs=2 * pixel)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"kvp": 20.0}, "kvp: got 20.0; expected 40 to 150"),
     ({"mas": 0.0}, "mas: got 0.0; expected"),
     ({"detector": "film"}, "detector: got 'film'; expected one of csi, selenium"),
     ({"marker": "X"}, "marker: got 'X'; expected one of auto, none, L, R"),
     ({"seed": -1}, "seed: got -1; expected")],
)  # fmt: skip
def test_an_exposure_that_there_is_not_is_refused_in_one_line(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExposureConfig(**fields)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="exposure: got 'dental'; expected one of chest,"):
        named_exposure("dental")


def test_a_collimator_that_closes_is_refused() -> None:
    with pytest.raises(ValueError, match="collimation: got 100 mm"):
        expose(leg(), geometry(), ExposureConfig(collimation=100.0))


def test_changing_a_named_exposure_leaves_the_name_as_it_was() -> None:
    assert named_exposure("chest", kvp=None, mas=9.0).mas == 9.0
    assert EXPOSURES["chest"].mas == named_exposure("chest").mas == 4.0


def test_an_exposed_radiograph_is_written_and_read_as_a_display_image(tmp_path: Path) -> None:
    drr = simulate(synthetic_limb(), DrrConfig(size=(64, 64), pixel=6.0))
    seen = expose_drr(drr, named_exposure("extremity"))
    files = write_exposed(seen, tmp_path / "out")
    assert set(files) == {"exposed.nrrd", "exposed-bone.nrrd", "exposed.png", "exposed-bone.png",
                          "exposure.json"}  # fmt: skip
    read = read_radiograph(files["exposed.nrrd"])
    assert read.domain == "display"
    np.testing.assert_array_equal(read.pixels, seen.full.pixels)
    record = json.loads(files["exposure.json"].read_text())
    assert ExposureConfig(**record["config"]) == seen.config
    assert record["open_beam"]["half_value_layer_mm_al"] == pytest.approx(2.2, abs=0.3)
    assert dataclasses.asdict(seen.config)["kvp"] == 55.0
