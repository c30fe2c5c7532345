"""A sample as a detector shows it: which exposure was drawn, and what it makes of the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneXrayLib.exposure import expose, named_exposure
from BoneXrayLib.geometry import Geometry
from BoneXrayLib.physics.exposure_config import ExposureConfig
from BoneXrayLib.physics.thicknesses import EXPOSURE_EDGES, object_of_bins
from BoneXrayLib.projection import PreparedParts, project_bins

from ..mappings import from_mapping

SEEDS = 2**31


@dataclass(frozen=True)
class DrawnExposure:
    """The exposure of one sample: with its patient and geometry it is the picture."""

    name: str
    config: ExposureConfig
    """Tube, filters, grid, detector and the seed of the noise."""


def draw_exposure(rng: np.random.Generator, names: tuple[str, ...]) -> DrawnExposure | None:
    """One of the named exposures with a noise of its own; None, and nothing drawn, without any."""
    if not names:
        return None
    name = names[int(rng.integers(len(names)))]
    return DrawnExposure(name, named_exposure(name, seed=int(rng.integers(SEEDS))))


def read_exposure(about: Mapping | None) -> DrawnExposure | None:
    """What a record says was drawn."""
    return None if about is None else from_mapping(DrawnExposure, about, "exposure")


def exposed_images(
    drawn: DrawnExposure,
    patient: PreparedParts,
    geometry: Geometry,
    bone: np.ndarray,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Detector densities (rows, columns) by name, and the open beam in numbers.

    Args:
        drawn: the exposure.
        patient: where it was projected.
        geometry: of the sample.
        bone: optical density of the bones, (rows, columns).

    Returns:
        exposed, with its noise, and exposed_bone, what the bones add to it; the beam.
    """
    parts = object_of_bins(project_bins(patient, geometry, EXPOSURE_EDGES), bone)
    found = expose(parts, geometry, drawn.config)
    return {"exposed": found.full.pixels, "exposed_bone": found.bone.pixels}, found.beam
