"""The panel's group "Exposure": whether line integrals are shown, or what a detector makes of them.

The images themselves are `CtSection`'s: a changed setting makes its preview expose again.
"""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ..physics.exposure_config import EXPOSURES, ExposureConfig
from ..physics.spectra import half_value_layer, mean_energy, tube_spectrum
from ..scene.slicer_exposure_parameters import NO_EXPOSURE
from ..scene.slicer_parameters import is_same


class ExposureSection:
    """Puts a named exposure's settings into the fields; says what beam they give."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._parameters: Any = None
        self._name = NO_EXPOSURE

    def follow(self, parameters: Any) -> None:
        """Show and serve these choices from now on."""
        if parameters is not None and not is_same(parameters, self._parameters):
            self._name = parameters.exposure
        self._parameters = parameters
        if parameters is not None:
            _name_exposures(self._ui.exposureBox)
            self.update()

    def update(self) -> None:
        """The choices changed."""
        parameters = self._parameters
        if parameters is None:
            return
        if parameters.exposure != self._name:
            self._name = parameters.exposure
            parameters.use_exposure()  # comes back here with the new settings
        config = parameters.exposure_config()
        for name in ("kvpBox", "masBox", "gridBox", "scatterBox", "noiseBox", "collimationBox",
                     "exposureMoreButton"):  # fmt: skip
            getattr(self._ui, name).enabled = config is not None
        self._ui.exposureStatus.text = _("Line integrals.") if config is None else in_words(config)


def in_words(config: ExposureConfig) -> str:
    """The beam of an exposure, as a physicist names it."""
    beam = tube_spectrum(config.kvp, config.filters_mm, config.anode_angle)
    return _(
        "Half-value layer {layer:.1f} mm aluminium, mean energy {energy:.0f} keV. "
        "All but bone counts as soft tissue here."
    ).format(layer=half_value_layer(beam), energy=mean_energy(beam))


def _name_exposures(box: Any) -> None:
    """Say what the bare words of the list mean."""
    box.setItemData(0, _("Show line integrals: what adds up, and what networks take"),
                    qt.Qt.ToolTipRole)  # fmt: skip
    for index, config in enumerate(EXPOSURES.values(), 1):
        grid = _("grid") if config.grid else _("no grid")
        text = _("{kvp:.0f} kV, {mas:g} mAs, {grid}")
        text = text.format(kvp=config.kvp, mas=config.mas, grid=grid)
        box.setItemData(index, text, qt.Qt.ToolTipRole)
