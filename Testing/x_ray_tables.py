"""How the tables in BoneXrayLib/tables were made, and whether they still agree with their sources.

`python Testing/x_ray_tables.py` compares, `--write` makes them anew (about ten minutes). Needs
spekpy and xraydb (MIT licences, pure Python): the tables spare every user these two, which bring
164 MB, matplotlib and SQLAlchemy, and take seconds for a spectrum.

spectra.npz: photons / (cm² keV mAs) at 1 m without any filter, tungsten anode; spekpy 2.5, model
"casim" (Omar, Andreo and Poludniowski, Med. Phys. 47, 4763, 2020). attenuation.csv: mass
attenuation of materials by the mixture rule, xraydb 4.5 (Elam, Ravel and Sieber, Radiat. Phys.
Chem. 63, 121, 2002); the energy absorption of air is NIST's (Hubbell and Seltzer, NISTIR 5632).
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from BoneXrayLib.physics.materials import COMPOSITIONS, ENERGIES_KEV, TABLES, read_attenuation
from BoneXrayLib.physics.spectra import read_tube_table

VOLTAGES = np.arange(40.0, 151.0, 2.0)
ANGLES = np.array([6.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0])
AIR_ENERGY_ABSORPTION = "air, energy absorption"


def attenuation() -> dict[str, np.ndarray]:
    """Mass attenuation [cm²/g] of each material at `ENERGIES_KEV`."""
    import xraydb

    found = {
        name: sum(
            share * xraydb.mu_elam(element, 1000.0 * ENERGIES_KEV)
            for element, share in composition.items()
        )
        for name, composition in COMPOSITIONS.items()
    }
    return found | {AIR_ENERGY_ABSORPTION: energy_absorption_of_air()}


def energy_absorption_of_air() -> np.ndarray:
    """NIST's table as spekpy ships it, between its energies log-log."""
    import json

    import spekpy

    path = Path(spekpy.__file__).parent / "data/tables/nist_muen_air.dat"
    table = json.loads(path.read_text())
    at, values = np.log(1000.0 * np.array(table["photon energy"])), table["muen_over_rho_air"]
    return np.exp(np.interp(np.log(ENERGIES_KEV), at, np.log(values)))


def spectrum(voltage: float, angle: float) -> np.ndarray:
    """Photons / (cm² keV mAs) at 1 m, unfiltered, at `ENERGIES_KEV`."""
    import spekpy

    _, fluence = spekpy.Spek(kvp=voltage, th=angle, dk=1, z=100, mas=1).get_spectrum(edges=False)
    padded = np.zeros(len(ENERGIES_KEV))
    padded[: len(fluence)] = fluence
    return padded


def write() -> None:
    """Make both tables anew."""
    TABLES.mkdir(exist_ok=True)
    columns = attenuation()
    with (TABLES / "attenuation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["keV", *columns])
        for row in zip(ENERGIES_KEV, *columns.values(), strict=True):
            writer.writerow([f"{value:.5g}" for value in row])
    spectra = [[spectrum(v, a) for v in VOLTAGES] for a in ANGLES]
    np.savez_compressed(
        TABLES / "spectra.npz",
        angle_deg=ANGLES,
        voltage_kv=VOLTAGES,
        fluence=np.array(spectra, np.float32),
    )


def largest_differences() -> dict[str, float]:
    """Relative differences between the tables and their sources: attenuation, spectra."""
    shipped = read_attenuation()
    found = attenuation()
    mu = max(float(np.abs(shipped[n] / found[n] - 1).max()) for n in found)
    table = read_tube_table()
    seen = []
    for a, v in ((0, 0), (3, 40), (6, 55)):
        true = spectrum(table.voltage_kv[v], table.angle_deg[a])
        seen.append(float(np.abs(table.fluence[a, v] - true).max() / true.max()))
    return {"attenuation": mu, "spectra": max(seen)}


def main() -> int:
    """Compare or write; 1 when the tables are not those of their sources."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="make the tables anew")
    if parser.parse_args().write:
        write()
        return 0
    differences = largest_differences()
    for name, value in differences.items():
        print(f"{name}: largest relative difference {value:.1e}")
    return int(max(differences.values()) > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
