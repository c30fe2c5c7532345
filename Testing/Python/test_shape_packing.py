"""Modes in a file: smooth ones at few vertices, drawn through them again; rough ones at all."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.shape_model import read_shape_model
from BoneXrayLib.shape_packing import (
    DRAWN_OFF,
    ROUNDED_OFF,
    WORTH,
    drawn,
    kept_vertices,
    packed_modes,
    unpacked_modes,
)

VERTICES, MODES = 2400, 6
DEVIATIONS = np.array([6.0, 3.0, 1.0, 0.5, 0.2, 0.1])


@pytest.fixture(scope="module")
def shaft() -> np.ndarray:
    """(V, 3) mm of a long ellipsoid, spread evenly by golden angles."""
    n = np.arange(VERTICES) + 0.5
    height, turn = 1 - 2 * n / VERTICES, np.pi * (1 + 5**0.5) * n
    round_ = np.sqrt(1 - height**2)
    return np.stack([20 * round_ * np.cos(turn), 20 * round_ * np.sin(turn), 150 * height], axis=1)


def waves(points: np.ndarray, shortest: float) -> np.ndarray:
    """(M, V, 3) orthogonal modes of root mean square 1, made of waves of that length and longer."""
    rng = np.random.default_rng(2)
    k = rng.standard_normal((40, 3))
    k *= (
        2
        * np.pi
        / rng.uniform(shortest, 6 * shortest, 40)[:, None]
        / np.linalg.norm(k, axis=1)[:, None]
    )
    raw = np.sin(points @ k.T + rng.uniform(0, 7, 40)) @ rng.standard_normal((40, 3 * MODES))
    flat = raw.reshape(len(points), MODES, 3).transpose(1, 0, 2).reshape(MODES, -1)
    return (np.linalg.qr(flat.T)[0].T * np.sqrt(len(points))).reshape(MODES, -1, 3)


def unpacked(mean: np.ndarray, modes: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    tensors = packed_modes(mean, modes, DEVIATIONS) | {"mean": mean.astype(np.float32)}
    return unpacked_modes(tensors), tensors


def test_smooth_modes_are_kept_at_few_vertices_and_move_all_as_before(shaft: np.ndarray) -> None:
    modes = waves(shaft, 90.0)
    found, tensors = unpacked(shaft, modes)
    assert len(tensors["kept"]) * WORTH <= VERTICES
    assert sum(t.nbytes for name, t in tensors.items() if "modes" in name) < modes.size
    off = np.linalg.norm(found - modes, axis=2) * DEVIATIONS[:, None]
    assert off.max() < 2 * (DRAWN_OFF + ROUNDED_OFF)


def test_modes_drawn_anew_are_orthogonal_and_of_length_one(shaft: np.ndarray) -> None:
    flat = unpacked(shaft, waves(shaft, 90.0))[0].reshape(MODES, -1)
    assert flat @ flat.T / VERTICES == pytest.approx(np.eye(MODES), abs=1e-9)


def test_rough_modes_are_kept_at_every_vertex(shaft: np.ndarray) -> None:
    modes = waves(shaft, 4.0)
    found, tensors = unpacked(shaft, modes)
    assert "kept" not in tensors
    off = np.abs(found - modes).max(axis=(1, 2)) * DEVIATIONS
    assert off.max() <= ROUNDED_OFF


def test_a_mode_goes_through_the_vertices_that_are_kept(shaft: np.ndarray) -> None:
    modes = waves(shaft, 90.0)
    kept = kept_vertices(shaft, modes, DEVIATIONS)
    found = drawn(shaft, kept, modes[:, kept])
    assert found[:, kept] == pytest.approx(modes[:, kept], abs=1e-6)


@pytest.mark.parametrize("bone", ["femur", "tibia"])
def test_the_shipped_shapes_are_small_and_as_a_shape_model_is_to_be(bone: str) -> None:
    model = read_shape_model(bone)
    flat = model.modes.reshape(model.count, -1)
    assert flat @ flat.T / len(model.mean) == pytest.approx(np.eye(model.count), abs=1e-9)
    assert model.card is not None
    drawn_shape = model.shape(model.sample(np.random.default_rng(1)))
    assert model.shape(model.coefficients(drawn_shape)) == pytest.approx(drawn_shape, abs=1e-6)
