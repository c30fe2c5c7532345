"""What a model is shown, and what it should answer: the two pairings of Xiang, Yu and Cheng.

    drr         whole radiograph of a CT -> its bone-only radiograph, same pose
    localizer   simulated CT localizer -> bone-only radiograph along the same rays, the patient
                having moved in between; cropped to the CT's extent as theirs was, or whole

A localizer is exposed as the named exposure "localizer" is, at its own tube voltage and with its
noise and blur, then read off a ramp of water as scanners do: its bones are harder or softer than
the CT's. The scanner's edge enhancement is not simulated.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.drr import Drr, DrrConfig, exposure_geometry, simulate
from BoneXrayLib.exposure import expose, named_exposure
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.physics.thicknesses import EXPOSURE_EDGES, object_of_bins
from BoneXrayLib.physics.water_correction import water_line_integrals
from BoneXrayLib.projection import PreparedParts, project_bins
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
    kvp: float | None = None
    """Tube voltage of the localizer [kV]: that of the named exposure "localizer" without a number
    here; 0 leaves it a line integral at the CT's energy, as the target is."""

    def __post_init__(self) -> None:
        if self.name not in PAIRINGS:
            raise ValueError(f"pairing: got {self.name!r}; expected one of {', '.join(PAIRINGS)}")
        if not (math.isfinite(self.misregistration) and 0 <= self.misregistration <= 100):
            raise ValueError(f"misregistration: got {self.misregistration!r}; expected 0 to 100 mm")
        if self.whole and self.name != "localizer":
            raise ValueError(f"whole: got True; expected False with the pairing {self.name!r}")
        if self.kvp and self.name == "localizer":
            named_exposure("localizer", kvp=self.kvp)
        if self.kvp is not None and self.name != "localizer":
            raise ValueError(
                f"kvp: got {self.kvp:g}; expected none with the pairing {self.name!r}, whose "
                "images are line integrals"
            )
        if self.misregistration and self.name != "localizer":
            raise ValueError(
                f"misregistration: got {self.misregistration:g} mm; expected 0 mm with the "
                f"pairing {self.name!r}, whose images share one pose"
            )

    @property
    def volts(self) -> float:
        """Tube voltage of the localizer [kV]; 0 where it is not exposed."""
        return named_exposure("localizer").kvp if self.kvp is None else self.kvp


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
    pixels = _exposed(before, pairing, prepared, label) if pairing.volts else full.pixels
    shown = dataclasses.replace(
        full, pixels=np.ascontiguousarray(pixels[rows, columns]), geometry=None
    )
    return Shot(
        shown,
        target[rows, columns],
        exact[rows, columns] if pairing.misregistration else None,
        moved_mm,
    )


def _exposed(drr: Drr, pairing: Pairing, prepared: PreparedParts, label: str) -> np.ndarray:
    """The localizer as a scanner gives it: exposed, and water-corrected; optical density."""
    view = project_bins(prepared, drr.geometry, EXPOSURE_EDGES)
    seed = zlib.crc32(f"{pairing.seed} {label}".encode())
    config = named_exposure("localizer", kvp=pairing.volts, seed=seed)
    exposed = expose(object_of_bins(view, drr.bone), drr.geometry, config)
    return water_line_integrals(exposed.full.pixels, config)


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
