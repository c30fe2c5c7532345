"""What a flat panel makes of the rays that reach it: absorbed energy, its noise, its sharpness.

Energy integrating: a photon that is absorbed leaves all of its energy (no loss by fluorescence),
so of a spectrum N(E) that falls on a pixel the signal is Σ N η E, and as counts are Poisson
numbers, its variance Σ N η E².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..projection.workers import in_blocks
from .materials import ENERGIES_KEV, mass_attenuation
from .thicknesses import Thicknesses

PIXELS_A_BLOCK, PIXELS_AT_ONCE = 65536, 1024
SMALLEST_EXPONENT = np.float32(-60.0)
"""Below it no photon is left, and numbers near the smallest float would take ten times as long."""
NEGLIGIBLE = 1e-7
"""Share of the signal below which an energy is left out."""


@dataclass(frozen=True)
class Detector:
    """A detector's material and sharpness.

    Attributes:
        material: what absorbs.
        grams: mass of it per area [g/cm²].
        mtf: (weight, sigma [mm]) of the Gaussians whose sum is its point spread.
        electronic: electronic noise of one of its own pixels, as absorbed photons.
        pixel_mm: side of these pixels.
    """

    material: str
    grams: float
    mtf: tuple[tuple[float, float], ...]
    electronic: float
    pixel_mm: float

    def absorbed(self) -> np.ndarray:
        """Share of the photons absorbed, η = 1 - exp(-μ/ρ · grams), (149,)."""
        return 1.0 - np.exp(-mass_attenuation(self.material) * self.grams)


CSI = Detector("caesium iodide", 0.203, ((0.693, 0.183), (0.307, 0.0628)), 3.0, 0.143)
"""0.6 mm of columns, three quarters of them full. MTF 0.5 at 1.29/mm (mean of six CsI panels;
Marshall et al., Phys. Med. Biol. 56, 2011), 0.2 at 2.5/mm and 0.1 at 3.8/mm (0.6 mm CsI; Samei,
2003): two Gaussians through these points. Filling and electronic noise: typical, our choice."""
SELENIUM = Detector("selenium", 0.225, ((1.0, 0.041),), 5.0, 0.143)
"""0.5 mm, a direct detector: blurred by its pixels alone (a square of 0.143 mm has the standard
deviation 0.041 mm). Electronic noise: our choice."""
DETECTORS: dict[str, Detector] = {"csi": CSI, "selenium": SELENIUM}


def detect(
    thicknesses: Thicknesses, spectrum: np.ndarray, detector: Detector
) -> tuple[np.ndarray, np.ndarray]:
    """Absorbed energy behind materials by Beer and Lambert, energy by energy, and its variance.

    Args:
        thicknesses: (rows, columns) [g/cm²] by material; may be empty of materials only if the
            open beam is wanted, by `open_beam`.
        spectrum: (149,) photons on a pixel at `ENERGIES_KEV`.
        detector: what absorbs.

    Returns:
        Mean signal [keV] and variance [keV²], (rows, columns) float32.
    """
    counted = spectrum * detector.absorbed()
    used = np.flatnonzero(counted * ENERGIES_KEV > NEGLIGIBLE * (counted * ENERGIES_KEV).sum())
    energies = ENERGIES_KEV[used]
    mu = [mass_attenuation(n, energies).astype(np.float32)[:, None] for n in thicknesses]
    to_signal = np.stack([counted[used] * energies, counted[used] * energies**2])
    scale = to_signal.sum(axis=1)
    weights = (to_signal / scale[:, None]).astype(np.float32)
    shape = next(iter(thicknesses.values())).shape
    flat = [np.asarray(i, np.float32).reshape(1, -1) for i in thicknesses.values()]
    found = np.empty((2, flat[0].size), np.float32)

    def work(first: int, last: int) -> None:
        # Products and sums rather than matrices: BLAS would start threads within these threads.
        scratch = np.empty((2, len(energies), PIXELS_AT_ONCE), np.float32)
        for begin in range(first, last, PIXELS_AT_ONCE):
            end = min(begin + PIXELS_AT_ONCE, last)
            exponents, product = scratch[:, :, : end - begin]
            exponents[:] = 0.0
            for coefficient, grams in zip(mu, flat, strict=True):
                exponents -= np.multiply(coefficient, grams[:, begin:end], out=product)
            np.maximum(exponents, SMALLEST_EXPONENT, out=exponents)
            np.exp(exponents, out=exponents)
            for weight, out in zip(weights, found, strict=True):
                np.einsum("e,ep->p", weight, exponents, out=out[begin:end])

    in_blocks(work, found.shape[1], PIXELS_A_BLOCK)
    signal, variance = (
        row.reshape(shape) * np.float32(s) for row, s in zip(found, scale, strict=True)
    )
    return signal, variance


def open_beam(spectrum: np.ndarray, detector: Detector) -> tuple[float, float]:
    """Signal [keV] and variance [keV²] of a pixel with nothing in the beam."""
    counted = spectrum * detector.absorbed()
    return float((counted * ENERGIES_KEV).sum()), float((counted * ENERGIES_KEV**2).sum())


def transfer(
    gaussians: tuple[tuple[float, float], ...], row_cycles: np.ndarray, column_cycles: np.ndarray
) -> np.ndarray:
    """Modulation transfer Σ w exp(-2 π² σ² f²) at frequencies [1/mm], broadcast against others."""
    squared = row_cycles**2 + column_cycles**2
    return sum(w * np.exp(-2.0 * np.pi**2 * s**2 * squared) for w, s in gaussians)


def blurred(
    image: np.ndarray,
    pixel_mm: tuple[float, float],
    *gaussian_sums: tuple[tuple[float, float], ...],
) -> np.ndarray:
    """An image (rows, columns) behind one blur after another, edges mirrored; float32.

    By their transfer functions, so that a blur much smaller than a pixel counts as what it is. The
    cosine transform mirrors the image at its edges: nothing comes round from the other side.
    """
    from scipy import fft

    down, right = (np.arange(n) / (2.0 * n * p) for n, p in zip(image.shape, pixel_mm, strict=True))
    kernel = np.ones(image.shape, np.float32)
    for gaussians in gaussian_sums:
        kernel *= transfer(gaussians, down[:, None], right[None, :]).astype(np.float32)
    return fft.idctn(fft.dctn(image.astype(np.float32)) * kernel)
