"""The GPU's way to project, on whatever torch has here, against the CPU's; and who is chosen."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from BoneXrayLib.bone import Parts
from BoneXrayLib.drr import DrrConfig, simulate, write_drr
from BoneXrayLib.geometry import BEAMS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.phantoms import Ellipsoid, GaussianBlob, sample_on_grid
from BoneXrayLib.progress import Cancelled
from BoneXrayLib.projection import devices, prepare, project, project_exact, project_on, used_device
from BoneXrayLib.volume import Volume

SAME = 1e-3
SHAPE = (30, 44, 40)
POSES = {"AP": (0.0, 0.0), "lateral": (90.0, 0.0), "rotated": (30.0, 0.0), "tilted": (38.0, 12.0)}
SOLIDS = [
    GaussianBlob((6.0, -9.0, 4.0), 17.0, 1500.0),
    Ellipsoid((-5.0, 8.0, -6.0), (32.0, 24.0, 30.0), 900.0),
]


def without_nanodrr() -> str | None:
    """Why nanodrr cannot run here, even without a GPU."""
    reason = devices.obstacle()
    return None if reason == "torch finds no CUDA device" else reason


needs_nanodrr = pytest.mark.skipif(without_nanodrr() is not None, reason=str(without_nanodrr()))
needs_cuda = pytest.mark.skipif(not devices.available(), reason=str(devices.obstacle()))


def matrix_of(kind: str) -> np.ndarray:
    """A centred grid of thick slices: along the patient, sheared, or turned out of its axes."""
    matrix = np.diag([-1.6, -1.8, 2.6, 1.0])
    if kind == "sheared":
        matrix[0, 2], matrix[1, 2] = 0.3, -0.8
    if kind == "oblique":
        c, s = np.cos(0.4), np.sin(0.4)
        matrix[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ matrix[:3, :3]
        matrix[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ matrix[:3, :3]
    matrix[:3, 3] = (40.0, -300.0, 900.0) - matrix[:3, :3] @ ((np.array(SHAPE[::-1]) - 1) / 2)
    return matrix


def parts_of(
    kind: str = "plain", labels: int = 1, fraction: bool = False, solids: Sequence = SOLIDS
) -> Parts:
    """Solids on a grid, in layers of labels along k where they are dense."""
    matrix, centred = matrix_of(kind), matrix_of(kind)
    centred[:3, 3] -= (40.0, -300.0, 900.0)
    hu = np.rint(sample_on_grid(solids, SHAPE, centred) - 1000.0).astype(np.int16)
    layer = 1 + np.arange(SHAPE[0])[:, None, None] * labels // SHAPE[0]
    part = np.where(hu > 150, layer, 0).astype(np.uint8)
    share = np.clip(hu // 4, 0, 255).astype(np.uint8) if fraction else None
    return Parts(hu, matrix, part, share, ("rest", *(f"bone {n}" for n in range(labels))))


def view(pose: str, beam: str = "cone", **fields: float) -> Geometry:
    values = {"source_detector": 900.0, "source_object": 700.0, "pixel": 5.0} | fields
    config = GeometryConfig(rotate=POSES[pose], beam=beam, size=(24, 20), **values)
    return make_geometry(config, np.array([40.0, -300.0, 900.0]))


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Generator[None]:
    """Images are so small here that threads would only wait for one another."""
    if without_nanodrr() is not None:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def on_torch(parts: object, geometry: Geometry, **options: object) -> np.ndarray:
    """What the GPU would do, done by torch on the CPU."""
    from BoneXrayLib.projection.gpu import project_gpu

    return project_gpu(parts, geometry, device="cpu", **options)


def rms(image: np.ndarray) -> float:
    return float(np.sqrt(np.square(image, dtype=np.float64).mean()))


def off(images: np.ndarray, expected: np.ndarray) -> float:
    """How far the whole, or the worst part, is off, beside the whole's root mean square."""
    whole = expected.sum(axis=0)
    assert rms(whole) > 0.3
    parts = [rms(one - other) for one, other in zip(images, expected, strict=True)]
    return max(rms(images.sum(axis=0) - whole), *parts) / rms(whole)


def exact(parts: Parts, geometry: Geometry) -> np.ndarray:
    return project_exact(parts, geometry).reshape(-1, *geometry.size)


@needs_nanodrr
@pytest.mark.parametrize("kind", ["plain", "oblique"])
@pytest.mark.parametrize("pose", POSES)
def test_every_pose_and_grid_agrees_with_exact_integrals(pose: str, kind: str) -> None:
    parts, geometry = parts_of(kind), view(pose)
    assert off(on_torch(parts, geometry), exact(parts, geometry)) < SAME


@needs_nanodrr
@pytest.mark.parametrize("beam", BEAMS)
def test_every_beam_through_a_sheared_grid_agrees_with_exact_integrals(beam: str) -> None:
    parts, geometry = parts_of("sheared"), view("tilted", beam)
    assert off(on_torch(parts, geometry), exact(parts, geometry)) < SAME


@needs_nanodrr
@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("beam", BEAMS)
def test_every_beam_agrees_with_the_projection_on_the_cpu(beam: str, pose: str) -> None:
    geometry = view(pose, beam)
    for kind in ("plain", "oblique"):
        smooth = parts_of(kind, solids=SOLIDS[:1])
        whole = Parts(smooth.hu, smooth.ijk_to_ras, smooth.part, None, ("rest",))
        assert off(on_torch(whole, geometry), project(whole, geometry)) < SAME
        # The edges of the parts are steps here, of few and thick voxels.
        assert off(on_torch(smooth, geometry), project(smooth, geometry)) < 6 * SAME


@needs_nanodrr
@pytest.mark.parametrize("place", [{"source_object": 880.0}, {"source_object": 20.0}])
def test_a_source_or_detector_within_the_patient_cuts_the_rays(place: dict) -> None:
    parts, geometry = parts_of(), view("rotated", **place)
    whole = exact(parts, geometry).sum(axis=0)
    assert rms(on_torch(parts, geometry).sum(axis=0) - whole) < 5 * SAME * rms(whole)


@needs_nanodrr
@pytest.mark.parametrize("fraction", [False, True])
def test_labels_and_shares_of_voxels_keep_their_own_and_sum_to_the_whole(fraction: bool) -> None:
    parts, geometry = parts_of("oblique", 3, fraction), view("tilted")
    images = on_torch(parts, geometry)
    assert len(images) == 4
    assert off(images, exact(parts, geometry)) < SAME
    whole = on_torch(Parts(parts.hu, parts.ijk_to_ras, parts.part, None, ("rest",)), geometry)[0]
    assert rms(images.sum(axis=0) - whole) < 1e-5 * rms(whole)


@needs_nanodrr
@pytest.mark.parametrize(("labels", "fraction"), [(1, False), (3, False), (2, True)])
def test_prepared_parts_are_projected_as_the_parts_are(labels: int, fraction: bool) -> None:
    parts, geometry = parts_of("oblique", labels, fraction), view("tilted")
    assert off(on_torch(prepare(parts), geometry), on_torch(parts, geometry)) < SAME


@needs_nanodrr
def test_uploaded_parts_serve_any_number_of_views_and_can_be_cancelled() -> None:
    from BoneXrayLib.projection.gpu import upload

    parts, told = parts_of(), []
    uploaded = upload(parts, "cpu")
    for pose in ("AP", "tilted"):
        images = on_torch(uploaded, view(pose), progress=lambda f, m: told.append(f))
        assert np.array_equal(images, on_torch(parts, view(pose)))
        assert told[-1] == 1.0
    with pytest.raises(Cancelled):
        on_torch(uploaded, view("AP"), is_cancelled=lambda: True)


@needs_cuda
@pytest.mark.parametrize("pose", POSES)
def test_a_gpu_gives_what_the_cpu_gives(pose: str) -> None:
    for labels, fraction in ((1, False), (3, False), (3, True)):
        parts, geometry = parts_of("oblique", labels, fraction), view(pose)
        images, used = project_on(parts, geometry, "cuda")
        assert used.startswith("cuda:")
        assert off(images, on_torch(parts, geometry)) < 1e-4
        assert off(images, exact(parts, geometry)) < SAME


def test_without_nanodrr_the_cpu_is_used_and_cuda_is_refused(
    limb: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(devices, "version", missing)
    assert not devices.available()
    assert used_device("auto") == "cpu"
    for call in (lambda: used_device("cuda"), lambda: simulate(limb, DrrConfig(), device="cuda")):
        with pytest.raises(ValueError, match=r"^device: got 'cuda', but nanodrr is not installed"):
            call()


def test_an_old_nanodrr_and_an_unknown_device_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "version", lambda name: "0.1.6")
    with pytest.raises(
        ValueError, match=r"nanodrr 0\.1\.6 is installed; expected 0\.1\.7 or newer"
    ):
        used_device("cuda")
    with pytest.raises(ValueError, match=r"^device: got 'tpu'; expected one of auto, cpu, cuda$"):
        used_device("tpu")


@pytest.mark.parametrize("prepared", [False, True])
def test_a_gpu_that_fails_leaves_the_work_to_the_cpu_and_says_so_once(
    prepared: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> np.ndarray:
        raise MemoryError("out of memory\ntried to allocate 1 GiB")

    parts, geometry = parts_of(), view("AP")
    monkeypatch.setattr(devices, "used_device", lambda choice: "cuda:0 (a GPU)")
    monkeypatch.setattr(devices, "_on_gpu", full)
    with caplog.at_level(logging.INFO):
        images, used = project_on(prepare(parts) if prepared else parts, geometry)
    assert used == "cpu"
    assert np.array_equal(images, project(parts, geometry))
    assert [record.getMessage() for record in caplog.records] == [
        "cuda:0 (a GPU) failed, so the CPU projects: out of memory tried to allocate 1 GiB"
    ]


def test_cancelling_on_the_gpu_does_not_start_anew_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cancelled(*_: object) -> np.ndarray:
        raise Cancelled("stopped by the user")

    monkeypatch.setattr(devices, "used_device", lambda choice: "cuda:0 (a GPU)")
    monkeypatch.setattr(devices, "_on_gpu", cancelled)
    with pytest.raises(Cancelled):
        project_on(parts_of(), view("AP"))


def test_the_record_of_a_radiograph_says_what_projected_it(limb: Volume, tmp_path: Path) -> None:
    drr = simulate(limb, DrrConfig(size=(24, 16), pixel=8.0), device="cpu")
    files = write_drr(drr, tmp_path)
    assert json.loads(files["drr.json"].read_text())["device"] == "cpu"
