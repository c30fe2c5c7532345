"""Draw a pose and a beam, project a CT's tissues: one training sample, and the record of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.bone import BoneConfig, Parts, make_parts
from BoneXrayLib.geometry import VIEWS, Geometry, GeometryConfig, make_geometry
from BoneXrayLib.projection import PreparedParts, prepare, project_prepared
from BoneXrayLib.segments.structures import structure
from BoneXrayLib.volume import Volume

from .pair_config import PairConfig
from .regions import Chain, inside_chains

TISSUES = ("rest", "fat", "lean", "heart", "vessels", "bone")
"""Layers of a sample, in order. Rest is air and lung; heart and vessels are lean tissue that
contrast medium would reach, where a CT's entry says so; bone is last."""
LUNG_BELOW_HU = -200
FAT_BELOW_HU = -30
"""Fat lies between about -200 and -30 HU, lean tissue above it."""


@dataclass(frozen=True)
class Draw:
    """What was drawn for one sample; with the CT it gives the sample again."""

    source: str
    view: str
    rotate: tuple[float, float]
    beam: str
    source_detector: float
    source_object: float
    pixel: float
    size: int
    isocentre: tuple[float, float, float]
    """As fractions of the CT's extent."""
    deform: tuple[tuple[float, ...], ...]
    """(3, 3): the patient's axes after stretch and shear."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Optical density of each tissue, (tissues, rows, columns) float16, and its origin.

    Where bones have names their layers follow those of `TISSUES`.
    """

    layers: np.ndarray
    draw: Draw
    magnification: float
    structures: tuple[str, ...] = ()


def tissue_parts(
    volume: Volume,
    bone: BoneConfig,
    heart: Sequence[Chain] = (),
    vessels: Sequence[Chain] = (),
    labels: np.ndarray | None = None,
    label_names: dict[int, str] | None = None,
    crop: bool = True,
) -> Parts:
    """Split a CT into `TISSUES` by voxel: bone as the preset says, the rest by HU and chains.

    With `labels` (k, j, i) every labelled structure takes the place of bone, under its own name.
    Air around the body is cut off where `crop` is set.
    """
    found = make_parts(volume, bone, labels, label_names)
    part = np.zeros(found.hu.shape, dtype=np.uint8)
    part[found.hu >= LUNG_BELOW_HU] = TISSUES.index("fat")
    lean = found.hu >= FAT_BELOW_HU
    part[lean] = TISSUES.index("lean")
    for name, chains in (("heart", heart), ("vessels", vessels)):
        if chains:
            inside = inside_chains(found.hu.shape, found.ijk_to_ras, chains)
            part[lean & inside] = TISSUES.index(name)
    is_bone = found.part > 0
    part[is_bone] = found.part[is_bone] + np.uint8(TISSUES.index("bone") - 1)
    names = (*TISSUES[:-1], *found.names[1:])
    parts = Parts(found.hu, found.ijk_to_ras, part, None, names)
    return crop_to_body(parts) if crop else parts


def crop_to_body(parts: Parts, margin: int = 2) -> Parts:
    """Drop the air around what is there: less memory, shorter rays."""
    body = parts.part > 0
    spans = []
    for axis in range(3):
        along = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        first = max(0, int(along[0]) - margin)
        spans.append(slice(first, int(along[-1]) + margin + 1))
    matrix = parts.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, :3] @ [s.start for s in spans[::-1]]
    cut = tuple(spans)
    return Parts(
        np.ascontiguousarray(parts.hu[cut]),
        matrix,
        np.ascontiguousarray(parts.part[cut]),
        None,
        parts.names,
    )


def draw_pair(
    rng: np.random.Generator,
    source: str,
    parts: Parts,
    config: PairConfig,
    view: str | None = None,
) -> Draw:
    """Draw pose, beam, field of view and stature for one sample of `parts`.

    With a named `view` the pose is drawn near that one, else near any, as `config` says.
    """
    view, rotate = _draw_view(rng, config) if view is None else _near(rng, view, config)
    distance = float(rng.uniform(*config.source_detector))
    magnification = float(rng.uniform(*config.magnification))
    extent = _extent_mm(parts)
    side = float(rng.uniform(*config.field_of_view)) * extent.max() * magnification
    room = 0.5 + (rng.random(3) - 0.5) * config.off_centre
    shear = np.eye(3) + rng.normal(0.0, config.shear, (3, 3)) * (1 - np.eye(3))
    stretch = np.exp(rng.normal(0.0, config.stretch, 3))
    deform = shear * stretch[None, :]
    beams = list(config.beams)
    chance = np.array([config.beams[b] for b in beams])
    return Draw(
        source=source,
        view=view,
        rotate=rotate,
        beam=str(rng.choice(beams, p=chance / chance.sum())),
        source_detector=distance,
        source_object=distance / magnification,
        pixel=side / config.size,
        size=config.size,
        isocentre=(float(room[0]), float(room[1]), float(room[2])),
        deform=tuple(tuple(float(v) for v in row) for row in deform),
    )


def make_pair(parts: Parts, draw: Draw) -> Pair:
    """The sample that `draw` describes; the same draw gives the same sample.

    Where bones of two sides are named, images seen from behind are mirrored, as radiographs are
    hung: the patient's left is on the right of any frontal image.
    """
    layers, geometry = project_draw(parts, draw)
    named = parts.names[len(TISSUES) :] if parts.names[: len(TISSUES)] == TISSUES else ()
    two_sided = any(structure(name).side for name in named)
    if two_sided and geometry.is_from_behind:
        layers = layers[:, :, ::-1]
    return Pair(layers.astype(np.float16), draw, geometry.magnification, named)


def project_draw(
    parts: Parts,
    draw: Draw,
    prepared: PreparedParts | None = None,
    shift_mm: Sequence[float] = (0.0, 0.0, 0.0),
) -> tuple[np.ndarray, Geometry]:
    """Optical density of each part, (parts, rows, columns) float32, and the geometry of `draw`.

    Args:
        parts: the patient.
        draw: what to project.
        prepared: `prepare(parts)`, kept where a patient is projected many times.
        shift_mm: the patient moved along R, A and S while tube and detector stay.
    """
    deformed, geometry = place(parts, draw)
    matrix = deformed.ijk_to_ras.copy()
    matrix[:3, 3] += shift_mm
    prepared = prepare(deformed) if prepared is None else prepared
    return project_prepared(dataclasses.replace(prepared, ijk_to_ras=matrix), geometry), geometry


def place(parts: Parts, draw: Draw) -> tuple[Parts, Geometry]:
    """The patient after stretch and shear, and the geometry around the drawn isocentre."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(draw.deform)
    deformed = dataclasses.replace(parts, ijk_to_ras=matrix @ parts.ijk_to_ras)
    counts = np.array(parts.hu.shape[::-1])
    centre = np.asarray(draw.isocentre) * (counts - 1)
    isocentre = deformed.ijk_to_ras[:3, :3] @ centre + deformed.ijk_to_ras[:3, 3]
    config = GeometryConfig(
        view=draw.view,
        rotate=draw.rotate,
        beam=draw.beam,
        source_detector=draw.source_detector,
        source_object=draw.source_object,
        pixel=draw.pixel,
        size=(draw.size, draw.size),
    )
    return deformed, make_geometry(config, isocentre)


def _draw_view(rng: np.random.Generator, config: PairConfig) -> tuple[str, tuple[float, float]]:
    tilt = float(rng.normal(0.0, config.tilt))
    if config.orbit:
        return "PA", (float(rng.uniform(config.orbit[0], config.orbit[1])), tilt)
    lot = rng.random()
    if lot < 2 * config.frontal_share:
        near = ("AP", "PA") if lot < config.frontal_share else ("LAT-L", "LAT-R")
        return str(rng.choice(near)), (float(rng.normal(0.0, config.jitter)), tilt)
    return str(rng.choice(list(VIEWS))), (float(rng.uniform(-90.0, 90.0)), tilt)


def _near(
    rng: np.random.Generator, view: str, config: PairConfig
) -> tuple[str, tuple[float, float]]:
    return view, (float(rng.normal(0.0, config.jitter)), float(rng.normal(0.0, config.tilt)))


def _extent_mm(parts: Parts) -> np.ndarray:
    return np.linalg.norm(parts.ijk_to_ras[:3, :3], axis=0) * np.array(parts.hu.shape[::-1])
