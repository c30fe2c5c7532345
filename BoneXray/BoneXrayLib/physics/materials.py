"""What X-rays pass on their way: mass attenuation by energy, and what a Hounsfield unit is made of.

The coefficients are a shipped table (`tables/attenuation.csv`); Testing/x_ray_tables.py made it
and says from what.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from ..attenuation import MU_WATER_70KEV

TABLES = Path(__file__).parents[1] / "tables"
ENERGIES_KEV = np.arange(1.5, 150.0)
"""Middle of each bin of energy, 1 keV wide; (149,) [keV]."""
CT_KEV = 70.0
"""Energy at which a CT's Hounsfield units are taken to hold: that of `MU_WATER_70KEV`."""

COMPOSITIONS: dict[str, dict[str, float]] = {
    "air": {"C": 0.000124, "N": 0.755268, "O": 0.231781, "Ar": 0.012827},
    "water": {"H": 0.111894, "O": 0.888106},
    "adipose": {
        "H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001,
    },
    "soft tissue": {
        "H": 0.102, "C": 0.143, "N": 0.034, "O": 0.708, "Na": 0.002, "P": 0.003, "S": 0.003,
        "Cl": 0.002, "K": 0.003,
    },
    "cortical bone": {
        "H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002, "P": 0.103,
        "S": 0.003, "Ca": 0.225,
    },
    "iodine": {"I": 1.0},
    "titanium": {"Ti": 1.0},
    "steel": {"Fe": 1.0},
    "lead": {"Pb": 1.0},
    "beryllium": {"Be": 1.0},
    "aluminium": {"Al": 1.0},
    "copper": {"Cu": 1.0},
    "caesium iodide": {"Cs": 0.511549, "I": 0.488451},
    "selenium": {"Se": 1.0},
}  # fmt: skip
"""Mass fractions. Air and the tissues: ICRU Report 44 (1989), as in NISTIR 5632, table 2."""

DENSITY: dict[str, float] = {
    "air": 0.001205,
    "water": 1.0,
    "adipose": 0.95,
    "soft tissue": 1.06,
    "cortical bone": 1.92,
    "beryllium": 1.848,
    "aluminium": 2.699,
    "copper": 8.96,
    "lead": 11.35,
    "caesium iodide": 4.51,
    "selenium": 4.5,
}
"""[g/cm³]; ICRU Report 44 and NISTIR 5632, tables 1 and 2."""

METAL_HU = 3000.0
"""From here on a voxel is taken for metal: the densest enamel ends about there, and so do the
12 bits (3071) of a CT; between cortical bone and this it is bone denser than the table's."""


@cache
def read_attenuation() -> dict[str, np.ndarray]:
    """Mass attenuation [cm²/g] by material, (149,) at `ENERGIES_KEV`; read once."""
    with (TABLES / "attenuation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    values = np.array([[float(cell) for cell in row] for row in rows[1:]])
    return dict(zip(rows[0][1:], values[:, 1:].T, strict=True))


def mass_attenuation(material: str, energies_kev: np.ndarray | float = ENERGIES_KEV) -> np.ndarray:
    """Mass attenuation coefficient μ/ρ [cm²/g] at these energies, log-log between table entries.

    Raises:
        ValueError: no such material.
    """
    table = read_attenuation()
    if material not in table:
        raise ValueError(f"material: got {material!r}; expected one of {', '.join(table)}")
    at = np.log(np.asarray(energies_kev, dtype=np.float64))
    return np.exp(np.interp(at, np.log(ENERGIES_KEV), np.log(table[material])))


def material_hu(material: str) -> float:
    """Hounsfield units of a material of its tabled density, at `CT_KEV`."""
    mu_per_mm = DENSITY[material] * float(mass_attenuation(material, CT_KEV)) / 10.0
    return 1000.0 * (mu_per_mm / MU_WATER_70KEV - 1.0)


def shares(hu: np.ndarray) -> dict[str, np.ndarray]:
    """Which material takes which share of a voxel's attenuation at `CT_KEV`.

    Air and lung are soft tissue of less density; from fat to soft tissue and from soft tissue to
    cortical bone a voxel is a mixture of the two by volume; denser than cortical bone it is all
    bone, from `METAL_HU` on metal, taken as steel. The shares add up to one, so that every
    decomposition gives back the CT's own attenuation at `CT_KEV`.

    Args:
        hu: any shape, [HU].

    Returns:
        Shares 0 to 1 in that shape, by material.
    """
    hu = np.asarray(hu, dtype=np.float64)
    fat, soft, bone = (material_hu(n) for n in ("adipose", "soft tissue", "cortical bone"))
    found = {"adipose": np.zeros_like(hu), "cortical bone": np.zeros_like(hu)}
    # Below fat, voxels at the skin and in the lung are tissue and air: lung ends where fat begins.
    lung_ends = 2.0 * fat
    by_volume = np.clip((soft - hu) / (soft - fat), 0.0, 1.0)
    by_volume = np.where(hu < fat, np.clip((hu - lung_ends) / (fat - lung_ends), 0, 1), by_volume)
    found["adipose"] = by_volume * np.where(hu < fat, 1.0, _over(fat, hu))
    by_volume = np.clip((hu - soft) / (bone - soft), 0.0, 1.0)
    found["cortical bone"] = np.where(hu < bone, by_volume * _over(bone, hu), 1.0)
    found["steel"] = (hu >= METAL_HU).astype(np.float64)
    found["cortical bone"] = np.where(hu >= METAL_HU, 0.0, found["cortical bone"])
    found["soft tissue"] = np.clip(1.0 - sum(found.values()), 0.0, 1.0)
    return found


def _over(one_hu: float, hu: np.ndarray) -> np.ndarray:
    """Attenuation at `one_hu` over that at `hu`."""
    return (1000.0 + one_hu) / np.maximum(1000.0 + hu, 1e-3)
