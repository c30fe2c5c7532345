"""One sample of a CT, and the record that gives it again bit for bit."""

from __future__ import annotations

import dataclasses
import platform
import threading
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import BoneXrayLib
from BoneXrayLib.bone import Parts
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.projection import PreparedParts, prepare, project_prepared
from BoneXrayLib.projection.workers import numba_threads_limited
from BoneXrayLib.volume import Volume

from ..pairs import TISSUES, Draw, draw_pair, project_draw
from ..sources import load_source, make_variant
from .config import GenerateSource, SampleConfig
from .exposures import DrawnExposure, draw_exposure, exposed_images
from .hashes import array_sha256, path_sha256
from .landmarks import landmarks_file, project_landmarks, read_landmarks
from .localizer import Localizer, cropped_to, read_localizer
from .plan import Shard, view_of

SCHEMA = 1
PACKAGES = ("numpy", "numba", "scipy", "SimpleITK", "pydicom")

_one_deformation = threading.Lock()
"""numba's own threads take one caller at a time; a cluster's worker may have several."""


@dataclass(eq=False)
class LoadedCt:
    """A CT read once, and what is kept of it between samples.

    Attributes:
        source: its entry.
        config: what samples depend on.
        parts: the patient as read.
        landmarks: RAS mm by name.
        sha256: of CT, label map, landmarks and meshes drawn towards, by what they are.
    """

    source: GenerateSource
    config: SampleConfig
    root: Path
    number: int
    parts: Parts
    landmarks: dict[str, tuple[float, float, float]]
    sha256: dict[str, str]
    _kept: dict = field(default_factory=dict)

    def patient(self, variant: int) -> tuple[Parts, PreparedParts]:
        """The patient or a deformed copy, ready to be projected; the last one is kept."""
        if self._kept.get("variant") != variant:
            parts = self.parts
            if variant:
                spread = self.config.pairs.deformation
                with _one_deformation, numba_threads_limited():
                    parts = make_variant(
                        self.source, self.root, self.config.seed, variant, parts, spread
                    )
            self._kept.update(variant=variant, patient=(parts, prepare(parts)))
        return self._kept["patient"]

    def localizer(self, file: str) -> Localizer:
        """A real localizer, cropped to the CT; the last one is kept."""
        if self._kept.get("file") != file:
            whole = read_localizer(self.root / file, self.config.localizer)
            corners = Volume(self.parts.hu, self.parts.ijk_to_ras).corners_ras
            self.sha256["localizer"] = path_sha256(self.root / file)
            self._kept.update(file=file, localizer=cropped_to(whole, corners, file))
        return self._kept["localizer"]


@dataclass(frozen=True, eq=False)
class Sample:
    """Arrays by name, optical density unless the record says else, and the record."""

    arrays: dict[str, np.ndarray]
    record: dict


@dataclass(frozen=True)
class Drawn:
    """What was drawn for one sample: with its CT and its record's config it is the sample."""

    draw: Draw | None
    """None with a real localizer, which has its pose."""
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The patient's movement along R, A and S between CT and localizer."""
    exposure: DrawnExposure | None = None


def load_ct(
    source: GenerateSource, number: int, config: SampleConfig, root: Path, sha256: str = ""
) -> LoadedCt:
    """Read a CT, split it into parts, find its landmarks.

    Raises:
        FileNotFoundError, ValueError: it cannot be used, in one line.
    """
    labels = root / source.labels if source.labels else None
    parts = load_source(source, root, config.seed, source.series or None, labels, source.structures)
    named = root / source.landmarks if source.landmarks else None
    file = landmarks_file(root / source.path, named) if source.variants == 1 else None
    hashes = {"ct": sha256 or path_sha256(root / source.path)}
    hashes |= {} if labels is None else {"labels": path_sha256(labels)}
    hashes |= {} if file is None else {"landmarks": path_sha256(file)}
    towards = source.mesh.towards.path
    hashes |= {"towards": path_sha256(root / towards)} if towards else {}
    points = {} if file is None else read_landmarks(file)
    return LoadedCt(source, config, root, number, parts, points, hashes)


def make_sample(ct: LoadedCt, number: int, shard: Shard, split: str) -> Sample:
    """Sample `number` of a CT: drawn from (seed, CT, number) alone."""
    return compose(ct, number, shard, split, drawn(ct, number, shard))


def drawn(ct: LoadedCt, number: int, shard: Shard) -> Drawn:
    """What is drawn for sample `number`."""
    config, rng = ct.config, np.random.default_rng([ct.config.seed, ct.number, number])
    draw = None
    if not shard.localizer:
        view = view_of(config, number)
        name = f"{ct.source.patient} {shard.variant}"
        draw = draw_pair(rng, name, ct.patient(shard.variant)[0], config.drawn_from, view)
    low, high = config.localizer.misregistration
    if config.pairing == "drr":
        return Drawn(draw, exposure=draw_exposure(rng, config.exposures))
    if high == 0:
        return Drawn(draw)
    way = rng.normal(size=3)
    x, y, z = way / np.linalg.norm(way) * rng.uniform(low, high)
    return Drawn(draw, (float(x), float(y), float(z)))


def compose(ct: LoadedCt, number: int, shard: Shard, split: str, drawn: Drawn) -> Sample:
    """The sample that `drawn` describes, and its record."""
    parts, prepared = ct.patient(shard.variant)
    deform = np.eye(4)
    if drawn.draw is not None:
        deform[:3, :3] = np.asarray(drawn.draw.deform)
        layers, geometry = project_draw(parts, drawn.draw, prepared)
        images = _simulated(layers, ct, shard, drawn)
    else:
        real = ct.localizer(shard.localizer)
        deform[:3, 3] = drawn.shift_mm
        placed = dataclasses.replace(prepared, ijk_to_ras=deform @ parts.ijk_to_ras)
        layers, geometry = project_prepared(placed, real.geometry), real.geometry
        images = {"input": real.pixels}
    first_bone = len(TISSUES) - 1
    images |= {"full": layers.sum(axis=0), "bone": layers[first_bone:].sum(axis=0)}
    images |= {"layers": layers}
    beam = None
    if drawn.exposure is not None:
        placed = dataclasses.replace(prepared, ijk_to_ras=deform @ parts.ijk_to_ras)
        seen, beam = exposed_images(drawn.exposure, placed, geometry, images["bone"])
        images |= seen
    kept = {name: images[name] for name in ct.config.held}
    arrays = {
        name: image if drawn.draw is None and name == "input" else image.astype(ct.config.dtype)
        for name, image in kept.items()
    }
    record = _record(ct, number, shard, split, drawn, geometry)
    record["landmarks"] = project_landmarks(ct.landmarks, deform, geometry)
    record["layers"] = list(parts.names)
    record["open_beam"] = beam
    record["arrays"] = {
        name: {"shape": list(a.shape), "dtype": str(a.dtype), "sha256": array_sha256(a)}
        for name, a in arrays.items()
    }
    return Sample(arrays, record)


def _simulated(
    layers: np.ndarray, ct: LoadedCt, shard: Shard, drawn: Drawn
) -> dict[str, np.ndarray]:
    """What a simulated localizer adds to a sample: the patient as the localizer saw it."""
    if ct.config.pairing == "drr":
        return {}
    parts, prepared = ct.patient(shard.variant)
    seen = layers
    if any(drawn.shift_mm) and drawn.draw is not None:
        seen = project_draw(parts, drawn.draw, prepared, drawn.shift_mm)[0]
    return {"input": seen.sum(axis=0), "input_layers": seen}


def _record(
    ct: LoadedCt, number: int, shard: Shard, split: str, drawn: Drawn, geometry: Geometry
) -> dict:
    real = None if not shard.localizer else ct.localizer(shard.localizer)
    hashes = {name: digest for name, digest in ct.sha256.items() if real or name != "localizer"}
    return {
        "schema": SCHEMA,
        "ct": ct.number,
        "sample": number,
        "seed": ct.config.seed,
        "patient": ct.source.patient,
        "split": split,
        "pairing": ct.config.pairing,
        "input": "real localizer" if real else "optical density",
        "source": dataclasses.asdict(ct.source),
        "sha256": hashes,
        "shard": dataclasses.asdict(shard),
        "drawn": dataclasses.asdict(drawn),
        "localizer_box": None if real is None else list(real.box),
        "geometry": geometry.to_dict(),
        "magnification": geometry.magnification,
        "config": dataclasses.asdict(
            dataclasses.replace(
                ct.config, localizer=dataclasses.replace(ct.config.localizer, files=())
            )
        ),
        "versions": versions(),
    }


@cache
def versions() -> dict[str, str]:
    """What computed a sample: this program, Python, the packages and the processor's kind."""
    found = {"BoneXray": BoneXrayLib.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found | {"machine": platform.machine()}
