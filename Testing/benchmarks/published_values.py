"""What `exposure.py` is held against, each with its source."""

from __future__ import annotations

PUBLISHED_HVL = {
    "RQR 2": (40, 2.5, 1.36), "RQR 3": (50, 2.5, 1.72), "RQR 4": (60, 2.5, 2.02),
    "RQR 5": (70, 2.5, 2.29), "RQR 6": (80, 2.5, 2.59), "RQR 7": (90, 2.5, 2.91),
    "RQR 8": (100, 2.5, 3.23), "RQR 9": (120, 2.5, 3.88), "RQA 2": (40, 6.5, 2.13),
    "RQA 3": (50, 12.5, 3.67), "RQA 4": (60, 18.5, 5.24), "RQA 5": (70, 23.5, 6.64),
    "RQA 6": (80, 28.5, 7.96), "RQA 7": (90, 32.5, 9.03), "RQA 8": (100, 36.5, 9.93),
    "RQA 9": (120, 42.5, 11.37),
}  # fmt: skip
"""kV, aluminium [mm], first half-value layer [mm Al]: the PTB's catalogue of X-ray spectra
(Ankerhold, PTB-Dos-34, 2000; 20° tungsten anode, 1 mm beryllium, 950 mm air)."""
IEC_HVL = {"RQA 3": (50, 1.78, 10, 3.8), "RQA 5": (70, 2.58, 21, 6.8), "RQA 7": (90, 3.48, 30, 9.2),
           "RQA 9": (120, 5.00, 40, 11.6)}  # fmt: skip
"""IEC 61267 (2005): kV, half-value layer of the RQR quality, aluminium added to it, and the half-
value layer that the RQA quality then has [mm Al]. The tube's own filtration follows from RQR."""
NIST_MU = {
    "water": (0.3756, 0.2059, 0.1707), "adipose": (0.3063, 0.1974, 0.1688),
    "soft tissue": (0.3790, 0.2048, 0.1693), "cortical bone": (1.331, 0.3148, 0.1855),
    "aluminium": (1.128, 0.2778, 0.1704),
}  # fmt: skip
"""Mass attenuation [cm²/g] at 30, 60 and 100 keV (Hubbell and Seltzer, NISTIR 5632)."""
PANEL_MTF = {1.29: 0.5, 2.5: 0.2, 3.8: 0.1}
"""At frequencies [1/mm]: Marshall et al. 2011; Samei 2003."""
