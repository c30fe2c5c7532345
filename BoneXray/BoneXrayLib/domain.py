"""Whether an image looks like a radiograph at all: warnings, never a refusal.

A network answers any image. Here a few numbers of the grey values (`image_statistics.py`), weighed
by two small linear models, say what the image looks like instead: a photograph, ultrasound, a
screenshot, or a radiograph upside down in its grey values. `Testing/benchmarks/domain.py` fits the
weights and prints how often they are right.
"""

from __future__ import annotations

import numpy as np

from .dicom.dicom_radiograph import XRAY_NOTE
from .domains.domain_weights import KIND_OFFSETS, KIND_WEIGHTS, POLARITY_WEIGHTS
from .domains.image_statistics import KIND_NAMES, kind_numbers
from .domains.polarity_statistics import POLARITY_NAMES, polarity_numbers
from .picture_files import COLOUR_NOTE
from .radiograph import Radiograph

KINDS = ("photograph", "ultrasound", "screenshot")
ARTICLES = {
    "photograph": "a photograph",
    "ultrasound": "ultrasound",
    "screenshot": "a screenshot or drawing",
}
KIND_THRESHOLD = 1.5
"""Log odds against a radiograph from which a warning is given."""
POLARITY_THRESHOLD = 1.5
"""Log odds for inverted grey values from which a warning is given."""
HEADER_COUNTS = 4.0
"""Log odds by which both rise where a DICOM header says that it is an X-ray image."""
ALIKE = 1.5
"""Kinds whose log odds are so near to the best one's are named with it."""
SMALLEST_SIDE = 48
"""Below it, pixels [rows or columns] do not say what an image is."""
COLOURED = "looks like a photograph or screenshot in colour, not like a radiograph"
INVERTED = (
    "looks inverted, as if bone were dark: load it again as bone dark, or bone bright where that "
    "was said (--polarity bone-dark or bone-bright; in the panel, Stored)"
)


def domain_warnings(radiograph: Radiograph) -> tuple[str, ...]:
    """What an image looks like if not like a bone-bright radiograph, one line each.

    The pixels decide, with what the reader noted: colours, and a DICOM header. Images less than
    `SMALLEST_SIDE` pixels wide or high, and radiographs simulated here (they have a geometry), get
    no warning.
    """
    pixels = radiograph.pixels
    if radiograph.geometry is not None or min(pixels.shape) < SMALLEST_SIDE:
        return ()
    if pixels.min() == pixels.max():
        return ()
    by_header = any(note.startswith(XRAY_NOTE) for note in radiograph.notes)
    asked = HEADER_COUNTS if by_header else 0.0
    if any(note.startswith(COLOUR_NOTE) for note in radiograph.notes):
        return (COLOURED,)
    scores = kind_scores(kind_numbers(pixels))
    if np.logaddexp.reduce(scores) > KIND_THRESHOLD + asked:
        return (f"looks like {_named(scores)}, not like a radiograph",)
    if polarity_margin(polarity_numbers(pixels)) < -POLARITY_THRESHOLD - asked:
        return (INVERTED,)
    return ()


def _named(scores: np.ndarray) -> str:
    """The kind with the highest score, and those that come near."""
    order = np.argsort(-scores)
    return " or ".join(ARTICLES[KINDS[n]] for n in order if scores[n] > scores[order[0]] - ALIKE)


def kind_scores(numbers: np.ndarray) -> np.ndarray:
    """Log odds of each of `KINDS` against a radiograph, (3,), from `kind_numbers`."""
    weights = np.array([KIND_WEIGHTS[name] for name in KIND_NAMES])
    return numbers @ weights + KIND_OFFSETS


def polarity_margin(numbers: np.ndarray) -> float:
    """Log odds that bone is bright, from `polarity_numbers`; odd, as they are."""
    return float(numbers @ [POLARITY_WEIGHTS[name] for name in POLARITY_NAMES])
