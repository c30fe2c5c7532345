"""Windows of HU from one binned view: exact at edges, and what lies between."""

from __future__ import annotations

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.projection import (
    BinnedView,
    even_edges,
    prepare,
    project_bins,
    project_bone,
    project_prepared,
)
from BoneXrayLib.projection.prepared import PreparedParts

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
def test_a_window_is_what_projecting_it_gives_on_edges_and_between(
    rotate: tuple[float, float], beam: str, hu: np.ndarray, prepared: PreparedParts
) -> None:
    geometry = view(rotate, beam)
    bins = project_bins(prepared, geometry, (-1000, -200, 0, 100, 106, 200, 300, 900))
    whole = project_prepared(prepared, geometry).sum(axis=0)
    bar = 3e-5 * float(whole.max())
    assert bins.from_hu(-1000.0) == pytest.approx(whole, abs=bar)
    on_edges = ((100.0, np.inf), (-200.0, np.inf), (200.0, 300.0), (0.0, 100.0))
    between = ((102.0, np.inf), (105.0, 291.0), (262.5, np.inf), (400.0, 800.0), (1210.0, np.inf))
    for low, high in (*on_edges, *between):
        direct = project_bone(prepare(parts_of(hu, low, high)), geometry)
        assert direct.max() > 0.01
        assert bins.window(low, high) == pytest.approx(direct, abs=bar)


def test_default_edges_hold_every_threshold_of_bone(
    hu: np.ndarray, prepared: PreparedParts
) -> None:
    for rotate, beam in (((0, 0), "cone"), ((25, 10), "parallel")):
        bins = project_bins(prepared, view(rotate, beam))
        for low in (101.0, 255.0, 999.0, 2400.0):
            direct = project_bone(prepare(parts_of(hu, low)), view(rotate, beam))
            assert bins.from_hu(low) == pytest.approx(direct, abs=1e-4)


def test_below_the_listed_a_window_lies_between_those_of_its_edges(
    prepared: PreparedParts,
) -> None:
    bins = project_bins(prepared, view((0, 0)), (-1000, -500, 100, 300))
    low, middle, high = (bins.from_hu(hu) for hu in (-500.0, -200.0, 100.0))
    assert (middle <= low + 1e-6).all()
    assert (middle >= high - 1e-6).all()
    assert 0.2 < float((middle - high).sum() / (low - high).sum()) < 0.98
    plain = BinnedView(bins.above, bins.edges)
    assert plain.from_hu(-200.0) == pytest.approx(0.5 * low + 0.5 * high, abs=1e-5)
    assert np.array_equal(plain.from_hu(5000.0), bins.from_hu(300.0))


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
    assert fresh.above.nbytes == 4 * len(even_edges(prepared)) * 50 * 44


def test_edges_that_are_not_asked_for_part_the_ct_evenly() -> None:
    hu = np.random.default_rng(8).exponential(200.0, SHAPE).astype(np.int16)
    edges = even_edges(prepare(parts_of(hu)), 20)
    assert len(edges) == 20
    assert edges[:2].tolist() == [-1000, 100]
    counts = np.histogram(hu[hu >= 100], [*edges[1:], 40000])[0]
    assert np.ptp(counts) <= 2 * np.bincount(hu[hu >= 100]).max()


def test_a_ct_of_few_values_gets_few_edges(prepared: PreparedParts) -> None:
    two = np.where(np.indices(SHAPE)[0] > 10, np.int16(250), np.int16(-1000))
    assert even_edges(prepare(parts_of(two))).tolist() == [-1000, 100, 250]


def test_memory_of_another_size_is_refused(prepared: PreparedParts) -> None:
    with pytest.raises(ValueError, match=r"out: got .* expected `above` of an earlier view"):
        project_bins(prepared, view((0, 0)), out=np.empty((64, 50, 44), np.float32))


@pytest.mark.parametrize("edges", [(100.0,), (200.0, 100.0), tuple(range(300))])
def test_edges_that_are_no_bins_are_refused(
    edges: tuple[float, ...], prepared: PreparedParts
) -> None:
    with pytest.raises(ValueError, match=r"edges: got .* expected 2 to 254 ascending"):
        project_bins(prepared, view((0, 0)), edges)
