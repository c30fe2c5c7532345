"""From detector densities back to line integrals, as CT scanners do it: by a ramp of water.

A polyenergetic beam hardens, so a detector density is no line integral. Scanners measure the
density behind known thicknesses of water and read each ray off that curve (Kachelriess et al.,
"Empirical cupping correction", Med. Phys. 33, 2006, calls it water precorrection). Behind water
the line integral at `CT_KEV` comes out exactly; bone's comes out lower or higher as the beam is
harder or softer than `CT_KEV`.
"""

from __future__ import annotations

import numpy as np

from .detector import DETECTORS, detect, open_beam
from .exposure_config import ExposureConfig
from .materials import CT_KEV, mass_attenuation
from .spectra import tube_spectrum

DEEPEST_CM, STEPS = 120.0, 2400
"""Water the curve reaches to, beyond any patient seen along the shoulders; its steps."""


def water_line_integrals(density: np.ndarray, config: ExposureConfig) -> np.ndarray:
    """Line integrals of as much water as would give these detector densities.

    Args:
        density: detector densities -ln(signal / open beam) of any shape, without scatter; the
            images of `exposure.expose` with `scatter=False`.
        config: tube, filter and detector of that exposure.

    Returns:
        Optical densities at `CT_KEV`, float32; below none of water (noise in the open beam) the
        curve's first slope goes on.
    """
    detector = DETECTORS[config.detector]
    spectrum = tube_spectrum(config.kvp, config.filters_mm, config.anode_angle)
    grams = np.linspace(0.0, DEEPEST_CM, STEPS, dtype=np.float32)
    signal, _ = detect({"water": grams[None]}, spectrum, detector)
    seen = -np.log(signal[0] / open_beam(spectrum, detector)[0])
    seen[0] = 0.0
    seen = np.maximum.accumulate(seen)
    per_gram = float(mass_attenuation("water", CT_KEV))
    found = np.interp(density, seen, grams * per_gram)
    slope = float(grams[1]) * per_gram / float(seen[1])
    return np.where(density < 0, density * slope, found).astype(np.float32)
