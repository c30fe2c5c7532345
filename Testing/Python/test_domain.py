"""What is no bone-bright radiograph is said to be none; radiographs are left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from BoneXrayLib.domain import domain_warnings
from BoneXrayLib.domains.image_statistics import kind_numbers
from BoneXrayLib.domains.polarity_statistics import polarity_numbers
from BoneXrayLib.drr import DrrConfig, simulate
from BoneXrayLib.picture_files import COLOUR_NOTE
from BoneXrayLib.radiograph import Radiograph, radiograph_from_array, read_radiograph
from BoneXrayLib.volume import Volume


@pytest.fixture(scope="module")
def densities(limb: Volume) -> list[np.ndarray]:
    """Optical densities (rows, columns) of a limb, wide and close."""
    fields = ((2.0, "AP"), (1.0, "LAT-L"), (0.8, "AP"))
    return [
        simulate(limb, DrrConfig(size=(240, 200), pixel=pixel, view=view)).full
        for pixel, view in fields
    ]


def displays(density: np.ndarray) -> dict[str, np.ndarray]:
    """One exposure as files may hold it, bone bright."""
    rng = np.random.default_rng(0)
    level = density / density.max()
    noisy = level + 0.01 * rng.standard_normal(level.shape)
    blades = np.pad(noisy, 30, constant_values=1.0)
    shutters = np.pad(noisy, 30, constant_values=0.0)
    found = {"curved": level**0.6, "noisy": noisy, "blades": blades, "shutters": shutters}
    return {n: np.rint(255 * np.clip(image, 0, 1)) for n, image in found.items()}


def warnings_of(pixels: np.ndarray, domain: str = "display") -> tuple[str, ...]:
    return domain_warnings(radiograph_from_array(pixels, domain))


def screenshot(dark: bool) -> np.ndarray:
    """A window with a bar, buttons and text."""
    ground, ink = (40, 220) if dark else (240, 20)
    image = Image.new("L", (640, 420), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 640, 30), fill=ground + (30 if dark else -30))
    for n in range(6):
        draw.rectangle((20, 50 + 55 * n, 160, 85 + 55 * n), outline=ink)
        for line in range(2):
            text = "Window level measure report, series 512"
            draw.text((190, 50 + 55 * n + 24 * line), text, fill=ink)
    return np.asarray(image, np.float32)


def scene() -> np.ndarray:
    """Things that hide each other, each with its shade and texture, as in a photograph."""
    rng = np.random.default_rng(1)
    image = np.zeros((300, 360))
    r, c = np.mgrid[:300, :360]
    grain = rng.standard_normal(image.shape)
    for _ in range(500):
        radius = 3 / rng.uniform(0.03, 1) ** 0.9
        inside = (r - rng.uniform(0, 300)) ** 2 + (c - rng.uniform(0, 360)) ** 2 < radius**2
        image[inside] = rng.uniform(0, 230) + rng.uniform(0, 15) * grain[inside]
    return np.rint(np.clip(gaussian_filter(image, 0.7), 0, 255))


def speckle_fan() -> np.ndarray:
    """Speckle on a logarithmic scale, in a fan on black."""
    rng = np.random.default_rng(2)
    waves = [gaussian_filter(rng.standard_normal((380, 480)), (1, 2)) for _ in range(2)]
    r, c = np.mgrid[:380, :480]
    depth, angle = np.hypot(r + 40, c - 240), np.arctan2(c - 240, r + 40)
    inside = (depth > 70) & (depth < 400) & (abs(angle) < 0.65)
    echo = 20 * np.log10(np.hypot(*waves) / waves[0].std() + 1e-3)
    echo += 10 * (gaussian_filter(rng.standard_normal(r.shape), 25) * 60 - depth / 200)
    return np.rint(255 * np.clip((echo + 35) / 50, 0, 1) * inside)


def test_radiographs_of_a_limb_are_left_in_peace(densities: list[np.ndarray]) -> None:
    for density in densities:
        assert warnings_of(density, "optical density") == ()
        for name, image in displays(density).items():
            assert warnings_of(image) == (), name


def test_inverted_radiographs_are_called_so_and_told_what_to_do(
    densities: list[np.ndarray],
) -> None:
    for density in densities:
        for name in ("curved", "noisy"):
            image = displays(density)[name]
            (said,) = warnings_of(image.max() - image)
            assert said.startswith("looks inverted")
            assert "bone-dark" in said


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (screenshot(dark=True), "screenshot"),
        (screenshot(dark=False), "screenshot"),
        (scene(), "photograph"),
        (speckle_fan(), "ultrasound"),
    ],
    ids=["dark screenshot", "light screenshot", "photograph", "ultrasound"],
)
def test_what_is_no_radiograph_is_named(image: np.ndarray, kind: str) -> None:
    (said,) = warnings_of(image)
    assert said.startswith("looks like ")
    assert kind in said
    assert "\n" not in said


def test_scale_offset_and_inversion_do_not_change_what_kind_of_picture_it_is() -> None:
    image = scene()
    same = kind_numbers(image)
    assert kind_numbers(3.0 * image - 100.0) == pytest.approx(same, abs=1e-3)
    assert kind_numbers(255.0 - image) == pytest.approx(same, abs=1e-2)


def test_polarity_changes_its_sign_with_the_image(densities: list[np.ndarray]) -> None:
    for image in displays(densities[0]).values():
        upright, inverted = polarity_numbers(image), polarity_numbers(255.0 - image)
        assert inverted == pytest.approx(-upright, abs=2e-2)
        assert np.abs(upright).max() > 0.1


def test_a_simulated_radiograph_that_knows_its_geometry_is_never_doubted(limb: Volume) -> None:
    drr = simulate(limb, DrrConfig(size=(120, 100), pixel=4.0))
    made = drr.radiograph(drr.full.max() - drr.full, "odd")
    assert domain_warnings(made) == ()


@pytest.mark.parametrize("shape", [(1, 9), (47, 300), (48, 48), (300, 49)])
def test_any_shape_is_looked_at_without_a_word_of_trouble(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).random(shape).astype(np.float32)
    found = domain_warnings(Radiograph(noise))
    assert isinstance(found, tuple)
    assert (found == ()) or min(shape) >= 48
    assert domain_warnings(Radiograph(np.ones(shape, np.float32))) == ()


@pytest.mark.parametrize("strength", [60, 150])
def test_colours_are_noted_by_the_reader_and_warned_of(
    densities: list[np.ndarray], tmp_path: Path, strength: int
) -> None:
    grey = displays(densities[0])["noisy"]
    colours = np.stack([grey, grey, grey], axis=-1)
    colours[:100, :, 0] = np.clip(colours[:100, :, 0] + strength, 0, 255)
    Image.fromarray(colours.astype(np.uint8)).save(tmp_path / "a.png")
    radiograph = read_radiograph(tmp_path / "a.png")
    assert any(note.startswith(COLOUR_NOTE) for note in radiograph.notes)
    (said,) = domain_warnings(radiograph)
    assert "in colour" in said


def test_a_grey_picture_stored_in_colour_is_no_colour_picture(
    densities: list[np.ndarray], tmp_path: Path
) -> None:
    grey = displays(densities[0])["noisy"]
    tinted = np.stack([0.7 * grey, 0.8 * grey, 30 + 0.85 * grey], axis=-1)
    Image.fromarray(tinted.astype(np.uint8)).save(tmp_path / "film.png")
    assert domain_warnings(read_radiograph(tmp_path / "film.png")) == ()
