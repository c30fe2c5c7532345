"""What the user chose of an exposure: a part of the panel's parameter node.

Names and defaults are those of `ExposureConfig`; nothing is repeated here but ranges of widgets.
"""

import dataclasses
from typing import Annotated

import slicer.util
from slicer.parameterNodeWrapper import Choice, Decimals, SingleStep, WithinRange

from ..physics.exposure_config import DETECTORS, EXPOSURES, MARKERS, ExposureConfig, named_exposure
from ..physics.spectra import angle_range, voltage_range

NO_EXPOSURE = "none"
_EXPOSURE = ExposureConfig()
_FIELDS = tuple(field.name for field in dataclasses.fields(ExposureConfig))


class ExposureChoices:
    """Which exposure is shown: tube, grid, detector."""

    exposure: Annotated[str, Choice([NO_EXPOSURE, *EXPOSURES])] = NO_EXPOSURE
    kvp: Annotated[float, WithinRange(*voltage_range()), SingleStep(1), Decimals(0)] = _EXPOSURE.kvp
    mas: Annotated[float, WithinRange(0.01, 1000), SingleStep(0.5), Decimals(2)] = _EXPOSURE.mas
    filtration_al: Annotated[float, WithinRange(0.5, 100), SingleStep(0.5), Decimals(2)] = (
        _EXPOSURE.filtration_al
    )
    filtration_cu: Annotated[float, WithinRange(0, 10), SingleStep(0.05), Decimals(2)] = (
        _EXPOSURE.filtration_cu
    )
    anode_angle: Annotated[float, WithinRange(*angle_range()), SingleStep(1), Decimals(1)] = (
        _EXPOSURE.anode_angle
    )
    grid: bool = _EXPOSURE.grid
    focal_spot: Annotated[float, WithinRange(0, 10), SingleStep(0.1), Decimals(2)] = (
        _EXPOSURE.focal_spot
    )
    detector: Annotated[str, Choice(list(DETECTORS))] = _EXPOSURE.detector
    scatter: bool = _EXPOSURE.scatter
    blur: bool = _EXPOSURE.blur
    noise: bool = _EXPOSURE.noise
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = _EXPOSURE.seed
    collimation: Annotated[float, WithinRange(0, 1000), SingleStep(5), Decimals(0)] = (
        _EXPOSURE.collimation
    )
    marker: Annotated[str, Choice(list(MARKERS))] = _EXPOSURE.marker

    def use_exposure(self) -> None:
        """Put the settings of the chosen exposure into the fields."""
        if self.exposure != NO_EXPOSURE:
            with slicer.util.NodeModify(self.parameterNode):  # one change, not one for each
                for name in _FIELDS:
                    setattr(self, name, getattr(EXPOSURES[self.exposure], name))

    def exposure_config(self) -> ExposureConfig | None:
        """The exposure to be shown, or None for line integrals."""
        if self.exposure == NO_EXPOSURE:
            return None
        return named_exposure(self.exposure, **{name: getattr(self, name) for name in _FIELDS})
