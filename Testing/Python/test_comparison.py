"""Comparison: known answers, agreement with other implementations, pictures in a row."""

import numpy as np
import pytest

from BoneXrayLib.comparison import (
    ms_ssim,
    psnr,
    rmse,
    side_by_side,
    ssim,
    ssim_within,
    stacked,
    to_8bit,
)


@pytest.fixture
def reference(rng: np.random.Generator) -> np.ndarray:
    """Smooth shapes and some texture, 0..255, 200 x 240."""
    row, column = np.mgrid[0:200, 0:240]
    shapes = 120 + 80 * np.sin(row / 17) * np.cos(column / 23) + 20 * np.sin(column / 3)
    return np.clip(shapes + rng.normal(0, 5, shapes.shape), 0, 255).astype(np.float32)


@pytest.fixture
def image(reference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The reference, darker, softer and noisy."""
    soft = (reference + np.roll(reference, 1, 0) + np.roll(reference, 1, 1)) / 3
    return np.clip(0.8 * soft + rng.normal(0, 12, soft.shape), 0, 255).astype(np.float32)


def test_an_image_is_equal_to_itself(reference):
    assert rmse(reference, reference) == 0
    assert psnr(reference, reference) == np.inf
    assert ssim(reference, reference) == pytest.approx(1)
    assert ms_ssim(reference, reference) == pytest.approx(1)


def test_a_constant_error_has_the_psnr_of_the_formula():
    reference = np.full((20, 20), 100.0)
    assert rmse(reference + 25.5, reference) == pytest.approx(25.5)
    assert psnr(reference + 25.5, reference) == pytest.approx(20.0)


def test_the_luminance_of_two_flat_images_is_the_formula():
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(np.full((30, 30), 100.0), np.full((30, 30), 150.0)) == pytest.approx(expected)


def test_more_noise_is_less_alike_by_every_measure(reference, rng):
    noise = rng.normal(0, 1, reference.shape)
    for measure in (psnr, ssim, ms_ssim):
        values = [measure(reference + level * noise, reference) for level in (2, 8, 32)]
        assert values == sorted(values, reverse=True)


def test_an_inverted_image_is_no_better_than_nothing_in_structure(reference):
    assert ssim(255 - reference, reference) < 0
    assert ms_ssim(255 - reference, reference) == 0


def test_ssim_agrees_with_scikit_image(image, reference):
    metrics = pytest.importorskip("skimage.metrics")
    theirs = metrics.structural_similarity(
        image.astype(np.float64),
        reference.astype(np.float64),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(image, reference) == pytest.approx(theirs, abs=1e-9)
    theirs = metrics.peak_signal_noise_ratio(reference, image, data_range=255)
    assert psnr(image, reference) == pytest.approx(theirs, abs=1e-4)


def test_ssim_within_a_mask_is_the_mean_of_its_pixels(image, reference):
    everywhere = np.ones(image.shape, bool)
    assert ssim_within(image, reference, everywhere) == pytest.approx(ssim(image, reference))
    left, right = everywhere.copy(), everywhere.copy()
    left[:, 90:], right[:, :90] = False, False
    shares = np.array([(90 - 5) * 190, (150 - 5) * 190])
    parts = [ssim_within(image, reference, mask) for mask in (left, right)]
    assert np.average(parts, weights=shares) == pytest.approx(ssim(image, reference))
    spoilt = np.where(left, 255.0 - image, image)
    assert ssim_within(spoilt[:, 100:], reference[:, 100:], right[:, 100:]) == pytest.approx(
        ssim_within(image[:, 100:], reference[:, 100:], right[:, 100:])
    )
    assert np.isnan(ssim_within(image, reference, ~everywhere))


def test_ms_ssim_agrees_with_monai(image, reference):
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    theirs = metrics.MultiScaleSSIMMetric(2, data_range=255.0, kernel_size=11, kernel_sigma=1.5)
    pair = [torch.from_numpy(a)[None, None].double() for a in (image, reference)]
    assert ms_ssim(image, reference) == pytest.approx(float(theirs(*pair)), abs=2e-4)


def test_the_8_bit_scale_is_the_references_own(reference):
    scaled = to_8bit(reference * 0.013, reference * 0.013)
    assert np.percentile(scaled, 99.5) == pytest.approx(255, abs=0.5)
    assert scaled.max() == 255
    half = to_8bit(reference * 0.0065, reference * 0.013)
    np.testing.assert_allclose(half[scaled < 255], scaled[scaled < 255] / 2, rtol=1e-4)
    assert to_8bit(np.array([[-1.0, 9.0]]), np.ones((4, 4))).tolist() == [[0.0, 255.0]]


@pytest.mark.parametrize(
    ("compare", "said"),
    [
        (lambda: rmse(np.zeros((4, 4)), np.zeros((4, 5))), r"shape \(4, 4\); expected the refer"),
        (lambda: rmse(np.zeros((4, 4, 3)), np.zeros((4, 4, 3))), "expected a grey image"),
        (lambda: psnr(np.full((4, 4), np.nan), np.zeros((4, 4))), "image: holds NaN"),
        (lambda: ssim(np.zeros((10, 40)), np.zeros((10, 40))), "SSIM needs at least 11 pixels"),
        (lambda: ms_ssim(np.zeros((175, 300)), np.zeros((175, 300))), "needs at least 176 pixels"),
        (lambda: to_8bit(np.zeros((4, 4)), np.zeros((4, 4))), "reference: 99.5th percentile 0"),
        (lambda: side_by_side([], []), "0 for 0 images"),
        (lambda: side_by_side([np.zeros((4, 4))], ["a", "b"]), "2 for 1 images"),
        (lambda: side_by_side([np.zeros((4, 4, 4))], ["a"]), "images: shape"),
        (lambda: side_by_side([np.full((4, 4), np.inf)], ["a"]), "images: hold NaN or infinity"),
    ],
)
def test_what_cannot_be_compared_ends_in_one_line(compare, said):
    with pytest.raises(ValueError, match=said) as error:
        compare()
    assert "\n" not in str(error.value)


def test_images_beside_each_other_keep_their_shape_and_get_their_title():
    ramp = np.tile(np.linspace(-3, 5, 60, dtype=np.float32), (30, 1))
    sheet = side_by_side([ramp, ramp.T], ["ramp", "the same ramp turned"], height=120)
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 2
    assert sheet.shape[1] == 240 + 60 + 3 * 8
    body = sheet[-128:-8]
    assert (np.diff(body[60, 8:248].astype(int)) >= 0).all()
    assert (body[60, 8], body[60, 247]) == (0, 255)
    titles = sheet[:-128]
    assert titles[:, 8:248].max() > 200
    assert titles[:, 256:316].max() > 200


def test_colour_stays_colour_and_a_window_is_kept():
    red = np.zeros((20, 20, 3), dtype=np.uint8)
    red[..., 0] = 200
    grey = np.full((20, 20), 0.5, dtype=np.float32)
    sheet = side_by_side([red, grey], ["", "half"], height=40, windows=[None, (0.0, 2.0)])
    assert sheet.shape[2] == 3
    assert sheet[-20, 20].tolist() == [200, 0, 0]
    assert sheet[-20, 70].tolist() == [64, 64, 64]


def test_rows_are_stacked_to_the_width_of_the_widest():
    one = side_by_side([np.eye(40)], ["one"], height=40)
    two = side_by_side([np.eye(40)] * 2, ["one", "two"], height=40)
    sheet = stacked([one, two])
    assert sheet.shape == (one.shape[0] + two.shape[0], two.shape[1])
