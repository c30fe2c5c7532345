"""Linear attenuation of a CT: Hounsfield units to 1/mm."""

from __future__ import annotations

import numpy as np

MU_WATER_70KEV = 0.01937
"""Linear attenuation of water at 70 keV [1/mm].

Log-log interpolation between the mass attenuation coefficients 0.2059 cm²/g (60 keV) and
0.1837 cm²/g (80 keV) of NIST's tables (Hubbell and Seltzer, NISTIR 5632), density 1 g/cm³.
"""

AIR_HU = -1000.0


def mu_from_hu(hu: np.ndarray, mu_water: float = MU_WATER_70KEV) -> np.ndarray:
    """Linear attenuation [1/mm], float32, of a CT in Hounsfield units, same shape.

    μ = μ_water · (1 + HU / 1000), never below zero (air); the definition of the Hounsfield
    unit, solved for μ.

    Raises:
        ValueError: `mu_water` is not a positive number.
    """
    check_mu_water(mu_water)
    scaled = np.asarray(hu, dtype=np.float32) * np.float32(mu_water / 1000.0)
    return np.maximum(scaled + np.float32(mu_water), np.float32(0.0))


def check_mu_water(mu_water: float) -> None:
    """Refuse an attenuation of water that is no positive number [1/mm]."""
    if not (np.isfinite(mu_water) and mu_water > 0):
        raise ValueError(f"mu_water: got {mu_water!r}; expected a positive number [1/mm]")
