"""From line integrals to what a detector shows: spectrum, scatter, blur, noise, display curve.

The images are detector densities, D = -ln(signal / signal of the open beam): bone bright, as
optical densities are, but hardened, scattered into, blurred and noisy as a radiograph is, so that
they count as display values, not as line integrals.

The bone-only image that belongs to a radiograph is what its bones add to it: the density of the
noise-free radiograph less that of the same exposure of the same patient without bones, the scatter
being left as it was. So the radiograph without bones + the bone-only image = the radiograph, but
for the noise.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .drr import Drr
from .files import checked_output_folder, staged_folder
from .geometry import Geometry
from .physics.beam_field import lead_in_beam
from .physics.detector import DETECTORS, Detector, blurred, detect, open_beam
from .physics.exposure_config import EXPOSURES, ExposureConfig, named_exposure
from .physics.scatter import GRID_PRIMARY, GRID_SCATTER, scattered
from .physics.spectra import air_kerma, half_value_layer, mean_energy, tube_spectrum
from .physics.thicknesses import Object, object_of_layers
from .radiograph import Radiograph, display_window, write_float_nrrd, write_png

__all__ = [
    "EXPOSURES",
    "Exposed",
    "ExposureConfig",
    "display_curve",
    "expose",
    "expose_drr",
    "named_exposure",
    "write_exposed",
]

RECORD = "exposure.json"
OPEN_BEAM = 0.15
"""Detector density below which nothing but air and clothes is in the beam: our choice."""
SHOWN_PERCENTILES, SHOWN_WIDTH = (5.0, 99.0), 1.1
"""What of the patient the display curve is laid over, and how far beyond: our choice, by eye."""


@dataclass(frozen=True, eq=False)
class Exposed:
    """One exposure.

    Attributes:
        full: detector density, bone bright, with its noise.
        bone: what the bones add to it; noise-free.
        display: `full` through the display curve, 0 to 1.
        config: what was asked for.
        beam: the beam that falls on the open detector, in numbers by name.
    """

    full: Radiograph
    bone: Radiograph
    display: Radiograph
    config: ExposureConfig
    beam: dict[str, float]


def expose_drr(drr: Drr, config: ExposureConfig, parts: Object | None = None) -> Exposed:
    """Expose a simulated radiograph.

    Args:
        drr: line integrals and geometry.
        config: tube, grid, detector.
        parts: its materials by `object_of_bins`; without, they are taken from its images, which is
            coarser (`object_of_layers`).
    """
    parts = object_of_layers(drr.full, drr.bone) if parts is None else parts
    exposed = expose(parts, drr.geometry, config)
    name = f"{drr.name} {drr.config.label}"
    named = {
        field: replace(getattr(exposed, field), name=f"{name} {words}")
        for field, words in (("full", "exposed"), ("bone", "exposed bone"), ("display", "shown"))
    }
    return replace(exposed, **named)


def expose(parts: Object, geometry: Geometry, config: ExposureConfig) -> Exposed:
    """Radiograph, bone-only image and display image of materials in a beam.

    Args:
        parts: (rows, columns) [g/cm²] by material, with and without bones.
        geometry: distances, pixels and size, whose beam it is.
        config: tube, grid, detector.
    """
    detector = DETECTORS[config.detector]
    spectrum = _on_a_pixel(geometry, config)
    air, _ = open_beam(spectrum, detector)
    lead = lead_in_beam(geometry, config.collimation, config.marker)
    full, variance = detect(_behind(parts.everything, lead), spectrum, detector)
    rest, _ = detect(_behind(parts.rest, lead), spectrum, detector)
    scatter = _scatter(full, parts, geometry, config)
    if config.blur:
        spreads = _spreads(geometry, config, detector)
        full, rest = (blurred(image, geometry.pixel_mm, *spreads) for image in (full, rest))
    full, rest = full + scatter, rest + scatter
    least = 0.5 * mean_energy(spectrum)  # half a photon: below it there is nothing to take a log of
    density = -np.log(np.maximum(full, least) / air)
    bone = -np.log(np.maximum(rest, least) / air)
    np.subtract(density, bone, out=bone)
    if config.noise:
        variance = variance * (1.0 + scatter / np.maximum(full - scatter, least))
        full = full + _noise(variance, geometry, config, detector, mean_energy(spectrum))
        density = -np.log(np.maximum(full, least) / air)
    shown = display_curve(density, lead)
    images = [_radiograph(image, geometry) for image in (density, bone, shown)]
    return Exposed(*images, config, _in_numbers(spectrum, geometry))


def display_curve(density: np.ndarray, lead: np.ndarray | None = None) -> np.ndarray:
    """A clinical display image, 0 to 1, of detector densities (rows, columns).

    y = 1 / (1 + exp(-4 (x - c) / w)), the sigmoid VOI function of DICOM (PS3.3, C.11.2.1.3). As a
    modality does, centre and width are taken from the part of the picture behind the patient:
    neither where the open beam falls nor where lead is.
    """
    patient = density > OPEN_BEAM
    if lead is not None:
        patient &= lead == 0
    seen = density[patient] if patient.mean() > 0.001 else density.ravel()
    low, high = np.percentile(seen[:: max(1, len(seen) // 20000)], SHOWN_PERCENTILES)
    width = max(float(high - low), 1e-3) * SHOWN_WIDTH
    curve = 1.0 + np.exp(-4.0 * (density - (low + high) / 2.0) / width)
    return (1.0 / curve).astype(np.float32)


def _on_a_pixel(geometry: Geometry, config: ExposureConfig) -> np.ndarray:
    """Photons / keV on a pixel of the open detector, behind the grid if there is one, (149,)."""
    per_cm2 = tube_spectrum(
        config.kvp, config.filters_mm, config.anode_angle, geometry.source_detector_mm
    )
    area = geometry.pixel_mm[0] * geometry.pixel_mm[1] / 100.0
    return per_cm2 * (config.mas * area * (GRID_PRIMARY if config.grid else 1.0))


def _behind(thicknesses: dict[str, np.ndarray], lead: np.ndarray | None) -> dict[str, np.ndarray]:
    return thicknesses if lead is None else thicknesses | {"lead": lead}


def _scatter(
    primary: np.ndarray, parts: Object, geometry: Geometry, config: ExposureConfig
) -> np.ndarray:
    """Scatter signal behind the grid; zero where it is not asked for."""
    if not config.scatter:
        return np.zeros_like(primary)
    share = GRID_SCATTER / GRID_PRIMARY if config.grid else 1.0
    return scattered(primary, parts.everything, geometry.pixel_mm) * np.float32(share)


def _spreads(
    geometry: Geometry, config: ExposureConfig, detector: Detector
) -> list[tuple[tuple[float, float], ...]]:
    """Blurs of the primary image: focal spot, then detector.

    The focal spot's picture on the detector is (M - 1) times its size, M being the magnification
    at the isocentre; as a Gaussian it has the standard deviation of a square: side / sqrt(12).
    """
    spot = config.focal_spot * (geometry.magnification - 1.0) / math.sqrt(12.0)
    return [((1.0, spot),), detector.mtf]


def _noise(
    variance: np.ndarray,
    geometry: Geometry,
    config: ExposureConfig,
    detector: Detector,
    photon_kev: float,
) -> np.ndarray:
    """Quantum noise as sharp as the detector lets it be, and electronic noise [keV].

    Counts are high enough for Gaussian numbers. The electronic noise of a pixel is that of the
    detector's own pixels in it.
    """
    numbers = np.random.default_rng(config.seed)
    shape = variance.shape
    quantum = numbers.standard_normal(shape, np.float32) * np.sqrt(variance)
    if config.blur:
        quantum = blurred(quantum, geometry.pixel_mm, detector.mtf)
    own = math.sqrt(geometry.pixel_mm[0] * geometry.pixel_mm[1]) / detector.pixel_mm
    electronic = np.float32(detector.electronic * photon_kev * own)
    return quantum + numbers.standard_normal(shape, np.float32) * electronic


def _radiograph(pixels: np.ndarray, geometry: Geometry) -> Radiograph:
    return Radiograph(
        pixels.astype(np.float32), "display", geometry.pixel_mm, geometry.magnification, geometry
    )


def _in_numbers(spectrum: np.ndarray, geometry: Geometry) -> dict[str, float]:
    """The open beam at the detector: air kerma, mean energy, half-value layer."""
    area = geometry.pixel_mm[0] * geometry.pixel_mm[1] / 100.0
    return {
        "air_kerma_uGy": air_kerma(spectrum / area),
        "mean_energy_keV": mean_energy(spectrum),
        "half_value_layer_mm_al": half_value_layer(spectrum),
    }


def write_exposed(exposed: Exposed, folder: str | Path) -> dict[str, Path]:
    """Write exposed.nrrd, exposed-bone.nrrd, a PNG of each and exposure.json; all or nothing.

    exposed.png has the display curve; the floats are detector densities, marked as display values.

    Returns:
        Path of each file by its name.
    """
    folder = checked_output_folder(folder)
    with staged_folder(folder, RECORD) as stage:
        write_float_nrrd(stage / "exposed.nrrd", exposed.full)
        write_float_nrrd(stage / "exposed-bone.nrrd", exposed.bone)
        write_png(stage / "exposed.png", exposed.display.pixels, 0.0, 1.0)
        write_png(
            stage / "exposed-bone.png", exposed.bone.pixels, *display_window(exposed.bone.pixels)
        )
        record = {"config": dataclasses.asdict(exposed.config), "open_beam": exposed.beam}
        (stage / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        names = sorted(path.name for path in stage.iterdir())
    return {name: folder / name for name in names}
