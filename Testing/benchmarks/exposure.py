"""The physics of an exposure against laws, published values and direct sums.

Run with `python Testing/benchmarks/exposure.py [--json FILE]`. Every check prints its figure and
its limit; exits with 1 when one is missed. Some seconds; no data needed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from published_values import IEC_HVL, NIST_MU, PANEL_MTF, PUBLISHED_HVL

sys.path.insert(0, str(Path(__file__).parents[1]))  # for x_ray_tables

from BoneXrayLib.bone import Parts
from BoneXrayLib.exposure import expose, named_exposure
from BoneXrayLib.geometry import Geometry, GeometryConfig, make_geometry
from BoneXrayLib.phantoms import synthetic_limb
from BoneXrayLib.physics.detector import CSI, blurred, detect, open_beam, transfer
from BoneXrayLib.physics.materials import CT_KEV, ENERGIES_KEV, mass_attenuation
from BoneXrayLib.physics.scatter import GRID_PRIMARY, GRID_SCATTER, SCATTER_PER_GRAM, scattered
from BoneXrayLib.physics.spectra import half_value_layer, tube_spectrum
from BoneXrayLib.physics.thicknesses import (
    EXPOSURE_EDGES,
    Object,
    object_of_bins,
    thicknesses_of_bins,
)
from BoneXrayLib.projection import prepare, project_bins


class Check(NamedTuple):
    """One figure and the limit it must keep."""

    name: str
    value: float
    limit: float

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps its limit."""
        return bool(self.value <= self.limit)


def geometry(pixels: int = 256, pixel: float = 1.0) -> Geometry:
    """A frontal view of the usual distances."""
    config = GeometryConfig(size=(pixels, pixels), pixel=pixel)
    return make_geometry(config, np.zeros(3))


def line(energy: float, photons: float) -> np.ndarray:
    """A spectrum of one energy."""
    return np.where(np.abs(ENERGIES_KEV - energy) < 0.25, photons, 0.0)


def slab(**grams: float) -> dict[str, np.ndarray]:
    """One row of pixels of these materials, `_` for a space."""
    return {name.replace("_", " "): np.atleast_2d(value) for name, value in grams.items()}


def attenuation() -> Iterator[Check]:
    """Tables, monoenergetic limit, and the division of a CT into materials."""
    published = np.array(list(NIST_MU.values()))
    found = np.array([mass_attenuation(n, np.array([30.0, 60.0, 100.0])) for n in NIST_MU])
    yield Check("mass attenuation, NIST", float(np.abs(found / published - 1).max()), 0.01)
    grams = np.linspace(0.0, 30.0, 301)
    counted = line(60.5, 1e6)
    signal, _ = detect(slab(water=grams), counted, CSI)
    law = np.exp(-mass_attenuation("water", 60.5) * grams)
    relative = signal[0] / open_beam(counted, CSI)[0] / law - 1
    yield Check("monoenergetic exp(-μt)", float(np.abs(relative).max()), 1e-5)
    limb = synthetic_limb()
    parts = Parts(limb.hu, limb.ijk_to_ras, np.zeros((1, 1, 1), np.uint8), None, ("rest",))
    view = project_bins(prepare(parts), geometry(192, 2.0), EXPOSURE_EDGES)
    materials = thicknesses_of_bins(view)
    back = sum(image * mass_attenuation(name, CT_KEV) for name, image in materials.items())
    error = np.abs(back - view.above[0]).max() / view.above[0].max()
    yield Check("materials give back the line integral", float(error), 1e-5)
    parts = object_of_bins(view, view.from_hu(200.0))
    rest = sum(image * mass_attenuation(name, CT_KEV) for name, image in parts.rest.items())
    error = np.abs(rest - view.window(-1000.0, 200.0)).max() / view.above[0].max()
    yield Check("materials without bone give back the rest", float(error), 1e-5)


def half_value_layers() -> Iterator[Check]:
    """Half-value layers of aluminium."""
    for name, (kv, aluminium, published) in PUBLISHED_HVL.items():
        filters = (("aluminium", aluminium), ("beryllium", 1.0))
        found = half_value_layer(tube_spectrum(kv, filters, 20.0, 950.0))
        yield Check(f"HVL {name}, PTB", abs(found / published - 1), 0.02)
    for name, (kv, bare, added, published) in IEC_HVL.items():
        low, high = 0.5, 8.0
        for _ in range(40):
            own = (low + high) / 2
            too_soft = half_value_layer(tube_spectrum(kv, (("aluminium", own),))) < bare
            low, high = (own, high) if too_soft else (low, own)
        found = half_value_layer(tube_spectrum(kv, (("aluminium", own + added),)))
        yield Check(f"HVL {name}, IEC 61267", abs(found / published - 1), 0.02)


def hardening() -> Iterator[Check]:
    """The polychromatic sum against one written out, in doubles."""
    random = np.random.default_rng(1)
    grams = {"soft tissue": random.uniform(0, 30, (1, 400)),
             "cortical bone": random.uniform(0, 8, (1, 400)),
             "steel": random.uniform(0, 1, (1, 400))}  # fmt: skip
    worst = 0.0
    for kv in (55.0, 75.0, 120.0):
        spectrum = tube_spectrum(kv, (("aluminium", 3.0),))
        counted = spectrum * CSI.absorbed() * ENERGIES_KEV
        direct = np.zeros(400)
        for n, energy in enumerate(ENERGIES_KEV):
            depth = sum(mass_attenuation(m, energy) * g[0] for m, g in grams.items())
            direct += counted[n] * np.exp(-depth)
        found = detect(grams, spectrum, CSI)[0][0]
        worst = max(worst, float(np.abs(np.log(found / direct)).max()))
    yield Check("beam hardening against a direct sum", worst, 1e-4)
    water = np.array([0.001, 5.0, 10.0, 20.0, 30.0])
    spectrum = tube_spectrum(75.0, (("aluminium", 3.0),))
    density = -np.log(detect(slab(water=water), spectrum, CSI)[0][0] / open_beam(spectrum, CSI)[0])
    rising = np.diff(density / water).max()
    yield Check("attenuation per cm falls with depth", float(rising), 0.0)


def noise() -> Iterator[Check]:
    """Variance against Poisson, and against photons drawn one energy at a time."""
    counted = line(60.5, 400.0)
    signal, variance = detect(slab(water=np.array([5.0])), counted, CSI)
    in_photons = (variance / signal**2 * (signal / 60.5))[0, 0]
    yield Check("one energy: variance = mean count", abs(float(in_photons) - 1), 1e-5)
    spectrum = tube_spectrum(80.0, (("aluminium", 3.0),)) * 1e-3
    behind = spectrum * np.exp(-mass_attenuation("water") * 10.0)
    photons = np.random.default_rng(2).poisson(behind * CSI.absorbed(), (200000, 149))
    drawn = photons @ ENERGIES_KEV
    signal, variance = detect(slab(water=np.array([10.0])), spectrum, CSI)
    yield Check("drawn photons: mean", abs(drawn.mean() / signal[0, 0] - 1), 0.005)
    yield Check("drawn photons: variance", abs(drawn.var() / variance[0, 0] - 1), 0.02)
    found = [_flat_noise(mas) for mas in (10.0, 40.0)]
    for mas, (measured, law) in zip((10.0, 40.0), found, strict=True):
        yield Check(f"noise of an exposure, {mas:g} mAs", abs(measured / law - 1), 0.03)
    yield Check("noise falls as 1/√mAs", abs(found[0][0] / found[1][0] / 2 - 1), 0.03)


def _flat_noise(mas: float) -> tuple[float, float]:
    """Relative noise of a flat field: measured, and by the law of energy-integrating detectors."""
    config = named_exposure("pelvis", mas=mas, scatter=False, blur=False, marker="none")
    at = geometry(256, 0.2)
    shape = at.size
    parts = Object({"water": np.full(shape, 15.0)}, {"water": np.full(shape, 15.0)})
    full = expose(parts, at, config).full.pixels
    spectrum = tube_spectrum(75.0, config.filters_mm, 12.0, at.source_detector_mm)
    spectrum = spectrum * mas * 0.02**2 * GRID_PRIMARY
    signal, variance = detect(slab(water=np.array([15.0])), spectrum, CSI)
    mean_kev = (spectrum * ENERGIES_KEV).sum() / spectrum.sum()
    variance = variance[0, 0] + (CSI.electronic * mean_kev * 0.2 / CSI.pixel_mm) ** 2
    return float(full.std()), float(np.sqrt(variance) / signal[0, 0])


def scatter() -> Iterator[Check]:
    """The kernel's two laws, and the grid."""
    count, pixel = 256, (2.0, 2.0)
    flat, water = np.ones((count, count), np.float32), np.full((count, count), 20.0, np.float32)
    ratio = scattered(flat, {"water": water}, pixel)[count // 2, count // 2]
    yield Check("scatter of a wide slab", abs(float(ratio) / (SCATTER_PER_GRAM * 20) - 1), 0.005)
    spot = np.zeros_like(flat)
    spot[120:136, 120:136] = 1.0
    total = scattered(spot, {"water": water}, pixel).sum()
    kept = float(total) / (float(spot.sum()) * SCATTER_PER_GRAM * 20)
    yield Check("scatter is neither lost nor made", abs(kept - 1), 0.005)
    behind = 4.51 * GRID_SCATTER / GRID_PRIMARY
    yield Check("grid: ratio behind 30 cm acrylic, 1.28", abs(behind / 1.28 - 1), 0.05)


def sharpness() -> Iterator[Check]:
    """The blur's transfer against its formula and the published one."""
    pixel, count = 0.05, 256
    point = np.zeros((count, count), np.float32)
    point[count // 2, count // 2] = 1.0
    image = blurred(point, (pixel, pixel), CSI.mtf)
    yield Check("blur keeps the sum", abs(float(image.sum()) - 1), 1e-4)
    seen = np.abs(np.fft.rfft(image.sum(axis=0)))
    cycles = np.fft.rfftfreq(count, pixel)
    low = cycles < 4.0
    error = np.abs(seen - transfer(CSI.mtf, np.zeros(1), cycles))[low].max()
    yield Check("MTF of the image", float(error), 0.005)
    found = transfer(CSI.mtf, np.zeros(1), np.array(list(PANEL_MTF)))
    error = np.abs(found - np.array(list(PANEL_MTF.values()))).max()
    yield Check("MTF, published", float(error), 0.01)


def pictures() -> Iterator[Check]:
    """Mirror, polarity, sum of bone and rest."""
    at = geometry(200)
    random = np.random.default_rng(3)
    soft = np.clip(15 + random.normal(0, 2, at.size), 0, None)
    bone = np.zeros(at.size)
    bone[40:160, 60:90] = 3.0
    config = named_exposure("pelvis", noise=False, marker="none")
    clear = {"soft tissue": soft}
    parts = Object(clear | {"cortical bone": bone}, clear)
    seen = expose(parts, at, config)
    turned = Object(*({n: i[:, ::-1] for n, i in p.items()} for p in (parts.everything, clear)))
    mirrored = expose(turned, at, config)
    error = np.abs(mirrored.full.pixels[:, ::-1] - seen.full.pixels).max()
    yield Check("a mirrored patient gives a mirrored picture", float(error), 1e-4)
    without = expose(Object(clear, clear), at, config).full.pixels
    inside = bone > 0
    shown = seen.display.pixels
    dark = shown[~inside].mean() - shown[inside].mean()
    yield Check("bone is brighter (negative difference)", float(dark), -0.1)
    blind = named_exposure("pelvis", noise=False, marker="none", scatter=False)
    full, bones = (getattr(expose(parts, at, blind), n).pixels for n in ("full", "bone"))
    without = expose(Object(clear, clear), at, blind).full.pixels
    yield Check("without bones + bones = all", float(np.abs(full - bones - without).max()), 1e-4)


def speed() -> Iterator[Check]:
    """Beer and Lambert at 512², three materials; processors' time, whatever else runs."""
    random = np.random.default_rng(4)
    grams = {n: random.uniform(0, 9, (512, 512)).astype(np.float32)
             for n in ("adipose", "soft tissue", "cortical bone")}  # fmt: skip
    spectrum = tube_spectrum(120.0, (("aluminium", 3.0),))
    seconds = []
    for _ in range(9):
        began = time.process_time()
        detect(grams, spectrum, CSI)
        seconds.append(time.process_time() - began)
    yield Check("512², 120 kVp: s of two processors", statistics.median(seconds) / 2, 0.1)


def tables() -> Iterator[Check]:
    """The shipped tables against spekpy and xraydb, where these are installed."""
    try:
        import spekpy  # noqa: F401
        import xraydb  # noqa: F401
    except ImportError:
        print("tables: not compared, spekpy and xraydb are not installed (bone-xray[tables])")
        return
    from x_ray_tables import largest_differences

    for name, difference in largest_differences().items():
        yield Check(f"table of {name}, against its source", difference, 1e-3)


def main() -> int:
    """Print every check; 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    groups = (attenuation, half_value_layers, hardening, noise, scatter, sharpness, pictures,
              speed, tables)  # fmt: skip
    found = []
    for group in groups:
        for check in group():
            found.append(check)
            verdict = "" if check.is_met else "  MISSED"
            print(f"{check.name:46s} {check.value:10.2e}  limit {check.limit:8.1e}{verdict}")
    missed = [check.name for check in found if not check.is_met]
    print(f"{len(found) - len(missed)} of {len(found)} checks kept their limits")
    if options.json:
        options.json.write_text(json.dumps([c._asdict() for c in found], indent=2) + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
