"""What a model is shown, and what it should answer: the two pairings of source A.

    drr         whole radiograph of a CT -> its bone-only radiograph, same pose
    localizer   simulated CT localizer -> bone-only radiograph along the same rays, the patient
                having moved in between; cropped to the CT's extent as source A did, or whole

A localizer's other tube voltage and the scanner's edge enhancement are not simulated here: both
images are line integrals of one X-ray energy.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.drr import DrrConfig, exposure_geometry, simulate
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.projection import PreparedParts
from BoneXrayLib.radiograph import Radiograph
from BoneXrayLib.volume import Volume

PAIRINGS = ("drr", "localizer")
SMALLEST_SIDE = 176
"""Of a cropped image [pixels]: what MS-SSIM over five scales needs."""


@dataclass(frozen=True)
class Pairing:
    """Which pairing, and how well its two images fit onto each other."""

    name: str = "drr"
    misregistration: float = 0.0
    """How far the patient moved between the localizer and the CT, across the view [mm]."""
    seed: int = 1
    """Of the direction of that movement."""
    whole: bool = False
    """Keep the whole detector: what lies beside the CT is empty, and flatters every figure."""

    def __post_init__(self) -> None:
        if self.name not in PAIRINGS:
            raise ValueError(f"pairing: got {self.name!r}; expected one of {', '.join(PAIRINGS)}")
        if not (math.isfinite(self.misregistration) and 0 <= self.misregistration <= 100):
            raise ValueError(f"misregistration: got {self.misregistration!r}; expected 0 to 100 mm")
        if self.whole and self.name != "localizer":
            raise ValueError(f"whole: got True; expected False with the pairing {self.name!r}")
        if self.misregistration and self.name != "localizer":
            raise ValueError(
                f"misregistration: got {self.misregistration:g} mm; expected 0 mm with the "
                f"pairing {self.name!r}, whose images share one pose"
            )


@dataclass(frozen=True, eq=False)
class Shot:
    """One question to a model; arrays (rows, columns) float32 optical density.

    Attributes:
        radiograph: what the model is given.
        target: the bone-only image it is judged by.
        exact: the bones of `radiograph` itself: what a perfect answer is where the patient moved
            (only there it differs from `target`); None where nobody moved.
        moved_mm: how the patient moved in the image's plane, (down, right).
    """

    radiograph: Radiograph
    target: np.ndarray
    exact: np.ndarray | None = None
    moved_mm: tuple[float, float] = (0.0, 0.0)


def shoot(
    volume: Volume, config: DrrConfig, pairing: Pairing, prepared: PreparedParts, label: str
) -> Shot:
    """The images of one CT and view, as `config` says.

    Args:
        volume: the CT.
        config: view, beam (of the pairing "drr") and bone window.
        pairing: which pairing.
        prepared: by `prepare_ct` of the same CT and bone window.
        label: with the pairing's seed, draws the direction in which the patient moved.
    """
    if pairing.name == "drr":
        drr = simulate(volume, config, prepared=prepared)
        return Shot(drr.radiograph(drr.full, "full"), drr.bone)
    config = dataclasses.replace(config, beam="localizer")
    geometry = exposure_geometry(config, volume)
    moved_mm = _drawn(pairing, label)
    before = simulate(volume, config, prepared=prepared, geometry=_moved(geometry, moved_mm))
    rows, columns = slice(None), slice(None)
    if not pairing.whole:
        rows, columns = _extent(geometry, volume.corners_ras)
    target = exact = before.bone
    if pairing.misregistration:
        target = simulate(volume, config, prepared=prepared, geometry=geometry).bone
    full = before.radiograph(before.full, "localizer")
    shown = dataclasses.replace(
        full, pixels=np.ascontiguousarray(full.pixels[rows, columns]), geometry=None
    )
    return Shot(
        shown,
        target[rows, columns],
        exact[rows, columns] if pairing.misregistration else None,
        moved_mm,
    )


def _drawn(pairing: Pairing, label: str) -> tuple[float, float]:
    """The movement [mm] down and right, its direction drawn by seed and label."""
    rng = np.random.default_rng([pairing.seed, zlib.crc32(label.encode())])
    angle = rng.uniform(0.0, 2 * math.pi)
    return pairing.misregistration * math.cos(angle), pairing.misregistration * math.sin(angle)


def _moved(geometry: Geometry, mm: tuple[float, float]) -> Geometry:
    """The geometry about a patient who moved by `mm` down and right: tube and detector against it.

    Across the view and at the patient, so that all of it shows in the image.
    """
    shift = -(mm[0] * geometry.row_axis + mm[1] * geometry.column_axis)
    return dataclasses.replace(
        geometry,
        source=geometry.source + shift,
        centre=geometry.centre + shift,
        isocentre=geometry.isocentre + shift,
    )


def _extent(geometry: Geometry, corners: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns on which a box of corners (8, 3) RAS mm falls, `SMALLEST_SIDE` at least."""
    found = geometry.project_points(corners)
    spans = []
    for low, high, size in zip(found.min(axis=0), found.max(axis=0), geometry.size, strict=True):
        first, last = max(math.floor(low), 0), min(math.ceil(high) + 1, size)
        missing = max(SMALLEST_SIDE - (last - first), 0)
        first = min(max(first - missing // 2, 0), max(size - SMALLEST_SIDE, 0))
        spans.append(slice(first, min(max(last, first + SMALLEST_SIDE), size)))
    return spans[0], spans[1]
