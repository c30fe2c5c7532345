"""Resizing: as scipy's filters do it, without their memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from BoneXrayLib.resizing import BLUR, resampling, resize


def by_filters(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The same by a blurred copy and a grid of coordinates."""
    ratio = [old / new for old, new in zip(image.shape, shape, strict=True)]
    source = gaussian_filter(image, [BLUR * r if r > 1 else 0.0 for r in ratio])
    axes = [(np.arange(n) + 0.5) * r - 0.5 for n, r in zip(shape, ratio, strict=True)]
    return map_coordinates(source, np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((37, 101), (23, 64)),
        ((64, 23), (101, 37)),
        ((200, 31), (64, 50)),
        ((31, 200), (50, 64)),
        ((300, 2), (9, 1)),
        ((1, 9), (1, 64)),
        ((5, 1), (1, 3)),
    ],
)
def test_an_image_is_resized_as_by_scipys_filters(
    rng: np.random.Generator, old: tuple[int, int], new: tuple[int, int]
) -> None:
    image = rng.random(old, dtype=np.float32)
    found = resize(image, new)
    assert found.dtype == np.float32
    assert found == pytest.approx(by_filters(image, new), abs=1e-6)


@pytest.mark.parametrize(("old", "new"), [(4096, 192), (192, 4096), (7, 7), (1, 5), (5, 1)])
def test_an_even_image_stays_as_bright(old: int, new: int) -> None:
    assert resampling(old, new).sum(axis=1) == pytest.approx(1.0, abs=1e-6)


def test_an_image_of_that_size_is_copied_not_handed_on() -> None:
    image = np.ones((4, 5), np.float32)
    resize(image, (4, 5))[:] = 0
    assert image.all()


@pytest.mark.parametrize(("old", "new"), [((1024, 1024), (64, 64)), ((64, 64), (1024, 1024))])
def test_resizing_takes_little_more_memory_than_the_larger_image(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    image = np.ones(old, np.float32)
    resize(image, new)
    tracemalloc.start()
    found = resize(image, new)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < found.nbytes + 0.25 * max(found.nbytes, image.nbytes)
