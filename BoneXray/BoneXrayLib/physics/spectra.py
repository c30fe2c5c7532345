"""What comes out of an X-ray tube: photons by energy, their half-value layer and air kerma.

The tube's own spectra are a shipped table (`tables/spectra.npz`), made with spekpy by
Testing/x_ray_tables.py; filters and distance are laid upon it here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .materials import DENSITY, ENERGIES_KEV, TABLES, mass_attenuation, read_attenuation

KERMA_PER_KEV_CM2_G = 1.602176634e-7
"""1 keV/g in µGy: 1.602e-16 J / 1e-3 kg."""


@dataclass(frozen=True, eq=False)
class TubeTable:
    """Unfiltered spectra of a tungsten anode.

    Attributes:
        angle_deg: (angles,) of the anode.
        voltage_kv: (voltages,) of the tube, constant potential.
        fluence: (angles, voltages, 149) photons / (cm² keV mAs) at 1 m, at `ENERGIES_KEV`.
    """

    angle_deg: np.ndarray
    voltage_kv: np.ndarray
    fluence: np.ndarray


@cache
def read_tube_table() -> TubeTable:
    """The shipped table, read once."""
    with np.load(TABLES / "spectra.npz", allow_pickle=False) as read:
        return TubeTable(read["angle_deg"], read["voltage_kv"], read["fluence"].astype(np.float64))


def voltage_range() -> tuple[float, float]:
    """Tube voltages that there are spectra for [kV]."""
    table = read_tube_table()
    return float(table.voltage_kv[0]), float(table.voltage_kv[-1])


def angle_range() -> tuple[float, float]:
    """Anode angles that there are spectra for [deg]."""
    table = read_tube_table()
    return float(table.angle_deg[0]), float(table.angle_deg[-1])


def tube_spectrum(
    kvp: float,
    filters_mm: tuple[tuple[str, float], ...] = (),
    anode_angle_deg: float = 12.0,
    distance_mm: float = 1000.0,
) -> np.ndarray:
    """Photons / (cm² keV mAs) behind filters and air at a distance, (149,) at `ENERGIES_KEV`.

    Between the table's angles the logarithm is interpolated; between its voltages each energy's
    share of the voltage keeps its place, so that no spectrum passes its own kVp.

    Args:
        kvp: tube voltage [kV].
        filters_mm: (material, thickness [mm]) pairs of solid filters.
        anode_angle_deg: angle of the anode.
        distance_mm: from the focal spot; the way is in air, intensity falls with its square.

    Raises:
        ValueError: a voltage or an angle that the table has not, an unknown filter.
    """
    spectrum = _unfiltered(float(kvp), float(anode_angle_deg)) * (1000.0 / distance_mm) ** 2
    for material, thickness in (*filters_mm, ("air", distance_mm)):
        if material not in DENSITY:
            raise ValueError(f"filter: got {material!r}; expected one of {', '.join(DENSITY)}")
        grams = DENSITY[material] * thickness / 10.0
        spectrum = spectrum * np.exp(-mass_attenuation(material) * grams)
    return spectrum


@cache
def _unfiltered(kvp: float, angle: float) -> np.ndarray:
    table = read_tube_table()
    for name, value, ends in (
        ("kvp", kvp, voltage_range()),
        ("anode_angle", angle, angle_range()),
    ):
        if not ends[0] <= value <= ends[1]:
            raise ValueError(f"{name}: got {value!r}; expected {ends[0]:g} to {ends[1]:g}")
    at = float(np.interp(kvp, table.voltage_kv, np.arange(len(table.voltage_kv))))
    low = min(int(at), len(table.voltage_kv) - 2)
    part = at - low
    return (1 - part) * _at_angle(low, angle, kvp) + part * _at_angle(low + 1, angle, kvp)


def _at_angle(voltage: int, angle: float, kvp: float) -> np.ndarray:
    """Spectrum of one tabled voltage at an angle, its end moved to `kvp`.

    Only the last tenth of the energies is stretched: characteristic lines stay where they are.
    """
    table = read_tube_table()
    tabled = table.voltage_kv[voltage]
    place = float(np.interp(angle, table.angle_deg, np.arange(len(table.angle_deg))))
    low = min(int(place), len(table.angle_deg) - 2)
    part = place - low
    one, other = (np.maximum(table.fluence[low + n, voltage], 1e-30) for n in (0, 1))
    found = one ** (1 - part) * other**part
    if tabled == kvp:
        return np.where(kvp > ENERGIES_KEV, found, 0.0)
    begin = 0.9 * min(tabled, kvp)
    moved = begin + (ENERGIES_KEV - begin) * (tabled - begin) / (kvp - begin)
    source = np.where(begin > ENERGIES_KEV, ENERGIES_KEV, moved)
    return np.where(kvp > ENERGIES_KEV, np.interp(source, ENERGIES_KEV, found), 0.0)


def air_kerma(spectrum: np.ndarray) -> float:
    """Air kerma of a spectrum of photons / (cm² keV) [µGy]; Σ N E (μ_en/ρ)."""
    absorbed = read_attenuation()["air, energy absorption"]
    return float((spectrum * ENERGIES_KEV * absorbed).sum()) * KERMA_PER_KEV_CM2_G


def half_value_layer(spectrum: np.ndarray, material: str = "aluminium") -> float:
    """Thickness [mm] of a material that halves the air kerma, by bisection."""
    per_mm = mass_attenuation(material) * DENSITY[material] / 10.0
    low, high = 0.0, 200.0
    half = air_kerma(spectrum) / 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        above = air_kerma(spectrum * np.exp(-per_mm * middle)) > half
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2.0


def mean_energy(spectrum: np.ndarray) -> float:
    """Mean energy of the photons [keV]."""
    return float((spectrum * ENERGIES_KEV).sum() / spectrum.sum())
