"""Windows of HU from one binned view: exact at edges, and what lies between."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.projection import (
    DEFAULT_EDGES,
    prepare,
    project_bins,
    project_bone,
    project_prepared,
)
from BoneXrayLib.projection.prepared import PreparedParts
from BoneXrayLib.volume import Volume

SHAPE = (37, 44, 40)


def parts_of(hu: np.ndarray, low: float = -1000.0, high: float = np.inf) -> Parts:
    matrix = np.diag([2.0, 1.8, 2.4, 1.0])
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(hu.shape[::-1]) - 1) / 2)
    part = ((hu >= low) & (hu < high)).astype(np.uint8)
    return Parts(hu, matrix, part, None, ("rest", "bone"))


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    """Plain stretches, which go bin by bin, beside noise, which is sorted voxel by voxel."""
    values = np.random.default_rng(5).integers(-1100, 2500, SHAPE).astype(np.int16)
    values[:, :14], values[:14, 14:28], values[14:24, 14:] = 30, -300, 260
    return values


@pytest.fixture(scope="module")
def prepared(hu: np.ndarray) -> PreparedParts:
    return prepare(parts_of(hu))


def view(rotate: tuple[float, float], beam: str = "cone") -> Geometry:
    config = GeometryConfig(
        rotate=rotate, beam=beam, size=(50, 44), pixel=2.5, source_detector=1000, source_object=800
    )
    return make_geometry(config, np.zeros(3))


@pytest.mark.parametrize(
    ("rotate", "beam"),
    [((8, 0), "cone"), ((8, 14), "cone"), ((0, 80), "cone"), ((30, 0), "localizer")],
)
def test_a_window_on_edges_is_what_projecting_it_gives(
    rotate: tuple[float, float], beam: str, hu: np.ndarray, prepared: PreparedParts
) -> None:
    geometry = view(rotate, beam)
    bins = project_bins(prepared, geometry)
    whole = project_prepared(prepared, geometry).sum(axis=0)
    bar = 3e-5 * float(whole.max())
    assert bins.from_hu(-1000.0) == pytest.approx(whole, abs=bar)
    for low, high in ((100.0, np.inf), (250.0, np.inf), (200.0, 450.0), (0.0, 100.0)):
        direct = project_bone(prepare(parts_of(hu, low, high)), geometry)
        assert direct.max() > 0.05
        assert bins.window(low, high) == pytest.approx(direct, abs=bar)


def test_between_edges_a_window_lies_between_theirs(prepared: PreparedParts) -> None:
    bins = project_bins(prepared, view((0, 0)), (-1000, 0, 200, 300))
    low, middle, high = (bins.from_hu(hu) for hu in (200.0, 225.0, 300.0))
    assert middle == pytest.approx(0.75 * low + 0.25 * high, abs=1e-5)
    assert np.array_equal(bins.from_hu(5000.0), high)


def test_a_threshold_between_default_edges_is_within_a_percent(limb: Volume) -> None:
    ramp = np.clip(
        limb.hu.astype(float) * np.linspace(0.4, 1.0, limb.hu.shape[1])[:, None], -1000, 3000
    )
    hu = np.rint(ramp).astype(np.int16)
    geometry = view((0, 0))
    bins = project_bins(prepare(parts_of(hu)), geometry)
    whole = project_prepared(prepare(parts_of(hu)), geometry).sum(axis=0)
    for low in (106.0, 231.0, 407.0):
        direct = project_bone(prepare(parts_of(hu, low)), geometry)
        error = np.sqrt(((bins.from_hu(low) - direct) ** 2).mean())
        assert error < 0.01 * np.sqrt((whole**2).mean())


def test_voxels_below_the_first_edge_are_never_counted(
    hu: np.ndarray, prepared: PreparedParts
) -> None:
    for rotate in ((8, 0), (8, 14)):
        geometry = view(rotate)
        bins = project_bins(prepared, geometry, np.arange(100.0, 1000.0, 50.0))
        direct = project_bone(prepare(parts_of(hu, 100.0)), geometry)
        assert bins.above[0] == pytest.approx(direct, abs=3e-4)


def test_a_view_can_be_projected_into_the_memory_of_the_last(prepared: PreparedParts) -> None:
    first = project_bins(prepared, view((0, 0)))
    fresh = project_bins(prepared, view((40, 0)))
    again = project_bins(prepared, view((40, 0)), out=first.above)
    assert again.above is first.above
    assert np.array_equal(again.above, fresh.above)
    assert fresh.above.nbytes == 4 * len(DEFAULT_EDGES) * 50 * 44


@pytest.mark.parametrize("edges", [(100.0,), (200.0, 100.0), tuple(range(300))])
def test_edges_that_are_no_bins_are_refused(
    edges: tuple[float, ...], prepared: PreparedParts
) -> None:
    with pytest.raises(ValueError, match=r"edges: got .* expected 2 to 254 ascending"):
        project_bins(prepared, view((0, 0)), edges)
