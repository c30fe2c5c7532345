"""Tiles: they cover the image once, and the network's answer cannot tell that there were any."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib import inference
from BoneXrayLib.inference import run_network
from BoneXrayLib.models import Model, find_model
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.running import tiles as tiling
from BoneXrayLib.running.tiles import KEPT_SIDE, MARGIN, tiles

EDGE = KEPT_SIDE + 2 * MARGIN


@pytest.fixture(scope="module")
def shipped() -> Model:
    return find_model("extract-general", "extract")


@pytest.fixture
def in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small images are run in tiles, and tiles keep little."""
    monkeypatch.setattr(inference, "MAX_PIXELS_AT_ONCE", 0)
    monkeypatch.setattr(tiling, "KEPT_SIDE", 64)


def bones_and_grain(rng: np.random.Generator, columns: int) -> np.ndarray:
    """Channels (3, 32, columns): bright bars of many widths under noise."""
    at = np.arange(columns)
    bars = 0.5 + 0.4 * np.sign(np.sin(at**1.5 / 60))
    channels = np.zeros((3, 32, columns), np.float32)
    channels[0] = bars + 0.05 * rng.standard_normal((32, columns))
    return channels


@pytest.mark.parametrize("multiple", [1, 16, 24])
@pytest.mark.parametrize("sides", [(1, 1), (1, 60), (32, 33), (50, 107)])
def test_every_pixel_is_kept_once_and_shown_at_its_place(
    sides: tuple[int, int], multiple: int
) -> None:
    rows, columns = (side * 24 for side in sides)
    rows, columns = (n - n % multiple for n in (rows, columns))
    image = np.arange(rows * columns).reshape(rows, columns)
    kept = np.full(image.shape, -1)
    for tile in tiles(rows, columns, multiple):
        seen = image[tile.seen]
        assert all(n % multiple == 0 for n in seen.shape), "the network's grids fit"
        assert all(place.start % multiple == 0 for place in tile.seen), "at their own lines"
        assert max(seen.shape) <= EDGE + 6 * multiple, "memory does not grow with the image"
        assert (kept[tile.kept] == -1).all()
        kept[tile.kept] = seen[tile.inside]
    assert np.array_equal(kept, image)


def test_what_lies_beyond_the_margin_does_not_reach_a_pixel() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("monai")
    from BoneXrayLib.running.networks import build_network, size_multiple

    description = {
        "name": "unet", "in_channels": 1, "out_channels": 1, "channels": [2, 2, 2, 2, 2, 2],
    }  # fmt: skip
    network = build_network(description).eval()
    multiple, columns = size_multiple(description), 512
    images = torch.zeros(multiple, 1, multiple, columns)
    places = 240 + np.arange(multiple)
    images[range(multiple), :, :, places] = torch.nan
    with torch.inference_mode():
        touched = torch.isnan(network(images))[:, 0].any(dim=1).numpy()
    reach = max(
        np.abs(np.flatnonzero(row) - at).max() for row, at in zip(touched, places, strict=True)
    )
    assert reach == 107
    assert reach <= MARGIN


@pytest.mark.usefixtures("in_tiles")
@pytest.mark.parametrize("columns", [800, 805])
def test_an_answer_in_tiles_is_the_answer_at_once(
    shipped: Model, rng: np.random.Generator, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = bones_and_grain(rng, columns)
    told: list[float] = []
    by_tiles = run_network(shipped, image, progress=lambda fraction, message: told.append(fraction))
    monkeypatch.setattr(inference, "MAX_PIXELS_AT_ONCE", inference.MAX_PIXELS)
    at_once = run_network(shipped, image)
    assert np.ptp(at_once) > 0.1
    assert by_tiles == pytest.approx(at_once, abs=1e-5)
    assert told == sorted(told)
    assert len(told) > 10
    assert told[-1] == 1.0


@pytest.mark.usefixtures("in_tiles")
def test_without_a_margin_there_would_be_seams(
    shipped: Model, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = bones_and_grain(rng, 320)
    with monkeypatch.context() as patch:
        patch.setattr(tiling, "MARGIN", 0)
        patch.setattr(tiling, "MARGIN_MULTIPLES", 0)
        apart = run_network(shipped, image)
    monkeypatch.setattr(inference, "MAX_PIXELS_AT_ONCE", inference.MAX_PIXELS)
    at_once = run_network(shipped, image)
    assert np.abs(apart - at_once).max() > 0.01 * np.ptp(at_once)


@pytest.mark.usefixtures("in_tiles")
def test_a_run_in_tiles_can_be_stopped_between_them(
    shipped: Model, rng: np.random.Generator
) -> None:
    told: list[float] = []
    with pytest.raises(Cancelled):
        run_network(
            shipped,
            bones_and_grain(rng, 800),
            progress=lambda fraction, message: told.append(fraction),
            is_cancelled=lambda: len(told) > 3,
        )
    assert len(told) == 4
