"""Layers put together again are the image, and each light of a colour adds to the others'."""

from __future__ import annotations

import time

import numpy as np
import pytest

from BoneXrayLib.layer_blending import blend, fade

WHITE = (255, 255, 255)


def some_layers(count: int = 3, shape: tuple[int, int] = (70, 300)) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.random(shape, dtype=np.float32) for _ in range(count)]


def faded(image: np.ndarray, layers: list[np.ndarray], shares: list[float]) -> np.ndarray:
    out = np.full_like(image, np.nan)
    fade(image, layers, shares, out)
    return out


def blended(layers, colours, shares, window=(0.0, 3.0)) -> np.ndarray:
    out = np.zeros((*layers[0].shape, 3), np.uint8)
    blend(layers, colours, shares, window, out)
    return out


def test_with_all_of_each_layer_the_image_is_the_image_to_the_bit() -> None:
    layers = some_layers()
    image = np.sum(layers, axis=0)
    assert np.array_equal(faded(image, layers, [1, 1, 1]), image)


def test_a_layer_that_is_faded_out_leaves_the_sum_of_the_others() -> None:
    layers = some_layers()
    image = np.sum(layers, axis=0)
    np.testing.assert_allclose(faded(image, layers, [1, 0, 1]), layers[0] + layers[2], atol=1e-6)
    half = faded(image, layers, [0.5, 0, 2])
    np.testing.assert_allclose(half, layers[0] / 2 + 2 * layers[2], atol=1e-6)


def test_in_white_light_the_blend_is_the_image_in_its_window() -> None:
    layers = some_layers()
    image = np.sum(layers, axis=0)
    grey = np.clip((image - 0.5) / 1.5, 0, 1) * 255
    shown = blended(layers, [WHITE] * 3, [1, 1, 1], (0.5, 2.0))
    assert (shown == shown[..., :1]).all()
    np.testing.assert_allclose(shown[..., 0], grey, atol=1)


def test_each_layer_shines_in_its_colour_and_colours_add_up() -> None:
    layers = some_layers(2)
    red, green = (255, 0, 0), (0, 128, 0)
    shown = blended(layers, [red, green], [1, 0.5], (0.0, 1.0))
    np.testing.assert_allclose(shown[..., 0], layers[0] * 255, atol=1)
    np.testing.assert_allclose(shown[..., 1], layers[1] * 64, atol=1)
    assert not shown[..., 2].any()
    assert not blended(layers, [red, green], [0, 0]).any()


@pytest.mark.parametrize("share", [-0.1, 2.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    layers = some_layers(2)
    with pytest.raises(ValueError, match="; expected 0 to 2"):
        faded(layers[0], layers, [1, share])


def test_what_does_not_fit_is_refused() -> None:
    layers = some_layers(2)
    with pytest.raises(ValueError, match="shares: 1 of 2 layers"):
        blended(layers, [WHITE, WHITE], [1])
    with pytest.raises(ValueError, match="layers: one is of shape"):
        faded(layers[0][1:], layers, [1, 1])


def test_three_layers_of_1024_squared_follow_a_slider() -> None:
    layers = some_layers(3, (1024, 1024))
    image, grey = np.sum(layers, axis=0), np.zeros((1024, 1024), np.float32)
    colours = np.zeros((1024, 1024, 3), np.uint8)

    def work_ms(step) -> float:
        spent = []
        for _ in range(5):
            began = time.process_time()
            step()
            spent.append(1e3 * (time.process_time() - began))
        return min(spent)

    shares = [0.3, 0.6, 1.0]
    assert work_ms(lambda: fade(image, layers, shares, grey)) < 15
    assert work_ms(lambda: blend(layers, [WHITE] * 3, shares, (0, 3), colours)) < 30
