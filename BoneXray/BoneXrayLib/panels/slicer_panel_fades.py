"""A slider for each layer of a radiograph: how far it is faded out."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

Colour = tuple[float, float, float]
GREY: Colour = (0.6, 0.6, 0.6)


class FadeSliders:
    """Rows of a form, one a layer; rows are kept and hidden where there are fewer layers."""

    def __init__(self, place: Any, heading: Any, moved: Callable[[str, float], None]) -> None:
        """Make no row yet.

        Args:
            place: widget with a form layout.
            heading: shown where there are sliders.
            moved: told a layer's name and its share, 1 for all of it, 0 for faded out.
        """
        self._form, self._heading, self._moved = place.layout(), heading, moved
        self._rows: list[tuple[Any, Any]] = []
        self._names: list[str] = []
        self._is_set = False

    def show(self, shares: dict[str, float], colours: dict[str, Colour]) -> None:
        """A slider for each share by layer, which stands where it is now."""
        self._names = list(shares)
        while len(self._rows) < len(shares):
            self._rows.append(self._row(len(self._rows)))
        self._heading.visible = bool(shares)
        self._is_set = True
        try:
            for number, (label, slider) in enumerate(self._rows):
                is_used = number < len(shares)
                label.visible = slider.visible = is_used
                if is_used:
                    name = self._names[number]
                    label.text = _labelled(name, colours.get(name, GREY))
                    slider.value = round(100 * (1 - min(shares[name], 1.0)))
        finally:
            self._is_set = False

    def slider(self, name: str) -> Any:
        """The slider of a layer."""
        return self._rows[self._names.index(name)][1]

    @property
    def names(self) -> list[str]:
        """Of the layers that have a slider now."""
        return list(self._names)

    def _row(self, number: int) -> tuple[Any, Any]:
        label, slider = qt.QLabel(), ctk.ctkSliderWidget()
        slider.minimum, slider.maximum = 0.0, 100.0
        slider.decimals, slider.singleStep = 0, 1.0
        slider.suffix = " %"
        slider.toolTip = _("Fade this layer out: 100 % shows the radiograph without it")
        slider.connect("valueChanged(double)", lambda value: self._tell(number, value))
        self._form.addRow(label, slider)
        return label, slider

    def _tell(self, number: int, value: float) -> None:
        if not self._is_set and number < len(self._names):
            self._moved(self._names[number], 1 - value / 100)


def _labelled(name: str, colour: Colour) -> str:
    red, green, blue = (round(255 * c) for c in colour)
    square = f'<span style="color:rgb({red},{green},{blue})">\u25a0</span>'
    return f"{square} {html.escape(name)}:"
